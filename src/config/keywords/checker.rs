//! The checks of a real server, except those of HTTP: what they have in common and what is theirs.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::check::{FileWeight, MaskedOctet, RecordType, Reply};
use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::script::{Script, ScriptUser, command, user};
use crate::config::source::Span;
use crate::config::tree::Statement;

use super::field::Field;
use super::global::number;
use super::http::HttpDraft;
use super::root::inside;
use super::timing::{
    Timed, TimingDraft, alpha, check_retry, connect_timeout, delay_before_retry, delay_loop,
    nb_get_retry, seconds, warmup,
};
use super::track::Named;
use super::{Keyword, Standing, Table, joined, suggestion};

/// A check of any kind. What only some have stands aside: most files have nothing but the first.
pub(crate) enum AnyCheck {
    Tcp(CheckDraft<()>),
    Ping(CheckDraft<()>),
    Http(Box<CheckDraft<HttpDraft>>),
    Smtp(Box<CheckDraft<SmtpDraft>>),
    Dns(Box<CheckDraft<DnsDraft>>),
    Misc(Box<CheckDraft<MiscDraft>>),
    Udp(Box<CheckDraft<UdpDraft>>),
    File(Box<CheckDraft<FileDraft>>),
    Bfd(Box<CheckDraft<BfdDraft>>),
}

/// What a check says: what all of them may say, and what only its kind has.
pub(crate) struct CheckDraft<K> {
    pub(crate) span: Span,
    pub(crate) endpoint: EndpointDraft,
    pub(crate) timing: TimingDraft,
    pub(crate) log_all_failures: bool,
    pub(crate) kind: K,
}

/// Where to connect to and where from.
#[derive(Default)]
pub(crate) struct EndpointDraft {
    pub(crate) connect_ip: Option<(IpAddr, Span)>,
    pub(crate) connect_port: Option<u16>,
    pub(crate) bind_ip: Option<(IpAddr, Span)>,
    pub(crate) bind_port: Option<u16>,
    pub(crate) device: Option<String>,
    pub(crate) mark: Option<u32>,
}

/// A draft with such keywords.
pub(crate) trait Connecting: Timed {
    fn endpoint(&mut self) -> &mut EndpointDraft;
}

/// A draft that says how much is logged.
pub(crate) trait Logging {
    fn log_all_failures(&mut self) -> &mut bool;
}

#[derive(Default)]
pub(crate) struct SmtpDraft {
    pub(crate) helo_name: Option<String>,
    pub(crate) hosts: Vec<HostDraft>,
}

/// `host` of an SMTP check: in effect another check of the same kind.
#[derive(Default)]
pub(crate) struct HostDraft {
    pub(crate) span: Span,
    pub(crate) endpoint: EndpointDraft,
    pub(crate) timing: TimingDraft,
    pub(crate) log_all_failures: bool,
}

#[derive(Default)]
pub(crate) struct DnsDraft {
    pub(crate) record: RecordType,
    pub(crate) name: Option<String>,
}

#[derive(Default)]
pub(crate) struct MiscDraft {
    pub(crate) script: Option<Script>,
    pub(crate) user: Option<ScriptUser>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) dynamic: bool,
}

pub(crate) struct UdpDraft {
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) reply: Reply,
    pub(crate) least: Option<(u16, Span)>,
    pub(crate) most: Option<(u16, Span)>,
}

#[derive(Default)]
pub(crate) struct FileDraft {
    pub(crate) track_file: Option<Named>,
    pub(crate) weight: Option<FileWeight>,
}

#[derive(Default)]
pub(crate) struct BfdDraft {
    pub(crate) instance: Option<Named>,
}

const FOR_CHECK: &str = "As in virtual_server, for this check.";

pub(crate) static TCP_CHECK: Table<CheckDraft<()>> = Table {
    name: "TCP_CHECK",
    keywords: &joined::<_, 7, 8, 15>(connection(), generic()),
};

pub(crate) static PING_CHECK: Table<CheckDraft<()>> = Table {
    name: "PING_CHECK",
    keywords: &joined::<_, 7, 8, 15>(connection(), generic()),
};

