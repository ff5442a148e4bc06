//! `TCP_CHECK`: the server is up when the handshake completes. No octet is exchanged.

use crate::config::Endpoint;

use super::super::Connect;
use super::{Input, Reason, Step, Told, Verdict};

pub(super) fn on(endpoint: &Endpoint, input: Input) -> Step {
    match input {
        Input::Start(id) => {
            let Endpoint {
                to,
                from,
                device,
                mark,
                timeout,
            } = endpoint;
            Step::Connect {
                connect: Connect {
                    probe: id,
                    to: *to,
                    from: *from,
                    device: device.clone(),
                    mark: *mark,
                },
                limit: *timeout,
            }
        }
        Input::Connected => Step::Done(Verdict::Up),
        Input::Failed {
            error,
            started: true,
        } => Step::Done(Verdict::Down(error.into())),
        Input::Failed {
            error,
            started: false,
        } => Step::Done(Verdict::NotRun(error)),
        Input::Limit => Step::Done(Verdict::Down(Reason::TimedOut)),
    }
}

pub(super) fn words(told: Told, server: &str) -> String {
    match told {
        Told::Up => format!("TCP connection to {server} success."),
        Told::Attempt(Reason::TimedOut) => format!("TCP connection to {server} timeout."),
        Told::Attempt(Reason::Refused | Reason::Unreachable | Reason::Reset | Reason::Other(_)) => {
            format!("TCP connection to {server} failed.")
        }
        // The plural is fixed in keepalived's line.
        Told::Down { retries: Some(n) } => {
            format!("TCP_CHECK on service {server} failed after {n} retries.")
        }
        Told::Down { retries: None } => format!("TCP_CHECK on service {server} failed."),
        Told::NotRun => "TCP socket bind failed. Rescheduling.".to_owned(),
    }
}
