//! Virtual servers: what they are to the kernel, and whether their quorum is met.

use std::collections::VecDeque;
use std::net::SocketAddr;

use log::info;

use crate::config::{GroupEntry, Protocol, ServiceKey};
use crate::wire::ipvs::{Dest, DestOptions, Method, ServiceId};

use super::Core;
use super::walk::Task;
use crate::notify::{Notice, Why};

/// One virtual server of one configuration and of all after it that have it, too. Given out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct VirtualId {
    pub(super) number: u64,
    /// Part of the names of its real servers.
    pub(super) protocol: Option<Protocol>,
}

/// A real server of a service; the same address in another service is another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ServerKey {
    pub(super) service: VirtualId,
    pub(super) address: SocketAddr,
}

/// A service, as configured and as it stands.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) key: ServiceKey,
    /// The services of the kernel that it is made of: one, or those of a group.
    pub(super) kernel: Vec<ServiceId>,
    /// The lines of its group.
    pub(super) entries: Vec<GroupEntry>,
    pub(super) quorum: u32,
    pub(super) hysteresis: u32,
    pub(super) omega: bool,
    pub(super) quorum_up: bool,
    /// The sum of the weights of the servers that are alive, kept as they change: a service of ten
    /// thousand servers is not added up anew for each of them.
    pub(super) alive_weight: i64,
    /// In the order of the file.
    pub(super) servers: Vec<SocketAddr>,
    pub(super) sorry: Option<Sorry>,
    /// The checks wait until one of its addresses is on this machine.
    pub(super) suspended: bool,
    pub(super) ha_suspend: bool,
    /// Not all of its servers are yet as they are configured: its quorum waits for the last one.
    pub(super) is_site: bool,
}

/// The server that takes the clients while the quorum is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sorry {
    /// As in the kernel, but for the port in a group.
    pub(super) dest: Dest,
    /// It stays in the table with weight 0 while it is not needed.
    pub(super) inhibit: bool,
    pub(super) in_use: bool,
}

/// When a quorum is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// At start and at reload.
    Configured,
    /// A server came or went.
    Changed,
}

/// What looking at a quorum comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Gained,
    Lost,
    /// It was never there, and a sorry server is.
    StartedWithout,
}

impl Service {
    pub(super) fn new(key: ServiceKey) -> Self {
        Self {
            key,
            kernel: Vec::new(),
            entries: Vec::new(),
            quorum: 0,
            hysteresis: 0,
            omega: false,
            quorum_up: false,
            alive_weight: 0,
            servers: Vec::new(),
            sorry: None,
            suspended: false,
            ha_suspend: false,
            is_site: false,
        }
    }

    /// True while the sorry server stands in for the others.
    pub(super) fn is_sorry(&self) -> bool {
        self.sorry.is_some_and(|sorry| sorry.in_use)
    }

    /// The weight needed to change the state.
    fn threshold(&self) -> i64 {
        let (quorum, hysteresis) = (i64::from(self.quorum), i64::from(self.hysteresis));
        if self.quorum_up {
            quorum - hysteresis
        } else {
            quorum + hysteresis
        }
    }

    fn turn(&self, occasion: Occasion) -> Option<Turn> {
        let (weight, threshold) = (self.alive_weight, self.threshold());
        if !self.quorum_up {
            if weight >= threshold {
                return Some(Turn::Gained);
            }
            let could_start = self.sorry.is_some_and(|sorry| !sorry.in_use);
            let configured = occasion == Occasion::Configured;
            return (could_start && configured).then_some(Turn::StartedWithout);
        }
        (weight == 0 || weight < threshold).then_some(Turn::Lost)
    }

    /// The address of a server in one of the kernel's services: its own, but for the port.
    pub(super) fn place(
        &self,
        mut address: SocketAddr,
        method: Method,
        at: ServiceId,
    ) -> SocketAddr {
        if matches!(self.key, ServiceKey::Group { .. }) && method != Method::Masq {
            // Packets reach the server as they came: its port is that of the service.
            address.set_port(match at {
                ServiceId::Address { address, .. } => address.port(),
                ServiceId::Fwmark { .. } => 0,
            });
        }
        address
    }
}