pub(crate) static SMTP_CHECK: Table<CheckDraft<SmtpDraft>> = Table {
    name: "SMTP_CHECK",
    keywords: &joined::<_, 15, 2, 17>(
        joined::<_, 7, 8, 15>(connection(), generic()),
        [
            Keyword::field(
                "helo_name",
                "STRING",
                "Name it gives; smtpchecker.keepalived.org unless given.",
                Field::Text(|draft: &mut CheckDraft<SmtpDraft>| &mut draft.kind.helo_name),
            )
            .once_only()
            .may_be_bare(),
            Keyword::block(
                "host",
                "",
                "Old: one more check of this kind, with a connection of its own.",
                &SMTP_HOST,
                host,
            ),
        ],
    ),
};

pub(crate) static SMTP_HOST: Table<HostDraft> = Table {
    name: "host",
    keywords: &joined::<_, 7, 8, 15>(connection(), generic()),
};

pub(crate) static DNS_CHECK: Table<CheckDraft<DnsDraft>> = Table {
    name: "DNS_CHECK",
    keywords: &joined::<_, 15, 2, 17>(
        joined::<_, 7, 8, 15>(connection(), generic()),
        [
            Keyword::line(
                "type",
                "TYPE",
                "A, NS, CNAME, SOA, MX, TXT, AAAA, RRSIG or DNSKEY; SOA unless given.",
                record_type,
            ),
            Keyword::line(
                "name",
                "DOMAIN",
                "What is asked for; the root unless given.",
                domain,
            )
            .first_counts(),
        ],
    ),
};

pub(crate) static MISC_CHECK: Table<CheckDraft<MiscDraft>> = Table {
    name: "MISC_CHECK",
    keywords: &joined::<_, 8, 5, 13>(
        generic(),
        [
            Keyword::line(
                "misc_path",
                "COMMAND",
                "The program, in one pair of quotes with its arguments.",
                |draft: &mut CheckDraft<MiscDraft>, statement, report| {
                    draft.kind.script = command(statement, report);
                },
            )
            .judging_itself(),
            Keyword::line(
                "misc_timeout",
                "SEC",
                "Seconds it may take; delay_loop of the virtual_server unless given.",
                |draft: &mut CheckDraft<MiscDraft>, statement, report| {
                    seconds(&mut draft.kind.timeout, 0.0, statement, report);
                },
            ),
            Keyword::field(
                "misc_dynamic",
                "",
                "An exit code of 2 to 255 is the weight plus 2.",
                Field::Flag(|draft: &mut CheckDraft<MiscDraft>| &mut draft.kind.dynamic),
            ),
            Keyword::line(
                "user",
                "USER [[:]GROUP]",
                "Whom it runs as.",
                |draft: &mut CheckDraft<MiscDraft>, statement, _| {
                    draft.kind.user = user(statement.arguments());
                },
            )
            .may_be_bare(),
            Keyword::line(
                "connect_timeout",
                "[SEC]",
                "A program connects to nothing; misc_timeout is meant.",
                |_, statement, report| {
                    let message = "`connect_timeout` has no effect in `MISC_CHECK`";
                    let help = "write `misc_timeout`";
                    report.add(Problem::warning(statement.head(), message).help(help));
                },
            )
            .standing(Standing::NoEffect),
        ],
    ),
};

pub(crate) static UDP_CHECK: Table<CheckDraft<UdpDraft>> = Table {
    name: "UDP_CHECK",
    keywords: &joined::<_, 15, 4, 19>(
        joined::<_, 7, 8, 15>(connection(), generic()),
        [
            Keyword::line(
                "payload",
                "HEX ...",
                "What is sent, two digits for an octet; a text of ours unless given.",
                payload,
            )
            .may_be_bare()
            .judging_itself(),
            Keyword::line(
                "require_reply",
                "[HEX ...]",
                "Silence is a failure; x stands for any digit of a reply.",
                require_reply,
            )
            .judging_itself(),
            Keyword::line(
                "min_reply_length",
                "INT 0..65535",
                "Octets of the shortest reply; 0 unless given.",
                |draft: &mut CheckDraft<UdpDraft>, statement, report| {
                    length(&mut draft.kind.least, statement, report);
                },
            ),
            Keyword::line(
                "max_reply_length",
                "INT 0..65535",
                "Octets of the longest reply; 255 unless given.",
                |draft: &mut CheckDraft<UdpDraft>, statement, report| {
                    length(&mut draft.kind.most, statement, report);
                },
            ),
        ],
    ),
};

