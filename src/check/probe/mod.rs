//! What is tried, and what its outcome says: one file per kind of check.
//!
//! A probe knows one attempt and its words. How often it is tried, and what the answer does to a
//! server, is `checker`'s, `rhythm`'s and `service`'s.

mod dns;
mod http;
mod misc;
mod ping;
mod search;
mod smtp;
mod tcp;
mod udp;

use std::net::SocketAddr;
use std::time::Duration;

use crate::child::{Exit, Kill};
use crate::config::{Checker, Endpoint, Probe, Script, ServiceKey};
use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::tls::Failure;

use super::{Connect, ProbeId, Reason, Transport};

pub(super) use search::{Compiled, Patterns};

/// What happens to an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input<'a> {
    Start,
    Connected,
    Received(&'a [u8]),
    Secured {
        days_left: Option<i64>,
    },
    Insecure(Failure),
    /// A program has ended.
    Exited(Exit),
    /// The peer has said all it will.
    Closed,
    Failed {
        error: Errno,
        started: bool,
    },
    /// It took too long.
    Limit,
}

/// What the attempt does next. A limit replaces the one before; None leaves it.
#[derive(Debug)]
pub(super) enum Step {
    Connect {
        connect: Connect,
        limit: Duration,
    },
    Send {
        bytes: Vec<u8>,
        limit: Duration,
    },
    /// Run a program.
    Run {
        script: Script,
        limit: Duration,
    },
    Kill {
        kill: Kill,
        limit: Duration,
    },
    Wait {
        limit: Option<Duration>,
    },
    Done(Verdict),
}

/// What one attempt says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Up,
    /// Up, and this heavy.
    Weighed(Weight),
    Down(Reason),
    /// Nothing could be tried on this side: that says nothing about the server.
    NotRun(Errno),
}

/// What a check does to the weight of its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Weight {
    /// Nothing.
    #[default]
    Own,
    /// It takes the place of the configured one.
    Exactly(i32),
    /// It is added to the configured one.
    Added(i32),
}

impl Weight {
    /// What is added to the configured weight.
    pub(super) fn change(self, own: i64) -> i64 {
        match self {
            Self::Own => 0,
            Self::Exactly(weight) => i64::from(weight) - own,
            Self::Added(weight) => i64::from(weight),
        }
    }
}

/// What is told about an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told<'a> {
    Up,
    /// One page of a server that is coming back is right.
    Page(usize),
    /// A single failure, told only on demand; `Down` follows when it is the last.
    Attempt {
        reason: &'a Reason,
        /// Additional attempts so far, and at most.
        done: u32,
        of: u32,
        last: bool,
    },
    /// The check has failed, after so many additional attempts if there were any.
    Down {
        reason: &'a Reason,
        retries: Option<u32>,
    },
    NotRun,
}

/// What an attempt is told of the world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub(super) now: Instant,
    pub(super) id: ProbeId,
    /// Nowhere if it connects to nothing.
    pub(super) to: SocketAddr,
    pub(super) probe: &'a Probe,
    /// Which of the pages is tried.
    pub(super) page: usize,
    pub(super) patterns: &'a Patterns,
}

/// How far an attempt has come: what its kind remembers from one input to the next.
#[derive(Debug)]
pub(super) enum State {
    /// There is nothing to remember.
    Plain,
    Http(Box<http::Exchange>),
    Smtp(Box<smtp::Dialogue>),
    Misc(misc::Patience),
}

impl State {
    pub(super) fn new(probe: &Probe) -> Self {
        match probe {
            Probe::Http(_) => Self::Http(Box::default()),
            Probe::Smtp { .. } => Self::Smtp(Box::default()),
            Probe::Misc { .. } => Self::Misc(misc::Patience::default()),
            _ => Self::Plain,
        }
    }

    /// One step of an attempt. A check that cannot be made is never begun.
    pub(super) fn on(&mut self, around: Around<'_>, input: Input<'_>) -> Step {
        match (around.probe, self) {
            (Probe::Tcp(endpoint), _) => tcp::on(around, endpoint, input),
            (Probe::Http(probe), Self::Http(exchange)) => exchange.on(around, probe, input),
            (
                Probe::Smtp {
                    endpoint,
                    helo_name,
                },
                Self::Smtp(dialogue),
            ) => dialogue.on(around, endpoint, helo_name, input),
            (
                Probe::Dns {
                    endpoint,
                    record,
                    name,
                },
                _,
            ) => dns::on(around, endpoint, *record, name, input),
            (
                Probe::Udp {
                    endpoint,
                    payload,
                    reply,
                    reply_length,
                },
                _,
            ) => {
                let exchange = udp::Exchange {
                    payload: payload.as_deref(),
                    reply,
                    length: reply_length,
                };
                exchange.on(around, endpoint, input)
            }
            (
                Probe::Misc {
                    script,
                    timeout,
                    dynamic,
                },
                Self::Misc(patience),
            ) => patience.on((script, *timeout, *dynamic), input),
            (Probe::Ping(endpoint), _) => ping::on(around, endpoint, input),
            _ => Step::Done(Verdict::NotRun(Errno::EOPNOTSUPP)),
        }
    }
}

