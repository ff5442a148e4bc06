//! `HTTP_GET`, `SSL_GET` and their `url` blocks.

use std::ops::RangeInclusive;

use crate::config::check::{HttpVersion, RegexOption, TlsTrust, TlsVerify};
use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::script::escaped;
use crate::config::source::Span;
use crate::config::tree::{Statement, Word};

use super::checker::{CheckDraft, connection, generic};
use super::field::Field;
use super::global::{number, text};
use super::root::inside;
use super::{Keyword, Table, joined, suggestion};

/// What only checks over HTTP say.
#[derive(Default)]
pub(crate) struct HttpDraft {
    /// `SSL_GET`.
    pub(crate) tls: bool,
    pub(crate) version: HttpVersion,
    pub(crate) virtualhost: Option<String>,
    pub(crate) server_name: ServerName,
    pub(crate) fast_recovery: bool,
    pub(crate) close_notify: bool,
    pub(crate) trust: TlsTrust,
    pub(crate) urls: Vec<UrlDraft>,
}

/// The name for the TLS handshake.
#[derive(Default)]
pub(crate) enum ServerName {
    #[default]
    None,
    /// That of the virtual host.
    Host,
    Given(String),
}

/// What a `url` says.
#[derive(Default)]
pub(crate) struct UrlDraft {
    pub(crate) span: Span,
    /// Of an `SSL_GET`.
    pub(crate) tls: bool,
    pub(crate) path: Option<String>,
    pub(crate) virtualhost: Option<String>,
    pub(crate) digest: Option<[u8; 16]>,
    pub(crate) status: Vec<RangeInclusive<u16>>,
    pub(crate) regex: RegexDraft,
    pub(crate) close_notify: Option<bool>,
}

/// The text of a `regex`, and where it stands.
pub(crate) struct PatternDraft {
    pub(crate) text: String,
    pub(crate) span: Span,
}

#[derive(Default)]
pub(crate) struct RegexDraft {
    pub(crate) pattern: Option<PatternDraft>,
    pub(crate) absent: bool,
    pub(crate) options: Vec<RegexOption>,
    pub(crate) least_offset: u64,
    pub(crate) most_offset: Option<(u64, Span)>,
    pub(crate) stack: Option<(u64, u64)>,
    /// The first keyword that means nothing without a pattern.
    pub(crate) first: Option<Span>,
}

pub(crate) static HTTP_GET: Table<CheckDraft<HttpDraft>> = Table {
    name: "HTTP_GET",
    keywords: &joined::<_, 15, 6, 21>(joined::<_, 7, 8, 15>(connection(), generic()), HTTP),
};

pub(crate) static SSL_GET: Table<CheckDraft<HttpDraft>> = Table {
    name: "SSL_GET",
    keywords: &joined::<_, 21, 4, 25>(
        joined::<_, 15, 6, 21>(joined::<_, 7, 8, 15>(connection(), generic()), HTTP),
        [
            Keyword::field(
                "tls_compliant",
                "[BOOL]",
                "Say goodbye before the connection is closed.",
                Field::Truth(|draft: &mut CheckDraft<HttpDraft>| &mut draft.kind.close_notify),
            ),
            Keyword::line(
                "tls_verify",
                "none|chain|name",
                "What is asked of the certificate: nothing unless given; that an authority vouches \
                 for it; and that it bears the host's name.",
                tls_verify,
            ),
            Keyword::field(
                "tls_ca",
                "PATH",
                "File of the authorities for tls_verify; those of SSL unless given, else those of \
                 the system.",
                Field::Text(|draft: &mut CheckDraft<HttpDraft>| &mut draft.kind.trust.authorities),
            )
            .may_be_bare(),
            Keyword::line(
                "tls_expiry_warning",
                "INT 0..36500",
                "Days before the certificate expires from which on there is a warning each day.",
                |draft: &mut CheckDraft<HttpDraft>, statement, report| {
                    let days = number(statement, 0..=36_500, report);
                    let warning = &mut draft.kind.trust.expiry_warning;
                    *warning = days.or(*warning);
                },
            ),
        ],
    ),
};

const HTTP: [Keyword<CheckDraft<HttpDraft>>; 6] = [
    Keyword::field(
        "virtualhost",
        "STRING",
        "Host to ask for; that of the real_server unless given, else the address.",
        Field::Text(|draft: &mut CheckDraft<HttpDraft>| &mut draft.kind.virtualhost),
    )
    .once_only()
    .may_be_bare(),
    Keyword::line(
        "http_protocol",
        "1.0|1.0C|1.1",
        "1.0 unless given; C asks the server to close the connection.",
        http_protocol,
    ),
    Keyword::line(
        "enable_sni",
        "[BOOL]",
        "Name the host in the TLS handshake.",
        enable_sni,
    ),
    Keyword::line(
        "sni_name",
        "[NAME]",
        "The same, with this name; that of the host unless given.",
        sni_name,
    )
    .once_only(),
    Keyword::field(
        "fast_recovery",
        "[BOOL]",
        "A server that comes back is asked for all pages without delay.",
        Field::Truth(|draft: &mut CheckDraft<HttpDraft>| &mut draft.kind.fast_recovery),
    ),
    Keyword::block("url", "", "One page. All must be right.", &URL, url),
];

