//! A new configuration applied to what is running. The start is a change from nothing.
//!
//! A service is the same when its key is, a real server when its address is, a check when what it
//! tries is. What is the same is not disturbed: no request, its state and its timers stay, where
//! upstream starts every timer anew, so that frequent reloads there mean that nothing is checked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use log::{debug, info, warn};

use crate::config::{self, Config, GroupEntry, RealServer, ServiceKey, VirtualServer};
use crate::hash::{Map, Set};
use crate::time::Instant;
use crate::wire::ipvs::{Dest, DestOptions, ServiceId};

use super::checker::{Checker, CheckerId};
use super::server::Server;
use super::service::{ServerKey, Service, Sorry, VirtualId};
use super::site::{Mark, Site};
use super::walk::Task;
use super::{Core, Effect, Timer, kernel, left_out};
use crate::notify::Why;

/// A configuration on its way into the core, some services at a time: a large one takes longer
/// than adverts may wait.
#[derive(Debug)]
pub(super) struct Rebuild {
    config: Arc<Config>,
    /// Where groups stand in it.
    groups: Map<String, usize>,
    /// Services that are not in it, in the order of the file they come from.
    leaving: VecDeque<VirtualId>,
    /// Where the services stand in it that are not applied yet.
    waiting: VecDeque<usize>,
    /// The one that is being worked on.
    site: Option<Site>,
    /// Those that are applied.
    order: Vec<VirtualId>,
}

impl Core {
    /// In upstream's order: what left, what stayed, what came, then the checks of what came. One
    /// that was not yet done with is forgotten: the new one starts from what is there.
    pub(super) fn reload(&mut self, now: Instant, config: &Arc<Config>, out: &mut Vec<Effect>) {
        self.abandon();
        let waiting = distinct_services(config);
        self.tell_beginning(!waiting.is_empty(), config.global.lvs.audit_undo);
        if !std::mem::replace(&mut self.director.started, true) {
            // Never at a later reload: that would cut off the clients of what stays.
            self.director.flush = config.global.lvs.flush;
            self.director
                .namespace
                .clone_from(&config.global.namespace.ipvs);
        }
        self.init_notifies = config.global.rs_init_notifies;
        self.flush_on_stop = config.global.lvs.flush_on_stop;
        self.drain.patience = config.global.lvs.drain_timeout.unwrap_or_default();
        self.configure_audit(now, config.global.lvs.audit_interval);
        self.timeouts.configure(&config.global.lvs);
        if self.is_ready() {
            out.extend(self.timeouts.settle());
        }
        self.ask_for_marks(out, |marks, _, out| marks.configure(config, out));
        self.sync.configure(config, out);
        let needed = !waiting.is_empty() || self.sync.follows().is_some();
        self.need_director(now, needed, out);

        self.make_room(config);
        let services = waiting.iter().map(|&at| &config.virtual_servers[at]);
        let keys: Set<&ServiceKey> = services.map(|service| &service.key).collect();
        let order = std::mem::take(&mut self.order);
        let stays = |id: &VirtualId| keys.contains(&self.services[id].key);
        let (staying, leaving): (Vec<_>, Vec<_>) = order.into_iter().partition(stays);
        self.order = staying;
        let groups = config.virtual_server_groups.iter().enumerate();
        self.rebuild = Some(Rebuild {
            config: Arc::clone(config),
            groups: groups.map(|(at, group)| (group.name.clone(), at)).collect(),
            leaving: leaving.into(),
            waiting,
            site: None,
            order: Vec::new(),
        });
        self.go_on(now, out);
    }

    /// At once and while nothing is in them: a map that grows later moves all it has in one turn.
    fn make_room(&mut self, config: &Config) {
        let services = &config.virtual_servers;
        let servers = services.iter().flat_map(|service| &service.real_servers);
        let checkers: usize = servers.clone().map(|server| server.checkers.len()).sum();
        let servers = servers.count();
        self.services
            .reserve(services.len().saturating_sub(self.services.len()));
        self.servers
            .reserve(servers.saturating_sub(self.servers.len()));
        self.checkers
            .reserve(checkers.saturating_sub(self.checkers.len()));
        self.configure_sharing(config.global.checker_share_probes, checkers);
    }

    /// Services that are not done with run on as they are.
    pub(super) fn abandon(&mut self) {
        let Some(unfinished) = self.rebuild.take() else {
            return;
        };
        if let Some(site) = unfinished.site {
            self.abandon_site(site);
        }
        self.order.extend(unfinished.leaving);
    }

