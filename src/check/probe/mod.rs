//! What is tried, and what its outcome says: one file per kind of check.
//!
//! A probe knows one attempt and its words. How often it is tried, and what the answer does to a
//! server, is `checker`'s and `service`'s.

mod tcp;

use std::time::Duration;

use crate::config::Probe;
use crate::errno::Errno;

use super::{Connect, ProbeId};

/// What happens to an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Start(ProbeId),
    Connected,
    Failed {
        error: Errno,
        started: bool,
    },
    /// It took too long.
    Limit,
}

/// What the attempt does next.
#[derive(Debug)]
pub(super) enum Step {
    Connect { connect: Connect, limit: Duration },
    Done(Verdict),
}

/// What one attempt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Up,
    Down(Reason),
    /// Nothing could be tried on this side: that says nothing about the server.
    NotRun(Errno),
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Nobody listens.
    Refused,
    /// No answer in time.
    TimedOut,
    /// No way to the host.
    Unreachable,
    /// The peer broke the connection off.
    Reset,
    Other(Errno),
}

/// What is told about an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    Up,
    /// A single failure, told only on demand.
    Attempt(Reason),
    /// The check has failed, after so many additional attempts if there were any.
    Down {
        retries: Option<u32>,
    },
    NotRun,
}

/// Whether such a check can be made here.
pub(super) fn can_be_made(probe: &Probe) -> bool {
    matches!(probe, Probe::Tcp(_))
}

/// One step of an attempt. A check that cannot be made is never begun.
pub(super) fn on(probe: &Probe, input: Input) -> Step {
    match probe {
        Probe::Tcp(endpoint) => tcp::on(endpoint, input),
        _ => Step::Done(Verdict::NotRun(Errno::EOPNOTSUPP)),
    }
}

/// keepalived's line for it.
pub(super) fn words(probe: &Probe, told: Told, server: &str) -> String {
    match probe {
        Probe::Tcp(_) => tcp::words(told, server),
        other => format!("{} of {server} cannot be made.", other.keyword()),
    }
}

impl From<Errno> for Reason {
    fn from(error: Errno) -> Self {
        match error {
            Errno::ECONNREFUSED => Self::Refused,
            Errno::ETIMEDOUT => Self::TimedOut,
            Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EHOSTDOWN | Errno::ENETDOWN => {
                Self::Unreachable
            }
            Errno::ECONNRESET | Errno::ECONNABORTED => Self::Reset,
            other => Self::Other(other),
        }
    }
}
