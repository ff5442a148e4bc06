//! Gratuitous ARP and unsolicited neighbour advertisements: who is told when, and how often.

use std::net::IpAddr;
use std::time::Duration;

use log::debug;

use super::entries::Entry;
use super::instance::{Context, Instance, State};
use super::network::Network;
use super::pacing::Way;
use super::{Alarm, Effect, Timer};
use crate::addr::{Cidr, IfIndex};
use crate::config::Destination;
use crate::wire::rtnl::{Address, LinkKind};
use crate::wire::{arp, ndisc};

/// The occasions of a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Burst {
    /// The addresses have just been taken.
    First,
    /// `garp_master_delay` later, for those who missed the first.
    Second,
    /// Every `garp_master_refresh`.
    Refresh,
    /// Another router thought it was master; its gratuitous ARP may have been believed.
    LowerPriority,
    /// `garp_lower_prio_delay` later.
    LowerPriorityAgain,
    /// Another master that was heard is gone.
    Return,
}

impl Instance {
    pub(super) fn announce(&mut self, burst: Burst, cx: &mut Context<'_>) {
        if !matches!(self.state, State::Master) {
            return;
        }
        let garp = self.config.garp;
        let repeat = match burst {
            Burst::First | Burst::Second | Burst::Return => garp.repeat,
            Burst::Refresh => garp.refresh_repeat,
            Burst::LowerPriority | Burst::LowerPriorityAgain => garp.lower_prio_repeat,
        };
        self.announce_all(self.owned.addresses(), repeat, cx);
        match burst {
            Burst::First => {
                self.set_unless_zero(Alarm::Announce, garp.delay, cx);
                if let Some(extra) = garp.extra {
                    self.set_unless_zero(Alarm::Extra, extra.interval, cx);
                }
                if !garp.refresh.is_zero() {
                    self.set(Alarm::Refresh, garp.delay + garp.refresh, cx);
                }
            }
            Burst::Refresh => self.set_unless_zero(Alarm::Refresh, garp.refresh, cx),
            Burst::LowerPriority if repeat > 0 => {
                self.set_unless_zero(Alarm::LowerPriority, garp.lower_prio_delay, cx);
            }
            Burst::Second | Burst::LowerPriority | Burst::LowerPriorityAgain | Burst::Return => {}
        }
    }

    /// `garp_extra_if`: switches are to know where the other interfaces are, with one frame from
    /// each. VMACs are what switches forget, `all` means every interface.
    pub(super) fn announce_elsewhere(&self, cx: &mut Context<'_>) {
        let Some(extra) = self.config.garp.extra else {
            return;
        };
        let mut seen = Vec::new();
        let is_meant = |address: &&Address| {
            let link = cx.network.link(address.link);
            let is_vmac = link.is_some_and(|link| matches!(link.kind, LinkKind::Macvlan(_)));
            let is_other = is_vmac && Some(address.link) != self.wire();
            let is_first = !seen.contains(&address.link);
            seen.push(address.link);
            is_first && (extra.all || is_other)
        };
        let chosen: Vec<_> = self.owned.addresses().filter(is_meant).cloned().collect();
        self.announce_all(chosen.iter(), 1, cx);
        self.set_unless_zero(Alarm::Extra, extra.interval, cx);
    }

    /// Another master is there. It has told the network that the addresses are with it, and when it
    /// is gone, somebody has to tell that they are here.
    pub(super) fn await_silence(&self, cx: &mut Context<'_>) {
        self.set(Alarm::Silence, self.master_down_interval(), cx);
    }

    /// Another master says goodbye. Whoever says so again and again is told once a second.
    pub(super) fn answer_goodbye(&mut self, cx: &mut Context<'_>) {
        let is_patient = |last| cx.now.since(last) >= GOODBYE_INTERVAL;
        if self.goodbye_answered_at.is_none_or(is_patient) {
            self.goodbye_answered_at = Some(cx.now);
            cx.timers.cancel(Timer::Of(self.id, Alarm::Silence));
            self.announce(Burst::Return, cx);
        } else {
            self.set(Alarm::Silence, GOODBYE_INTERVAL, cx);
        }
    }

