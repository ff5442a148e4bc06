//! `interface_up_down_delays`: a change of a link counts only after it has lasted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Timer;
use super::network::Network;
use crate::addr::IfIndex;
use crate::config::UpDownDelay;
use crate::time::{Instant, Timers};
use crate::wire::rtnl::{Link, Notice};

/// The delays by the name of their interface.
#[derive(Debug, Default)]
pub(super) struct Debounce {
    delays: BTreeMap<String, UpDownDelay>,
}

impl Debounce {
    pub(super) fn new(delays: &[UpDownDelay]) -> Self {
        let delays = delays.iter();
        Self {
            delays: delays
                .map(|delay| (delay.interface.clone(), delay.clone()))
                .collect(),
        }
    }

    /// What counts of a notice now. A link that has just changed stays as it was until its timer
    /// has run; one that has changed back was never gone.
    pub(super) fn filter(
        &self,
        now: Instant,
        notice: &Notice,
        known: &Network,
        timers: &mut Timers<Timer>,
    ) -> Notice {
        match notice {
            Notice::Link(link) => Notice::Link(self.hold_back(now, link, known, timers)),
            Notice::LinkGone(index) => {
                timers.cancel(Timer::Settle(*index));
                notice.clone()
            }
            _ => notice.clone(),
        }
    }

    pub(super) fn hold_back(
        &self,
        now: Instant,
        link: &Link,
        known: &Network,
        timers: &mut Timers<Timer>,
    ) -> Link {
        let timer = Timer::Settle(link.index);
        let changed = known.link(link.index);
        let changed = changed.filter(|old| old.running != link.running);
        let delay = self.delays.get(&link.name).map_or(Duration::ZERO, |delay| {
            if link.running { delay.up } else { delay.down }
        });
        if changed.is_none() || delay.is_zero() {
            timers.cancel(timer);
            return link.clone();
        }
        if timers.deadline_of(timer).is_none() {
            timers.set(timer, now + delay);
        }
        Link {
            running: !link.running,
            ..link.clone()
        }
    }

    /// The change has lasted.
    pub(super) fn settled(index: IfIndex, known: &Network) -> Option<Notice> {
        let link = known.link(index)?;
        Some(Notice::Link(Link {
            running: !link.running,
            ..link.clone()
        }))
    }
}
