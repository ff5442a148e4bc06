//! A new configuration applied to what is running. The start is a change from nothing.
//!
//! A service is the same when its key is, a real server when its address is, a check when what it
//! tries is. What is the same is not disturbed: no request, its state and its timers stay, where
//! upstream starts every timer anew, so that frequent reloads there mean that nothing is checked.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use log::{debug, info, warn};

use crate::config::{
    self, Config, Forwarding, Protocol, RealServer, ServiceAddress, VirtualServer,
};
use crate::time::Instant;
use crate::wire::ipvs::{
    self as kernel, FLAG_ONE_PACKET, FLAG_PERSISTENT, FLAGS_SCHEDULER, Method,
};

use super::checker::{Checker, CheckerId};
use super::left_out;
use super::service::{Occasion, Server, ServerKey, Service};
use super::{Core, Effect, Timer, probe};

impl Core {
    /// In upstream's order: what left, what stayed, what came, then the checks of what came.
    pub(super) fn reload(&mut self, now: Instant, config: &Config, out: &mut Vec<Effect>) {
        let wanted = distinct_services(config);
        if !wanted.is_empty() {
            let first = self.order.is_empty();
            debug!(
                "{}",
                if first {
                    "Initializing ipvs"
                } else {
                    "Reinitializing ipvs"
                }
            );
        }
        if !std::mem::replace(&mut self.director.started, true) {
            // Never at a later reload: that would cut off the clients of what stays.
            self.director.flush = config.global.lvs.flush;
        }
        self.need_director(now, !wanted.is_empty(), out);
        let keys: BTreeSet<ServiceAddress> = wanted.iter().map(|(key, _)| *key).collect();
        for key in std::mem::take(&mut self.order) {
            if !keys.contains(&key) {
                self.leave_service(key, out);
            }
        }
        let mut new_checkers = Vec::new();
        for (key, service) in &wanted {
            self.apply_service(now, *key, service, &mut new_checkers, out);
        }
        self.order = wanted.iter().map(|(key, _)| *key).collect();
        left_out::tell(config);
        for id in new_checkers {
            self.activate(now, id);
        }
        let requests = out
            .iter()
            .filter(|effect| matches!(effect, Effect::Ipvs(_)));
        debug!(
            "the number of IPVS operations of this reload: {}",
            requests.count()
        );
    }

    fn leave_service(&mut self, key: ServiceAddress, out: &mut Vec<Effect>) {
        info!("Removing Virtual Server {key}");
        for address in std::mem::take(&mut self.service_mut(key).servers) {
            self.leave_server(
                ServerKey {
                    service: key,
                    address,
                },
                out,
            );
        }
        self.remove_service(key, out);
    }

    fn leave_server(&mut self, key: ServerKey, out: &mut Vec<Effect>) {
        let id = self.services[&key.service].kernel.id;
        if self.table.wants(id, key.address) {
            info!("Removing service {key} from VS {}", key.service);
        }
        self.remove_server(key, out);
    }

    fn apply_service(
        &mut self,
        now: Instant,
        key: ServiceAddress,
        config: &VirtualServer,
        new_checkers: &mut Vec<CheckerId>,
        out: &mut Vec<Effect>,
    ) {
        let wanted = distinct_servers(config);
        let kernel = kernel_service(key, config);
        self.table.set_service(&kernel, out);
        let service = self
            .services
            .entry(key)
            .or_insert_with(|| Service::new(kernel.clone()));
        service.kernel = kernel;
        service.quorum = config.quorum;
        service.hysteresis = config.hysteresis;
        let addresses = wanted.iter().map(|server| server.address).collect();
        let before = std::mem::replace(&mut service.servers, addresses);
        let staying: BTreeSet<SocketAddr> = service.servers.iter().copied().collect();
        for address in before {
            if !staying.contains(&address) {
                let gone = ServerKey {
                    service: key,
                    address,
                };
                info!("service {gone} no longer exist");
                self.leave_server(gone, out);
            }
        }
        for server in wanted {
            self.apply_server(now, key, server, new_checkers, out);
        }
        self.evaluate_quorum(key, Occasion::Configured);
    }

    fn apply_server(
        &mut self,
        now: Instant,
        service: ServiceAddress,
        config: &RealServer,
        new_checkers: &mut Vec<CheckerId>,
        out: &mut Vec<Effect>,
    ) {
        let key = ServerKey {
            service,
            address: config.address,
        };
        let known = self.servers.get(&key).map(|server| server.alive);
        let before = match known {
            Some(alive) => {
                self.tell_weight(key, config.weight, alive);
                std::mem::take(&mut self.server_mut(key).checkers)
            }
            None => Vec::new(),
        };
        let checkers = self.apply_checkers(now, key, config, before, new_checkers, out);
        let failed = checkers.iter().filter(|id| !self.checkers[id].up).count();
        self.servers
            .entry(key)
            .or_insert_with(|| Server::new(method(config.forwarding)));
        if known == Some(false) && failed == 0 {
            key.tell_change(true, config.inhibit_on_failure);
        }
        self.change_server(key, out, |server| {
            server.method = method(config.forwarding);
            server.weight = config.weight;
            server.inhibit = config.inhibit_on_failure;
            server.alive = failed == 0;
            server.failed = failed;
            server.checkers = checkers;
        });
    }

