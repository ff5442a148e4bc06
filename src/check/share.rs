//! `checker_share_probes`: checks that agree in everything make one attempt for all of them.
//!
//! Who is due first makes it. All of them hear its verdict as if the attempt had been their own:
//! retries, weights, lines and notices stay everybody's own. Only who is between two retries does
//! not hear of it before its time, since its patience would end sooner than it is configured to.
//!
//! Those to whom it then comes to the same go on together: one of them has a timer, the others ride
//! in its train. So an attempt begins at once, however many it is for, and its verdict is handed
//! out some checks at a time. Who becomes due while an attempt of the same kind is under way waits
//! for what that finds.
//!
//! Programs are not shared: what else they do for whom is not known.

use std::collections::{BTreeSet, VecDeque};

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
    groups: Map<config::Checker, Group>,
    /// Those who wait for the next attempt of this one.
    trains: Map<CheckerId, Vec<Rider>>,
    /// Verdicts on their way, the oldest first.
    verdicts: VecDeque<Shared>,
}

#[derive(Debug, Default)]
struct Group {
    /// Those who do not ride with another, in the order in which they came.
    walkers: BTreeSet<CheckerId>,
    /// Those in flight, one for each page that is asked for, and maybe some that have ended.
    attempts: Vec<ProbeId>,
}

/// A place in a train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ride {
    /// Given out once: who has left and come back has another.
    ticket: u64,
    /// When the attempt begins that is waited for. It is in flight after that.
    pub(super) due: Instant,
}

/// Who has that place, unless it has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rider {
    id: CheckerId,
    ticket: u64,
}

/// What an attempt has found, for those who did not make it themselves.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) leader: CheckerId,
    pub(super) config: config::Checker,
    pub(super) page: usize,
    pub(super) verdict: Verdict,
    /// Until the server's certificate expires.
    pub(super) days_left: Option<i64>,
    /// When it ended: the rhythm of all goes by that.
    pub(super) ended: Instant,
    /// Walkers from this one on do not know it yet; None: they all do.
    pub(super) walkers: Option<CheckerId>,
    /// And neither do these.
    pub(super) riders: VecDeque<Rider>,
}

impl Checker {
    fn can_share(&self) -> bool {
        self.config.check.probe.endpoint().is_some()
    }

    /// It has failed, and has retries left.
    fn is_between_retries(&self) -> bool {
        self.reason.is_some() && self.retries > 0
    }
}

impl Core {
    /// Every checker follows when it is configured.
    pub(super) fn configure_sharing(&mut self, on: bool, checkers: usize) {
        self.shares.on = on;
        if on {
            let known = self.shares.groups.len();
            self.shares.groups.reserve(checkers.saturating_sub(known));
        }
    }

    /// A check that is new, or configured anew, or on its own again.
    pub(super) fn enlist(&mut self, id: CheckerId) {
        let checker = &self.checkers[&id];
        if !self.shares.on || !checker.can_share() || checker.ride.is_some() {
            return;
        }
        let config = checker.config.clone();
        let group = self.shares.groups.entry(config).or_default();
        group.walkers.insert(id);
        let attempts = checker.attempt.iter().map(|attempt| attempt.id);
        group.attempts.extend(attempts);
    }

    /// A check goes, or is about to be configured anew: it leaves those who agree with it.
    pub(super) fn strike(&mut self, id: CheckerId) {
        let config = &self.checkers[&id].config;
        if let Some(group) = self.shares.groups.get_mut(config) {
            group.walkers.remove(&id);
            if group.walkers.is_empty() {
                self.shares.groups.remove(config);
            }
        }
        self.pass_train_on(id);
    }

    /// A checker stays as it is configured, in these times or others.
    pub(super) fn stay(&mut self, now: Instant, id: CheckerId) {
        if self.shares.on {
            self.enlist(id);
        } else {
            self.part(now, id);
        }
    }

    /// A checker goes its own way, with its own timer. What is in flight it still waits for.
    pub(super) fn part(&mut self, now: Instant, id: CheckerId) {
        if let Some(due) = self.leave_train(now, id) {
            self.timers.set(Timer::Due(id), due);
        }
        self.strike(id);
    }

    /// A checker waits for nothing any more, apart from what is in flight.
    pub(super) fn stand_down(&mut self, now: Instant, id: CheckerId) {
        self.timers.cancel(Timer::Due(id));
        if self.leave_train(now, id).is_some() {
            self.enlist(id);
        }
        self.pass_train_on(id);
    }