pub(crate) static FILE_CHECK: Table<CheckDraft<FileDraft>> = Table {
    name: "FILE_CHECK",
    keywords: &[
        Keyword::line(
            "track_file",
            "NAME",
            "Which one, defined above.",
            |draft: &mut CheckDraft<FileDraft>, statement, _| {
                draft.kind.track_file = statement.argument(1).map(Named::new);
            },
        ),
        Keyword::line(
            "weight",
            "INT [reverse|noreverse]",
            "What its number is multiplied by; 0: a number other than 0 is down.",
            file_weight,
        )
        .may_be_bare(),
    ],
};

pub(crate) static BFD_CHECK: Table<CheckDraft<BfdDraft>> = Table {
    name: "BFD_CHECK",
    keywords: &[
        Keyword::line(
            "name",
            "NAME",
            "Which one, defined above.",
            |draft: &mut CheckDraft<BfdDraft>, statement, _| {
                draft.kind.instance = statement.argument(1).map(Named::new);
            },
        )
        .first_counts(),
        alpha("The server is down until the session is up."),
    ],
};

/// The keywords of whatever connects.
pub(crate) const fn connection<T: Connecting>() -> [Keyword<T>; 7] {
    [
        Keyword::line(
            "connect_ip",
            "IP",
            "Where to connect; the real server unless given.",
            |draft, statement, report| {
                address(&mut draft.endpoint().connect_ip, statement, report);
            },
        ),
        Keyword::line(
            "connect_port",
            "INT 1..65535",
            "Its port; that of the real server unless given.",
            |draft, statement, report| {
                port(&mut draft.endpoint().connect_port, statement, report);
            },
        ),
        Keyword::line(
            "bindto",
            "IP",
            "Source address.",
            |draft, statement, report| {
                address(&mut draft.endpoint().bind_ip, statement, report);
            },
        ),
        Keyword::line(
            "bind_port",
            "INT 1..65535",
            "Source port.",
            |draft, statement, report| {
                port(&mut draft.endpoint().bind_port, statement, report);
            },
        ),
        Keyword::line(
            "bind_if",
            "IFNAME",
            "Interface to use.",
            |draft, statement, report| {
                let word = statement.argument(1);
                let device = word.and_then(|word| report.interface_name(word));
                draft.endpoint().device = device;
            },
        ),
        Keyword::line(
            "fwmark",
            "INT 0..4294967295",
            "Mark of the packets sent.",
            |draft, statement, report| {
                let mark = number(statement, 0..=i64::from(u32::MAX), report);
                let endpoint = draft.endpoint();
                endpoint.mark = mark.or(endpoint.mark);
            },
        ),
        connect_timeout(FOR_CHECK),
    ]
}

/// The keywords of whatever is tried again and again.
pub(crate) const fn generic<T: Timed + Logging>() -> [Keyword<T>; 8] {
    [
        check_retry(FOR_CHECK),
        nb_get_retry(),
        delay_before_retry(FOR_CHECK),
        warmup(FOR_CHECK),
        delay_loop(FOR_CHECK),
        alpha(FOR_CHECK),
        Keyword::line(
            "log_all_failures",
            "[BOOL]",
            "Log every failed try and not only the last.",
            |draft, statement, report| {
                let truth = report.truth(statement.argument(1));
                let all = draft.log_all_failures();
                *all = truth.unwrap_or(*all);
            },
        ),
        Keyword::line(
            "smtp_alert",
            "[BOOL]",
            "A check sends no mail; smtp_alert of the real_server is meant.",
            |_, statement, report| {
                report.once("smtp_alert of a check", || {
                    let message = "`smtp_alert` has no effect in a check";
                    let help = "write it in the `real_server`";
                    Problem::warning(statement.head(), message).help(help)
                });
            },
        )
        .standing(Standing::NoEffect),
    ]
}

