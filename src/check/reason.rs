//! Why a check failed: every reason there is, each with a number that stays.
//!
//! keepalived's own log lines do not say it; the number and the words here do, in the log, in
//! dumps and wherever else a failure is told. Numbers are never given to another reason.

use std::fmt;
use std::ops::RangeInclusive;

use crate::errno::Errno;
use crate::wire::http::Malformed;
use crate::wire::smtp;
use crate::wire::tls::Failure;

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody listens.
    Refused,
    /// The connection was not established in time.
    ConnectTimeout,
    /// No way to the host.
    Unreachable,
    /// The peer broke the connection off.
    Reset,
    /// Another error of the connection.
    Connection(Errno),
    /// The connection was not secured in time.
    TlsTimeout,
    /// The connection cannot be secured.
    Tls(Failure),
    /// The peer closed or broke the connection while it was secured.
    TlsCut,
    /// Not one octet of an answer came in time.
    FirstOctetTimeout,
    /// The header of an answer began and did not end in time.
    HeaderTimeout,
    /// The body of an answer began and did not end in time.
    BodyTimeout,
    /// The answer goes on and on, a little at a time.
    Dripping,
    /// The peer closed the connection before it answered.
    NoAnswer,
    /// The peer closed the connection within the header.
    CutHeader,
    /// The body is shorter than its announced length, and therefore another.
    CutBody { announced: u64, received: u64 },
    /// The connection broke while the answer was read.
    Broken(Errno),
    /// What came is no answer of HTTP.
    Malformed(Malformed),
    /// The status is not among those that are right.
    Status {
        status: u16,
        wanted: Vec<RangeInclusive<u16>>,
    },
    /// The body is not the one whose digest is known.
    Digest { made: [u8; 16] },
    /// The body does not hold what it must.
    NoMatch,
    /// The body holds what it must not.
    Match,
    /// To search the body would take too long.
    SearchTooCostly,
    /// No answer to what was said or asked came in time.
    ReplyTimeout,
    /// A mail server greets with another code than 220.
    Greeting(u16),
    /// A mail server answers HELO with another code than 250.
    Hello(u16),
    /// What came is no reply of a mail server.
    Smtp(smtp::Malformed),
    /// The answer to a query is this error.
    Dns { code: u8 },
    /// A reply is shorter or longer than it may be.
    ReplyLength { length: usize },
    /// A reply is not the one that is right.
    ReplyDiffers,
    /// A program ended with this code.
    ProgramFailed(i32),
    /// A program was killed by this signal.
    ProgramKilled(i32),
    /// A program took too long.
    ProgramTimeout,
    /// A program cannot be started.
    ProgramCannotStart(Errno),
    /// The number in a file says so.
    File(i64),
}

