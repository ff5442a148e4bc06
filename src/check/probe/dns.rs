//! `DNS_CHECK`: a query is answered without an error. An empty answer will do.

use std::net::SocketAddr;

use crate::config::{Endpoint, Octets, RecordType};
use crate::wire::dns::{Answer, Query};

use super::{Around, Input, Reason, Step, Told, Verdict, not_connected};

pub(super) fn on(
    around: Around<'_>,
    endpoint: &Endpoint,
    record: RecordType,
    name: &str,
    input: Input<'_>,
) -> Step {
    let name = Octets::of(name);
    let query = Query {
        id: around.id.low_bits(),
        name: &name.0,
        record: number(record),
    };
    match input {
        Input::Start => Step::datagrams(around, endpoint),
        Input::Connected => Step::Send {
            bytes: query.emit(),
            limit: endpoint.timeout,
        },
        Input::Received(octets) => match Answer::parse(octets) {
            Some(answer) if answer.answers(&query) => match answer.code {
                0 => Step::Done(Verdict::Up),
                code => Step::down(Reason::Dns { code }),
            },
            // Somebody else's, or nonsense: the time that is left stays what it is.
            _ => Step::go_on(),
        },
        Input::Failed { error, started } => not_connected(error, started),
        Input::Limit => Step::down(Reason::ReplyTimeout),
        _ => Step::go_on(),
    }
}

/// Its success is silent.
pub(super) fn words(to: SocketAddr, told: Told<'_>, server: &str) -> Option<String> {
    let (reason, suffix) = match told {
        Told::Up | Told::Page(_) | Told::Attempt { last: true, .. } => return None,
        Told::Attempt { reason, .. } => (reason, String::new()),
        Told::Down { reason, retries } => {
            let suffix = retries.map(|retries| format!(" after {retries} retries"));
            (reason, suffix.unwrap_or_default())
        }
        Told::NotRun => {
            return Some(format!(
                "DNS_CHECK ({server}) UDP socket bind failed. Rescheduling."
            ));
        }
    };
    let text = match reason {
        Reason::ReplyTimeout => "read timeout from socket".to_owned(),
        Reason::Dns { code } => format!("read error occurred. (rcode = {code})"),
        Reason::Unreachable => format!("network unreachable for [{}]:{}", to.ip(), to.port()),
        Reason::Refused => "failed to read socket; errno 111 (Connection refused)".to_owned(),
        Reason::Connection(error) => {
            format!("failed to read socket; errno {} ({error})", error.number())
        }
        _ => "connection failure.".to_owned(),
    };
    Some(format!("DNS_CHECK ({server}) {text}{suffix}"))
}

/// The numbers of IANA.
fn number(record: RecordType) -> u16 {
    match record {
        RecordType::A => 1,
        RecordType::Ns => 2,
        RecordType::Cname => 5,
        RecordType::Soa => 6,
        RecordType::Mx => 15,
        RecordType::Txt => 16,
        RecordType::Aaaa => 28,
        RecordType::Rrsig => 46,
        RecordType::Dnskey => 48,
    }
}