impl<K: Default> CheckDraft<K> {
    pub(crate) fn new(statement: &Statement) -> Self {
        Self {
            span: statement.head(),
            endpoint: EndpointDraft::default(),
            timing: TimingDraft::default(),
            log_all_failures: false,
            kind: K::default(),
        }
    }
}

impl EndpointDraft {
    pub(crate) fn says_nothing(&self) -> bool {
        self.connect_ip.is_none()
            && self.connect_port.is_none()
            && self.bind_ip.is_none()
            && self.bind_port.is_none()
            && self.device.is_none()
            && self.mark.is_none()
    }
}

impl Default for UdpDraft {
    fn default() -> Self {
        Self {
            payload: None,
            reply: Reply::NotNeeded,
            least: None,
            most: None,
        }
    }
}

impl<K> Timed for CheckDraft<K> {
    fn timing(&mut self) -> &mut TimingDraft {
        &mut self.timing
    }
}

impl<K> Connecting for CheckDraft<K> {
    fn endpoint(&mut self) -> &mut EndpointDraft {
        &mut self.endpoint
    }
}

impl<K> Logging for CheckDraft<K> {
    fn log_all_failures(&mut self) -> &mut bool {
        &mut self.log_all_failures
    }
}

impl Timed for HostDraft {
    fn timing(&mut self) -> &mut TimingDraft {
        &mut self.timing
    }
}

impl Connecting for HostDraft {
    fn endpoint(&mut self) -> &mut EndpointDraft {
        &mut self.endpoint
    }
}

impl Logging for HostDraft {
    fn log_all_failures(&mut self) -> &mut bool {
        &mut self.log_all_failures
    }
}

/// Its connection is its own; how often and how patiently it is tried counts for the whole check.
fn host(draft: &mut CheckDraft<SmtpDraft>, statement: &Statement, report: &mut Report<'_>) {
    let message = "`host` is old";
    let help = "write one SMTP_CHECK for each, with connect_ip and connect_port";
    report.add(Problem::warning(statement.head(), message).help(help));
    let mut host = HostDraft {
        span: statement.head(),
        ..HostDraft::default()
    };
    SMTP_HOST.read(&mut host, inside(statement), report);
    let connect_timeout = draft.timing.connect_timeout;
    draft.timing = host.timing.or(draft.timing);
    draft.timing.connect_timeout = connect_timeout;
    draft.log_all_failures |= host.log_all_failures;
    draft.kind.hosts.push(host);
}

fn record_type(draft: &mut CheckDraft<DnsDraft>, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let name = word.text.to_ascii_uppercase();
    let mut known = RecordType::ALL.iter();
    if let Some((_, record)) = known.find(|(known, _)| *known == name) {
        draft.kind.record = *record;
        return;
    }
    let message = format!("`{}` is not a record type that can be asked for", word.text);
    let help = suggestion(&name, &RecordType::ALL.map(|(name, _)| name));
    report.add(Problem::error(word.span, message).maybe_help(help));
}

/// Octets between two dots of a name, and of a whole name (RFC 1035 2.3.4).
const LABEL_MAX: usize = 63;
const DOMAIN_MAX: usize = 253;

fn domain(draft: &mut CheckDraft<DnsDraft>, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let name = word.text.strip_suffix('.').unwrap_or(&word.text);
    let fits = |label: &str| (1..=LABEL_MAX).contains(&label.len());
    if word.text != "." && !(name.len() <= DOMAIN_MAX && name.split('.').all(fits)) {
        return report.reject(word, "the name of a domain, ignored");
    }
    draft.kind.name = Some(word.text.to_string());
}

