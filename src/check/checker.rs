//! One check of one real server: when it is tried, how often, and what the answers amount to.
//!
//! What an outcome amounts to is `rhythm`'s; what a changed verdict does to the server `service`'s.

use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};

use crate::config;
use crate::rand::Rand;
use crate::time::Instant;

use super::probe::{self, Around, Input, Patterns, State, Step, Told, Verdict, Weight};
use super::rhythm::Course;
use super::service::ServerKey;
use super::{Core, Effect, ProbeId, Reason, Timer};
use crate::notify::{Notice, Why};

/// One checker of one server. Given out once, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CheckerId(pub(super) u64);

#[derive(Debug)]
pub(super) struct Checker {
    pub(super) server: ServerKey,
    pub(super) config: Arc<config::Checker>,
    /// What this check says about the server.
    pub(super) up: bool,
    /// False until the first verdict: the state above is then only assumed.
    pub(super) has_run: bool,
    /// Additional attempts used up. All of them at the start: the first check has none.
    pub(super) retries: u32,
    /// Why the last attempt failed, if it did.
    pub(super) reason: Option<Reason>,
    /// The attempt in flight.
    pub(super) attempt: Option<Attempt>,
    /// Of the pages it asks for.
    pub(super) course: Course,
    /// What it does to the weight of the server.
    pub(super) weight: Weight,
    patterns: Patterns,
    /// Until a certificate expires, as it was last warned of.
    days_told: Option<i64>,
}

/// An attempt in flight.
#[derive(Debug)]
pub(super) struct Attempt {
    id: ProbeId,
    begun: Instant,
    state: State,
}

impl Checker {
    pub(super) fn new(server: ServerKey, config: &Arc<config::Checker>, up: bool) -> Self {
        // A check of mail servers is patient from its first cycle on.
        let patient = matches!(config.probe, config::Probe::Smtp { .. });
        Self {
            server,
            config: Arc::clone(config),
            up,
            has_run: false,
            retries: if patient { 0 } else { config.retry },
            reason: None,
            attempt: None,
            course: Course::default(),
            weight: Weight::Own,
            patterns: Patterns::of(&config.probe),
            days_told: None,
        }
    }

    /// Once for each number of days.
    fn warn_of_expiry(&mut self, days: i64) {
        let config::Probe::Http(http) = &self.config.probe else {
            return;
        };
        let soon = http
            .trust
            .expiry_warning
            .is_some_and(|least| days <= i64::from(least));
        if soon && self.days_told != Some(days) {
            self.days_told = Some(days);
            warn!("The certificate of {} expires in {days} days", self.server);
        }
    }

    /// One step of the attempt in flight.
    fn on(&mut self, now: Instant, id: ProbeId, input: Input<'_>) -> Step {
        if let Input::Secured {
            days_left: Some(days),
        } = input
        {
            self.warn_of_expiry(days);
        }
        let Some(attempt) = &mut self.attempt else {
            return Step::Wait { limit: None };
        };
        let around = Around {
            now,
            id,
            probe: &self.config.probe,
            page: self.course.page,
            patterns: &self.patterns,
        };
        attempt.state.on(around, input)
    }

    pub(super) fn tell(&self, told: Told<'_>, service: &config::ServiceKey) {
        let server = self.server.to_string();
        if let Some(words) = probe::words(&self.config.probe, told, &server, service) {
            info!("{words}");
        }
    }

    /// The first check comes after a second, plus a random part of the warm-up so that the checks
    /// of many servers do not go out together.
    pub(super) fn first_delay(&self, rand: &mut Rand) -> Duration {
        FIRST_CHECK + rand.up_to(self.config.warmup)
    }
}

impl Core {
    /// A checker is due.
    pub(super) fn start_attempt(&mut self, now: Instant, id: CheckerId, out: &mut Vec<Effect>) {
        let Some(checker) = self.checkers.get(&id) else {
            return;
        };
        // The walk that suspends its checks has not come by yet.
        if self.services[&checker.server.service].suspended {
            return;
        }
        let probe = ProbeId(self.new_id());
        let checker = self.checker_mut(id);
        checker.attempt = Some(Attempt {
            id: probe,
            begun: now,
            state: State::new(&checker.config.probe),
        });
        self.probes.insert(probe, id);
        self.advance(now, probe, Input::Start, out);
    }

