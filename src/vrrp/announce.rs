//! Gratuitous ARP: who is told when, and how often.

use std::net::IpAddr;

use log::debug;

use super::instance::{Context, Instance, State};
use super::{Alarm, Effect};
use crate::wire::arp;
use crate::wire::rtnl::Address;

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
        self.announce_addresses(self.owned.addresses(), repeat, cx);
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

    /// Rounds outside, addresses inside: the repetitions of one address are spread.
    pub(super) fn announce_addresses(
        &self,
        addresses: &[Address],
        repeat: u32,
        cx: &mut Context<'_>,
    ) {
        let frames: Vec<_> = addresses
            .iter()
            .filter_map(|address| frame(address, cx))
            .collect();
        for (address, _) in &frames {
            let (device, ip) = (name(address, cx), address.cidr.address());
            debug!("({self}) Sending/queueing gratuitous ARPs on {device} for {ip}");
        }
        for _ in 0..repeat {
            for (address, frame) in &frames {
                let (device, ip) = (name(address, cx), address.cidr.address());
                debug!("Sending gratuitous ARP on {device} for {ip}");
                cx.out.push(Effect::Announce {
                    on: address.link,
                    frame: frame.clone(),
                });
            }
        }
    }

    fn set_unless_zero(&self, alarm: Alarm, after: std::time::Duration, cx: &mut Context<'_>) {
        if !after.is_zero() {
            self.set(alarm, after, cx);
        }
    }
}

/// The frame of one address; None where there is no ARP.
fn frame<'a>(address: &'a Address, cx: &Context<'_>) -> Option<(&'a Address, Vec<u8>)> {
    let link = cx.network.link(address.link)?;
    match (link.mac, address.cidr.address()) {
        (Some(mac), IpAddr::V4(v4)) if !link.no_arp => Some((address, arp::gratuitous(mac, v4))),
        _ => None,
    }
}

fn name<'a>(address: &Address, cx: &Context<'a>) -> &'a str {
    cx.network
        .link(address.link)
        .map_or("?", |link| link.name.as_str())
}