    /// A unicast instance that was in FAULT may be unknown to its peers' neighbour tables by now.
    pub(super) fn announce_source(&self, cx: &mut Context<'_>) {
        let is_unicast = matches!(self.config.destination, Destination::Unicast(_));
        let (Some(source), Some(link), true) = (self.source, self.link, is_unicast) else {
            return;
        };
        let source = Address::new(link, Cidr::host(source));
        if let Some(announcement) = Announcement::of(&source, cx.network) {
            debug!(
                "{self}: sending gratuitous ARP for {}",
                announcement.address
            );
            announcement.send(cx.out);
        }
    }

    /// The addresses among what was just taken.
    pub(super) fn announce_entries(&self, entries: &[Entry], repeat: u32, cx: &mut Context<'_>) {
        self.announce_all(entries.iter().filter_map(Entry::address), repeat, cx);
    }

    /// Rounds outside, addresses inside: the repetitions of one address are spread.
    fn announce_all<'a>(
        &self,
        addresses: impl Iterator<Item = &'a Address>,
        repeat: u32,
        cx: &mut Context<'_>,
    ) {
        let announcements: Vec<_> = addresses
            .filter_map(|address| Announcement::of(address, cx.network))
            .collect();
        for Announcement {
            device, address, ..
        } in &announcements
        {
            match address {
                IpAddr::V4(_) => {
                    debug!("({self}) Sending/queueing gratuitous ARPs on {device} for {address}");
                }
                IpAddr::V6(_) => debug!(
                    "({self}) Sending/queueing Unsolicited Neighbour Adverts on {device} for \
                     {address}"
                ),
            }
        }
        for _ in 0..repeat {
            for announcement in &announcements {
                let way = Way {
                    network: cx.network,
                    timers: cx.timers,
                    out: cx.out,
                };
                cx.pacing.send(cx.now, self.id, announcement, repeat, way);
            }
        }
    }

    fn set_unless_zero(&self, alarm: Alarm, after: Duration, cx: &mut Context<'_>) {
        if !after.is_zero() {
            self.set(alarm, after, cx);
        }
    }
}

/// One frame for one address.
pub(super) struct Announcement<'a> {
    pub(super) on: IfIndex,
    device: &'a str,
    pub(super) address: IpAddr,
    pub(super) frame: Vec<u8>,
}

impl<'a> Announcement<'a> {
    /// None where nobody would understand it: no ARP, or no hardware address of six octets, as on
    /// InfiniBand.
    fn of(address: &Address, network: &'a Network) -> Option<Self> {
        let link = network.link(address.link).filter(|link| !link.no_arp)?;
        let frame = match address.cidr.address() {
            IpAddr::V4(v4) => arp::gratuitous(link.mac?, v4),
            IpAddr::V6(v6) => ndisc::unsolicited(link.mac?, v6, network.forwards(link.index)),
        };
        Some(Self {
            on: link.index,
            device: &link.name,
            address: address.cidr.address(),
            frame,
        })
    }

    pub(super) fn send(&self, out: &mut Vec<Effect>) {
        let Self {
            device, address, ..
        } = self;
        match address {
            IpAddr::V4(_) => debug!("Sending gratuitous ARP on {device} for {address}"),
            IpAddr::V6(_) => {
                debug!("Sending unsolicited Neighbour Advert on {device} for {address}");
            }
        }
        out.push(Effect::Announce {
            on: self.on,
            frame: self.frame.clone(),
        });
    }
}

/// The least time between two answers to a goodbye: anybody can send one.
const GOODBYE_INTERVAL: Duration = Duration::from_secs(1);