impl Reason {
    /// What stands for it where words are in the way.
    pub fn number(&self) -> u16 {
        match self {
            Self::Refused => 1,
            Self::ConnectTimeout => 2,
            Self::Unreachable => 3,
            Self::Reset => 4,
            Self::Connection(_) => 5,
            Self::Tls(failure) => failure.number(),
            Self::TlsTimeout => 16,
            Self::TlsCut => 17,
            Self::FirstOctetTimeout => 20,
            Self::HeaderTimeout => 21,
            Self::BodyTimeout => 22,
            Self::Dripping => 23,
            Self::NoAnswer => 24,
            Self::CutHeader => 25,
            Self::CutBody { .. } => 26,
            Self::Broken(_) => 27,
            Self::Malformed(Malformed::NotHttp) => 30,
            Self::Malformed(Malformed::EndlessHeader) => 31,
            Self::Malformed(Malformed::BadLength) => 32,
            Self::Malformed(Malformed::BadChunk) => 38,
            Self::Status { .. } => 33,
            Self::Digest { .. } => 34,
            Self::NoMatch => 35,
            Self::Match => 36,
            Self::SearchTooCostly => 37,
            Self::ReplyTimeout => 40,
            Self::ReplyLength { .. } => 41,
            Self::ReplyDiffers => 42,
            Self::Greeting(_) => 50,
            Self::Hello(_) => 51,
            Self::Smtp(smtp::Malformed::NotSmtp) => 52,
            Self::Smtp(smtp::Malformed::EndlessReply) => 53,
            Self::Dns { .. } => 60,
            Self::ProgramFailed(_) => 70,
            Self::ProgramKilled(_) => 71,
            Self::ProgramTimeout => 72,
            Self::ProgramCannotStart(_) => 73,
            Self::File(_) => 80,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::ConnectTimeout => f.write_str("timed out in connect"),
            Self::Unreachable => f.write_str("no way to the host"),
            Self::Reset => f.write_str("connection reset"),
            Self::Connection(error) => write!(f, "connection failed: {error}"),
            Self::Tls(failure) => failure.fmt(f),
            Self::TlsTimeout => f.write_str("timed out in the TLS handshake"),
            Self::TlsCut => f.write_str("closed within the TLS handshake"),
            Self::FirstOctetTimeout => f.write_str("timed out before the first octet"),
            Self::HeaderTimeout => f.write_str("timed out in the header"),
            Self::BodyTimeout => f.write_str("timed out in the body"),
            Self::Dripping => f.write_str("the answer drips and does not end"),
            Self::NoAnswer => f.write_str("closed without an answer"),
            Self::CutHeader => f.write_str("closed within the header"),
            Self::CutBody {
                announced,
                received,
            } => write!(
                f,
                "closed after {received} of {announced} octets of the body"
            ),
            Self::Broken(error) => write!(f, "the answer broke off: {error}"),
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::Status { status, wanted } => {
                let redirect = if (300..=399).contains(status) {
                    " (a redirect)"
                } else {
                    ""
                };
                write!(f, "status {status}{redirect}, expected {}", ranges(wanted))
            }
            Self::Digest { made } => {
                f.write_str("digest differs, it is ")?;
                made.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
            Self::NoMatch => f.write_str("the regex does not match"),
            Self::Match => f.write_str("the regex matches and must not"),
            Self::SearchTooCostly => f.write_str("the regex takes too long"),
            Self::ReplyTimeout => f.write_str("no answer in time"),
            Self::ReplyLength { length } => write!(f, "a reply of {length} octets"),
            Self::ReplyDiffers => f.write_str("the reply differs"),
            Self::ProgramFailed(code) => write!(f, "exited with status {code}"),
            Self::ProgramKilled(signal) => write!(f, "died of signal {signal}"),
            Self::ProgramTimeout => f.write_str("the program took too long"),
            Self::ProgramCannotStart(error) => write!(f, "the program cannot be started: {error}"),
            Self::File(number) => write!(f, "the file says {number}"),
            Self::Greeting(code) => write!(f, "greeting {code}, expected 220"),
            Self::Hello(code) => write!(f, "answer {code} to HELO, expected 250"),
            Self::Smtp(malformed) => malformed.fmt(f),
            Self::Dns { code } => write!(f, "the answer is error {code}{}", dns_error(*code)),
        }
    }
}

/// RFC 1035 4.1.1.
fn dns_error(code: u8) -> &'static str {
    match code {
        1 => " (format)",
        2 => " (server failure)",
        3 => " (no such name)",
        4 => " (not implemented)",
        5 => " (refused)",
        _ => "",
    }
}

/// As in a configuration file, with commas.
fn ranges(ranges: &[RangeInclusive<u16>]) -> String {
    let texts = ranges
        .iter()
        .map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        });
    texts.collect::<Vec<_>>().join(", ")
}

/// An error before there was a connection.
impl From<Errno> for Reason {
    fn from(error: Errno) -> Self {
        match error {
            Errno::ECONNREFUSED => Self::Refused,
            Errno::ETIMEDOUT => Self::ConnectTimeout,
            Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EHOSTDOWN | Errno::ENETDOWN => {
                Self::Unreachable
            }
            Errno::ECONNRESET | Errno::ECONNABORTED => Self::Reset,
            other => Self::Connection(other),
        }
    }
}