    /// Gives when the attempt would have begun.
    fn leave_train(&mut self, now: Instant, id: CheckerId) -> Option<Instant> {
        let checker = self.checker_mut(id);
        let ride = checker.ride.filter(|ride| ride.due > now)?;
        checker.ride = None;
        Some(ride.due)
    }

    /// A checker that is due waits for what an attempt like its own finds, if one is in flight, or
    /// has ended and its verdict is on its way.
    pub(super) fn join(&mut self, now: Instant, id: CheckerId) -> bool {
        let leader = self.leader_in_flight(id);
        let verdict = self.verdict_on_its_way(id);
        if leader.is_none() && verdict.is_none() {
            return false;
        }
        let config = &self.checkers[&id].config;
        if let Some(group) = self.shares.groups.get_mut(config) {
            group.walkers.remove(&id);
        }
        let train = self.shares.trains.remove(&id).unwrap_or_default();
        let riders = [self.ride(id, now)].into_iter().chain(train);
        if let Some(leader) = leader {
            let attempt = self.checker_mut(leader).attempt.as_mut();
            let attempt = attempt.expect("who makes an attempt has it");
            attempt.followers.extend(riders);
        } else if let Some(shared) = verdict.and_then(|at| self.shares.verdicts.get_mut(at)) {
            shared.riders.extend(riders);
        }
        true
    }

    /// Who makes such an attempt.
    fn leader_in_flight(&mut self, id: CheckerId) -> Option<CheckerId> {
        let checker = &self.checkers[&id];
        let group = self.shares.groups.get_mut(&checker.config)?;
        let (probes, checkers) = (&self.probes, &self.checkers);
        group.attempts.retain(|probe| probes.contains_key(probe));
        let mut leaders = group.attempts.iter().map(|probe| probes[probe]);
        leaders.find(|leader| checkers[leader].course.page == checker.course.page)
    }

    /// Where it stands among them.
    fn verdict_on_its_way(&self, id: CheckerId) -> Option<usize> {
        let checker = &self.checkers[&id];
        let mut verdicts = self.shares.verdicts.iter();
        verdicts.position(|shared| shared.concerns(id, checker))
    }

    /// An attempt begins; gives those who wait for it.
    pub(super) fn depart(&mut self, id: CheckerId, probe: ProbeId) -> Vec<Rider> {
        let config = &self.checkers[&id].config;
        if let Some(group) = self.shares.groups.get_mut(config) {
            group.attempts.push(probe);
        }
        self.shares.trains.remove(&id).unwrap_or_default()
    }

    /// An attempt has ended. So many others may wait for its verdict that not all of them can have
    /// it in this turn.
    pub(super) fn share(&mut self, now: Instant, mut shared: Shared) {
        let group = self.shares.groups.get(&shared.config);
        let is_alone = group.is_none_or(|group| group.walkers.len() == 1);
        if is_alone || !self.shares.on {
            shared.walkers = None;
        }
        if shared.walkers.is_some() || !shared.riders.is_empty() {
            self.shares.verdicts.push_back(shared);
            self.hand_out(now);
        }
    }

    pub(super) fn hand_out(&mut self, now: Instant) {
        while let Some(mut shared) = self.shares.verdicts.pop_front() {
            while self.budget > 0 && !shared.is_known() {
                self.budget -= 1;
                self.tell_next(now, &mut shared);
            }
            if !shared.is_known() {
                self.shares.verdicts.push_front(shared);
                self.timers.set(Timer::Verdicts, now);
                return;
            }
        }
    }

    /// Nobody waits for anything any more.
    pub(super) fn forget_shares(&mut self) {
        self.shares = Shares::default();
        self.timers.cancel(Timer::Verdicts);
    }

    /// The next one who may not know the verdict yet. Walkers come first: riders that become
    /// walkers must not hear it twice.
    fn tell_next(&mut self, now: Instant, shared: &mut Shared) {
        if let Some(from) = shared.walkers {
            let group = self.shares.groups.get(&shared.config);
            let next = group.and_then(|group| group.walkers.range(from..).next().copied());
            shared.walkers = next.map(|id| CheckerId(id.0 + 1));
            if let Some(id) = next.filter(|&id| self.waits(now, id, shared)) {
                self.timers.cancel(Timer::Due(id));
                let train = self.shares.trains.remove(&id);
                shared.riders.extend(train.unwrap_or_default());
                self.take_verdict(now, id, shared);
            }
        } else if let Some(rider) = shared.riders.pop_front()
            && self.alight(rider)
        {
            self.take_verdict(now, rider.id, shared);
        }
    }

