//! `lvs_drain_timeout`: a real server that leaves the configuration takes no new connections and
//! goes when those it has are over, or its time is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use log::info;

use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::ipvs::{DestOptions, ServiceId};

use super::refusal::Where;
use super::service::{ServerKey, VirtualId};
use super::table::Reading;
use super::{Core, Effect, Timer};

#[derive(Debug, Default)]
pub(super) struct Drain {
    /// Zero: nobody is waited for.
    pub(super) patience: Duration,
    leaving: BTreeMap<(ServiceId, SocketAddr), Leaving>,
    /// Services whose virtual server has gone, and that wait for their last destination.
    closing: BTreeMap<ServiceId, VirtualId>,
}

/// A destination on its way out.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    key: ServerKey,
    until: Instant,
}

impl Drain {
    /// The services that wait for their last destination.
    pub(super) fn closing(&self) -> impl Iterator<Item = ServiceId> {
        self.closing.keys().copied()
    }
}

impl Core {
    /// A server is about to leave: what it has in the table stays for a while, with weight 0.
    pub(super) fn drain_server(&mut self, now: Instant, key: ServerKey) {
        let served = self.desired(key);
        let (Some(options), false) = (served, self.drain.patience.is_zero()) else {
            return;
        };
        let until = now + self.drain.patience;
        let service = &self.services[&key.service];
        for &at in &service.kernel {
            let address = service.place(key.address, options.method, at);
            if self.table.weight_of(at, address).is_some() {
                let leaving = Leaving { key, until };
                self.drain.leaving.insert((at, address), leaving);
            }
        }
        if !self.drain.leaving.is_empty() {
            info!("Draining service {key} of VS {}", self.name_of(key));
            self.timers.set(Timer::Drain, now + LOOK);
        }
    }

    /// The claims of a server that drains, after its own have gone.
    pub(super) fn keep_draining(&mut self, key: ServerKey, options: DestOptions) {
        let service = &self.services[&key.service];
        let drained = options.quiesced();
        for &at in &service.kernel {
            let address = service.place(key.address, options.method, at);
            if self.drain.leaving.contains_key(&(at, address)) {
                self.table.set_dest(key, at, address, Some(drained));
            }
        }
    }

    /// A virtual server goes; true when one of its services waits for destinations.
    pub(super) fn keep_open(&mut self, owner: VirtualId, at: ServiceId) -> bool {
        let mut leaving = self.drain.leaving.range((at, LEAST)..);
        let waits = leaving.next().is_some_and(|((id, _), _)| *id == at);
        if waits {
            self.drain.closing.insert(at, owner);
        }
        waits
    }

    /// The configuration has a service, and maybe a server, that were on their way out.
    pub(super) fn stop_draining(&mut self, at: ServiceId, owner: VirtualId) {
        if self.drain.closing.get(&at).is_some_and(|&old| old != owner) {
            let leaving = self.drain.leaving.range((at, LEAST)..);
            let here: Vec<_> = leaving.map(|(&key, _)| key).collect();
            for key in here.into_iter().take_while(|(id, _)| *id == at) {
                self.let_go(key);
            }
        }
    }

    /// A server is in the configuration again.
    pub(super) fn forget_draining(&mut self, key: ServerKey) {
        if !self.drain.leaving.is_empty() {
            self.drain.leaving.retain(|_, leaving| leaving.key != key);
        }
    }

    /// Time to look who is still connected.
    pub(super) fn look_at_draining(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.drain.leaving.is_empty() {
            return;
        }
        let services: BTreeSet<ServiceId> = self.drain.leaving.keys().map(|(id, _)| *id).collect();
        out.extend(services.into_iter().map(|id| self.table.ask(id)));
        self.timers.set(Timer::Drain, now + LOOK);
    }

    /// What the kernel says of a service: who has no connections any more goes.
    pub(super) fn drained(&mut self, now: Instant, id: ServiceId, answer: &Result<Reading, Errno>) {
        let mut leaving = self.drain.leaving.range((id, LEAST)..);
        if leaving.next().is_none_or(|((at, _), _)| *at != id) {
            return;
        }
        let states = match answer {
            Ok(Some((_, states))) => states.as_slice(),
            Ok(None) => &[],
            Err(_) => return,
        };
        let active: BTreeMap<SocketAddr, u32> = states
            .iter()
            .map(|state| (state.dest.address, state.active))
            .collect();
        let leaving = self.drain.leaving.range((id, LEAST)..);
        let here = leaving.take_while(|((at, _), _)| *at == id);
        let over = here.filter(|((_, address), leaving)| {
            now >= leaving.until || active.get(address).copied().unwrap_or(0) == 0
        });
        for key in over.map(|(&key, _)| key).collect::<Vec<_>>() {
            let left = active.get(&key.1).copied().unwrap_or(0);
            info!(
                "IPVS: {} -> {} is removed, {left} connections left",
                Where(id),
                key.1
            );
            self.let_go(key);
        }
    }

    fn let_go(&mut self, at: (ServiceId, SocketAddr)) {
        let Some(leaving) = self.drain.leaving.remove(&at) else {
            return;
        };
        let (id, address) = at;
        self.table.set_dest(leaving.key, id, address, None);
        let mut rest = self.drain.leaving.range((id, LEAST)..);
        let more = rest.next().is_some_and(|((other, _), _)| *other == id);
        if !more && let Some(owner) = self.drain.closing.remove(&id) {
            self.table.drop_service(owner, id);
        }
    }
}

/// How often the connections of those who leave are counted.
const LOOK: Duration = Duration::from_secs(1);

/// Before all addresses.
const LEAST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
