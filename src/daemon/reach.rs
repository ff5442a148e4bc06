//! Trackers that ask the network: the probes of the check core, made for the track core. To it
//! each of them is a script that ends well or does not.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use log::debug;
use mio::Token;

use super::logging::VRRP;
use super::probes::Probes;
use super::reactor::{Reactor, Ready, Source};
use crate::check::{Answer, Effect, Event, Lone, ProbeId};
use crate::child::{Exit, RunId};
use crate::config::Probe;
use crate::sys::tls::Files;
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Reach {
    probes: Probes,
    attempts: BTreeMap<RunId, Attempt>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Attempt {
    /// For messages.
    name: String,
    lone: Lone,
}

impl Reach {
    pub(super) fn new() -> Self {
        Self {
            probes: Probes::new(Files::default(), Source::Reach),
            attempts: BTreeMap::new(),
            buffer: vec![0; BUFFER],
        }
    }

    /// How it has ended, if that is known at once.
    pub(super) fn start(
        &mut self,
        now: Instant,
        run: RunId,
        name: String,
        (to, probe): (SocketAddr, Probe),
        reactor: &mut Reactor,
    ) -> Option<Exit> {
        let mut lone = Lone::new(ProbeId(run.0), to, probe);
        let mut effects = Vec::new();
        let answer = lone.start(now, &mut effects);
        self.attempts.insert(run, Attempt { name, lone });
        self.settle(now, run, answer, effects, reactor)
    }

    /// Its socket is ready.
    pub(super) fn on_ready(
        &mut self,
        now: Instant,
        probe: ProbeId,
        (token, ready): (Token, Ready),
        reactor: &mut Reactor,
    ) -> Option<(RunId, Exit)> {
        let run = RunId(probe.0);
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut ended = None;
        for turn in 0.. {
            if turn == READS_PER_TURN {
                reactor.again(token);
                break;
            }
            let Some(heard) = self.probes.hear(probe, ready, &mut buffer) else {
                break;
            };
            let Some(attempt) = self.attempts.get_mut(&run) else {
                break;
            };
            let mut effects = Vec::new();
            let event = heard.event(probe, &buffer);
            let answer = attempt.lone.on_event(now, event, &mut effects);
            ended = self.settle(now, run, answer, effects, reactor);
            if ended.is_some() {
                break;
            }
        }
        self.buffer = buffer;
        ended.map(|exit| (run, exit))
    }

    /// False when there is no such attempt.
    pub(super) fn give_up(&mut self, run: RunId, reactor: &mut Reactor) -> bool {
        self.probes.close(ProbeId(run.0), reactor);
        self.attempts.remove(&run).is_some()
    }

    /// Performs what an attempt wants until it waits for the network, or has ended.
    fn settle(
        &mut self,
        now: Instant,
        run: RunId,
        mut answer: Option<Answer>,
        effects: Vec<Effect>,
        reactor: &mut Reactor,
    ) -> Option<Exit> {
        let mut inbox = VecDeque::new();
        let mut effects = VecDeque::from(effects);
        while answer.is_none() {
            if let Some(effect) = effects.pop_front() {
                inbox.extend(self.perform(effect, reactor));
                continue;
            }
            let event = inbox.pop_front()?;
            let mut more = Vec::new();
            let attempt = self.attempts.get_mut(&run)?;
            answer = attempt.lone.on_event(now, event, &mut more);
            effects.extend(more);
        }
        self.probes.close(ProbeId(run.0), reactor);
        let attempt = self.attempts.remove(&run)?;
        answer.map(|answer| exit(&attempt.name, &answer))
    }

    fn perform(&mut self, effect: Effect, reactor: &mut Reactor) -> Option<Event<'static>> {
        match effect {
            Effect::Connect(connect) => self.probes.connect(&connect, reactor),
            Effect::Send { probe, bytes } => self.probes.send(probe, &bytes),
            // Such a probe wants nothing else.
            _ => None,
        }
    }
}

fn exit(name: &str, answer: &Answer) -> Exit {
    match answer {
        Answer::Yes => Exit::SUCCESS,
        Answer::No(reason) => {
            let number = reason.number();
            debug!(target: VRRP, "{name}: reason {number}, {reason}");
            Exit::Code(NO)
        }
        Answer::NotTried => Exit::Code(NOT_TRIED),
    }
}

/// Of one that took too long.
pub(super) const GIVEN_UP: Exit = Exit::Code(3);
const NO: i32 = 1;
const NOT_TRIED: i32 = 2;
const BUFFER: usize = 4_096;
const READS_PER_TURN: usize = 16;
