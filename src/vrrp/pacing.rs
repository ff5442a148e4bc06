//! `garp_interval` and `gna_interval`: the least time between two announcements on one physical
//! interface, or on a group of them. What comes too early waits: for every address at most one
//! burst, so that the queue is as long as the configuration and no longer.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::announce::Announcement;
use super::network::Network;
use super::{Effect, InstanceId, Timer};
use crate::addr::{Family, IfIndex};
use crate::config::{Config, GarpGroup};
use crate::time::{Instant, Timers};

/// What shares one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lane {
    place: Place,
    /// Gratuitous ARP and neighbour advertisements do not wait for each other.
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    /// A `garp_group`, by its order.
    Group(usize),
    Link(IfIndex),
}

#[derive(Debug, Default)]
pub(super) struct Pacing {
    groups: Vec<GarpGroup>,
    /// `vrrp_garp_interval` and `vrrp_gna_interval`.
    garp: Duration,
    gna: Duration,
    queues: BTreeMap<Lane, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Nothing is sent before.
    free_at: Option<Instant>,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    of: InstanceId,
    on: IfIndex,
    address: IpAddr,
    frame: Vec<u8>,
    /// How often it is still to be sent.
    count: u32,
}

impl Pacing {
    /// What waits goes on to wait unless the rules change.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        let vrrp = &config.global.vrrp;
        let garp = vrrp.garp_interval.unwrap_or_default();
        let gna = vrrp.gna_interval.unwrap_or_default();
        if (garp, gna) != (self.garp, self.gna) || self.groups != config.links.garp_groups {
            *self = Self {
                groups: config.links.garp_groups.clone(),
                garp,
                gna,
                queues: BTreeMap::new(),
            };
        }
    }

    /// Sends it now or later. Of one address at most `limit` announcements wait.
    pub(super) fn send(
        &mut self,
        now: Instant,
        of: InstanceId,
        announcement: &Announcement<'_>,
        limit: u32,
        way: Way<'_>,
    ) {
        let (lane, interval) = self.lane(announcement, way.network);
        if interval.is_zero() {
            announcement.send(way.out);
            return;
        }
        let queue = self.queues.entry(lane).or_default();
        let is_free = queue.free_at.is_none_or(|at| at <= now);
        if is_free && queue.waiting.is_empty() {
            queue.free_at = Some(now + interval);
            announcement.send(way.out);
            return;
        }
        queue.add(of, announcement, limit);
        let at = queue.free_at.unwrap_or(now).max(now);
        way.timers.set(Timer::Pace(lane), at);
    }

    /// The next one of a lane is due.
    pub(super) fn on_time(&mut self, now: Instant, lane: Lane, way: Way<'_>) {
        let interval = self.interval(lane);
        let Some(queue) = self.queues.get_mut(&lane) else {
            return;
        };
        let Some(mut next) = queue.waiting.pop_front() else {
            return;
        };
        // An interface that is gone needs no announcement.
        if way.network.link(next.on).is_some() {
            way.out.push(Effect::Announce {
                on: next.on,
                frame: next.frame.clone(),
            });
        }
        queue.free_at = Some(now + interval);
        next.count -= 1;
        // The others first: the repetitions of one address are spread.
        if next.count > 0 {
            queue.waiting.push_back(next);
        }
        if !queue.waiting.is_empty() {
            way.timers.set(Timer::Pace(lane), now + interval);
        }
    }

    /// An instance has no addresses any more.
    pub(super) fn forget(&mut self, of: InstanceId) {
        for queue in self.queues.values_mut() {
            queue.waiting.retain(|waiting| waiting.of != of);
        }
    }

    /// How many announcements wait.
    pub(super) fn waiting(&self, of: InstanceId) -> u32 {
        let waiting = self.queues.values().flat_map(|queue| &queue.waiting);
        let of_it = waiting.filter(|waiting| waiting.of == of);
        of_it.map(|waiting| waiting.count).sum()
    }

    fn lane(&self, announcement: &Announcement<'_>, network: &Network) -> (Lane, Duration) {
        let family = Family::of(announcement.address);
        let base = network.base_of(announcement.on);
        let name = network.link(base).map_or("", |link| link.name.as_str());
        let is_in = |group: &GarpGroup| {
            let says = match family {
                Family::V4 => group.garp_interval,
                Family::V6 => group.gna_interval,
            };
            says.is_some() && group.interfaces.iter().any(|interface| interface == name)
        };
        let place = match self.groups.iter().position(is_in) {
            Some(group) => Place::Group(group),
            None => Place::Link(base),
        };
        let lane = Lane { place, family };
        (lane, self.interval(lane))
    }

    fn interval(&self, lane: Lane) -> Duration {
        let own = match lane.place {
            Place::Group(number) => self.groups.get(number).and_then(|group| match lane.family {
                Family::V4 => group.garp_interval,
                Family::V6 => group.gna_interval,
            }),
            Place::Link(_) => None,
        };
        own.unwrap_or(match lane.family {
            Family::V4 => self.garp,
            Family::V6 => self.gna,
        })
    }
}

impl Queue {
    fn add(&mut self, of: InstanceId, announcement: &Announcement<'_>, limit: u32) {
        let (on, address) = (announcement.on, announcement.address);
        let is_same =
            |known: &&mut Waiting| (known.of, known.on, known.address) == (of, on, address);
        if let Some(known) = self.waiting.iter_mut().find(is_same) {
            known.count = known.count.saturating_add(1).min(limit.max(known.count));
            known.frame.clone_from(&announcement.frame);
            return;
        }
        self.waiting.push_back(Waiting {
            of,
            on,
            address,
            frame: announcement.frame.clone(),
            count: 1,
        });
    }
}

/// Where announcements go through.
pub(super) struct Way<'a> {
    pub(super) network: &'a Network,
    pub(super) timers: &'a mut Timers<Timer>,
    pub(super) out: &'a mut Vec<Effect>,
}
