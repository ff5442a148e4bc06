//! The end: what is given up at once, and what has to wait until the others have heard of it.

use std::time::Duration;

use super::instance::Input;
use super::sync::Groups;
use super::{Core, Effect, Timer};
use crate::time::{Instant, Timers};

/// What becomes of the addresses, routes, rules and devices of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongings {
    GoToo,
    /// `-V`.
    Stay,
}

impl Core {
    pub(super) fn stop(&mut self, now: Instant, belongings: Belongings, out: &mut Vec<Effect>) {
        let order = std::mem::take(&mut self.order);
        if belongings == Belongings::GoToo {
            for id in &order {
                self.one(now, *id, out, |instance, cx| {
                    instance.step(Input::Shutdown, cx);
                });
            }
        }
        self.statics.release(out);
        self.tell_stop(&order, out);
        self.instances.clear();
        self.by_key.clear();
        self.groups = Groups::default();
        self.sockets.settle(std::iter::empty(), &self.timers, out);
        self.timers = Timers::new();
        self.end = Some(belongings);
        if order.is_empty() {
            self.take_leave(out);
        } else {
            self.timers.set(Timer::Farewell, now + FAREWELL);
        }
    }

    /// The kernel tells the neighbours through a device that its groups are left, and tells them
    /// again a moment later: only then the device may go.
    pub(super) fn take_leave(&mut self, out: &mut Vec<Effect>) {
        self.timers = Timers::new();
        self.settings.clear(out);
        match self.end {
            Some(Belongings::Stay) => self.devices.abandon(),
            Some(Belongings::GoToo) | None => self.devices.clear(&self.network, out),
        }
        self.firewall.clear(out);
    }
}

/// As long as keepalived waits for reports of IGMP and for scripts.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);
