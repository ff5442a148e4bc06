//! The wanted table against the known table: which requests lead from one to the other.
//!
//! Every wish is compared with what is known of its one entry and leads to at most one request;
//! nothing ever walks the table for one change. A request counts as carried out when it is made;
//! when the kernel refuses it, what is known is corrected and the difference is settled again: an
//! entry that exists already is adopted, one that somebody deleted is made again, and what the
//! kernel does not take at all stays unsettled until IPVS is looked at the next time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use log::debug;

use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::ipvs::{Dest, Request, Service, ServiceId};

use super::Effect;

#[derive(Debug, Default)]
pub(super) struct Table {
    /// False until IPVS has answered: wishes are noted, requests are not made.
    ready: bool,
    entries: BTreeMap<ServiceId, Entry>,
    /// What the kernel refused for now.
    unsettled: BTreeSet<Subject>,
}

/// A service (without an address) or one of its destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    id: ServiceId,
    address: Option<SocketAddr>,
}

#[derive(Debug, Default)]
struct Entry {
    service: Slot<Service>,
    dests: BTreeMap<SocketAddr, Slot<Dest>>,
    /// When the service was found missing last.
    missed: Option<Instant>,
}

/// One object of the kernel's: what it is to be, and what it is.
#[derive(Debug)]
struct Slot<T> {
    wanted: Option<T>,
    known: Known<T>,
    /// Corrections made since the wish was spoken.
    repairs: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Known<T> {
    Absent,
    /// It is there or not: a request to make it was refused, but another one may have been heard.
    Unclear,
    /// It is there, with a content that is not ours or not known.
    Other,
    Present(T),
}

/// A [`Known`] that was learnt from a refusal, and so without a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Absent,
    Unclear,
    There,
}

/// The request that settles a slot.
enum Step<T> {
    New(T),
    Set(T),
    Delete,
}

impl Table {
    /// The weight of a destination in the kernel, as far as it is known.
    pub(super) fn weight_of(&self, id: ServiceId, address: SocketAddr) -> Option<i32> {
        match &self.entries.get(&id)?.dests.get(&address)?.known {
            Known::Present(dest) => Some(dest.weight),
            Known::Absent | Known::Unclear | Known::Other => None,
        }
    }

    /// True when the destination is to be in the table.
    pub(super) fn wants(&self, id: ServiceId, address: SocketAddr) -> bool {
        let slot = self.entries.get(&id).and_then(|at| at.dests.get(&address));
        slot.is_some_and(|slot| slot.wanted.is_some())
    }

    /// IPVS has answered: from now on requests are made. The caller settles what is wanted.
    pub(super) fn open(&mut self) {
        self.ready = true;
    }

    /// IPVS is gone, and with it all that was in it.
    pub(super) fn close(&mut self) {
        self.ready = false;
        self.unsettled.clear();
        self.entries.retain(|_, entry| {
            entry.believe(Found::Absent);
            entry.dests.retain(|_, dest| dest.wanted.is_some());
            entry.service.wanted.is_some()
        });
    }

    pub(super) fn set_service(&mut self, service: &Service, out: &mut Vec<Effect>) {
        let entry = self.entries.entry(service.id).or_default();
        entry.service.wish(Some(service.clone()));
        self.settle_service(service.id, out);
    }

