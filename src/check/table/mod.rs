//! The wanted table against the known table: which requests lead from one to the other.
//!
//! Every wish is compared with what is known of its one entry and leads to at most one request;
//! nothing ever walks the table for one change. A wish that makes a difference waits in a queue, of
//! which each turn of the loop takes a share. A service is read before it is made: what is right
//! already is adopted without a request.
//!
//! A request counts as carried out when it is made; when the kernel refuses it, what is known is
//! corrected and the difference is settled again: an entry that exists already is adopted, one that
//! somebody deleted is made again, and what the kernel does not take at all stays unsettled until
//! IPVS is looked at the next time.

mod adoption;
mod audit;
mod modules;
mod newer;
mod refused;
mod settle;
mod slot;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use log::{debug, warn};

use crate::errno::Errno;
use crate::hash::{Map, Set};
use crate::time::Instant;
use crate::wire::ipvs::{DestOptions, DestState, Request, Service, ServiceId};

use super::Effect;
use super::refusal::Where;
use super::service::{ServerKey, VirtualId};
use adoption::Adoption;
use audit::Look;
use modules::Modules;
use newer::Newer;
use refused::{Refusal, Subject};
use slot::{Correction, Found, Known, Slot};

#[derive(Debug, Default)]
pub(super) struct Table {
    /// False until IPVS has answered: wishes are noted, requests are not made.
    ready: bool,
    entries: Map<ServiceId, Entry>,
    /// What may differ from what is wanted, in the order in which it is to be settled.
    pending: VecDeque<Task>,
    /// What the kernel refused for now.
    unsettled: BTreeSet<Subject>,
    /// What was found and is not yet taken over.
    adoptions: VecDeque<Adoption>,
    /// Services whose servers are not all known yet: nothing that was found is too much.
    held: Set<ServiceId>,
    /// Services to be read for the audit under way.
    to_audit: VecDeque<ServiceId>,
    /// How many there were.
    audits: u32,
    /// What was read for it and is not yet compared.
    looks: VecDeque<Look>,
    /// What others did to entries of ours is undone.
    strict: bool,
    modules: Modules,
    newer: Newer,
    /// Readings asked for and answered, ever.
    asked: u64,
    answered: u64,
    /// Services made or found, ever.
    made: u64,
    /// Services asked for before they are made, without an answer yet.
    reading: usize,
    /// Changes asked for since the last configuration, until all of it is settled.
    operations: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    service: Slot<Service, VirtualId>,
    dests: Dests,
    /// Some came one by one since they were packed last.
    is_loose: bool,
    /// Destinations that somebody else put there, and that were told of.
    foreign: BTreeSet<SocketAddr>,
    /// Asked for, for the audit. Any request after that makes the answer an old one.
    audited: bool,
    /// What was found in it is to be settled when it is held no longer.
    waits: bool,
    /// When the service was found missing last.
    missed: Option<Instant>,
}

type Dests = BTreeMap<SocketAddr, Slot<DestOptions, Claimant>>;

/// Who wants a destination: a server of a virtual server. Beside the address of the destination
/// that is all there is to its key, of which a group changes no more than the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claimant {
    service: u64,
    port: u16,
}

/// There is one for each real server: what they all have in common is not said in each.
const _: () = assert!(size_of::<Slot<DestOptions, Claimant>>() <= 64);

/// What is to be settled.
#[derive(Clone, Copy, Debug)]
enum Task {
    One(Subject),
    /// All destinations of a service, from this address on.
    Rest(ServiceId, Option<SocketAddr>),
}

/// What the kernel has under one key.
pub type Reading = Option<(Service, Vec<DestState>)>;

impl Table {
    /// The weight of a destination in the kernel, as far as it is known.
    pub(super) fn weight_of(&self, id: ServiceId, address: SocketAddr) -> Option<i32> {
        match self.entries.get(&id)?.dests.get(&address)?.known() {
            Known::Present(options) => Some(options.weight),
            _ => None,
        }
    }

    /// A new configuration: the requests for it are counted.
    pub(super) fn begin(&mut self, strict: bool) {
        self.strict = strict;
        self.operations = Some(0);
    }

