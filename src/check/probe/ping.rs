//! `PING_CHECK`: an ICMP echo comes back.

use crate::addr::Family;
use crate::config::{Endpoint, ServiceKey};
use crate::wire::icmp::Echo;

use super::udp::filler;
use super::{Around, Input, Reason, Step, Told, Verdict, not_connected};

pub(super) fn on(around: Around<'_>, endpoint: &Endpoint, input: Input<'_>) -> Step {
    let family = Family::of(around.to.ip());
    let number = around.id.low_bits();
    match input {
        Input::Start => Step::echoes(around, endpoint),
        Input::Connected => {
            let request = Echo {
                identifier: number,
                sequence: number,
                data: &filler(DATA),
            };
            Step::Send {
                bytes: request.emit(family),
                limit: endpoint.timeout,
            }
        }
        Input::Received(octets) => match Echo::parse_reply(octets, family) {
            Some(reply) if reply.sequence == number && reply.data == filler(DATA) => {
                Step::Done(Verdict::Up)
            }
            // An echo of somebody else.
            _ => Step::go_on(),
        },
        Input::Failed { error, started } => not_connected(error, started),
        Input::Limit => Step::down(Reason::ReplyTimeout),
        _ => Step::go_on(),
    }
}

pub(super) fn words(told: Told<'_>, server: &str, service: &ServiceKey) -> String {
    match told {
        Told::Up | Told::Page(_) => format!("ICMP connection to {server} success."),
        Told::Attempt {
            reason: Reason::ReplyTimeout,
            ..
        } => format!("ICMP connection to address {server} timeout."),
        Told::Attempt { .. } => format!("ICMP connection to {server} of {service} failed."),
        Told::Down {
            retries: Some(n), ..
        } => format!("ICMP CHECK on service {server} of {service} failed after {n} retries."),
        Told::Down { retries: None, .. } => format!("ICMP CHECK on service {server} failed."),
        Told::NotRun => "ICMP connect fail to create socket. Rescheduling.".to_owned(),
    }
}

/// Octets behind the header of an echo.
const DATA: usize = 128;
