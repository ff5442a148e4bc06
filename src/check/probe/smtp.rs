//! `SMTP_CHECK`: the server greets and answers HELO. Replies may have several lines.

use std::net::SocketAddr;

use crate::config::{Endpoint, Octets};
use crate::wire::smtp::Replies;

use super::{Around, Input, Reason, Step, Told, Verdict, not_connected};

/// A conversation with a mail server.
#[derive(Debug, Default)]
pub(in crate::check) struct Dialogue {
    stage: Stage,
    replies: Replies,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Connection,
    Greeting,
    Hello,
    Goodbye,
}

impl Dialogue {
    pub(super) fn on(
        &mut self,
        around: Around<'_>,
        endpoint: &Endpoint,
        helo_name: &str,
        input: Input<'_>,
    ) -> Step {
        if self.stage == Stage::Connection {
            return match input {
                Input::Start => Step::connect(around, endpoint),
                Input::Connected => {
                    self.stage = Stage::Greeting;
                    Step::wait(endpoint.timeout)
                }
                Input::Failed { error, started } => not_connected(error, started),
                Input::Limit => Step::down(Reason::ConnectTimeout),
                _ => Step::go_on(),
            };
        }
        match input {
            Input::Received(octets) => match self.replies.read(octets) {
                // What is said before it is asked for is not listened to.
                Ok(Some((code, _))) => self.answer(code, endpoint, helo_name),
                Ok(None) => Step::wait(endpoint.timeout),
                Err(malformed) => Step::down(Reason::Smtp(malformed)),
            },
            Input::Closed => Step::down(Reason::NoAnswer),
            Input::Failed { error, .. } => Step::down(Reason::Broken(error)),
            Input::Limit => Step::down(Reason::ReplyTimeout),
            _ => Step::go_on(),
        }
    }

    fn answer(&mut self, code: u16, endpoint: &Endpoint, helo_name: &str) -> Step {
        let limit = endpoint.timeout;
        match (self.stage, code) {
            (Stage::Connection | Stage::Greeting, GREETING) => {
                self.stage = Stage::Hello;
                let name = Octets::of(helo_name);
                let bytes = [b"HELO ", &name.0[..], b"\r\n"].concat();
                Step::Send { bytes, limit }
            }
            (Stage::Connection | Stage::Greeting, code) => Step::down(Reason::Greeting(code)),
            (Stage::Hello, DONE) => {
                self.stage = Stage::Goodbye;
                let bytes = b"QUIT\r\n".to_vec();
                Step::Send { bytes, limit }
            }
            (Stage::Hello, code) => Step::down(Reason::Hello(code)),
            (Stage::Goodbye, _) => Step::Done(Verdict::Up),
        }
    }
}

pub(super) fn words(to: SocketAddr, told: Told<'_>, server: &str) -> Option<String> {
    Some(match told {
        Told::Up | Told::Page(_) => format!("Remote SMTP server {server} succeed on service."),
        // The last one is told once.
        Told::Attempt { last: true, .. } => return None,
        Told::Attempt { reason, .. } | Told::Down { reason, .. } => match reason {
            Reason::Unreachable => {
                let failure = failure(to, reason);
                format!("SMTP_CHECK {failure} - real server {server}")
            }
            reason => format!("SMTP_CHECK {}", failure(to, reason)),
        },
        Told::NotRun => "SMTP_CHECK socket bind failed. Rescheduling.".to_owned(),
    })
}

/// With the server's address.
pub(super) fn failure(to: SocketAddr, reason: &Reason) -> String {
    let text = match reason {
        Reason::Unreachable => "Network unreachable for server",
        Reason::Refused | Reason::Reset => "Could not connect to server",
        Reason::ConnectTimeout => "Connection timeout to server",
        Reason::Greeting(_) | Reason::Smtp(_) => "Bad greeting banner from server",
        Reason::Hello(_) => "Bad HELO response from server",
        Reason::ReplyTimeout => "Read timeout from server",
        Reason::NoAnswer | Reason::Broken(_) => "Read failure from server",
        _ => "Error connecting to server",
    };
    format!("{text} [{}]:{}", to.ip(), to.port())
}

/// RFC 5321 4.2.3.
const GREETING: u16 = 220;
const DONE: u16 = 250;
