//! `ha_suspend`: a service is checked only while one of its addresses is on this machine.
//!
//! As in keepalived the table does not follow: servers keep the last word of their checks.

use std::collections::BTreeSet;
use std::net::IpAddr;

use log::info;

use crate::addr::IfIndex;
use crate::time::Instant;
use crate::wire::ipvs::ServiceId;
use crate::wire::rtnl::{Address, Notice};

use super::service::{ServerKey, Service, VirtualId};
use super::{Core, Effect};

/// The addresses of this machine, while anybody wants to know.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    watched: bool,
    /// The same address may be on several interfaces.
    present: BTreeSet<(IpAddr, IfIndex)>,
}

impl Addresses {
    fn has(&self, address: IpAddr) -> bool {
        let from = (address, IfIndex(0));
        let mut here = self.present.range(from..);
        here.next().is_some_and(|(next, _)| *next == address)
    }
}

impl Service {
    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.kernel.iter().filter_map(|id| match id {
            ServiceId::Address { address, .. } => Some(address.ip()),
            ServiceId::Fwmark { .. } => None,
        })
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
    pub(super) fn addresses_read(&mut self, now: Instant, all: &[Address]) {
        let all = all
            .iter()
            .map(|address| (address.cidr.address(), address.link));
        self.addresses.present = all.collect();
        self.reconsider_all(now);
    }

    /// One came or went.
    pub(super) fn address_changed(&mut self, now: Instant, notice: &Notice) {
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
        let concerned =
            |service: &Service| service.ha_suspend && service.addresses().any(|own| own == address);
        if changed && self.services.values().any(concerned) {
            self.reconsider_all(now);
        }
    }

    fn reconsider_all(&mut self, now: Instant) {
        for id in self.order.clone() {
            let service = &self.services[&id];
            if service.ha_suspend && self.is_away(service) != service.suspended {
                self.suspend(now, id, !service.suspended);
            }
        }
    }

    /// None of its addresses is here.
    pub(super) fn is_away(&self, service: &Service) -> bool {
        service.ha_suspend && !service.addresses().any(|own| self.addresses.has(own))
    }

    /// The checks of a service end or begin.
    pub(super) fn suspend(&mut self, now: Instant, id: VirtualId, suspended: bool) {
        let service = self.service_mut(id);
        service.suspended = suspended;
        let key = service.key.clone();
        let servers = service.servers.clone();
        for address in servers {
            let service = id;
            let server = ServerKey { service, address };
            for checker in self.servers[&server].checkers.clone() {
                if !suspended {
                    self.activate(now, checker);
                    continue;
                }
                info!("Suspending healthchecker for service {server} for VS {key}");
                self.stand_down(now, checker);
            }
        }
    }
}
