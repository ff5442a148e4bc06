//! Gratuitous ARP and unsolicited neighbour advertisements: who is told when, and how often.

use std::net::IpAddr;

use log::debug;

use super::entries::Entry;
use super::instance::{Context, Instance, State};
use super::network::Network;
use super::{Alarm, Effect};
use crate::addr::IfIndex;
use crate::wire::rtnl::Address;
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
}

impl Instance {
    pub(super) fn announce(&mut self, burst: Burst, cx: &mut Context<'_>) {
        if !matches!(self.state, State::Master) {
            return;
        }
        let garp = self.config.garp;
        let repeat = match burst {
            Burst::First | Burst::Second => garp.repeat,
            Burst::Refresh => garp.refresh_repeat,
            Burst::LowerPriority | Burst::LowerPriorityAgain => garp.lower_prio_repeat,
        };
        self.announce_all(self.owned.addresses(), repeat, cx);
        match burst {
            Burst::First => {
                self.set_unless_zero(Alarm::Announce, garp.delay, cx);
                if !garp.refresh.is_zero() {
                    self.set(Alarm::Refresh, garp.delay + garp.refresh, cx);
                }
            }
            Burst::Refresh => self.set_unless_zero(Alarm::Refresh, garp.refresh, cx),
            Burst::LowerPriority if repeat > 0 => {
                self.set_unless_zero(Alarm::LowerPriority, garp.lower_prio_delay, cx);
            }
            Burst::Second | Burst::LowerPriority | Burst::LowerPriorityAgain => {}
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
                announcement.send(cx.out);
            }
        }
    }

    fn set_unless_zero(&self, alarm: Alarm, after: std::time::Duration, cx: &mut Context<'_>) {
        if !after.is_zero() {
            self.set(alarm, after, cx);
        }
    }
}

/// One frame for one address.
struct Announcement<'a> {
    on: IfIndex,
    device: &'a str,
    address: IpAddr,
    frame: Vec<u8>,
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

    fn send(&self, out: &mut Vec<Effect>) {
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
