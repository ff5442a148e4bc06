//! `authentication` and `auth_hmac`.

use std::path::Path;
use std::time::Duration;

use crate::config::Unreadable;
use crate::config::confusable::lint_strange;
use crate::config::diag::{Class, Problem};
use crate::config::keywords::field::Field;
use crate::config::keywords::{Keyword, Table};
use crate::config::lossless;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::tree::Statement;
use crate::config::vrrp::{HmacKey, HmacMode, ReplayGuard, Secret};

/// What `authentication` says.
#[derive(Default)]
pub(crate) struct AuthenticationDraft {
    pub(crate) kind: Option<(AuthenticationKind, Span)>,
    pub(crate) password: Option<[u8; 8]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthenticationKind {
    Pass,
    Ah,
}

/// What `auth_hmac` says.
pub(crate) struct HmacDraft {
    pub(crate) span: Span,
    pub(crate) keys: Vec<HmacKey>,
    pub(crate) active: Option<u32>,
    pub(crate) window: Option<Duration>,
    pub(crate) replay: ReplayGuard,
    pub(crate) mode: Option<(HmacMode, Span)>,
}

type Row = Keyword<AuthenticationDraft>;

#[rustfmt::skip]
pub(crate) static AUTHENTICATION: Table<AuthenticationDraft> = Table {
    name: "authentication",
    keywords: &[
        Row::line("auth_type", "PASS|AH",
            "PASS: a password in clear in every advert. AH: a signature of every advert.",
            auth_type),
        Row::line("auth_pass", "STRING", "The password; 8 octets count.", auth_pass),
    ],
};

type HmacRow = Keyword<HmacDraft>;

#[rustfmt::skip]
pub(crate) static HMAC: Table<HmacDraft> = Table {
    name: "auth_hmac",
    keywords: &[
        HmacRow::line("key", "INT VALUE",
            "A key: its number, 1..255, and 32 to 64 octets as they are, behind hex: in \
             hexadecimal, or behind file: the path of a file that holds either.",
            key).judging_itself(),
        HmacRow::field("active_key", "INT 1..255", "The number of the key that signs. Needed.",
            Field::Exact(|draft| &mut draft.active)),
        HmacRow::field("time_window", "INT 1..300",
            "Seconds an advert may be old, three adverts but at least 5 unless given.",
            Field::WholeSeconds(|draft| &mut draft.window)),
        HmacRow::line("anti_replay", "time|monotonic", "By clocks, or by a counter.",
            anti_replay),
        HmacRow::line("mode", "enforce|permissive|receive-only",
            "What becomes of adverts that are not signed well.", mode),
    ],
};

impl HmacDraft {
    pub(super) fn new(span: Span) -> Self {
        Self {
            span,
            keys: Vec::new(),
            active: None,
            window: None,
            replay: ReplayGuard::default(),
            mode: None,
        }
    }
}

fn auth_type(draft: &mut AuthenticationDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let kind = match word.text.as_str() {
        "PASS" => AuthenticationKind::Pass,
        "AH" => AuthenticationKind::Ah,
        _ => return report.reject(word, "PASS or AH"),
    };
    draft.kind = Some((kind, statement.span()));
}

fn auth_pass(draft: &mut AuthenticationDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    lint_strange(word, report);
    let octets = lossless::encode(&word.text);
    // "" is no password, here and for the routers that are to hear us.
    if octets.is_empty() {
        draft.password = None;
        return;
    }
    let mut password = [0; 8];
    if octets.len() > password.len() {
        let message = format!(
            "a password of {} octets, the first 8 are used",
            octets.len()
        );
        report.add(Problem::error(word.span, message));
    }
    for (into, octet) in password.iter_mut().zip(octets) {
        *into = octet;
    }
    draft.password = Some(password);
}

/// `key ID VALUE`.
fn key(draft: &mut HmacDraft, statement: &Statement, report: &mut Report<'_>) {
    let (Some(id), Some(value)) = (statement.argument(1), statement.argument(2)) else {
        return;
    };
    let Some(id) = report.within(id, 1, 255) else {
        return;
    };
    if draft.keys.iter().any(|key| key.id == id) {
        let message = format!("key {id} is given twice, the first counts");
        return report.add(Problem::error(statement.span(), message));
    }
    let file = value.text.strip_prefix("file:");
    let octets = match file {
        None => octets_of(&lossless::encode(&value.text)),
        Some(path) => match report.host.read_secret(Path::new(path)) {
            Ok(content) => octets_of(content.trim_ascii_end()),
            Err(error) => {
                let message = format!("cannot read {path}: {error}; the key is ignored");
                let problem = Problem::error(value.span, message);
                let exposed = matches!(error, Unreadable::Exposed);
                let class = if exposed {
                    Class::Security
                } else {
                    Class::Text
                };
                return report.add(problem.class(class));
            }
        },
    };
    let Some(octets) = octets else {
        let message = "a key has 32 to 64 octets, this one is ignored";
        return report.add(Problem::error(value.span, message));
    };
    let secret = match file {
        None => Secret::Octets(octets),
        Some(path) => Secret::File {
            path: path.to_owned(),
            octets,
        },
    };
    draft.keys.push(HmacKey { id, secret });
}

/// A key as it is, or behind hex: in hexadecimal.
fn octets_of(value: &[u8]) -> Option<Vec<u8>> {
    const LENGTHS: std::ops::RangeInclusive<usize> = 32..=64;
    let octets = match value.strip_prefix(b"hex:") {
        Some(digits) => hexadecimal(std::str::from_utf8(digits).ok()?),
        None => Some(value.to_vec()),
    };
    octets.filter(|octets| LENGTHS.contains(&octets.len()))
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = digits
        .chars()
        .map(|digit| digit.to_digit(16))
        .collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let octet = |pair: &[u32]| {
        let value = pair.iter().fold(0, |value, digit| value << 4 | digit);
        u8::try_from(value).ok()
    };
    digits.chunks(2).map(octet).collect()
}

fn anti_replay(draft: &mut HmacDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    draft.replay = match word.text.as_str() {
        "time" => ReplayGuard::Time,
        "monotonic" => ReplayGuard::Monotonic,
        _ => return report.reject(word, "time or monotonic"),
    };
}

fn mode(draft: &mut HmacDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let mode = match word.text.as_str() {
        "enforce" => HmacMode::Enforce,
        "permissive" => HmacMode::Permissive,
        "receive-only" => HmacMode::ReceiveOnly,
        _ => return report.reject(word, "enforce, permissive or receive-only"),
    };
    draft.mode = Some((mode, word.span));
}