impl Core {
    /// Gains or loses the quorum by the weights of the moment.
    pub(super) fn evaluate_quorum(&mut self, id: VirtualId, occasion: Occasion) {
        let service = self.service_mut(id);
        if service.is_site {
            return;
        }
        let Some(turn) = service.turn(occasion) else {
            return;
        };
        let (quorum, hysteresis) = (service.quorum, service.hysteresis);
        let (threshold, weight) = (service.threshold(), service.alive_weight);
        let key = &service.key;
        if turn == Turn::Gained {
            info!("Gained quorum {quorum}+{hysteresis}={threshold} <= {weight} for VS {key}");
        } else {
            let event = match occasion {
                Occasion::Configured => "Starting with quorum down",
                Occasion::Changed => "Lost quorum",
            };
            // keepalived prints the minus also where it means a plus.
            info!("{event} {quorum}-{hysteresis}={threshold} > {weight} for VS {key}");
        }
        service.quorum_up = turn == Turn::Gained;
        let notice = Notice::Service {
            service: service.key.clone(),
            up: service.quorum_up,
            why: Why::Quorum {
                quorum,
                hysteresis,
                threshold,
                weight,
                configured: occasion == Occasion::Configured,
            },
        };
        self.exchange_sorry(id, turn != Turn::Gained);
        self.notices.push(notice);
    }

    /// The sorry server takes over, or gives back.
    fn exchange_sorry(&mut self, id: VirtualId, needed: bool) {
        let service = self.service_mut(id);
        let Some(sorry) = &mut service.sorry else {
            return;
        };
        if sorry.in_use == needed {
            return;
        }
        sorry.in_use = needed;
        let inhibit = sorry.inhibit;
        let server = service.key.name_of(sorry.dest.address);
        let key = &service.key;
        match (needed, inhibit) {
            (true, false) => info!("Adding sorry server {server} to VS {key}"),
            (true, true) => info!("Enabling sorry server {server} to VS {key}"),
            (false, false) => info!("Removing sorry server {server} from VS {key}"),
            (false, true) => info!("Disabling sorry server {server} from VS {key}"),
        }
        if needed {
            info!("Removing alive servers from the pool for VS {key}");
        } else {
            info!("Adding alive servers to the pool for VS {key}");
        }
        self.show_all(id);
    }

    /// The destinations of a service as the moment wants them. Who leaves goes first, so that no
    /// client meets both kinds of servers.
    fn show_all(&mut self, id: VirtualId) {
        let service = &self.services[&id];
        let sorry = service.sorry.map(|sorry| sorry.dest.address);
        let mut addresses: VecDeque<_> = service.servers.iter().copied().collect();
        if let Some(sorry) = sorry.filter(|sorry| !service.servers.contains(sorry)) {
            if service.is_sorry() {
                addresses.push_back(sorry);
            } else {
                addresses.push_front(sorry);
            }
        }
        self.begin_walk(id, Task::Show, addresses);
    }

    /// What the kernel is to have of a server is told to the table.
    pub(super) fn show(&mut self, key: ServerKey) {
        let desired = self.desired(key);
        let service = &self.services[&key.service];
        // The place does not depend on whether it is wanted.
        let shape = desired.or_else(|| self.shape(key));
        let Some(DestOptions { method, .. }) = shape else {
            return;
        };
        for &at in &service.kernel {
            let address = service.place(key.address, method, at);
            self.table.set_dest(key, at, address, desired);
        }
    }

    /// The server as it would be in the table.
    fn shape(&self, key: ServerKey) -> Option<DestOptions> {
        if let Some(server) = self.servers.get(&key) {
            return Some(server.options);
        }
        let sorry = self.services.get(&key.service)?.sorry?;
        (sorry.dest.address == key.address).then_some(sorry.dest.options)
    }

    /// What the kernel is to have of it at this moment; None: nothing.
    pub(super) fn desired(&self, key: ServerKey) -> Option<DestOptions> {
        let service = self.services.get(&key.service)?;
        let sorry = service
            .sorry
            .filter(|sorry| sorry.dest.address == key.address);
        if let Some(sorry) = sorry.filter(|sorry| sorry.in_use) {
            return Some(sorry.dest.options);
        }
        let Some(server) = self.servers.get(&key) else {
            let sorry = sorry.filter(|sorry| sorry.inhibit)?;
            return Some(sorry.dest.options.quiesced());
        };
        if server.alive && !service.is_sorry() {
            return Some(server.options);
        }
        server.inhibit.then(|| server.options.quiesced())
    }

    pub(super) fn service_mut(&mut self, id: VirtualId) -> &mut Service {
        self.services
            .get_mut(&id)
            .expect("a service outlives its servers")
    }
}