    /// IPVS has answered: from now on requests are made. What is in it will be read, unless it is
    /// known to be empty.
    pub(super) fn open(&mut self, empty: bool) {
        self.ready = true;
        self.modules.forget();
        self.newer = Newer::default();
        if empty {
            for entry in self.entries.values_mut() {
                entry.believe(Found::Absent);
            }
        }
    }

    /// A service is to be looked at.
    pub(super) fn queue(&mut self, id: ServiceId) {
        let address = None;
        self.pending.push_back(Task::One(Subject { id, address }));
    }

    /// IPVS is gone, and with it all that was in it.
    pub(super) fn close(&mut self) {
        self.ready = false;
        self.unsettled.clear();
        self.pending.clear();
        self.adoptions.clear();
        self.to_audit.clear();
        self.looks.clear();
        self.reading = 0;
        self.entries.retain(|_, entry| {
            entry.service.learn(Known::Unread);
            entry.dests.retain(|_, dest| dest.wanted().is_some());
            entry.believe_of_dests(Found::Absent);
            entry.service.wanted().is_some()
        });
    }

    pub(super) fn set_service(&mut self, owner: VirtualId, service: &Service) {
        let id = service.id;
        let entry = self.entries.entry(id).or_insert_with(Entry::new);
        if entry.service.claims() == 0 && *entry.service.known() == Known::Other {
            // It was to be deleted, and was not: its destinations are not known any more.
            entry.service.learn(Known::Unread);
        }
        let shared = entry.service.claims();
        if entry.service.wish(owner, Some(service.clone())) {
            self.queue(id);
        } else if entry.service.claims() > shared {
            warn!("IPVS: {} is served by two virtual servers", Where(id));
        }
    }

