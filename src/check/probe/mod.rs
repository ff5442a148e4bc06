//! What is tried, and what its outcome says: one file per kind of check.
//!
//! A probe knows one attempt and its words. How often it is tried, and what the answer does to a
//! server, is `checker`'s and `service`'s.

mod tcp;

use std::time::Duration;

use crate::config::{Endpoint, Probe};
use crate::errno::Errno;

use super::{Connect, ProbeId, Reason};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Up,
    Down(Reason),
    /// Nothing could be tried on this side: that says nothing about the server.
    NotRun(Errno),
}

/// What is told about an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told<'a> {
    Up,
    /// A single failure, told only on demand.
    Attempt(&'a Reason),
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
pub(super) fn words(probe: &Probe, told: Told<'_>, server: &str) -> String {
    match probe {
        Probe::Tcp(_) => tcp::words(told, server),
        other => format!("{} of {server} cannot be made.", other.keyword()),
    }
}

impl Connect {
    fn new(probe: ProbeId, endpoint: &Endpoint) -> Self {
        Self {
            probe,
            to: endpoint.to,
            from: endpoint.from,
            device: endpoint.device.clone(),
            mark: endpoint.mark,
        }
    }
}