    /// A walker waits for the same; not one that is suspended or has not begun yet.
    fn waits(&self, now: Instant, id: CheckerId, shared: &Shared) -> bool {
        let checker = &self.checkers[&id];
        let due = self.timers.deadline_of(Timer::Due(id));
        let in_time = |at| at <= now || !checker.is_between_retries();
        id != shared.leader && checker.course.page == shared.page && due.is_some_and(in_time)
    }

    fn take_verdict(&mut self, now: Instant, id: CheckerId, shared: &Shared) {
        if let Some(days) = shared.days_left {
            self.checker_mut(id).warn_of_expiry(days);
        }
        let next = self.settle(id, shared.verdict.clone());
        let due = shared.ended + next;
        if due > now && self.has_the_plans_of(id, shared.leader, due) {
            if shared.walkers.is_some() {
                let group = self.shares.groups.get_mut(&shared.config);
                group.map(|group| group.walkers.remove(&id));
            }
            let rider = self.ride(id, due);
            let train = self.shares.trains.entry(shared.leader);
            train.or_default().push(rider);
        } else {
            self.plan(now, id, due);
            self.enlist(id);
        }
    }

    /// Both want the same attempt at the same time, and may be taken along by the same others.
    fn has_the_plans_of(&self, id: CheckerId, leader: CheckerId, due: Instant) -> bool {
        let one = &self.checkers[&id];
        let Some(other) = self.checkers.get(&leader).filter(|_| self.shares.on) else {
            return false;
        };
        self.timers.deadline_of(Timer::Due(leader)) == Some(due)
            && !self.is_suspended(id)
            && one.course.page == other.course.page
            && one.is_between_retries() == other.is_between_retries()
            && one.config == other.config
    }

    fn ride(&mut self, id: CheckerId, due: Instant) -> Rider {
        let ticket = self.new_id();
        self.checker_mut(id).ride = Some(Ride { ticket, due });
        Rider { id, ticket }
    }

    /// False when it has left before.
    fn alight(&mut self, rider: Rider) -> bool {
        let Some(checker) = self.checkers.get_mut(&rider.id) else {
            return false;
        };
        let rides = checker.ride.is_some_and(|ride| ride.ticket == rider.ticket);
        if rides {
            checker.ride = None;
        }
        rides
    }

    /// Who was going to make the next attempt is not: the next of those who wait for it is.
    fn pass_train_on(&mut self, id: CheckerId) {
        let Some(mut train) = self.shares.trains.remove(&id) else {
            return;
        };
        while let Some(rider) = train.pop() {
            let ride = self.checkers.get(&rider.id).and_then(|rider| rider.ride);
            let Some(ride) = ride.filter(|_| self.alight(rider)) else {
                continue;
            };
            self.enlist(rider.id);
            // It was overdue when its service was suspended.
            if self.is_suspended(rider.id) {
                continue;
            }
            self.timers.set(Timer::Due(rider.id), ride.due);
            self.shares.trains.insert(rider.id, train);
            return;
        }
    }

    fn is_suspended(&self, id: CheckerId) -> bool {
        self.services[&self.checkers[&id].server.service].suspended
    }

    /// Who made an attempt goes, and the next of those who wait for it takes it over; gives it back
    /// when there is nobody.
    pub(super) fn pass_on(&mut self, mut attempt: Box<Attempt>) -> Option<Box<Attempt>> {
        while let Some(rider) = attempt.followers.pop() {
            if self.alight(rider) {
                self.probes.insert(attempt.id, rider.id);
                self.checker_mut(rider.id).attempt = Some(attempt);
                self.enlist(rider.id);
                return None;
            }
        }
        Some(attempt)
    }
}

impl Shared {
    /// By everybody.
    fn is_known(&self) -> bool {
        self.walkers.is_none() && self.riders.is_empty()
    }

    /// This walker will hear of it.
    fn concerns(&self, id: CheckerId, checker: &Checker) -> bool {
        let is_ahead = self.walkers.is_some_and(|from| from <= id);
        let agrees = self.page == checker.course.page && self.config == checker.config;
        is_ahead && id != self.leader && agrees
    }
}
