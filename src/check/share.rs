//! `checker_share_probes`: checks that agree in everything make one attempt for all of them.
//!
//! Who is due first makes it, and takes along whoever waits for the same. All of them hear its
//! verdict as if the attempt had been their own: retries, weights, lines and notices stay
//! everybody's own. Only who is between two retries is not taken along before its time, since its
//! patience would end sooner than it is configured to. Who becomes due while an attempt of the same
//! kind is under way waits for what that finds.
//!
//! Programs are not shared: what else they do for whom is not known.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::vec::IntoIter;

use crate::config;
use crate::hash::Map;
use crate::time::Instant;

use super::checker::{Attempt, Checker, CheckerId};
use super::probe::Verdict;
use super::{Core, ProbeId, Timer};

/// Who shares what with whom. Empty unless it is configured.
#[derive(Debug, Default)]
pub(super) struct Shares {
    on: bool,
    /// By everything that its members agree in.
    groups: Map<Arc<config::Checker>, Group>,
    /// Verdicts on their way, the oldest first.
    verdicts: VecDeque<Shared>,
}

#[derive(Debug, Default)]
struct Group {
    /// In the order in which they came.
    members: BTreeSet<CheckerId>,
    /// Those in flight, one for each page that is asked for, and maybe some that have ended.
    attempts: Vec<ProbeId>,
}

/// What an attempt has found, for those who did not make it themselves.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) probe: ProbeId,
    pub(super) verdict: Verdict,
    /// Until the server's certificate expires.
    pub(super) days_left: Option<i64>,
    /// When it ended: the rhythm of all goes by that.
    pub(super) ended: Instant,
    pub(super) waiting: IntoIter<CheckerId>,
}

impl Checker {
    fn can_share(&self) -> bool {
        self.config.probe.endpoint().is_some()
    }

    /// It has failed, and has retries left.
    fn is_between_retries(&self) -> bool {
        self.reason.is_some() && self.retries > 0
    }
}

impl Core {
    /// Those who are in flight together stay together until they have landed.
    pub(super) fn configure_sharing(&mut self, on: bool, checkers: usize) {
        self.shares.on = on;
        if on {
            let known = self.shares.groups.len();
            self.shares.groups.reserve(checkers.saturating_sub(known));
        } else {
            self.shares.groups = Map::default();
        }
    }

    /// A check that is new, or configured anew.
    pub(super) fn enlist(&mut self, id: CheckerId) {
        let checker = &self.checkers[&id];
        if !self.shares.on || !checker.can_share() {
            return;
        }
        let config = Arc::clone(&checker.config);
        let group = self.shares.groups.entry(config).or_default();
        group.members.insert(id);
        let attempts = checker.attempt.iter().map(|attempt| attempt.id);
        group.attempts.extend(attempts);
    }

    /// A check that goes, or is about to be configured anew.
    pub(super) fn strike(&mut self, id: CheckerId) {
        let config = &self.checkers[&id].config;
        let Some(group) = self.shares.groups.get_mut(config) else {
            return;
        };
        group.members.remove(&id);
        if group.members.is_empty() {
            self.shares.groups.remove(config);
        }
    }

    /// A checker that is due waits for what an attempt in flight finds, if that is like its own.
    pub(super) fn join(&mut self, id: CheckerId) -> bool {
        let checker = &self.checkers[&id];
        let Some(group) = self.shares.groups.get_mut(&checker.config) else {
            return false;
        };
        let (probes, checkers) = (&self.probes, &self.checkers);
        group.attempts.retain(|probe| probes.contains_key(probe));
        let page = |probe: &ProbeId| checkers[&probes[probe]].course.page;
        let mut attempts = group.attempts.iter();
        let Some(&probe) = attempts.find(|probe| page(probe) == checker.course.page) else {
            return false;
        };
        let leader = self.checker_mut(probes[&probe]);
        let attempt = leader.attempt.as_mut();
        let attempt = attempt.expect("who makes an attempt has it");
        attempt.followers.push(id);
        self.checker_mut(id).joined = Some(probe);
        true
    }

    /// Those who wait for the same as this one, which begins an attempt; they wait for what comes
    /// of it now.
    pub(super) fn gather(&mut self, now: Instant, id: CheckerId, probe: ProbeId) -> Vec<CheckerId> {
        let leader = &self.checkers[&id];
        let Some(group) = self.shares.groups.get_mut(&leader.config) else {
            return Vec::new();
        };
        group.attempts.push(probe);
        // Who is suspended, or has not begun yet, waits for nothing.
        let waits = |id: CheckerId, checker: &Checker| {
            let due = self.timers.deadline_of(Timer::Due(id));
            due.is_some_and(|at| at <= now || !checker.is_between_retries())
        };
        let others = group.members.iter().copied().filter(|&other| {
            let checker = &self.checkers[&other];
            other != id && checker.course.page == leader.course.page && waits(other, checker)
        });
        let followers: Vec<CheckerId> = others.collect();
        for &follower in &followers {
            self.timers.cancel(Timer::Due(follower));
            self.checker_mut(follower).joined = Some(probe);
        }
        followers
    }

    /// Who made an attempt goes, and the next of those who wait for it takes it over; gives it back
    /// when there is nobody.
    pub(super) fn pass_on(&mut self, mut attempt: Box<Attempt>) -> Option<Box<Attempt>> {
        let probe = attempt.id;
        while let Some(id) = attempt.followers.pop() {
            let waits = |checker: &&mut Box<Checker>| checker.joined == Some(probe);
            let Some(heir) = self.checkers.get_mut(&id).filter(waits) else {
                continue;
            };
            heir.joined = None;
            heir.attempt = Some(attempt);
            let config = Arc::clone(&heir.config);
            self.probes.insert(probe, id);
            if let Some(group) = self.shares.groups.get_mut(&config) {
                group.attempts.push(probe);
            }
            return None;
        }
        Some(attempt)
    }

    /// The attempt of this one has ended. So many others may wait for its verdict that not all of
    /// them can have it in this turn.
    pub(super) fn share(&mut self, now: Instant, leader: CheckerId, shared: Shared) {
        let config = &self.checkers[&leader].config;
        if let Some(group) = self.shares.groups.get_mut(config) {
            group.attempts.retain(|&probe| probe != shared.probe);
        }
        if shared.waiting.len() > 0 {
            self.shares.verdicts.push_back(shared);
            self.hand_out(now);
        }
    }

    pub(super) fn hand_out(&mut self, now: Instant) {
        while let Some(mut shared) = self.shares.verdicts.pop_front() {
            while self.budget > 0
                && let Some(id) = shared.waiting.next()
            {
                self.budget -= 1;
                self.take_verdict(now, id, &shared);
            }
            if shared.waiting.len() > 0 {
                self.shares.verdicts.push_front(shared);
                self.timers.set(Timer::Verdicts, now);
                return;
            }
        }
    }

    /// Nobody waits for a verdict any more.
    pub(super) fn forget_verdicts(&mut self) {
        self.shares.verdicts.clear();
        self.timers.cancel(Timer::Verdicts);
    }

    fn take_verdict(&mut self, now: Instant, id: CheckerId, shared: &Shared) {
        let waits = |checker: &&mut Box<Checker>| checker.joined == Some(shared.probe);
        let Some(checker) = self.checkers.get_mut(&id).filter(waits) else {
            return;
        };
        checker.joined = None;
        if let Some(days) = shared.days_left {
            checker.warn_of_expiry(days);
        }
        let next = self.settle(id, shared.verdict.clone());
        self.plan(now, id, shared.ended + next);
    }
}
