//! `ha_suspend`: a service is checked only while one of its addresses is on this machine.
//!
//! As in keepalived the table does not follow: servers keep the last word of their checks.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use log::info;

use crate::addr::IfIndex;
use crate::config::GroupEntry;
use crate::time::Instant;
use crate::wire::rtnl::{Address, Notice};

use super::service::{ServerKey, Service, VirtualId};
use super::walk::Task;
use super::{Core, Effect, Timer};

/// The addresses of this machine, while anybody wants to know.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    watched: bool,
    /// The same address may be on several interfaces.
    present: BTreeSet<(IpAddr, IfIndex)>,
}

impl Addresses {
    fn has_any(&self, range: RangeInclusive<IpAddr>) -> bool {
        let from = (*range.start(), IfIndex(0));
        let mut here = self.present.range(from..);
        here.next().is_some_and(|(next, _)| range.contains(next))
    }
}

impl Service {
    /// Its own address, or those of its group.
    fn addresses(&self) -> impl Iterator<Item = RangeInclusive<IpAddr>> {
        let own = self.key.address().map(|own| own.address.ip());
        let group = self.entries.iter().filter_map(|entry| match *entry {
            GroupEntry::Addresses { first, last, .. } => Some(first..=last),
            GroupEntry::Fwmark { .. } => None,
        });
        own.map(|own| own..=own).into_iter().chain(group)
    }
}

impl Core {
    /// Begins or ends to watch, as the configuration needs it.
    pub(super) fn watch_addresses(&mut self, out: &mut Vec<Effect>) {
        let needed = self.services.values().any(|service| service.ha_suspend);
        if self.addresses.watched != needed {
            self.addresses.watched = needed;
            self.addresses.present.clear();
            out.push(Effect::WatchAddresses(needed));
        }
    }

    /// All there are: at the beginning, and when notices were lost.
    pub(super) fn addresses_read(&mut self, all: &[Address]) {
        let all = all
            .iter()
            .map(|address| (address.cidr.address(), address.link));
        self.addresses.present = all.collect();
        self.reconsider_all();
    }

    /// One came or went.
    pub(super) fn address_changed(&mut self, notice: &Notice) {
        let (address, changed) = match notice {
            Notice::Address(address) => {
                let key = (address.cidr.address(), address.link);
                (key.0, self.addresses.present.insert(key))
            }
            Notice::AddressGone(address) => {
                let key = (address.cidr.address(), address.link);
                (key.0, self.addresses.present.remove(&key))
            }
            _ => return,
        };
        let concerned = |service: &Service| {
            service.ha_suspend && service.addresses().any(|own| own.contains(&address))
        };
        if changed && self.services.values().any(concerned) {
            self.reconsider_all();
        }
    }

    fn reconsider_all(&mut self) {
        for id in self.order.clone() {
            let service = &self.services[&id];
            if service.ha_suspend && self.is_away(service) != service.suspended {
                self.suspend(id, !service.suspended);
            }
        }
    }

    /// None of its addresses is here.
    pub(super) fn is_away(&self, service: &Service) -> bool {
        service.ha_suspend && !service.addresses().any(|own| self.addresses.has_any(own))
    }

    /// The checks of a service end or begin.
    pub(super) fn suspend(&mut self, id: VirtualId, suspended: bool) {
        let service = self.service_mut(id);
        service.suspended = suspended;
        let servers = service.servers.iter().copied().collect();
        self.begin_walk(id, Task::Suspend, servers);
    }

    /// The same of one server.
    pub(super) fn suspend_server(&mut self, now: Instant, server: ServerKey) {
        let Some(known) = self.servers.get(&server) else {
            return;
        };
        let suspended = self.services[&server.service].suspended;
        for &checker in known.checkers.clone().as_slice() {
            if suspended {
                let key = self.name_of(server);
                info!("Suspending healthchecker for service {server} for VS {key}");
                self.stand_down(now, checker);
            } else if self.timers.deadline_of(Timer::Due(checker)).is_none() {
                self.activate(now, checker);
            }
        }
    }
}
