//! When a check is tried again, and what its outcomes amount to.
//!
//! Every attempt of every kind of check ends in one function, [`Checker::judge`]. Most kinds share
//! one rhythm; a check of pages has several of them to go through, and twice when the server comes
//! back.

use std::time::Duration;

use log::{debug, info};

use crate::config::{HttpProbe, Probe, ServiceKey};

use super::Reason;
use super::checker::Checker;
use super::probe::{Told, Verdict, Weight};

/// What an attempt amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    /// The new verdict on the server, if it is another.
    pub(super) changed: Option<bool>,
    /// The first verdict of a check that was down from the start, and still is.
    pub(super) never_up: bool,
    /// Until the next attempt.
    pub(super) next: Duration,
}

impl Judgement {
    fn unchanged(next: Duration) -> Self {
        Self {
            changed: None,
            never_up: false,
            next,
        }
    }
}

/// Where a check of several pages stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// The page that is tried next.
    pub(super) page: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// One page after the other.
    #[default]
    Checking,
    /// This page has taken the server down.
    Failed,
    /// That page is right again; now all of them have to be.
    Returning,
}

impl Checker {
    /// The one exit of every attempt of every kind of probe.
    pub(super) fn judge(&mut self, verdict: Verdict, service: &ServiceKey) -> Judgement {
        match verdict {
            Verdict::Weighed(weight) => {
                self.weight = weight;
                self.passed(service)
            }
            Verdict::Up => match &self.config.check.probe {
                Probe::Http(http) => {
                    let (pages, fast) = (http.urls.len(), http.fast_recovery);
                    self.page_passed(pages, fast, service)
                }
                _ => self.passed(service),
            },
            Verdict::Down(reason) => {
                if self.up && self.config.check.log_all_failures {
                    let last = self.retries >= self.config.check.retry;
                    let (done, of) = (self.retries, self.config.check.retry);
                    let told = Told::Attempt {
                        reason: &reason,
                        done,
                        of,
                        last,
                    };
                    self.tell(told, service);
                }
                self.failed(reason, service)
            }
            // A check that cannot be made on this side says nothing about the server: no retry is
            // counted and the verdict stays.
            Verdict::NotRun(error) => {
                self.tell(Told::NotRun, service);
                debug!("{}: {error}", self.server);
                Judgement::unchanged(self.config.check.delay_loop)
            }
        }
    }

    fn passed(&mut self, service: &ServiceKey) -> Judgement {
        if !self.up || !self.has_run {
            self.tell(Told::Up, service);
        }
        let changed = (!self.up).then_some(true);
        self.up = true;
        self.has_run = true;
        self.retries = 0;
        self.reason = None;
        self.course = Course::default();
        Judgement {
            changed,
            never_up: false,
            next: self.config.check.delay_loop,
        }
    }

    /// One of several pages is right. All of them have to be, one `delay_loop` apart; those of a
    /// server that comes back all over again.
    fn page_passed(&mut self, pages: usize, fast: bool, service: &ServiceKey) -> Judgement {
        let Course { page, stage } = self.course;
        if stage != Stage::Checking {
            self.tell(Told::Page(page), service);
        }
        if stage == Stage::Failed {
            self.course = Course {
                page: 0,
                stage: Stage::Returning,
            };
        } else if page + 1 < pages {
            self.course.page += 1;
        } else {
            return self.passed(service);
        }
        self.retries = 0;
        let hurry = fast && (stage != Stage::Checking || !self.has_run);
        Judgement::unchanged(if hurry {
            Duration::ZERO
        } else {
            self.config.check.delay_loop
        })
    }

    fn failed(&mut self, reason: Reason, service: &ServiceKey) -> Judgement {
        let (number, keyword) = (reason.number(), self.config.check.probe.keyword());
        let told = format!(
            "Check of service {} by {keyword}: reason {number}, {reason}",
            self.server
        );
        let cyclic = matches!(self.config.check.probe, Probe::Smtp { .. });
        if (self.up || cyclic) && self.retries < self.config.check.retry {
            self.retries += 1;
            self.reason = Some(reason);
            debug!("{told}");
            return Judgement::unchanged(self.config.check.delay_before_retry);
        }
        if self.up || !self.has_run {
            let retries = self.retries_told();
            let reason = &reason;
            self.tell(Told::Down { reason, retries }, service);
            info!("{told}");
        } else {
            debug!("{told}");
        }
        self.reason = Some(reason);
        // What it added to the weight goes first.
        self.weight = Weight::Own;
        // While down the attempts are delay_loop apart, and one success is enough.
        let changed = self.up.then_some(false);
        let never_up = !self.up && !self.has_run;
        self.up = false;
        self.has_run = true;
        self.retries = 0;
        Judgement {
            changed,
            never_up,
            next: self.delay_while_down(),
        }
    }

    /// The retries that keepalived says there were.
    fn retries_told(&self) -> Option<u32> {
        let retry = self.config.check.retry;
        // Programs say so of their first run, too, and whether there were any.
        if matches!(self.config.check.probe, Probe::Misc { .. }) {
            return Some(retry);
        }
        // Its check of pages takes note of the first failure before it counts.
        let counts = self.has_run || matches!(self.config.check.probe, Probe::Http(_));
        (counts && retry > 0).then_some(retry)
    }

    fn delay_while_down(&mut self) -> Duration {
        let check = &self.config.check;
        let Probe::Http(HttpProbe { .. }) = check.probe else {
            return check.delay_loop;
        };
        if self.course.stage == Stage::Returning {
            // Without a pause a server that refuses would be asked again at once, for ever.
            let pause = check.delay_before_retry;
            return if pause.is_zero() {
                check.delay_loop
            } else {
                pause
            };
        }
        self.course.stage = Stage::Failed;
        check.delay_loop.max(check.delay_before_retry)
    }
}
