//! What is done with every server of a service, some at a time: one of thousands takes longer than
//! adverts may wait.
//!
//! What a walk does to a server follows from how things stand when it comes by, so that a newer
//! walk of the same kind takes the place of an older one.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::time::Instant;

use super::service::{ServerKey, VirtualId};
use super::{Core, Timer};

#[derive(Debug)]
pub(super) struct Walk {
    service: VirtualId,
    task: Task,
    /// Those it has not come by yet.
    servers: VecDeque<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// The table is told what is wanted of it.
    Show,
    /// Its checks end or begin, as the service is suspended or not.
    Suspend,
}

impl Core {
    /// The first servers have their turn at once.
    pub(super) fn begin_walk(
        &mut self,
        service: VirtualId,
        task: Task,
        servers: VecDeque<SocketAddr>,
    ) {
        let is_older = |walk: &Walk| walk.service == service && walk.task == task;
        self.walks.retain(|walk| !is_older(walk));
        let mut walk = Walk {
            service,
            task,
            servers,
        };
        let mut budget = SERVERS_PER_TURN;
        self.walk_on(self.turn, &mut walk, &mut budget);
        if !walk.servers.is_empty() {
            self.walks.push_back(walk);
            self.timers.set(Timer::Walks, self.turn);
        }
    }

    /// A share of what is left.
    pub(super) fn go_on_walking(&mut self, now: Instant) {
        let mut budget = SERVERS_PER_TURN;
        while budget > 0
            && let Some(mut walk) = self.walks.pop_front()
        {
            self.walk_on(now, &mut walk, &mut budget);
            if !walk.servers.is_empty() {
                self.walks.push_front(walk);
            }
        }
        if !self.walks.is_empty() {
            self.timers.set(Timer::Walks, now);
        }
    }

    fn walk_on(&mut self, now: Instant, walk: &mut Walk, budget: &mut usize) {
        let service = walk.service;
        let Some(known) = self.services.get(&service) else {
            return walk.servers.clear();
        };
        // Each server has an entry in each of them.
        let cost = known.kernel.len().max(1);
        while *budget > 0
            && let Some(address) = walk.servers.pop_front()
        {
            let server = ServerKey { service, address };
            match walk.task {
                Task::Show => self.show(server),
                Task::Suspend => self.suspend_server(now, server),
            }
            *budget = budget.saturating_sub(cost);
        }
    }
}

/// Servers that are come by in one turn of the loop: less than a millisecond of it.
const SERVERS_PER_TURN: usize = 256;