pub(crate) static URL: Table<UrlDraft> = Table {
    name: "url",
    keywords: &[
        Keyword::field(
            "path",
            "STRING",
            "What is asked for.",
            Field::Text(|draft: &mut UrlDraft| &mut draft.path),
        )
        .once_only(),
        Keyword::line(
            "digest",
            "HEX",
            "MD5 of the page, 32 digits.",
            |draft: &mut UrlDraft, statement, report| {
                let word = statement.argument(1);
                draft.digest = word.and_then(|word| digest(word, report));
            },
        )
        .first_counts(),
        Keyword::line(
            "status_code",
            "INT|INT-INT ...",
            "Answers that are right, 100..599; 200-299 unless given.",
            |draft: &mut UrlDraft, statement, report| {
                let codes = statement.arguments().iter();
                let codes = codes.filter_map(|word| status(word, report));
                draft.status.extend(codes);
            },
        )
        .judging_itself(),
        Keyword::field(
            "virtualhost",
            "STRING",
            "Host to ask for; that of the check unless given.",
            Field::Text(|draft: &mut UrlDraft| &mut draft.virtualhost),
        )
        .once_only()
        .may_be_bare(),
        Keyword::line(
            "regex",
            "STRING",
            "Must match the page. Escapes are resolved first.",
            |draft: &mut UrlDraft, statement, report| {
                let span = statement.span();
                let text = escaped(statement, report);
                let read = text.map(|text| PatternDraft { text, span });
                let pattern = &mut draft.regex.pattern;
                *pattern = read.or_else(|| pattern.take());
            },
        )
        .once_only()
        .judging_itself()
        .may_be_bare(),
        Keyword::line(
            "regex_no_match",
            "",
            "It must not match.",
            |draft: &mut UrlDraft, statement, _| {
                draft.regex.absent = true;
                draft.regex.first.get_or_insert_with(|| statement.head());
            },
        ),
        Keyword::line(
            "regex_options",
            "WORD ...",
            "Options of PCRE2: caseless, dotall, multiline, extended, ungreedy, utf and more.",
            regex_options,
        )
        .judging_itself(),
        Keyword::line(
            "regex_min_offset",
            "INT 0..",
            "A match starts there or behind.",
            |draft: &mut UrlDraft, statement, report| {
                draft.regex.least_offset = offset(statement, report).unwrap_or(0);
                draft.regex.first.get_or_insert_with(|| statement.head());
            },
        ),
        Keyword::line(
            "regex_max_offset",
            "INT 0..",
            "A match starts there or before.",
            |draft: &mut UrlDraft, statement, report| {
                let most = offset(statement, report);
                draft.regex.most_offset = most.map(|most| (most, statement.span()));
                draft.regex.first.get_or_insert_with(|| statement.head());
            },
        ),
        Keyword::line(
            "regex_stack",
            "INT INT",
            "Octets of the stack for matching, at first and at most.",
            regex_stack,
        ),
        Keyword::line(
            "tls_compliant",
            "[BOOL]",
            "As in SSL_GET, for this page. Not in HTTP_GET.",
            tls_compliant,
        ),
    ],
};

fn http_protocol(
    draft: &mut CheckDraft<HttpDraft>,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    draft.kind.version = match word.text.as_str() {
        "1.0" => HttpVersion::Http10,
        "1.0C" | "1.0c" => HttpVersion::Http10Close,
        "1.1" => HttpVersion::Http11,
        _ => return report.reject(word, "1.0, 1.0C or 1.1, ignored"),
    };
}

fn tls_verify(draft: &mut CheckDraft<HttpDraft>, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let mut known = TlsVerify::ALL.iter();
    match known.find(|(name, _)| word.text == *name) {
        Some((_, verify)) => draft.kind.trust.verify = *verify,
        None => report.reject(word, "none, chain or name, ignored"),
    }
}

fn enable_sni(draft: &mut CheckDraft<HttpDraft>, statement: &Statement, report: &mut Report<'_>) {
    let name = &mut draft.kind.server_name;
    match report.truth(statement.argument(1)) {
        Some(true) if matches!(name, ServerName::None) => *name = ServerName::Host,
        Some(false) => *name = ServerName::None,
        Some(true) | None => {}
    }
}

