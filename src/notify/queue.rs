//! The scripts of one subject, one after the other. One that hangs is waited for as long as the
//! configuration says; what follows then starts beside it.

use std::collections::VecDeque;

use super::plan::Job;
use crate::child::RunId;

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Job>,
    /// Those that run, also the hanging ones.
    running: Vec<(RunId, Job)>,
    /// The one that the others wait for.
    ahead: Option<RunId>,
}

impl Queue {
    /// False when there is no room: the oldest that waits is lost.
    pub(super) fn add(&mut self, job: Job) -> bool {
        let has_room = self.waiting.len() < WAITING_MAX;
        if !has_room {
            self.waiting.pop_front();
        }
        self.waiting.push_back(job);
        has_room
    }

    /// Takes out what waits and is of the past. How many were they?
    pub(super) fn supersede(&mut self) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|job| !job.is_state);
        before - self.waiting.len()
    }

    /// The next script, if it may start.
    pub(super) fn start(&mut self, run: RunId) -> Option<&Job> {
        if self.ahead.is_some() {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.ahead = Some(run);
        self.running.push((run, job));
        self.running.last().map(|(_, job)| job)
    }

    pub(super) fn ended(&mut self, run: RunId) -> Option<Job> {
        let at = self.running.iter().position(|(known, _)| *known == run)?;
        self.ahead.take_if(|ahead| *ahead == run);
        Some(self.running.swap_remove(at).1)
    }

    /// Nobody waits for this run any longer. None when nobody did.
    pub(super) fn overtake(&mut self, run: RunId) -> Option<&Job> {
        self.ahead.take_if(|ahead| *ahead == run)?;
        let mut running = self.running.iter();
        running.find(|(known, _)| *known == run).map(|(_, job)| job)
    }

    pub(super) fn may_start(&self) -> bool {
        self.ahead.is_none() && !self.waiting.is_empty()
    }

    pub(super) fn running(&self) -> impl Iterator<Item = RunId> + use<'_> {
        self.running.iter().map(|(run, _)| *run)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }
}

/// A subject that flaps once a second while its script hangs is told of for an hour.
pub(super) const WAITING_MAX: usize = 4_096;