    /// The destinations go with it.
    pub(super) fn drop_service(&mut self, id: ServiceId, out: &mut Vec<Effect>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.service.wish(None);
            self.settle_service(id, out);
        }
    }

    /// What a destination is to be; None: not in the table.
    pub(super) fn set_dest(
        &mut self,
        id: ServiceId,
        address: SocketAddr,
        dest: Option<Dest>,
        out: &mut Vec<Effect>,
    ) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.dests.entry(address).or_default().wish(dest);
        }
        self.settle_dest(id, address, out);
    }

    pub(super) fn settle_service(&mut self, id: ServiceId, out: &mut Vec<Effect>) {
        let wanted = |entry: &Entry| entry.service.wanted.is_some();
        if !self.entries.get(&id).is_some_and(wanted) {
            // A destination whose deletion was refused before is not forgotten with the service:
            // that deletion may be refused as well.
            self.settle_dests(id, out);
        }
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        self.unsettled.remove(&Subject { id, address: None });
        if self.ready {
            match entry.service.step() {
                Some(Step::New(service)) => {
                    entry.believe_of_dests(Found::Absent);
                    request(Request::NewService(service), out);
                }
                Some(Step::Set(service)) => request(Request::SetService(service), out),
                Some(Step::Delete) => request(Request::DelService(id), out),
                None => {}
            }
        }
        if entry.service.is_over() {
            self.entries.remove(&id);
        }
    }

    pub(super) fn settle_dest(
        &mut self,
        id: ServiceId,
        address: SocketAddr,
        out: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Some(dest) = entry.dests.get_mut(&address) else {
            return;
        };
        self.unsettled.remove(&Subject {
            id,
            address: Some(address),
        });
        let waits = match entry.service.known {
            Known::Absent => {
                dest.believe(Found::Absent);
                true
            }
            Known::Unclear => dest.wanted.is_some(),
            Known::Other | Known::Present(_) => false,
        };
        if self.ready && !waits {
            match dest.step() {
                Some(Step::New(dest)) => request(Request::NewDest(id, dest), out),
                Some(Step::Set(dest)) => request(Request::SetDest(id, dest), out),
                Some(Step::Delete) => request(Request::DelDest(id, address), out),
                None => {}
            }
        }
        if dest.is_over() {
            entry.dests.remove(&address);
            if entry.service.is_over() && entry.dests.is_empty() {
                self.entries.remove(&id);
            }
        }
    }

    /// Everything that was refused is tried again.
    pub(super) fn retry(&mut self, out: &mut Vec<Effect>) {
        for Subject { id, address } in std::mem::take(&mut self.unsettled) {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            if let Some(address) = address {
                if let Some(dest) = entry.dests.get_mut(&address) {
                    dest.repairs = 0;
                }
                self.settle_dest(id, address, out);
            } else {
                entry.service.repairs = 0;
                self.settle_whole(id, out);
            }
        }
    }

    /// The kernel refused a request. True when that is worth a line: what is put right at once,
    /// or is as it was wanted, is not.
    pub(super) fn refused(
        &mut self,
        now: Instant,
        request: &Request,
        error: Errno,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(subject) = Subject::of(request) else {
            return true;
        };
        match Refusal::of(request, error) {
            Refusal::AsWanted => false,
            _ if !self.ready => true,
            Refusal::Exists => self.correct(subject, Found::There, out),
            Refusal::Missing => self.correct(subject, Found::Absent, out),
            Refusal::ServiceMissing => self.make_anew(now, subject.id, out),
            Refusal::NotDone(found) => {
                self.leave(subject, found);
                true
            }
        }
    }

    /// Something is in the table, or is not, against what was believed: it is settled anew. True
    /// when that was done too often.
    fn correct(&mut self, subject: Subject, found: Found, out: &mut Vec<Effect>) -> bool {
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
        match (correction, address) {
            (Correction::Stale, _) => return false,
            (Correction::Enough, _) => {
                self.unsettled.insert(subject);
                return true;
            }
            (Correction::Settle, None) => self.settle_whole(id, out),
            (Correction::Settle, Some(address)) => self.settle_dest(id, address, out),
        }
        debug!("the IPVS table was not as expected: corrected {subject:?}");
        false
    }

    /// Somebody deleted a service, with all its destinations.
    fn make_anew(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Effect>) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        let subject = Subject { id, address: None };
        if entry.missed != Some(now) {
            entry.missed = Some(now);
            return self.correct(subject, Found::Absent, out);
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
        let entry = self.entries.entry(subject.id).or_default();
        match subject.address {
            None => entry.believe(found),
            Some(address) => entry.dests.entry(address).or_default().believe(found),
        }
        self.unsettled.insert(subject);
    }

    /// A service with all its destinations.
    fn settle_whole(&mut self, id: ServiceId, out: &mut Vec<Effect>) {
        self.settle_service(id, out);
        self.settle_dests(id, out);
    }

    fn settle_dests(&mut self, id: ServiceId, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let addresses: Vec<SocketAddr> = entry.dests.keys().copied().collect();
        for address in addresses {
            self.settle_dest(id, address, out);
        }
    }
}

impl Entry {
    /// What the kernel has, it turns out. Without the service there are no destinations.
    fn believe(&mut self, found: Found) {
        self.service.believe(found);
        if found != Found::There {
            self.believe_of_dests(found);
        }
    }

    fn believe_of_dests(&mut self, found: Found) {
        for dest in self.dests.values_mut() {
            if dest.known != Known::Absent {
                dest.believe(found);
            }
        }
    }

    fn correct(&mut self, found: Found) -> Correction {
        let correction = self.service.correct(found);
        if self.service.known == Known::Absent {
            self.believe_of_dests(Found::Absent);
        }
        correction
    }
}