    /// The destinations go with it, unless another virtual server wants the service, too.
    pub(super) fn drop_service(&mut self, owner: VirtualId, id: ServiceId) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.service.wish(owner, None)
        {
            let address = None;
            self.pending.push_front(Task::One(Subject { id, address }));
        }
    }

    /// What a destination is to be; None: not in the table. Its owner has the same IP address.
    pub(super) fn set_dest(
        &mut self,
        owner: ServerKey,
        id: ServiceId,
        address: SocketAddr,
        options: Option<DestOptions>,
    ) {
        debug_assert_eq!(owner.address.ip(), address.ip());
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if options.is_none() && !entry.dests.contains_key(&address) {
            return;
        }
        // A service that is not there yet is settled with all that it is to have.
        let waits = options.is_some() && entry.service.is_given_up();
        let slot = entry.dests.entry(address);
        let slot = slot.or_insert_with(|| {
            entry.is_loose = true;
            Slot::new(Known::Absent)
        });
        if slot.wish(Claimant::of(owner), options) {
            if waits {
                return;
            }
            let address = Some(address);
            self.pending.push_back(Task::One(Subject { id, address }));
        } else if slot.is_over() {
            entry.dests.remove(&address);
        }
    }

    /// Settles what waits, at most `budget` requests of it. What is left waits for the next turn.
    pub(super) fn pump(&mut self, budget: &mut usize, out: &mut Vec<Effect>) {
        if !self.ready {
            // All of it will be looked at when IPVS is there.
            self.pending.clear();
            return;
        }
        let mut looks = 0;
        while *budget > 0 {
            let made = out.len();
            if self.adopt_some() || self.compare_some() {
                *budget -= 1;
                continue;
            }
            match self.pending.pop_front() {
                Some(Task::One(Subject { id, address: None })) => self.settle_service(id, out),
                Some(Task::One(Subject {
                    id,
                    address: Some(address),
                })) => self.settle_dest(id, address, out),
                Some(Task::Rest(id, from)) => self.settle_rest(id, from, *budget, &mut looks, out),
                None => match self.to_audit.pop_front() {
                    Some(id) => self.read_again(id, out),
                    None => break,
                },
            }
            looks += 1;
            let cost: usize = out[made..].iter().map(cost).sum();
            *budget = budget.saturating_sub(cost + looks / LOOKS_PER_REQUEST);
            looks %= LOOKS_PER_REQUEST;
        }
    }

    /// Something is left for the next turn.
    pub(super) fn is_busy(&self) -> bool {
        let reads = self.adoptions.is_empty() && self.looks.is_empty();
        !(reads && self.pending.is_empty() && self.to_audit.is_empty())
    }

    /// Changes are on their way, or answers that lead to some.
    pub(super) fn is_settling(&self) -> bool {
        self.reading > 0 || !self.pending.is_empty()
    }

    /// How many services were made or found, ever.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// A service is there, as far as is known.
    pub(super) fn is_there(&self, id: ServiceId) -> bool {
        let entry = self.entries.get(&id);
        entry.is_some_and(|entry| !entry.service.is_given_up())
    }

    /// A service is wanted, or may be there.
    pub(super) fn knows(&self, id: ServiceId) -> bool {
        self.entries.contains_key(&id)
    }

    /// A service waits for a module.
    pub(super) fn waits_for_modules(&self) -> bool {
        self.ready && self.modules.is_waiting()
    }

    /// What is missing is looked for again.
    pub(super) fn retry_modules(&mut self, out: &mut Vec<Effect>) {
        out.extend(self.modules.retry().into_iter().map(Effect::LoadModule));
    }

    /// How many changes the last configuration came to, once, when all of them are made.
    pub(super) fn take_operations(&mut self) -> Option<u64> {
        let waits = self.reading > 0 || self.modules.is_loading();
        if !self.ready || waits || !self.pending.is_empty() {
            return None;
        }
        self.operations.take()
    }

    /// The end begins: from now on nothing is settled any more. True when there was a table.
    pub(super) fn end(&mut self) -> bool {
        self.operations = None;
        self.pending.clear();
        self.adoptions.clear();
        self.to_audit.clear();
        self.looks.clear();
        std::mem::take(&mut self.ready)
    }

    /// A destination goes at the end with its service.
    pub(super) fn forget_dest(&mut self, id: ServiceId, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.dests.remove(&address);
        }
    }

    /// A service of ours goes at the end, whoever wants it, when it is there.
    pub(super) fn remove(&mut self, id: ServiceId) -> Option<Effect> {
        let entry = self.entries.remove(&id)?;
        let there = !matches!(entry.service.known(), Known::Absent | Known::Unread);
        there.then_some(Effect::Ipvs(Request::DelService(id)))
    }

    /// The end: nothing of it was ever there.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Everything that was refused is tried again.
    pub(super) fn retry(&mut self) {
        for subject in std::mem::take(&mut self.unsettled) {
            let Some(entry) = self.entries.get_mut(&subject.id) else {
                continue;
            };
            if let Some(address) = subject.address {
                if let Some(dest) = entry.dests.get_mut(&address) {
                    dest.pardon();
                }
            } else {
                entry.service.pardon();
                self.pending.push_back(Task::Rest(subject.id, None));
            }
            self.pending.push_back(Task::One(subject));
        }
    }

    /// The child that loads a module of ours has ended.
    pub(super) fn module_loaded(&mut self, module: &str, success: bool) {
        for id in self.modules.loaded(module, success) {
            self.queue(id);
        }
    }

    /// A question for one service.
    pub(super) fn ask(&mut self, id: ServiceId) -> Effect {
        self.asked += 1;
        Effect::ReadIpvs(id)
    }

    /// The kernel's answer to a question for one service.
    pub(super) fn read(&mut self, id: ServiceId, answer: Result<Reading, Errno>) {
        self.answered += 1;
        self.compare_newer(id, &answer);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if *entry.service.known() != Known::Reading {
            self.audited(id, answer);
            return;
        }
        match answer {
            Ok(Some(found)) => return self.begin_adoption(found),
            Ok(None) => entry.believe(Found::Absent),
            // It is made, and what is there already will be told then.
            Err(_) => entry.believe(Found::Unclear),
        }
        self.reading -= 1;
        let address = None;
        self.pending.push_front(Task::One(Subject { id, address }));
    }

    /// The kernel refused a request. True when that is worth a line: what is put right at once,
    /// or is as it was wanted, is not.
    pub(super) fn refused(&mut self, now: Instant, request: &Request, error: Errno) -> bool {
        let Some(subject) = Subject::of(request) else {
            return true;
        };
        match Refusal::of(request, error) {
            Refusal::AsWanted => false,
            _ if !self.ready => true,
            Refusal::Exists => self.correct(subject, Found::There),
            Refusal::Missing => self.correct(subject, Found::Absent),
            Refusal::ServiceMissing => self.make_anew(now, subject.id),
            Refusal::NotDone(found) => {
                if let (Request::NewService(service) | Request::SetService(service), true) =
                    (request, error == Errno::ENOENT)
                {
                    self.modules.refused(service);
                }
                self.leave(subject, found);
                true
            }
        }
    }

    /// Something is in the table, or is not, against what was believed: it is settled anew. True
    /// when that was done too often.
    fn correct(&mut self, subject: Subject, found: Found) -> bool {
        let Subject { id, address } = subject;
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        let correction = match address {
            None => entry.correct(found),
            Some(address) => match entry.dests.get_mut(&address) {
                Some(dest) => dest.correct(found),
                None => return false,
            },
        };
        match correction {
            Correction::Stale => return false,
            Correction::Enough => {
                self.unsettled.insert(subject);
                return true;
            }
            Correction::Settle => {}
        }
        debug!("the IPVS table was not as expected: corrected {subject:?}");
        if address.is_none() {
            self.pending.push_front(Task::Rest(id, None));
        }
        self.pending.push_front(Task::One(subject));
        false
    }

    /// Somebody deleted a service, with all its destinations.
    fn make_anew(&mut self, now: Instant, id: ServiceId) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        let subject = Subject { id, address: None };
        if entry.missed != Some(now) {
            entry.missed = Some(now);
            return self.correct(subject, Found::Absent);
        }
        // The answer to another request of the same moment: most likely that one was made before
        // the service was made anew. If not, the next look shows it.
        if !entry.service.is_given_up() {
            self.leave(subject, Found::There);
        }
        false
    }

    /// The kernel did not take it: the difference stays until the next look at IPVS. An entry that
    /// was forgotten when its deletion was asked for is remembered again.
    fn leave(&mut self, subject: Subject, found: Found) {
        let entry = self.entries.entry(subject.id).or_insert_with(Entry::new);
        match subject.address {
            None => entry.believe(found),
            Some(address) => {
                let dest = entry.dests.entry(address);
                dest.or_insert_with(|| Slot::new(Known::Absent))
                    .believe(found);
            }
        }
        self.unsettled.insert(subject);
    }

    fn forget_what_is_over(&mut self, id: ServiceId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            if entry.service.wanted().is_none() && entry.service.is_given_up() {
                entry.dests.retain(|_, dest| !dest.is_over());
            }
            if entry.service.is_over() && entry.dests.is_empty() {
                self.entries.remove(&id);
            }
        }
    }
}

