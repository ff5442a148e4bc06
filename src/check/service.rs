//! Services and their real servers: who is alive, at which weight, and whether the quorum is met.
//!
//! The verdicts come from `checker`; what the kernel is to have is told to the table in `ipvs`.

use std::fmt;
use std::net::SocketAddr;

use log::info;

use crate::config::ServiceAddress;
use crate::wire::ipvs::{self as kernel, Dest, Method};

use super::checker::CheckerId;
use super::{Core, Effect};

/// A service, as configured and as it stands.
#[derive(Debug)]
pub(super) struct Service {
    /// What the kernel is told of it.
    pub(super) kernel: kernel::Service,
    pub(super) quorum: u32,
    pub(super) hysteresis: u32,
    pub(super) quorum_up: bool,
    /// The sum of the weights of the servers that are alive, kept as they change: a service of ten
    /// thousand servers is not added up anew for each of them.
    pub(super) alive_weight: i64,
    /// In the order of the file.
    pub(super) servers: Vec<SocketAddr>,
}

/// A real server of a service; the same address in another service is another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ServerKey {
    pub(super) service: ServiceAddress,
    pub(super) address: SocketAddr,
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) method: Method,
    pub(super) weight: i32,
    /// `inhibit_on_failure`: a server that is down stays in the table with weight 0.
    pub(super) inhibit: bool,
    pub(super) alive: bool,
    /// How many of the checkers say down.
    pub(super) failed: usize,
    pub(super) checkers: Vec<CheckerId>,
}

/// When a quorum is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// At start and at reload.
    Configured,
    /// A server came or went.
    Changed,
}

impl Service {
    pub(super) fn new(kernel: kernel::Service) -> Self {
        Self {
            kernel,
            quorum: 0,
            hysteresis: 0,
            quorum_up: false,
            alive_weight: 0,
            servers: Vec::new(),
        }
    }

    fn evaluate_quorum(&mut self, key: ServiceAddress, occasion: Occasion) {
        let (quorum, hysteresis) = (self.quorum, self.hysteresis);
        let weight = self.alive_weight;
        let to_gain = i64::from(quorum) + i64::from(hysteresis);
        let to_keep = i64::from(quorum) - i64::from(hysteresis);
        if !self.quorum_up && weight >= to_gain {
            self.quorum_up = true;
            info!("Gained quorum {quorum}+{hysteresis}={to_gain} <= {weight} for VS {key}");
        } else if self.quorum_up && (weight == 0 || weight < to_keep) {
            self.quorum_up = false;
            let event = match occasion {
                Occasion::Configured => "Starting with quorum down",
                Occasion::Changed => "Lost quorum",
            };
            info!("{event} {quorum}-{hysteresis}={to_keep} > {weight} for VS {key}");
        }
    }
}

impl ServerKey {
    /// keepalived's line for a server that comes or goes.
    pub(super) fn tell_change(self, alive: bool, inhibit: bool) {
        let service = self.service;
        match (alive, inhibit) {
            (true, false) => info!("Adding service {self} to VS {service}"),
            (true, true) => info!("Enabling service {self} of VS {service}"),
            (false, false) => info!("Removing service {self} from VS {service}"),
            (false, true) => info!("Disabling service {self} of VS {service}"),
        }
    }
}

impl Server {
    /// Not yet in the table, and not yet alive.
    pub(super) fn new(method: Method) -> Self {
        Self {
            method,
            weight: 0,
            inhibit: false,
            alive: false,
            failed: 0,
            checkers: Vec::new(),
        }
    }

    /// What the kernel is to have of it; nothing while it is down.
    fn dest(&self, address: SocketAddr) -> Option<Dest> {
        let weight = if self.alive { self.weight } else { 0 };
        (self.alive || self.inhibit).then_some(Dest {
            address,
            method: self.method,
            weight,
        })
    }

    fn alive_weight(&self) -> i64 {
        if self.alive {
            i64::from(self.weight)
        } else {
            0
        }
    }
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.service.name_of(self.address))
    }
}

impl Core {
    /// A checker that said down says up: the last one of them brings the server back.
    pub(super) fn check_passed(&mut self, key: ServerKey, out: &mut Vec<Effect>) {
        let server = self.server_mut(key);
        server.failed = server.failed.saturating_sub(1);
        if server.failed == 0 {
            self.bring(key, true, out);
        }
    }

    /// A checker that said up says down: the first one of them takes the server out.
    pub(super) fn check_failed(&mut self, key: ServerKey, out: &mut Vec<Effect>) {
        let server = self.server_mut(key);
        server.failed += 1;
        if server.failed == 1 {
            self.bring(key, false, out);
        }
    }

    fn bring(&mut self, key: ServerKey, alive: bool, out: &mut Vec<Effect>) {
        key.tell_change(alive, self.servers[&key].inhibit);
        self.change_server(key, out, |server| server.alive = alive);
        self.evaluate_quorum(key.service, Occasion::Changed);
    }

    /// The one place where a server changes: the sum of the weights and the table follow.
    pub(super) fn change_server(
        &mut self,
        key: ServerKey,
        out: &mut Vec<Effect>,
        change: impl FnOnce(&mut Server),
    ) {
        let server = self.server_mut(key);
        let before = server.alive_weight();
        change(server);
        let added = server.alive_weight() - before;
        let dest = server.dest(key.address);
        let service = self.service_mut(key.service);
        service.alive_weight += added;
        let id = service.kernel.id;
        self.table.set_dest(id, key.address, dest, out);
    }

    pub(super) fn evaluate_quorum(&mut self, key: ServiceAddress, occasion: Occasion) {
        self.service_mut(key).evaluate_quorum(key, occasion);
    }

    /// A server leaves the configuration, or everything ends. What is said of it has been said.
    pub(super) fn remove_server(&mut self, key: ServerKey, out: &mut Vec<Effect>) {
        let Some(server) = self.servers.remove(&key) else {
            return;
        };
        for &checker in &server.checkers {
            self.remove_checker(checker, out);
        }
        let service = self.service_mut(key.service);
        service.alive_weight -= server.alive_weight();
        let id = service.kernel.id;
        self.table.set_dest(id, key.address, None, out);
    }

    /// A service whose servers have left.
    pub(super) fn remove_service(&mut self, key: ServiceAddress, out: &mut Vec<Effect>) {
        if let Some(service) = self.services.remove(&key) {
            self.table.drop_service(service.kernel.id, out);
        }
    }

    /// The end: the table is cleared, and nothing is waited for any more.
    pub(super) fn stop(&mut self, out: &mut Vec<Effect>) {
        for service in std::mem::take(&mut self.order) {
            for address in std::mem::take(&mut self.service_mut(service).servers) {
                let key = ServerKey { service, address };
                let server = &self.servers[&key];
                // Told of every server, also of those that are not in the table.
                if server.inhibit && !server.alive {
                    info!("Shutting down (inhibited) service {key} from VS {service}");
                } else {
                    info!("Shutting down service {key} from VS {service}");
                }
                self.remove_server(key, out);
            }
            self.remove_service(service, out);
        }
        self.rest();
    }

    pub(super) fn server_mut(&mut self, key: ServerKey) -> &mut Server {
        self.servers
            .get_mut(&key)
            .expect("a server outlives its checkers")
    }

    pub(super) fn service_mut(&mut self, key: ServiceAddress) -> &mut Service {
        self.services
            .get_mut(&key)
            .expect("a service outlives its servers")
    }
}