impl<T: Clone + PartialEq> Slot<T> {
    fn wish(&mut self, wanted: Option<T>) {
        if self.wanted != wanted {
            self.wanted = wanted;
            self.repairs = 0;
        }
    }

    /// The request that makes the known into the wanted; it counts as carried out.
    fn step(&mut self) -> Option<Step<T>> {
        let Some(wanted) = &self.wanted else {
            let was = std::mem::replace(&mut self.known, Known::Absent);
            return (was != Known::Absent).then_some(Step::Delete);
        };
        let step = match &self.known {
            Known::Present(known) if known == wanted => return None,
            Known::Absent | Known::Unclear => Step::New(wanted.clone()),
            Known::Present(_) | Known::Other => Step::Set(wanted.clone()),
        };
        self.known = Known::Present(wanted.clone());
        Some(step)
    }

    fn believe(&mut self, found: Found) {
        self.known = match found {
            Found::Absent => Known::Absent,
            Found::Unclear => Known::Unclear,
            Found::There => Known::Other,
        };
    }

    fn correct(&mut self, found: Found) -> Correction {
        if self.is_given_up() {
            return Correction::Stale;
        }
        self.believe(found);
        self.repairs += 1;
        if self.repairs > REPAIRS_MAX {
            Correction::Enough
        } else {
            Correction::Settle
        }
    }

    /// Not believed to be there, so that no refusal can contradict that.
    fn is_given_up(&self) -> bool {
        matches!(self.known, Known::Absent | Known::Unclear)
    }

    /// Neither there nor wanted: nothing to remember.
    fn is_over(&self) -> bool {
        self.wanted.is_none() && self.known == Known::Absent
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            wanted: None,
            known: Known::Absent,
            repairs: 0,
        }
    }
}

/// What is done about a belief that was wrong.
enum Correction {
    /// An old answer: the belief was given up since.
    Stale,
    Settle,
    /// The kernel has contradicted too often.
    Enough,
}

/// What the kernel's refusal of a request means for the table.
enum Refusal {
    /// It is gone already.
    AsWanted,
    /// It is there already, whoever made it, with a content that may be another.
    Exists,
    /// It is not there: somebody deleted it.
    Missing,
    /// The service is not there, and so none of its destinations.
    ServiceMissing,
    /// The request was not carried out.
    NotDone(Found),
}

impl Refusal {
    fn of(request: &Request, error: Errno) -> Self {
        // The kernel says ESRCH for a service and ENOENT for a destination that it has not; libnl
        // makes ENOENT of both, and older kernels are not trusted to be consistent either.
        let missing = error == Errno::ENOENT || error == Errno::ESRCH;
        match request {
            Request::NewService(_) | Request::NewDest(..) if error == Errno::EEXIST => Self::Exists,
            Request::DelService(_) if missing => Self::AsWanted,
            Request::DelDest(..) if error == Errno::ENOENT => Self::AsWanted,
            Request::SetDest(..) if error == Errno::ENOENT => Self::Missing,
            Request::NewDest(..) | Request::SetDest(..) | Request::DelDest(..) if missing => {
                Self::ServiceMissing
            }
            // ENOENT is a scheduler that the kernel has not.
            Request::SetService(_) if error == Errno::ESRCH => Self::ServiceMissing,
            Request::Flush | Request::NewService(_) | Request::NewDest(..) => {
                Self::NotDone(Found::Unclear)
            }
            Request::SetService(_)
            | Request::DelService(_)
            | Request::SetDest(..)
            | Request::DelDest(..) => Self::NotDone(Found::There),
        }
    }
}

impl Subject {
    /// None for a request about the whole table.
    fn of(request: &Request) -> Option<Self> {
        let (id, address) = match request {
            Request::Flush => return None,
            Request::NewService(service) | Request::SetService(service) => (service.id, None),
            Request::DelService(id) => (*id, None),
            Request::NewDest(id, dest) | Request::SetDest(id, dest) => (*id, Some(dest.address)),
            Request::DelDest(id, address) => (*id, Some(*address)),
        };
        Some(Self { id, address })
    }
}

fn request(request: Request, out: &mut Vec<Effect>) {
    out.push(Effect::Ipvs(request));
}

/// Corrections of one entry before it has to wait for the next look at IPVS: making a missing
/// service anew takes one, adopting what is there then another. More than a few means that
/// somebody else works on the same entry, and the two would chase each other.
const REPAIRS_MAX: u32 = 4;