    /// Something happens to an attempt.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        probe: ProbeId,
        input: Input<'_>,
        out: &mut Vec<Effect>,
    ) {
        // An attempt that has ended finds nobody.
        let Some(&id) = self.probes.get(&probe) else {
            return;
        };
        match self.checker_mut(id).on(now, probe, input) {
            Step::Connect { connect, limit } => {
                self.timers.set(Timer::Limit(probe), now + limit);
                out.push(Effect::Connect(connect));
            }
            Step::Send { bytes, limit } => {
                self.timers.set(Timer::Limit(probe), now + limit);
                out.push(Effect::Send { probe, bytes });
            }
            Step::Run { script, limit } => {
                self.timers.set(Timer::Limit(probe), now + limit);
                out.push(Effect::Run { probe, script });
            }
            Step::Kill { kill, limit } => {
                self.timers.set(Timer::Limit(probe), now + limit);
                out.push(Effect::Kill { probe, kill });
            }
            Step::Wait { limit: Some(limit) } => self.timers.set(Timer::Limit(probe), now + limit),
            Step::Wait { limit: None } => {}
            Step::Done(verdict) => self.conclude(now, id, probe, verdict, out),
        }
    }

    /// An attempt has ended: the server hears of it, and the next one is planned.
    fn conclude(
        &mut self,
        now: Instant,
        id: CheckerId,
        probe: ProbeId,
        verdict: Verdict,
        out: &mut Vec<Effect>,
    ) {
        self.close(probe, out);
        let attempt = self.checker_mut(id).attempt.take();
        let begun = attempt.map_or(now, |attempt| attempt.begun);
        let next = self.settle(id, verdict);
        let checker = &self.checkers[&id];
        // The rhythm of programs is that of their starts.
        let from = match checker.config.probe {
            config::Probe::Misc { .. } => begun,
            _ => now,
        };
        // The last attempt of a check that was suspended meanwhile counts, too.
        if !self.services[&checker.server.service].suspended {
            self.timers.set(Timer::Due(id), now.max(from + next));
        }
    }

    /// What a verdict does to the server; gives the time until the next attempt.
    pub(super) fn settle(&mut self, id: CheckerId, verdict: Verdict) -> Duration {
        let server = self.checkers[&id].server;
        let service = self.name_of(server).clone();
        let checker = self.checker_mut(id);
        let weight = checker.weight;
        let judgement = checker.judge(verdict, &service);
        if checker.weight != weight {
            self.reweigh(server);
        }
        if judgement.never_up {
            self.notify_server(server, false, Why::Checked);
        }
        let Some(passed) = judgement.changed else {
            return judgement.next;
        };
        let before = self.servers[&server].alive;
        if passed {
            self.check_passed(server);
        } else {
            self.check_failed(server);
        }
        let up = self.servers[&server].alive;
        let checker = &self.checkers[&id];
        let words = probe::outcome(&checker.config.probe, checker.reason.as_ref());
        self.notices.extend(words.map(|words| Notice::Check {
            service,
            server: server.address,
            words,
            up,
            turned: up != before,
        }));
        judgement.next
    }

    /// A checker of a server that is leaving.
    pub(super) fn remove_checker(&mut self, id: CheckerId, out: &mut Vec<Effect>) {
        self.timers.cancel(Timer::Due(id));
        if let Some(probe) = self.checkers.remove(&id).and_then(|gone| gone.attempt) {
            self.close(probe.id, out);
        }
    }

    fn checker_mut(&mut self, id: CheckerId) -> &mut Checker {
        self.checkers
            .get_mut(&id)
            .expect("a checker outlives its attempts")
    }

    fn close(&mut self, probe: ProbeId, out: &mut Vec<Effect>) {
        self.probes.remove(&probe);
        self.timers.cancel(Timer::Limit(probe));
        out.push(Effect::Close(probe));
    }
}

/// keepalived waits this long before the first check, whatever the warm-up.
const FIRST_CHECK: Duration = Duration::from_secs(1);