impl Claimant {
    fn of(server: ServerKey) -> Self {
        Self {
            service: server.service.number,
            port: server.address.port(),
        }
    }
}

impl Entry {
    fn new() -> Self {
        Self {
            service: Slot::new(Known::Unread),
            dests: BTreeMap::new(),
            is_loose: false,
            foreign: BTreeSet::new(),
            audited: false,
            waits: false,
            missed: None,
        }
    }

    /// Destinations that come in the order of their addresses, as those of a configuration do,
    /// leave every node of the map half empty. One that is made of all of them has full ones.
    fn pack(&mut self) {
        self.is_loose = false;
        self.dests = std::mem::take(&mut self.dests).into_iter().collect();
    }

    /// What the kernel has, it turns out. Without the service there are no destinations.
    fn believe(&mut self, found: Found) {
        self.service.believe(found);
        if found != Found::There {
            self.believe_of_dests(found);
        }
    }

    fn believe_of_dests(&mut self, found: Found) {
        for dest in self.dests.values_mut() {
            if *dest.known() != Known::Absent {
                dest.believe(found);
            }
        }
        self.foreign.clear();
    }

    fn correct(&mut self, found: Found) -> Correction {
        let correction = self.service.correct(found);
        if *self.service.known() == Known::Absent {
            self.believe_of_dests(Found::Absent);
        }
        correction
    }
}

/// To read a service is to ask for it and for all its destinations.
fn cost(effect: &Effect) -> usize {
    match effect {
        Effect::ReadIpvs(_) => 3,
        _ => 1,
    }
}

/// Entries that turn out to need no request cost something, too.
const LOOKS_PER_REQUEST: usize = 8;

fn count(operations: &mut Option<u64>) {
    if let Some(operations) = operations {
        *operations += 1;
    }
}