    /// Applies a share of the configuration.
    pub(super) fn go_on(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let mut budget = SERVERS_PER_TURN;
        while budget > 0
            && let Some(mut rebuild) = self.rebuild.take()
        {
            if let Some(mut site) = self.next_site(&mut rebuild) {
                let services = &rebuild.config.virtual_servers;
                let config = site.place.map(|at| &services[at]);
                if !self.work_on(now, &mut site, config, &mut budget, out) {
                    rebuild.site = Some(site);
                } else if config.is_some() {
                    rebuild.order.push(site.id);
                }
                self.rebuild = Some(rebuild);
            } else {
                self.end_rebuild(rebuild, out);
            }
        }
        if self.rebuild.is_some() {
            self.timers.set(Timer::Rebuild, now);
        }
    }

    /// The table comes first: no check is due before a second has passed.
    pub(super) fn begin_checks(&mut self, now: Instant) {
        if self.rebuild.is_some() || self.table.is_busy() {
            return;
        }
        while self.budget > 0
            && let Some(id) = self.new_checkers.pop_front()
        {
            self.budget -= 1;
            self.activate(now, id);
        }
        if !self.new_checkers.is_empty() {
            self.timers.set(Timer::Rebuild, now);
        }
    }

    /// The one that is under way, or one that leaves, or one that is to be applied.
    fn next_site(&mut self, rebuild: &mut Rebuild) -> Option<Site> {
        if let Some(site) = rebuild.site.take() {
            return Some(site);
        }
        if let Some(id) = rebuild.leaving.pop_front() {
            return Some(self.begin_leaving(id));
        }
        let at = rebuild.waiting.pop_front()?;
        let config = &rebuild.config;
        let service = &config.virtual_servers[at];
        let group = match &service.key {
            ServiceKey::Group { name, .. } => rebuild.groups.get(name),
            ServiceKey::Address(_) | ServiceKey::Fwmark { .. } => None,
        };
        let entries = group.map(|&at| &config.virtual_server_groups[at].entries);
        Some(self.begin_applying(at, service, entries.map_or(&[], |entries| entries)))
    }

    fn end_rebuild(&mut self, rebuild: Rebuild, out: &mut Vec<Effect>) {
        self.order = rebuild.order;
        self.compiled.forget_unused();
        left_out::tell(&rebuild.config, self.abilities);
        self.apply_files();
        self.plan_marks();
        self.watch_addresses(out);
    }

    fn tell_beginning(&mut self, serves: bool, undo: bool) {
        if serves || !self.order.is_empty() {
            self.table.begin(undo);
        }
        if serves {
            let first = self.order.is_empty();
            let words = if first {
                "Initializing ipvs"
            } else {
                "Reinitializing ipvs"
            };
            debug!("{words}");
        }
    }

    pub(super) fn leave_server(&mut self, now: Instant, key: ServerKey, out: &mut Vec<Effect>) {
        if self.desired(key).is_some() {
            info!("Removing service {key} from VS {}", self.name_of(key));
            if self.servers[&key].alive {
                self.notify_server(key, false, Why::Removed);
            }
        }
        let options = self.servers[&key].options;
        self.drain_server(now, key);
        self.remove_server(key, out);
        self.keep_draining(key, options);
    }

    /// The service of this key, which may be a new one.
    pub(super) fn identify(&mut self, key: &ServiceKey) -> VirtualId {
        if let Some(&id) = self.ids.get(key) {
            return id;
        }
        let id = VirtualId {
            number: self.new_id(),
            protocol: key.protocol(),
        };
        self.ids.insert(key.clone(), id);
        self.services.insert(id, Service::new(key.clone()));
        self.order.push(id);
        id
    }

    /// The services of the kernel: those that come and go; gives those that went. Its servers still
    /// have to leave them.
    pub(super) fn apply_kernel(
        &mut self,
        id: VirtualId,
        config: &VirtualServer,
        entries: &[GroupEntry],
    ) -> Vec<ServiceId> {
        let wanted = self.services_of(id, &config.key, entries);
        for &at in &wanted {
            self.stop_draining(at, id);
            self.table.set_service(id, &kernel::service(config, at));
        }
        let service = self.service_mut(id);
        if service.entries != entries {
            let old = std::mem::replace(&mut service.entries, entries.to_vec());
            if let (ServiceKey::Group { name, .. }, false) = (&config.key, old.is_empty()) {
                tell_entries(&config.key, name, &old, entries);
            }
        }
        if service.kernel == wanted {
            return Vec::new();
        }
        let staying: Set<_> = wanted.iter().copied().collect();
        let mut gone = std::mem::replace(&mut service.kernel, wanted);
        gone.retain(|at| !staying.contains(at));
        let sorry = self.services[&id].sorry;
        for &at in &gone {
            if let Some(sorry) = sorry {
                let Dest { address, options } = sorry.dest;
                let place = self.services[&id].place(address, options.method, at);
                let service = id;
                self.table
                    .set_dest(ServerKey { service, address }, at, place, None);
            }
            self.table.drop_service(id, at);
        }
        gone
    }