fn sni_name(draft: &mut CheckDraft<HttpDraft>, statement: &Statement, report: &mut Report<'_>) {
    draft.kind.server_name = match text(statement, report) {
        Some(name) => ServerName::Given(name),
        None => ServerName::Host,
    };
}

fn url(draft: &mut CheckDraft<HttpDraft>, statement: &Statement, report: &mut Report<'_>) {
    let mut url = UrlDraft {
        span: statement.head(),
        tls: draft.kind.tls,
        ..UrlDraft::default()
    };
    URL.read(&mut url, inside(statement), report);
    draft.kind.urls.push(url);
}

fn digest(word: &Word, report: &mut Report<'_>) -> Option<[u8; 16]> {
    let digits = word.text.as_bytes();
    let mut digest = [0; 16];
    let right = digits.len() == 32
        && digest
            .iter_mut()
            .zip(digits.chunks(2))
            .all(|(octet, pair)| {
                let text = std::str::from_utf8(pair).unwrap_or_default();
                let read = u8::from_str_radix(text, 16).ok();
                *octet = read.unwrap_or(0);
                read.is_some() && pair.iter().all(u8::is_ascii_hexdigit)
            });
    if !right {
        report.reject(word, "an MD5 digest of 32 hexadecimal digits, ignored");
        return None;
    }
    Some(digest)
}

/// One code, or the first and the last of several.
fn status(word: &Word, report: &mut Report<'_>) -> Option<RangeInclusive<u16>> {
    let code = |text: &str| -> Option<u16> {
        let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let code = text.parse().ok().filter(|_| all_digits)?;
        (100..=599).contains(&code).then_some(code)
    };
    let (first, last) = word
        .text
        .split_once('-')
        .unwrap_or((&word.text, &word.text));
    match (code(first), code(last)) {
        (Some(first), Some(last)) if first <= last => Some(first..=last),
        _ => {
            report.reject(
                word,
                "a status code or a range of them, 100 to 599, ignored",
            );
            None
        }
    }
}

/// keepalived says nothing about options it does not know.
fn regex_options(draft: &mut UrlDraft, statement: &Statement, report: &mut Report<'_>) {
    draft.regex.first.get_or_insert_with(|| statement.head());
    for word in statement.arguments() {
        let mut known = RegexOption::ALL.iter();
        match known.find(|(name, _)| word.text == *name) {
            Some((_, option)) => draft.regex.options.push(*option),
            None => {
                let message = format!("`{}` is no option of a regex, ignored", word.text);
                let help = suggestion(&word.text, &RegexOption::ALL.map(|(name, _)| name));
                report.add(Problem::warning(word.span, message).maybe_help(help));
            }
        }
    }
}

/// keepalived only logs what is wrong with it.
fn offset(statement: &Statement, report: &mut Report<'_>) -> Option<u64> {
    let word = statement.argument(1)?;
    let all_digits = word.text.bytes().all(|byte| byte.is_ascii_digit());
    let number = word.text.parse().ok().filter(|_| all_digits);
    if number.is_none() {
        let message = format!("`{}` is not a number of octets, ignored", word.text);
        report.add(Problem::warning(word.span, message));
    }
    number
}

fn regex_stack(draft: &mut UrlDraft, statement: &Statement, report: &mut Report<'_>) {
    draft.regex.first.get_or_insert_with(|| statement.head());
    let mut sizes = statement.arguments().iter().map(|word| {
        let size = report.lenient(word, 1..=i64::from(u32::MAX));
        size.map(i64::unsigned_abs)
    });
    let (Some(Some(first)), Some(Some(most))) = (sizes.next(), sizes.next()) else {
        return;
    };
    if first > most {
        let message = "the stack at the start is larger than at most, ignored";
        report.add(Problem::error(statement.span(), message));
        return;
    }
    draft.regex.stack = Some((first, most));
}

fn tls_compliant(draft: &mut UrlDraft, statement: &Statement, report: &mut Report<'_>) {
    if !draft.tls {
        let message = "`tls_compliant` is for SSL_GET, ignored";
        report.add(Problem::error(statement.head(), message));
        return;
    }
    let truth = report.truth(statement.argument(1));
    draft.close_notify = truth.or(draft.close_notify);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AnyHost;
    use crate::config::source::Source;

    #[test]
    fn a_status_code_is_within_100_to_599() {
        let source = Source::default();
        let mut report = Report::new(&AnyHost, &source);
        let mut read = |text: &str| {
            let word = Word {
                text: text.to_owned().into(),
                span: Span::default(),
            };
            status(&word, &mut report)
        };
        assert_eq!(read("200"), Some(200..=200));
        assert_eq!(read("100-599"), Some(100..=599));
        for wrong in ["99", "600", "300-200", "200-", "-200", "2x0", "+200", ""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
