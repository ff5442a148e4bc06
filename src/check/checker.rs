//! One check of one real server: when it is tried, how often, and what the answers amount to.
//!
//! What an outcome amounts to is `rhythm`'s; what a changed verdict does to the server `service`'s.

use std::time::Duration;

use log::{info, warn};

use crate::config;
use crate::rand::Rand;
use crate::time::Instant;

use super::probe::{self, Around, Compiled, Input, Patterns, State, Step, Told, Verdict, Weight};
use super::rhythm::Course;
use super::service::ServerKey;
use super::share::{Ride, Rider, Shared};
use super::{Core, Effect, ProbeId, Reason, Timer};
use crate::notify::{Notice, Why};

/// One checker of one server. Given out once, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CheckerId(pub(super) u64);

#[derive(Debug)]
pub(super) struct Checker {
    pub(super) server: ServerKey,
    pub(super) config: config::Checker,
    /// What this check says about the server.
    pub(super) up: bool,
    /// False until the first verdict: the state above is then only assumed.
    pub(super) has_run: bool,
    /// Additional attempts used up. All of them at the start: the first check has none.
    pub(super) retries: u32,
    /// Why the last attempt failed, if it did.
    pub(super) reason: Option<Reason>,
    /// The attempt in flight. Boxed: few are at a time.
    pub(super) attempt: Option<Box<Attempt>>,
    /// It waits for the attempt of another.
    pub(super) ride: Option<Ride>,
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
    pub(super) id: ProbeId,
    begun: Instant,
    state: State,
    /// Until the server's certificate expires, as far as it is known.
    days_left: Option<i64>,
    /// Others that wait for its verdict.
    pub(super) followers: Vec<Rider>,
}

impl Checker {
    pub(super) fn new(
        server: ServerKey,
        config: &config::Checker,
        compiled: &mut Compiled,
        up: bool,
    ) -> Self {
        // A check of mail servers is patient from its first cycle on.
        let patient = matches!(config.check.probe, config::Probe::Smtp { .. });
        Self {
            server,
            config: config.clone(),
            up,
            has_run: false,
            retries: if patient { 0 } else { config.check.retry },
            reason: None,
            attempt: None,
            ride: None,
            course: Course::default(),
            weight: Weight::Own,
            patterns: Patterns::of(&config.check.probe, compiled),
            days_told: None,
        }
    }

    /// Once for each number of days.
    pub(super) fn warn_of_expiry(&mut self, days: i64) {
        let config::Probe::Http(http) = &self.config.check.probe else {
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
        if let Input::Secured { days_left } = input {
            attempt.days_left = days_left;
        }
        let around = Around {
            now,
            id,
            to: self.config.to,
            probe: &self.config.check.probe,
            page: self.course.page,
            patterns: &self.patterns,
        };
        attempt.state.on(around, input)
    }

    pub(super) fn tell(&self, told: Told<'_>, service: &config::ServiceKey) {
        let server = self.server.to_string();
        if let Some(words) = probe::words(&self.config, told, &server, service) {
            info!("{words}");
        }
    }

    /// The first check comes after a second, plus a random part of the warm-up so that the checks
    /// of many servers do not go out together.
    pub(super) fn first_delay(&self, rand: &mut Rand) -> Duration {
        FIRST_CHECK + rand.up_to(self.config.check.warmup)
    }
}

impl Core {
    /// A checker is due.
    pub(super) fn start_attempt(&mut self, now: Instant, id: CheckerId, out: &mut Vec<Effect>) {
        let Some(checker) = self.checkers.get(&id) else {
            return;
        };
        // The walk that suspends its checks has not come by yet.
        if self.services[&checker.server.service].suspended || self.join(now, id) {
            return;
        }
        let probe = ProbeId(self.new_id());
        let followers = self.depart(id, probe);
        let checker = self.checker_mut(id);
        checker.attempt = Some(Box::new(Attempt {
            id: probe,
            begun: now,
            state: State::new(&checker.config.check.probe),
            days_left: None,
            followers,
        }));
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
        let attempt = attempt.expect("it has just ended");
        // The rhythm of programs is that of their starts.
        let from = match self.checkers[&id].config.check.probe {
            config::Probe::Misc { .. } => attempt.begun,
            _ => now,
        };
        let checker = &self.checkers[&id];
        let shared = Shared {
            leader: id,
            config: checker.config.clone(),
            page: checker.course.page,
            verdict: verdict.clone(),
            days_left: attempt.days_left,
            ended: now,
            walkers: Some(CheckerId(0)),
            riders: attempt.followers.into(),
        };
        let next = self.settle(id, verdict);
        self.plan(now, id, from + next);
        self.share(now, shared);
    }

    /// The next attempt of a check. One that was suspended meanwhile has none: its last one counts
    /// all the same.
    pub(super) fn plan(&mut self, now: Instant, id: CheckerId, at: Instant) {
        let service = self.checkers[&id].server.service;
        if !self.services[&service].suspended {
            self.timers.set(Timer::Due(id), at.max(now));
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
        let words = probe::outcome(&checker.config, checker.reason.as_ref());
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
        if self.checkers.contains_key(&id) {
            self.strike(id);
        }
        self.timers.cancel(Timer::Due(id));
        let attempt = self.checkers.remove(&id).and_then(|gone| gone.attempt);
        if let Some(attempt) = attempt.and_then(|attempt| self.pass_on(attempt)) {
            self.close(attempt.id, out);
        }
    }

    pub(super) fn checker_mut(&mut self, id: CheckerId) -> &mut Checker {
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