    pub(super) fn apply_sorry(&mut self, id: VirtualId, config: &VirtualServer) {
        let wanted = config.sorry_server.as_ref().map(|sorry| Sorry {
            dest: kernel::sorry_server(sorry),
            inhibit: sorry.inhibit,
            in_use: false,
        });
        let service = self.service_mut(id);
        let known = service.sorry;
        let address = |sorry: Option<Sorry>| sorry.map(|sorry| sorry.dest.address);
        if known.is_some() && address(known) != address(wanted) {
            self.leave_sorry(id);
        }
        let service = self.service_mut(id);
        let in_use = service.is_sorry();
        service.sorry = wanted.map(|wanted| Sorry { in_use, ..wanted });
        if let Some(sorry) = service.sorry {
            let (service, address) = (id, sorry.dest.address);
            self.show(ServerKey { service, address });
        }
    }

    /// The sorry server goes, and those it stood in for come back.
    pub(super) fn leave_sorry(&mut self, id: VirtualId) {
        let service = self.service_mut(id);
        let Some(sorry) = service.sorry else {
            return;
        };
        if sorry.in_use {
            let server = service.key.name_of(sorry.dest.address);
            info!("Removing sorry server {server} from VS {}", service.key);
        }
        service.sorry = Some(Sorry {
            in_use: false,
            inhibit: false,
            ..sorry
        });
        let (service, address) = (id, sorry.dest.address);
        self.show(ServerKey { service, address });
        let service = self.service_mut(id);
        service.sorry = None;
        if sorry.in_use {
            let others = service.servers.iter().copied().collect();
            self.begin_walk(id, Task::Show, others);
        }
    }

    pub(super) fn apply_server(
        &mut self,
        now: Instant,
        (key, mark): (ServerKey, Mark),
        config: &RealServer,
        out: &mut Vec<Effect>,
    ) {
        let options = kernel::server(config);
        let known = self.servers.get_mut(&key).map(|server| {
            let moves = server.options.method != options.method;
            let checkers = std::mem::take(&mut server.checkers);
            (server.alive, moves, checkers)
        });
        if let Some((_, true, _)) = known {
            let kernel = self.services[&key.service].kernel.clone();
            self.hide(key, &kernel);
        }
        let (known, before) = match known {
            Some((alive, _, checkers)) => (Some(alive), checkers.as_slice().to_vec()),
            None => (None, Vec::new()),
        };
        self.forget_draining(key);
        let checkers = self.apply_checkers(now, (key, known), config, before, out);
        let says_down = |id: &&CheckerId| !self.checkers[id].up;
        let failed = checkers.iter().filter(says_down).count();
        // What the checks say of the weight stays, where upstream loses it.
        let weight = self.weight_by(options.weight, &checkers);
        let server = self.servers.entry(key);
        let server = server.or_insert_with(|| Box::new(Server::new(options)));
        server.mark = mark;
        server.inhibit = config.inhibit_on_failure;
        server.own_weight = options.weight;
        server.checkers = checkers.into();
        if known == Some(false) && failed == 0 {
            self.tell_change(key, true);
            self.notify_server(key, true, Why::Configured);
        } else if known.is_none() && failed == 0 && self.init_notifies {
            self.notify_server(key, true, Why::Configured);
        }
        if let Some(alive) = known {
            self.tell_weight(key, weight, alive);
        }
        self.change_server(key, |server| {
            server.options = DestOptions { weight, ..options };
            server.alive = failed == 0;
            server.failed = failed;
        });
    }

