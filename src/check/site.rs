//! A service on its way to what the configuration wants of it, some servers at a time: one of
//! thousands takes longer than adverts may wait.
//!
//! What concerns all of it is done at first, and its quorum is looked at last.

use std::collections::VecDeque;
use std::net::SocketAddr;

use log::{info, warn};

use crate::config::{GroupEntry, RealServer, ServiceKey, VirtualServer};
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
    stage: Stage,
    /// Servers of before of which it is not yet known whether they stay, in the order of the file
    /// they come from.
    before: VecDeque<SocketAddr>,
    /// Those that are as the configuration wants them.
    applied: Vec<SocketAddr>,
    /// Services of the kernel that it is no longer made of.
    deserted: Vec<ServiceId>,
    /// What servers are marked with that are in the configuration, and that are applied.
    marks: [Mark; 2],
}

/// What a server was last marked with: by numbers that are given out once, like all others.
pub(super) type Mark = u64;

/// What is being done with the servers, and how many of the configuration's that was done with.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Those that stay are marked.
    Marking(usize),
    /// The others leave.
    Leaving,
    Applying(usize),
}

/// What one step comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A server was looked at.
    Looked,
    /// A server has left, or is applied.
    Worked,
    Done,
}

impl Core {
    /// A service that is not in the configuration any more.
    pub(super) fn begin_leaving(&mut self, id: VirtualId) -> Site {
        let service = self.service_mut(id);
        service.is_site = true;
        let before = std::mem::take(&mut service.servers).into();
        match &service.key {
            ServiceKey::Group { name, .. } => info!("Removing Virtual Server Group [{name}]"),
            key @ (ServiceKey::Address(_) | ServiceKey::Fwmark { .. }) => {
                info!("Removing Virtual Server {key}");
            }
        }
        self.marks.release(id);
        let kernel = self.services[&id].kernel.clone();
        self.table.release(&kernel);
        if self.drain.patience.is_zero() {
            self.leave_kernel(id);
        }
        Site {
            id,
            place: None,
            stage: Stage::Leaving,
            before,
            applied: Vec::new(),
            deserted: Vec::new(),
            marks: [0; 2],
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
        self.table.release(&deserted);
        self.table.hold(&self.services[&id].kernel);
        self.apply_sorry(id, config);
        let marks = [self.new_id(), self.new_id()];
        let service = self.service_mut(id);
        service.is_site = true;
        service.quorum = config.quorum;
        service.hysteresis = config.hysteresis;
        service.omega = config.omega;
        service.ha_suspend = config.ha_suspend;
        if service.servers.is_empty() {
            // There is nothing to suspend yet.
            self.service_mut(id).suspended = self.is_away(&self.services[&id]);
        }
        let servers = &mut self.service_mut(id).servers;
        let wanted = config.real_servers.iter().map(|server| &server.address);
        let (stage, before) = if servers.iter().eq(wanted) {
            (Stage::Applying(0), VecDeque::new())
        } else {
            (Stage::Marking(0), std::mem::take(servers).into())
        };
        Site {
            id,
            place: Some(place),
            stage,
            before,
            applied: Vec::with_capacity(config.real_servers.len()),
            deserted,
            marks,
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
        // Each server has an entry in each of them.
        let cost = self.services[&site.id].kernel.len() + site.deserted.len();
        let mut looks = 0;
        while *budget > 0 {
            match self.step(now, site, config, out) {
                Step::Looked => looks += 1,
                Step::Worked => *budget = budget.saturating_sub(cost.max(1)),
                Step::Done => return true,
            }
            *budget = budget.saturating_sub(looks / LOOKS_PER_SERVER);
            looks %= LOOKS_PER_SERVER;
        }
        false
    }

    fn step(
        &mut self,
        now: Instant,
        site: &mut Site,
        config: Option<&VirtualServer>,
        out: &mut Vec<Effect>,
    ) -> Step {
        let wanted = config.map_or(&[][..], |config| &config.real_servers);
        match &mut site.stage {
            Stage::Marking(at) => {
                if let Some(server) = wanted.get(*at) {
                    *at += 1;
                    self.mark(site.id, server.address, site.marks[0]);
                } else {
                    site.stage = Stage::Leaving;
                }
                Step::Looked
            }
            Stage::Leaving => self.leave_next(now, site, out),
            Stage::Applying(at) => {
                let (Some(config), Some(server)) = (config, wanted.get(*at)) else {
                    self.end_applying(site);
                    return Step::Done;
                };
                *at += 1;
                self.apply_next(now, site, config, server, out)
            }
        }
    }

    fn mark(&mut self, service: VirtualId, address: SocketAddr, mark: Mark) {
        if let Some(server) = self.servers.get_mut(&ServerKey { service, address }) {
            server.mark = mark;
        }
    }

    /// The next server of before stays or leaves.
    fn leave_next(&mut self, now: Instant, site: &mut Site, out: &mut Vec<Effect>) -> Step {
        let service = site.id;
        let Some(address) = site.before.pop_front() else {
            if site.place.is_none() {
                self.end_leaving(service);
                return Step::Done;
            }
            site.stage = Stage::Applying(0);
            return Step::Looked;
        };
        let key = ServerKey { service, address };
        if site.place.is_some() {
            if self.servers[&key].mark == site.marks[0] {
                self.service_mut(service).servers.push(address);
                return Step::Looked;
            }
            info!("service {key} no longer exist");
        }
        self.hide(key, &site.deserted);
        self.leave_server(now, key, out);
        Step::Worked
    }

    fn apply_next(
        &mut self,
        now: Instant,
        site: &mut Site,
        config: &VirtualServer,
        server: &RealServer,
        out: &mut Vec<Effect>,
    ) -> Step {
        let (service, address) = (site.id, server.address);
        let key = ServerKey { service, address };
        let known = self.servers.get(&key).map(|server| server.mark);
        if known == Some(site.marks[1]) {
            let (vs, name) = (&config.key, config.key.name_of(address));
            warn!("VS {vs}: real server {name} is duplicated - removing second rs");
            return Step::Looked;
        }
        if known.is_some() {
            self.hide(key, &site.deserted);
        }
        self.apply_server(now, (key, site.marks[1]), server, out);
        site.applied.push(address);
        Step::Worked
    }

    /// Another configuration came in between, or the end: what is there is there.
    pub(super) fn abandon_site(&mut self, site: Site) {
        let id = site.id;
        let applied: Set<SocketAddr> = site.applied.iter().copied().collect();
        let service = self.service_mut(id);
        service.is_site = false;
        service.servers.retain(|server| !applied.contains(server));
        service.servers.splice(..0, site.applied);
        service.servers.extend(site.before);
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

    fn end_applying(&mut self, site: &mut Site) {
        let id = site.id;
        let service = self.service_mut(id);
        service.is_site = false;
        service.servers = std::mem::take(&mut site.applied);
        self.table.release(&self.services[&id].kernel);
        self.evaluate_quorum(id, Occasion::Configured);
        let away = self.is_away(&self.services[&id]);
        if away != self.services[&id].suspended {
            self.suspend(id, away);
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

/// To look at a server takes so much less than to work on it.
const LOOKS_PER_SERVER: usize = 8;
