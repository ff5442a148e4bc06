//! Real servers: who is alive, at which weight.
//!
//! The verdicts come from `checker`; what the kernel is to have is told to the table.

use std::fmt;

use log::info;

use crate::config::ServiceKey;
use crate::wire::ipvs::{DestOptions, ServiceId};

use super::checker::CheckerId;
use super::service::{Occasion, ServerKey};
use super::site::Mark;
use super::{Core, Effect};
use crate::notify::{Notice, Why};

#[derive(Debug)]
pub(super) struct Server {
    /// What the kernel is told of it.
    pub(super) options: DestOptions,
    /// The configured weight; checks may have another in the table.
    pub(super) own_weight: i32,
    /// `inhibit_on_failure`: a server that is down stays in the table with weight 0.
    pub(super) inhibit: bool,
    pub(super) alive: bool,
    /// How many of the checkers say down.
    pub(super) failed: usize,
    pub(super) checkers: Checkers,
    /// By the site that last came by.
    pub(super) mark: Mark,
}

/// With what the allocator adds these are 64.
const _: () = assert!(size_of::<Server>() <= 56);

/// The checkers of a server, in the order of the file. Nearly all servers have one: it needs no
/// allocation.
#[derive(Clone, Debug)]
pub(super) enum Checkers {
    One(CheckerId),
    /// None, or several.
    Others(Box<[CheckerId]>),
}

impl Server {
    /// Not yet in the table, and not yet alive.
    pub(super) fn new(options: DestOptions) -> Self {
        Self {
            options,
            own_weight: options.weight,
            inhibit: false,
            alive: false,
            failed: 0,
            checkers: Checkers::default(),
            mark: 0,
        }
    }

    fn alive_weight(&self) -> i64 {
        if self.alive {
            i64::from(self.options.weight)
        } else {
            0
        }
    }
}

impl Checkers {
    pub(super) fn as_slice(&self) -> &[CheckerId] {
        match self {
            Self::One(checker) => std::slice::from_ref(checker),
            Self::Others(checkers) => checkers,
        }
    }
}

impl From<Vec<CheckerId>> for Checkers {
    fn from(checkers: Vec<CheckerId>) -> Self {
        match checkers[..] {
            [checker] => Self::One(checker),
            _ => Self::Others(checkers.into_boxed_slice()),
        }
    }
}

impl Default for Checkers {
    /// None.
    fn default() -> Self {
        Self::Others(Box::default())
    }
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.service.protocol.map_or("none", |known| known.word());
        let address = self.address;
        write!(f, "[{}]:{protocol}:{}", address.ip(), address.port())
    }
}

impl Core {
    /// A checker that said down says up: the last one of them brings the server back.
    pub(super) fn check_passed(&mut self, key: ServerKey) {
        let server = self.server_mut(key);
        server.failed = server.failed.saturating_sub(1);
        if server.failed == 0 {
            self.bring(key, true);
        }
    }

    /// A checker that said up says down: the first one of them takes the server out.
    pub(super) fn check_failed(&mut self, key: ServerKey) {
        let server = self.server_mut(key);
        server.failed += 1;
        if server.failed == 1 {
            self.bring(key, false);
        }
    }

    fn bring(&mut self, key: ServerKey, alive: bool) {
        self.tell_change(key, alive);
        self.change_server(key, |server| server.alive = alive);
        self.notify_server(key, alive, Why::Checked);
        self.evaluate_quorum(key.service, Occasion::Changed);
    }

    /// keepalived's line for a server that comes or goes.
    pub(super) fn tell_change(&self, key: ServerKey, alive: bool) {
        let service = self.name_of(key);
        match (alive, self.servers[&key].inhibit) {
            (true, false) => info!("Adding service {key} to VS {service}"),
            (true, true) => info!("Enabling service {key} of VS {service}"),
            (false, false) => info!("Removing service {key} from VS {service}"),
            (false, true) => info!("Disabling service {key} of VS {service}"),
        }
    }

    /// A check has another opinion of the weight.
    pub(super) fn reweigh(&mut self, key: ServerKey) {
        let weight = self.weight_by_checks(key);
        if self.servers[&key].options.weight == weight {
            return;
        }
        self.tell_weight(key, weight, self.servers[&key].alive);
        self.change_server(key, |server| server.options.weight = weight);
        self.evaluate_quorum(key.service, Occasion::Changed);
    }

    /// The configured weight with what the checks make of it.
    pub(super) fn weight_by_checks(&self, key: ServerKey) -> i32 {
        let server = &self.servers[&key];
        self.weight_by(server.own_weight, server.checkers.as_slice())
    }

    pub(super) fn weight_by(&self, own: i32, checkers: &[CheckerId]) -> i32 {
        let own = i64::from(own);
        let changes = checkers
            .iter()
            .map(|id| self.checkers[id].weight.change(own));
        let weight = (own + changes.sum::<i64>()).clamp(0, i64::from(i32::MAX));
        i32::try_from(weight).expect("it was clamped to the range")
    }

    pub(super) fn notify_server(&mut self, key: ServerKey, up: bool, why: Why) {
        let service = self.name_of(key).clone();
        let server = key.address;
        self.notices.push(Notice::Server {
            service,
            server,
            up,
            why,
        });
    }

    /// The one place where a server changes: the sum of the weights and the table follow.
    pub(super) fn change_server(&mut self, key: ServerKey, change: impl FnOnce(&mut Server)) {
        let server = self.server_mut(key);
        let before = server.alive_weight();
        change(server);
        let added = server.alive_weight() - before;
        self.service_mut(key.service).alive_weight += added;
        self.show(key);
    }

    /// A server leaves the configuration, or everything ends. What is said of it has been said.
    pub(super) fn remove_server(&mut self, key: ServerKey, out: &mut Vec<Effect>) {
        let Some(server) = self.servers.get_mut(&key) else {
            return;
        };
        for &checker in std::mem::take(&mut server.checkers).as_slice() {
            self.remove_checker(checker, out);
        }
        self.change_server(key, |server| {
            server.alive = false;
            server.inhibit = false;
        });
        self.servers.remove(&key);
        // It may be the sorry server as well.
        self.show(key);
    }

    /// Takes a server's claims on some services of the kernel back: it leaves them, or is about to
    /// be placed elsewhere in them.
    pub(super) fn hide(&mut self, key: ServerKey, from: &[ServiceId]) {
        let Some(server) = self.servers.get(&key) else {
            return;
        };
        let method = server.options.method;
        for &at in from {
            let address = self.services[&key.service].place(key.address, method, at);
            self.table.set_dest(key, at, address, None);
        }
    }

    /// The key of the virtual server, which is its name.
    pub(super) fn name_of(&self, key: ServerKey) -> &ServiceKey {
        &self.services[&key.service].key
    }

    pub(super) fn server_mut(&mut self, key: ServerKey) -> &mut Server {
        self.servers
            .get_mut(&key)
            .expect("a server outlives its checkers")
    }
}