    /// The checks of a server: those that try the same go on, the others end or begin.
    fn apply_checkers(
        &mut self,
        now: Instant,
        server: ServerKey,
        config: &RealServer,
        mut before: Vec<CheckerId>,
        new_checkers: &mut Vec<CheckerId>,
        out: &mut Vec<Effect>,
    ) -> Vec<CheckerId> {
        let known = self.servers.get(&server).map(|server| server.alive);
        let mut after = Vec::with_capacity(config.checkers.len());
        for wanted in left_out::checks(config) {
            let same = |id: &CheckerId| self.checkers[id].config.probe == wanted.probe;
            if let Some(at) = before.iter().position(same) {
                let id = before.remove(at);
                self.keep_checker(now, id, wanted, known);
                after.push(id);
                continue;
            }
            // A new check of a server that is down has to pass first. Upstream believes it until
            // it fails, and so sends clients to a dead server whose failing check was edited.
            let made = probe::can_be_made(&wanted.probe);
            let up = known.filter(|_| made).unwrap_or(!wanted.alpha);
            let id = CheckerId(self.new_id());
            self.checkers.insert(id, Checker::new(server, wanted, up));
            if made {
                new_checkers.push(id);
            }
            after.push(id);
        }
        for gone in before {
            self.remove_checker(gone, out);
        }
        after
    }

    fn keep_checker(
        &mut self,
        now: Instant,
        id: CheckerId,
        config: &config::Checker,
        known: Option<bool>,
    ) {
        let checker = self
            .checkers
            .get_mut(&id)
            .expect("matched among the living");
        // What has never been tried cannot bring a server back either.
        if !probe::can_be_made(&config.probe) {
            checker.up = !config.alpha;
        } else if known == Some(false) && !checker.has_run {
            checker.up = false;
        }
        if checker.config == *config {
            return;
        }
        checker.retries = checker.retries.min(config.retry);
        checker.config = config.clone();
        // A shorter period counts from now on and not after the old one has run out.
        let latest = now + config.delay_loop;
        if self
            .timers
            .deadline_of(Timer::Due(id))
            .is_some_and(|at| at > latest)
        {
            self.timers.set(Timer::Due(id), latest);
        }
    }

    fn activate(&mut self, now: Instant, id: CheckerId) {
        let checker = &self.checkers[&id];
        let service = checker.server.service;
        info!(
            "Activating healthchecker for service {} for VS {service}",
            checker.server
        );
        let at = now + checker.first_delay(&mut self.rand);
        self.timers.set(Timer::Due(id), at);
    }

    fn tell_weight(&self, key: ServerKey, weight: i32, alive: bool) {
        let before = self.servers[&key].weight;
        if before != weight {
            let state = if alive { "active" } else { "inactive" };
            let of = format!("{state} service {key} of VS {}", key.service);
            info!("Changing weight from {before} to {weight} for {of}");
        }
    }
}

/// Two of one key would fight for the same entry of the kernel: the first one counts.
fn distinct_services(config: &Config) -> Vec<(ServiceAddress, &VirtualServer)> {
    let mut seen = BTreeSet::new();
    let services = config.virtual_servers.iter().filter_map(|service| {
        let key = service.key.address()?;
        if !seen.insert(key) {
            warn!("VS {key} is duplicated - ignoring the second");
            return None;
        }
        Some((key, service))
    });
    services.collect()
}

fn distinct_servers(config: &VirtualServer) -> Vec<&RealServer> {
    let mut seen = BTreeSet::new();
    let servers = config.real_servers.iter().filter(|server| {
        if left_out::server(server) {
            return false;
        }
        let first = seen.insert(server.address);
        if !first {
            let key = &config.key;
            let name = key.name_of(server.address);
            warn!("VS {key}: real server {name} is duplicated - removing second rs");
        }
        first
    });
    servers.collect()
}

fn kernel_service(key: ServiceAddress, config: &VirtualServer) -> kernel::Service {
    let address = key.address;
    let mut service = kernel::Service {
        id: kernel::ServiceId {
            protocol: protocol(key.protocol),
            address,
        },
        scheduler: config.scheduler.word().to_owned(),
        flags: 0,
        timeout: 0,
        prefix: if address.is_ipv4() { 32 } else { 128 },
    };
    if let Some(persistence) = config.persistence {
        service.flags |= FLAG_PERSISTENT;
        service.timeout = u32::try_from(persistence.timeout.as_secs()).unwrap_or(u32::MAX);
        service.prefix = persistence.prefix;
    }
    if config.one_packet {
        service.flags |= FLAG_ONE_PACKET;
    }
    for (flag, set) in FLAGS_SCHEDULER.into_iter().zip(config.scheduler_flags.0) {
        service.flags |= if set { flag } else { 0 };
    }
    service
}

/// The number of the protocol in the IP header.
fn protocol(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

fn method(forwarding: Forwarding) -> Method {
    match forwarding {
        Forwarding::Nat => Method::Masq,
        Forwarding::Tunnel(_) => Method::Tunnel,
        Forwarding::DirectRouting => Method::Route,
    }
}
