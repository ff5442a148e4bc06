//! A service on its way to what the configuration wants of it, some servers at a time: one of
//! thousands takes longer than adverts may wait.
//!
//! What concerns all of it is done at first, and its quorum is looked at last.

use std::collections::VecDeque;
use std::net::SocketAddr;

use log::{info, warn};

use crate::config::{GroupEntry, ServiceKey, VirtualServer};
use crate::hash::Set;
use crate::time::Instant;
use crate::wire::ipvs::ServiceId;

use super::service::{Occasion, ServerKey, VirtualId};
use super::{Core, Effect};
use crate::notify::{Notice, Why};

#[derive(Debug)]
pub(super) struct Site {
    pub(super) id: VirtualId,
    /// Where it stands in the configuration; None: it leaves.
    pub(super) place: Option<usize>,
    /// Servers that leave, in the order of the file they come from.
    leaving: VecDeque<SocketAddr>,
    /// Where the servers stand in its configuration that are not applied yet.
    waiting: VecDeque<usize>,
    /// Those that are.
    applied: Vec<SocketAddr>,
    /// Services of the kernel that it is no longer made of.
    deserted: Vec<ServiceId>,
}

impl Core {
    /// A service that is not in the configuration any more.
    pub(super) fn begin_leaving(&mut self, id: VirtualId) -> Site {
        let service = self.service_mut(id);
        service.is_site = true;
        let leaving = std::mem::take(&mut service.servers).into();
        match &service.key {
            ServiceKey::Group { name, .. } => info!("Removing Virtual Server Group [{name}]"),
            key @ (ServiceKey::Address(_) | ServiceKey::Fwmark { .. }) => {
                info!("Removing Virtual Server {key}");
            }
        }
        if self.drain.patience.is_zero() {
            self.leave_kernel(id);
        }
        Site {
            id,
            place: None,
            leaving,
            waiting: VecDeque::new(),
            applied: Vec::new(),
            deserted: Vec::new(),
        }
    }

    pub(super) fn begin_applying(
        &mut self,
        place: usize,
        config: &VirtualServer,
        entries: &[GroupEntry],
    ) -> Site {
        let id = self.identify(&config.key);
        let deserted = self.apply_kernel(id, config, entries);
        self.apply_sorry(id, config);
        let mut wanted = Set::with_capacity_and_hasher(config.real_servers.len(), <_>::default());
        let waiting = distinct_servers(config, &mut wanted);
        let service = self.service_mut(id);
        service.is_site = true;
        service.quorum = config.quorum;
        service.hysteresis = config.hysteresis;
        service.omega = config.omega;
        service.ha_suspend = config.ha_suspend;
        let before = std::mem::take(&mut service.servers);
        if before.is_empty() {
            // There is nothing to suspend yet.
            self.service_mut(id).suspended = self.is_away(&self.services[&id]);
        }
        let stays = |address: &SocketAddr| wanted.contains(address);
        let (staying, leaving): (Vec<_>, Vec<_>) = before.into_iter().partition(stays);
        self.service_mut(id).servers = staying;
        Site {
            id,
            place: Some(place),
            leaving: leaving.into(),
            applied: Vec::with_capacity(waiting.len()),
            waiting,
            deserted,
        }
    }

    /// Goes on with it; `config` is none when it leaves. True when it is done.
    pub(super) fn work_on(
        &mut self,
        now: Instant,
        site: &mut Site,
        config: Option<&VirtualServer>,
        budget: &mut usize,
        out: &mut Vec<Effect>,
    ) -> bool {
        let service = site.id;
        // Each server has an entry in each of them.
        let cost = self.services[&service].kernel.len() + site.deserted.len();
        while *budget > 0 {
            if let Some(address) = site.leaving.pop_front() {
                let key = ServerKey { service, address };
                if site.place.is_some() {
                    info!("service {key} no longer exist");
                }
                self.hide(key, &site.deserted);
                self.leave_server(now, key, out);
            } else if let (Some(config), Some(at)) = (config, site.waiting.pop_front()) {
                let server = &config.real_servers[at];
                let address = server.address;
                let key = ServerKey { service, address };
                self.hide(key, &site.deserted);
                self.apply_server(now, key, server, out);
                site.applied.push(address);
            } else {
                match config {
                    Some(_) => self.end_applying(now, site),
                    None => self.end_leaving(service),
                }
                return true;
            }
            *budget = budget.saturating_sub(cost.max(1));
        }
        false
    }

    /// Another configuration came in between, or the end: what is there is there.
    pub(super) fn abandon_site(&mut self, site: Site) {
        let id = site.id;
        let applied: Set<SocketAddr> = site.applied.iter().copied().collect();
        let service = self.service_mut(id);
        service.is_site = false;
        service.servers.retain(|server| !applied.contains(server));
        service.servers.splice(..0, site.applied);
        service.servers.extend(site.leaving);
        if !site.deserted.is_empty() {
            for address in service.servers.clone() {
                let service = id;
                self.hide(ServerKey { service, address }, &site.deserted);
            }
        }
        if site.place.is_none() {
            self.order.push(id);
        }
    }

    fn end_applying(&mut self, now: Instant, site: &mut Site) {
        let id = site.id;
        let service = self.service_mut(id);
        service.is_site = false;
        service.servers = std::mem::take(&mut site.applied);
        self.evaluate_quorum(id, Occasion::Configured);
        let away = self.is_away(&self.services[&id]);
        if away != self.services[&id].suspended {
            self.suspend(now, id, away);
        }
    }

    fn end_leaving(&mut self, id: VirtualId) {
        let service = &self.services[&id];
        let key = service.key.clone();
        if service.quorum_up {
            let (service, why) = (key.clone(), Why::Removed);
            let up = false;
            self.notices.push(Notice::Service { service, up, why });
        }
        self.leave_sorry(id);
        self.leave_kernel(id);
        self.ids.remove(&key);
        self.services.remove(&id);
    }

    /// With a service of the kernel go all its destinations, unless some of them drain.
    fn leave_kernel(&mut self, id: VirtualId) {
        for at in self.services[&id].kernel.clone() {
            if !self.keep_open(id, at) {
                self.table.drop_service(id, at);
            }
        }
    }
}

/// Where the real servers stand, without those that are there twice.
fn distinct_servers(config: &VirtualServer, seen: &mut Set<SocketAddr>) -> VecDeque<usize> {
    let servers = config.real_servers.iter().enumerate();
    let distinct = servers.filter(|(_, server)| {
        let first = seen.insert(server.address);
        if !first {
            let key = &config.key;
            let name = key.name_of(server.address);
            warn!("VS {key}: real server {name} is duplicated - removing second rs");
        }
        first
    });
    distinct.map(|(at, _)| at).collect()
}
