//! `TCP_CHECK`: the server is up when the handshake completes. No octet is exchanged.

use crate::config::Endpoint;

use super::super::Connect;
use super::{Input, Reason, Step, Told, Verdict};

pub(super) fn on(endpoint: &Endpoint, input: Input) -> Step {
    match input {
        Input::Start(id) => Step::Connect {
            connect: Connect::new(id, endpoint),
            limit: endpoint.timeout,
        },
        Input::Connected => Step::Done(Verdict::Up),
        Input::Failed {
            error,
            started: true,
        } => Step::Done(Verdict::Down(error.into())),
        Input::Failed {
            error,
            started: false,
        } => Step::Done(Verdict::NotRun(error)),
        Input::Limit => Step::Done(Verdict::Down(Reason::ConnectTimeout)),
    }
}

pub(super) fn words(told: Told<'_>, server: &str) -> String {
    match told {
        Told::Up => format!("TCP connection to {server} success."),
        Told::Attempt(Reason::ConnectTimeout) => format!("TCP connection to {server} timeout."),
        Told::Attempt(_) => format!("TCP connection to {server} failed."),
        // The plural is fixed in keepalived's line.
        Told::Down { retries: Some(n) } => {
            format!("TCP_CHECK on service {server} failed after {n} retries.")
        }
        Told::Down { retries: None } => format!("TCP_CHECK on service {server} failed."),
        Told::NotRun => "TCP socket bind failed. Rescheduling.".to_owned(),
    }
}