/// What this build can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    pub(super) tls: bool,
}

impl Abilities {
    /// Whether such a check can be made here.
    pub(super) fn can_make(self, probe: &Probe) -> bool {
        match probe {
            Probe::Http(http) => self.tls || !http.tls,
            Probe::Bfd { .. } => false,
            _ => true,
        }
    }
}

/// keepalived's line for it.
pub(super) fn words(
    checker: &Checker,
    told: Told<'_>,
    server: &str,
    service: &ServiceKey,
) -> Option<String> {
    match &checker.check.probe {
        Probe::Tcp(_) => Some(tcp::words(told, server)),
        Probe::Http(probe) => Some(http::words(probe, told, server)),
        Probe::Smtp { .. } => smtp::words(checker.to, told, server),
        Probe::Dns { .. } => dns::words(checker.to, told, server),
        Probe::Udp { .. } => Some(udp::words(told, server)),
        Probe::Ping(_) => Some(ping::words(told, server, service)),
        Probe::Misc { script, .. } => misc::words(script, told, server, service),
        _ => None,
    }
}

/// What a check found, in the words of keepalived's mails; `reason` is why it failed. None for
/// checks that no mail is written about.
pub(super) fn outcome(checker: &Checker, reason: Option<&Reason>) -> Option<String> {
    let succeeded = if reason.is_none() {
        "succeed"
    } else {
        "failed"
    };
    Some(match (&checker.check.probe, reason) {
        (Probe::Tcp(_), _) => format!("TCP CHECK {succeeded} on service"),
        (Probe::Udp { .. }, _) => format!("UDP CHECK {succeeded} on service"),
        (Probe::Ping(_), _) => format!("ICMP CHECK {succeeded} on service"),
        (Probe::Dns { .. }, _) => format!("DNS_CHECK: {succeeded} on service"),
        (Probe::Misc { .. }, Some(Reason::ProgramTimeout)) => {
            "MISC CHECK timed out on service".to_owned()
        }
        (Probe::Misc { .. }, Some(_)) => "MISC CHECK failed on service".to_owned(),
        (Probe::Misc { .. }, None) => "MISC CHECK succeeded on service".to_owned(),
        (Probe::Smtp { .. }, Some(reason)) => {
            let failure = smtp::failure(checker.to, reason);
            format!("CHECK failed on service : {failure}")
        }
        (Probe::Http(_), Some(_)) => "CHECK failed on service : HTTP/SSL request failed".to_owned(),
        (Probe::Smtp { .. } | Probe::Http(_), None) => "CHECK succeed on service".to_owned(),
        _ => return None,
    })
}

/// keepalived's line for the end of a check; its plural is fixed.
fn down(check: &str, server: &str, retries: Option<u32>) -> String {
    match retries {
        Some(retries) => format!("{check} on service {server} failed after {retries} retries."),
        None => format!("{check} on service {server} failed."),
    }
}

/// What an error says when the connection was not made.
fn not_connected(error: Errno, started: bool) -> Step {
    Step::Done(if started {
        Verdict::Down(error.into())
    } else {
        Verdict::NotRun(error)
    })
}

impl Step {
    fn connect(around: Around<'_>, endpoint: &Endpoint) -> Self {
        Self::over(Transport::Tcp, around, endpoint)
    }

    fn datagrams(around: Around<'_>, endpoint: &Endpoint) -> Self {
        Self::over(Transport::Datagrams, around, endpoint)
    }

    fn echoes(around: Around<'_>, endpoint: &Endpoint) -> Self {
        Self::over(Transport::Echoes, around, endpoint)
    }

    fn over(transport: Transport, around: Around<'_>, endpoint: &Endpoint) -> Self {
        Self::Connect {
            connect: Connect {
                probe: around.id,
                transport,
                to: around.to,
                from: endpoint.from,
                device: endpoint.device.clone(),
                mark: endpoint.mark,
            },
            limit: endpoint.timeout,
        }
    }

    fn wait(limit: Duration) -> Self {
        Self::Wait { limit: Some(limit) }
    }

    /// Nothing changes, the time that is left neither.
    fn go_on() -> Self {
        Self::Wait { limit: None }
    }

    fn down(reason: Reason) -> Self {
        Self::Done(Verdict::Down(reason))
    }
}
