//! One attempt of a check without a server: for whoever wants to know whether something answers.
//! When it is made and how long it may take is its owner's business.

use std::net::SocketAddr;

use crate::config::Probe;
use crate::time::Instant;

use super::probe::{Around, Compiled, Input, Patterns, State, Step, Verdict};
use super::{Effect, Event, ProbeId, Reason};

/// An attempt under way. It answers events with effects as the core does, and ends once.
#[derive(Debug)]
pub struct Lone {
    id: ProbeId,
    to: SocketAddr,
    probe: Probe,
    patterns: Patterns,
    state: State,
}

/// What an attempt has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No(Reason),
    /// Nothing could be tried on this side.
    NotTried,
}

impl Lone {
    /// `id` is that of its connection.
    pub fn new(id: ProbeId, to: SocketAddr, probe: Probe) -> Self {
        Self {
            id,
            to,
            patterns: Patterns::of(&probe, &mut Compiled::default()),
            state: State::new(&probe),
            probe,
        }
    }

    pub fn start(&mut self, now: Instant, out: &mut Vec<Effect>) -> Option<Answer> {
        self.on(now, Input::Start, out)
    }

    /// What concerns its connection; anything else is none of its business.
    pub fn on_event(
        &mut self,
        now: Instant,
        event: Event<'_>,
        out: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let input = match event {
            Event::Connected(_) => Input::Connected,
            Event::Received { bytes, .. } => Input::Received(bytes),
            Event::Secured { days_left, .. } => Input::Secured { days_left },
            Event::Insecure { failure, .. } => Input::Insecure(failure),
            Event::Closed(_) => Input::Closed,
            Event::Failed { error, started, .. } => Input::Failed { error, started },
            _ => return None,
        };
        self.on(now, input, out)
    }

    fn on(&mut self, now: Instant, input: Input<'_>, out: &mut Vec<Effect>) -> Option<Answer> {
        let around = Around {
            now,
            id: self.id,
            to: self.to,
            probe: &self.probe,
            page: 0,
            patterns: &self.patterns,
        };
        let probe = self.id;
        match self.state.on(around, input) {
            Step::Connect { connect, .. } => out.push(Effect::Connect(connect)),
            Step::Send { bytes, .. } => out.push(Effect::Send { probe, bytes }),
            Step::Run { script, .. } => out.push(Effect::Run { probe, script }),
            Step::Kill { kill, .. } => out.push(Effect::Kill { probe, kill }),
            Step::Wait { .. } => {}
            Step::Done(verdict) => {
                return Some(match verdict {
                    Verdict::Up | Verdict::Weighed(_) => Answer::Yes,
                    Verdict::Down(reason) => Answer::No(reason),
                    Verdict::NotRun(_) => Answer::NotTried,
                });
            }
        }
        None
    }
}
