//! One check of one real server: when it is tried, how often, and what the answers amount to.
//!
//! Delay, retry and warm-up are the same for every kind of probe, and every attempt ends in one
//! function, [`Checker::judge`]. What a changed verdict does to the server is `service`'s.

use std::time::Duration;

use log::{debug, info};

use crate::config;
use crate::rand::Rand;
use crate::time::Instant;

use super::notice::{Notice, Why};
use super::probe::{self, Input, Step, Told, Verdict};
use super::service::ServerKey;
use super::{Core, Effect, ProbeId, Reason, Timer};

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
    /// The attempt in flight.
    pub(super) attempt: Option<ProbeId>,
}

/// What an attempt amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Judgement {
    /// The new verdict on the server, if it is another.
    changed: Option<bool>,
    /// The first verdict of a check that was down from the start, and still is.
    never_up: bool,
    /// Until the next attempt.
    next: Duration,
}

impl Checker {
    pub(super) fn new(server: ServerKey, config: &config::Checker, up: bool) -> Self {
        Self {
            server,
            config: config.clone(),
            up,
            has_run: false,
            retries: config.retry,
            reason: None,
            attempt: None,
        }
    }

    /// The one exit of every attempt of every kind of probe.
    fn judge(&mut self, verdict: Verdict) -> Judgement {
        match verdict {
            Verdict::Up => self.passed(),
            Verdict::Down(reason) => {
                if self.up && self.config.log_all_failures {
                    self.tell(Told::Attempt(&reason));
                }
                self.failed(reason)
            }
            // A check that cannot be made on this side says nothing about the server: no retry is
            // counted and the verdict stays.
            Verdict::NotRun(error) => {
                self.tell(Told::NotRun);
                debug!("{}: {error}", self.server);
                Judgement {
                    changed: None,
                    never_up: false,
                    next: self.config.delay_loop,
                }
            }
        }
    }

    fn passed(&mut self) -> Judgement {
        if !self.up || !self.has_run {
            self.tell(Told::Up);
        }
        let changed = (!self.up).then_some(true);
        self.up = true;
        self.has_run = true;
        self.retries = 0;
        self.reason = None;
        Judgement {
            changed,
            never_up: false,
            next: self.config.delay_loop,
        }
    }

    fn failed(&mut self, reason: Reason) -> Judgement {
        let (number, keyword) = (reason.number(), self.config.probe.keyword());
        let told = format!(
            "Check of service {} by {keyword}: reason {number}, {reason}",
            self.server
        );
        self.reason = Some(reason);
        if self.up && self.retries < self.config.retry {
            self.retries += 1;
            debug!("{told}");
            return Judgement {
                changed: None,
                never_up: false,
                next: self.config.delay_before_retry,
            };
        }
        if self.up || !self.has_run {
            let retried = self.has_run && self.config.retry > 0;
            self.tell(Told::Down {
                retries: retried.then_some(self.config.retry),
            });
            info!("{told}");
        } else {
            debug!("{told}");
        }
        // While down the attempts are delay_loop apart, and one success is enough.
        let changed = self.up.then_some(false);
        let never_up = !self.up && !self.has_run;
        self.up = false;
        self.has_run = true;
        self.retries = 0;
        Judgement {
            changed,
            never_up,
            next: self.config.delay_loop,
        }
    }

    fn tell(&self, told: Told<'_>) {
        let server = self.server.to_string();
        info!("{}", probe::words(&self.config.probe, told, &server));
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
        let probe = ProbeId(self.new_id());
        let Some(checker) = self.checkers.get_mut(&id) else {
            return;
        };
        checker.attempt = Some(probe);
        self.probes.insert(probe, id);
        self.advance(now, probe, Input::Start(probe), out);
    }

    /// Something happens to an attempt.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        probe: ProbeId,
        input: Input,
        out: &mut Vec<Effect>,
    ) {
        // An attempt that has ended finds nobody.
        let Some(&id) = self.probes.get(&probe) else {
            return;
        };
        let checker = &self.checkers[&id];
        match probe::on(&checker.config.probe, input) {
            Step::Connect { connect, limit } => {
                self.timers.set(Timer::Limit(probe), now + limit);
                out.push(Effect::Connect(connect));
            }
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
        let checker = self
            .checkers
            .get_mut(&id)
            .expect("a checker outlives its attempts");
        checker.attempt = None;
        let server = checker.server;
        let judgement = checker.judge(verdict);
        let check = checker.config.probe.keyword();
        // The last attempt of a check that was suspended meanwhile counts, too.
        if !self.services[&server.service].suspended {
            self.timers.set(Timer::Due(id), now + judgement.next);
        }
        if judgement.never_up {
            self.notify_server(server, false, Why::Checked);
        }
        let Some(passed) = judgement.changed else {
            return;
        };
        if passed {
            self.check_passed(server);
        } else {
            self.check_failed(server);
        }
        self.notices.push(Notice::Check {
            service: self.name_of(server).clone(),
            server: server.address,
            check,
            passed,
            up: self.servers[&server].alive,
        });
    }

    /// A checker of a server that is leaving.
    pub(super) fn remove_checker(&mut self, id: CheckerId, out: &mut Vec<Effect>) {
        self.timers.cancel(Timer::Due(id));
        if let Some(probe) = self.checkers.remove(&id).and_then(|gone| gone.attempt) {
            self.close(probe, out);
        }
    }

    fn close(&mut self, probe: ProbeId, out: &mut Vec<Effect>) {
        self.probes.remove(&probe);
        self.timers.cancel(Timer::Limit(probe));
        out.push(Effect::Close(probe));
    }
}

/// keepalived waits this long before the first check, whatever the warm-up.
const FIRST_CHECK: Duration = Duration::from_secs(1);
