//! The table read back from time to time: what others did to entries of ours.
//!
//! An entry of ours that is gone comes back. What was changed by hand (a weight of 0 is the
//! everyday way to take a server out of service) and what was added is told once and left alone,
//! unless the configuration says that it is to be undone.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Bound;
use std::vec;

use log::{info, warn};

use crate::errno::Errno;
use crate::wire::ipvs::{Dest, DestState, Service, ServiceId};

use super::super::Effect;
use super::super::refusal::Where;
use super::refused::Subject;
use super::slot::{Found, Known, Slot};
use super::{Entry, LOOKS_PER_REQUEST, Reading, Table, Task};

impl Table {
    /// Everything is to be read again, when there is time. Nothing happens while the last time is
    /// not over.
    pub(in crate::check) fn audit(&mut self) {
        if !self.to_audit.is_empty() || !self.looks.is_empty() {
            return;
        }
        self.audits = self.audits.wrapping_add(1);
        let there = |entry: &Entry| matches!(entry.service.known(), Known::Present(_));
        let entries = self.entries.iter().filter(|(_, entry)| there(entry));
        self.to_audit = entries.map(|(&id, _)| id).collect();
    }

    pub(super) fn read_again(&mut self, id: ServiceId, out: &mut Vec<Effect>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.audited = true;
            out.push(self.ask(id));
        }
    }

    /// The answer for the audit.
    pub(super) fn audited(&mut self, id: ServiceId, answer: Result<Reading, Errno>) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let begun = self.looks.iter().any(|look| look.id == id);
        if !entry.audited || begun || !matches!(entry.service.known(), Known::Present(_)) {
            return;
        }
        match answer {
            Ok(Some((service, dests))) => {
                let mut look = Look {
                    id,
                    number: self.audits,
                    found: dests.into_iter(),
                    next: Bound::Unbounded,
                    foreign: BTreeSet::new(),
                    differing: Vec::new(),
                };
                entry.compare_service(service, self.strict, &mut look.differing);
                self.looks.push_back(look);
            }
            Ok(None) => {
                warn!(
                    "IPVS: {} was deleted by somebody else, making it again",
                    Where(id)
                );
                entry.audited = false;
                entry.believe(Found::Absent);
                self.queue(id);
            }
            // The next time tells.
            Err(_) => entry.audited = false,
        }
    }

    /// Compares what costs as much as one request. False: there is nothing to be compared.
    pub(super) fn compare_some(&mut self) -> bool {
        let Some(mut look) = self.looks.pop_front() else {
            return false;
        };
        // Whatever was asked for meanwhile makes the rest of the answer an old one.
        let entry = self.entries.get_mut(&look.id);
        if let Some(entry) = entry.filter(|entry| entry.audited) {
            if !entry.compare_dests(&mut look, self.strict) {
                self.looks.push_front(look);
                return true;
            }
            entry.audited = false;
        }
        self.pending
            .extend(look.differing.into_iter().map(Task::One));
        true
    }
}

/// A service that was read, on its way to be compared with what is known.
#[derive(Debug)]
pub(super) struct Look {
    id: ServiceId,
    number: u32,
    /// Destinations that are still to be compared.
    found: vec::IntoIter<DestState>,
    /// After them those that are known, from this address on: whether they were found.
    next: Bound<SocketAddr>,
    /// Destinations that somebody else put there.
    foreign: BTreeSet<SocketAddr>,
    /// What is to be settled anew.
    differing: Vec<Subject>,
}

impl Entry {
    fn compare_service(&mut self, found: Service, strict: bool, differing: &mut Vec<Subject>) {
        let id = found.id;
        if let Known::Present(known) = self.service.known()
            && *known != found
        {
            told(
                strict,
                &format!("{} was changed by somebody else", Where(id)),
            );
            self.service.learn(Known::Present(found));
        }
        if strict && !self.service.is_settled() {
            differing.push(Subject { id, address: None });
        }
    }

    /// True when all destinations are compared.
    fn compare_dests(&mut self, look: &mut Look, strict: bool) -> bool {
        if !look.found.as_slice().is_empty() {
            for _ in 0..LOOKS_PER_REQUEST {
                let Some(DestState { dest, .. }) = look.found.next() else {
                    break;
                };
                self.compare_dest(dest, look, strict);
            }
            return false;
        }
        let known = self.dests.range_mut((look.next, Bound::Unbounded));
        let mut done = true;
        for (&address, slot) in known.take(LOOKS_PER_REQUEST) {
            done = false;
            look.next = Bound::Excluded(address);
            if !slot.was_seen(look.number) && matches!(slot.known(), Known::Present(_)) {
                let id = look.id;
                warn!(
                    "IPVS: {} -> {address} was deleted by somebody else, making it again",
                    Where(id)
                );
                slot.believe(Found::Absent);
                let address = Some(address);
                look.differing.push(Subject { id, address });
            }
        }
        if done {
            self.foreign = std::mem::take(&mut look.foreign);
        }
        done
    }

    fn compare_dest(&mut self, dest: Dest, look: &mut Look, strict: bool) {
        let id = look.id;
        let Dest { address, options } = dest;
        let Some(slot) = self.dests.get_mut(&address) else {
            return self.meet(address, look, strict);
        };
        slot.see(look.number);
        match slot.known() {
            Known::Present(known) if *known == options => {}
            Known::Present(known) => {
                let (before, after) = (known.weight, options.weight);
                let what = if before == after {
                    String::from("was changed")
                } else {
                    format!("has weight {after} in place of {before}, set")
                };
                let name = format!("{} -> {address}", Where(id));
                told(strict, &format!("{name} {what} by somebody else"));
                slot.learn(Known::Present(options));
            }
            // It was put there between our own requests.
            _ => slot.learn(Known::Present(options)),
        }
        if strict && !slot.is_settled() {
            let address = Some(address);
            look.differing.push(Subject { id, address });
        }
    }

    /// A destination that is none of ours.
    fn meet(&mut self, address: SocketAddr, look: &mut Look, strict: bool) {
        let id = look.id;
        if strict {
            let mut slot = Slot::new(Known::Absent);
            slot.believe(Found::There);
            slot.see(look.number);
            self.dests.insert(address, slot);
            let address = Some(address);
            look.differing.push(Subject { id, address });
        } else {
            look.foreign.insert(address);
            if self.foreign.contains(&address) {
                return;
            }
        }
        told(
            strict,
            &format!("{} -> {address} was added by somebody else", Where(id)),
        );
    }
}

fn told(undone: bool, what: &str) {
    if undone {
        warn!("IPVS: {what}, undoing it");
    } else {
        info!("IPVS: {what}, leaving it");
    }
}