/// The digits of all arguments: pairs are octets, and a blank ends an octet early.
fn hex(
    statement: &Statement,
    wildcards: bool,
    report: &mut Report<'_>,
) -> Option<Vec<MaskedOctet>> {
    let mut octets = Vec::new();
    for word in statement.arguments() {
        for run in word.text.split_ascii_whitespace() {
            for pair in run.as_bytes().chunks(2) {
                let Some(octet) = octet(pair, wildcards) else {
                    let wanted = if wildcards {
                        "made of hexadecimal digits and x, the line is ignored"
                    } else {
                        "made of hexadecimal digits, the line is ignored"
                    };
                    report.reject(word, wanted);
                    return None;
                };
                octets.push(octet);
            }
        }
    }
    Some(octets)
}

/// One or two digits; one alone is the lower half.
fn octet(digits: &[u8], wildcards: bool) -> Option<MaskedOctet> {
    let mut octet = MaskedOctet { value: 0, mask: 0 };
    for digit in digits {
        let (value, mask) = match digit {
            b'x' | b'X' if wildcards => (0, 0),
            _ => (char::from(*digit).to_digit(16)?, 0xf),
        };
        octet.value = octet.value << 4 | u8::try_from(value).ok()?;
        octet.mask = octet.mask << 4 | mask;
    }
    if digits.len() == 1 {
        octet.mask |= 0xf0;
    }
    Some(octet)
}

fn payload(draft: &mut CheckDraft<UdpDraft>, statement: &Statement, report: &mut Report<'_>) {
    if let Some(octets) = hex(statement, false, report) {
        let octets = octets.iter().map(|octet| octet.value);
        draft.kind.payload = Some(octets.collect());
    }
}

fn require_reply(draft: &mut CheckDraft<UdpDraft>, statement: &Statement, report: &mut Report<'_>) {
    match hex(statement, true, report) {
        Some(octets) if octets.is_empty() => draft.kind.reply = Reply::Any,
        Some(octets) => draft.kind.reply = Reply::Starting(octets),
        None => {}
    }
}

fn length(into: &mut Option<(u16, Span)>, statement: &Statement, report: &mut Report<'_>) {
    let word = statement.argument(1);
    let length = word.and_then(|word| report.strict(word, 0..=65535));
    let length = length.and_then(|length| u16::try_from(length).ok());
    *into = length.map(|length| (length, statement.span())).or(*into);
}

fn file_weight(draft: &mut CheckDraft<FileDraft>, statement: &Statement, report: &mut Report<'_>) {
    const RANGE: RangeInclusive<i64> = -2_147_483_647..=2_147_483_647;
    let factor = statement
        .argument(1)
        .and_then(|word| report.lenient(word, RANGE));
    let Some(factor) = factor.and_then(|factor| i32::try_from(factor).ok()) else {
        return;
    };
    let reverse = match statement.argument(2) {
        None => false,
        Some(word) => match word.text.as_str() {
            "reverse" => true,
            "noreverse" => false,
            _ => {
                report.reject(word, "reverse or noreverse, ignored");
                false
            }
        },
    };
    draft.kind.weight = Some(FileWeight { factor, reverse });
}

fn address(into: &mut Option<(IpAddr, Span)>, statement: &Statement, report: &mut Report<'_>) {
    let word = statement.argument(1);
    if let Some(ip) = word.and_then(|word| report.address(word)) {
        *into = Some((ip, statement.span()));
    }
}

fn port(into: &mut Option<u16>, statement: &Statement, report: &mut Report<'_>) {
    let port = statement.argument(1).and_then(|word| report.port(word));
    *into = port.or(*into);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_octets_and_an_x_is_any_digit() {
        let of = |digits: &str| {
            let octet = octet(digits.as_bytes(), true)?;
            Some((octet.value, octet.mask))
        };
        assert_eq!(of("3"), Some((0x03, 0xff)));
        assert_eq!(of("a6"), Some((0xa6, 0xff)));
        assert_eq!(of("Xf"), Some((0x0f, 0x0f)));
        assert_eq!(of("fx"), Some((0xf0, 0xf0)));
        assert_eq!(of("x"), Some((0x00, 0xf0)));
        assert_eq!(of("g0"), None);
        assert_eq!(octet(b"x0", false), None);
    }
}
