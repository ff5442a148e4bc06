//! `TCP_CHECK`: the server is up when the handshake completes. No octet is exchanged.

use crate::config::Endpoint;

use super::{Around, Input, Reason, Step, Told, Verdict, down, not_connected};

pub(super) fn on(around: Around<'_>, endpoint: &Endpoint, input: Input<'_>) -> Step {
    match input {
        Input::Start => Step::connect(around, endpoint),
        Input::Connected => Step::Done(Verdict::Up),
        Input::Failed { error, started } => not_connected(error, started),
        Input::Limit => Step::down(Reason::ConnectTimeout),
        _ => Step::go_on(),
    }
}

pub(super) fn words(told: Told<'_>, server: &str) -> String {
    match told {
        Told::Up | Told::Page(_) => format!("TCP connection to {server} success."),
        Told::Attempt {
            reason: Reason::ConnectTimeout,
            ..
        } => format!("TCP connection to {server} timeout."),
        Told::Attempt { .. } => format!("TCP connection to {server} failed."),
        Told::Down { retries, .. } => down("TCP_CHECK", server, retries),
        Told::NotRun => "TCP socket bind failed. Rescheduling.".to_owned(),
    }
}