    /// The checks of a server, which may be known as alive or not: those that try the same go on,
    /// the others end or begin.
    fn apply_checkers(
        &mut self,
        now: Instant,
        (server, known): (ServerKey, Option<bool>),
        config: &RealServer,
        mut before: Vec<CheckerId>,
        out: &mut Vec<Effect>,
    ) -> Vec<CheckerId> {
        let mut after = Vec::with_capacity(config.checkers.len());
        for wanted in left_out::checks(config, self.abilities) {
            let same = |id: &CheckerId| {
                let config = &self.checkers[id].config;
                config.to == wanted.to && config.check.probe == wanted.check.probe
            };
            if let Some(at) = before.iter().position(same) {
                let id = before.remove(at);
                self.keep_checker(now, id, wanted, known);
                after.push(id);
                continue;
            }
            // A new check of a server that is down has to pass first. Upstream believes it until
            // it fails, and so sends clients to a dead server whose failing check was edited.
            let made = self.abilities.can_make(&wanted.check.probe);
            let up = known.filter(|_| made).unwrap_or(!wanted.check.alpha);
            let id = CheckerId(self.new_id());
            let checker = Box::new(Checker::new(server, wanted, &mut self.compiled, up));
            self.checkers.insert(id, checker);
            self.enlist(id);
            if made {
                self.new_checkers.push_back(id);
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
        if !self.abilities.can_make(&config.check.probe) {
            checker.up = !config.check.alpha;
        } else if known == Some(false) && !checker.has_run {
            checker.up = false;
        }
        if checker.config == *config {
            // Maybe nothing was shared before, or is any more.
            return self.stay(now, id);
        }
        self.part(now, id);
        let checker = self.checker_mut(id);
        checker.retries = checker.retries.min(config.check.retry);
        checker.config = config.clone();
        self.enlist(id);
        // A shorter period counts from now on and not after the old one has run out.
        let latest = now + config.check.delay_loop;
        if self
            .timers
            .deadline_of(Timer::Due(id))
            .is_some_and(|at| at > latest)
        {
            self.timers.set(Timer::Due(id), latest);
        }
    }

    /// A check begins, unless its service is somewhere else, or it has gone before it began.
    pub(super) fn activate(&mut self, now: Instant, id: CheckerId) {
        let Some(checker) = self.checkers.get(&id) else {
            return;
        };
        let probe = &checker.config.check.probe;
        // What waits to be told has no rhythm.
        if !self.abilities.can_make(probe) || matches!(probe, config::Probe::File { .. }) {
            return;
        }
        let server = checker.server;
        let service = &self.services[&server.service];
        let key = &service.key;
        if service.suspended {
            info!("Deactivating healthchecker for service {server} for VS {key}");
            return;
        }
        info!("Activating healthchecker for service {server} for VS {key}");
        // Suspended and here again while an attempt is in flight: its end plans the next one.
        if checker.attempt.is_some() || checker.ride.is_some() {
            return;
        }
        let at = now + checker.first_delay(&mut self.rand);
        self.timers.set(Timer::Due(id), at);
    }

    pub(super) fn tell_weight(&self, key: ServerKey, weight: i32, alive: bool) {
        let before = self.servers[&key].options.weight;
        if before != weight {
            let state = if alive { "active" } else { "inactive" };
            let of = format!("{state} service {key} of VS {}", self.name_of(key));
            info!("Changing weight from {before} to {weight} for {of}");
        }
    }
}

/// The lines of a group that went, and those that came.
fn tell_entries(key: &ServiceKey, name: &str, old: &[GroupEntry], new: &[GroupEntry]) {
    let [before, after]: [Set<_>; 2] = [old, new].map(|entries| entries.iter().collect());
    for gone in old.iter().filter(|entry| !after.contains(entry)) {
        let entry = name_of_entry(key, gone);
        info!("VS [{entry}] in group {name} no longer exists");
    }
    for come in new.iter().filter(|entry| !before.contains(entry)) {
        let entry = name_of_entry(key, come);
        info!("VS [{entry}] added into group {name}");
    }
}

fn name_of_entry(key: &ServiceKey, entry: &GroupEntry) -> String {
    match entry {
        GroupEntry::Fwmark { mark, .. } => format!("FWM {mark}"),
        GroupEntry::Addresses { first, last, port } => {
            let first = key.name_of(SocketAddr::new(*first, *port));
            let last = key.name_of(SocketAddr::new(*last, *port));
            if first == last {
                first
            } else {
                format!("{first}-{last}")
            }
        }
    }
}

/// Two of one key would fight for the same entry of the kernel: the first one counts.
fn distinct_services(config: &Config) -> VecDeque<usize> {
    let mut seen = Set::default();
    let services = config.virtual_servers.iter().enumerate();
    let distinct = services.filter(|(_, service)| {
        let key = &service.key;
        let first = seen.insert(key);
        if !first {
            warn!("VS {key} is duplicated - ignoring the second");
        }
        first
    });
    distinct.map(|(at, _)| at).collect()
}

/// Servers of a configuration that are compared and applied in one turn of the loop: less than two
/// milliseconds of it.
const SERVERS_PER_TURN: usize = 256;
