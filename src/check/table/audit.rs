//! The table read back from time to time: what others did to entries of ours.
//!
//! An entry of ours that is gone comes back. What was changed by hand (a weight of 0 is the
//! everyday way to take a server out of service) and what was added is told once and left alone,
//! unless the configuration says that it is to be undone.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use log::{info, warn};

use crate::errno::Errno;
use crate::wire::ipvs::{DestState, Service, ServiceId};

use super::super::Effect;
use super::super::refusal::Where;
use super::refused::Subject;
use super::slot::{Found, Known, Slot};
use super::{Entry, Reading, Table, Task};

impl Table {
    /// Everything is to be read again, when there is time. Nothing happens while the last time is
    /// not over.
    pub(in crate::check) fn audit(&mut self) {
        if !self.to_audit.is_empty() {
            return;
        }
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
        let current = std::mem::take(&mut entry.audited);
        if !current || !matches!(entry.service.known(), Known::Present(_)) {
            return;
        }
        match answer {
            Ok(Some((service, dests))) => {
                let differing = entry.compare(service, &dests, self.strict);
                self.pending.extend(differing.into_iter().map(Task::One));
            }
            Ok(None) => {
                warn!(
                    "IPVS: {} was deleted by somebody else, making it again",
                    Where(id)
                );
                entry.believe(Found::Absent);
                self.queue(id);
            }
            // The next time tells.
            Err(_) => {}
        }
    }
}

impl Entry {
    /// What is to be settled anew.
    fn compare(&mut self, found: Service, dests: &[DestState], strict: bool) -> Vec<Subject> {
        let id = found.id;
        let mut differing = Vec::new();
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
        let there: BTreeSet<SocketAddr> = dests.iter().map(|state| state.dest.address).collect();
        for (&address, slot) in &mut self.dests {
            if !there.contains(&address) && matches!(slot.known(), Known::Present(_)) {
                warn!(
                    "IPVS: {} -> {address} was deleted by somebody else, making it again",
                    Where(id)
                );
                slot.believe(Found::Absent);
                differing.push(Subject {
                    id,
                    address: Some(address),
                });
            }
        }
        self.foreign.retain(|address| there.contains(address));
        for DestState { dest, .. } in dests {
            let address = dest.address;
            let Some(slot) = self.dests.get_mut(&address) else {
                self.meet(id, dest.address, strict, &mut differing);
                continue;
            };
            match slot.known() {
                Known::Present(known) if known == dest => {}
                Known::Present(known) => {
                    let (before, after) = (known.weight, dest.weight);
                    let what = if before == after {
                        String::from("was changed")
                    } else {
                        format!("has weight {after} in place of {before}, set")
                    };
                    let name = format!("{} -> {address}", Where(id));
                    told(strict, &format!("{name} {what} by somebody else"));
                    slot.learn(Known::Present(*dest));
                }
                // It was put there between our own requests.
                _ => slot.learn(Known::Present(*dest)),
            }
            if strict && !slot.is_settled() {
                differing.push(Subject {
                    id,
                    address: Some(address),
                });
            }
        }
        differing
    }

    /// A destination that is none of ours.
    fn meet(
        &mut self,
        id: ServiceId,
        address: SocketAddr,
        strict: bool,
        differing: &mut Vec<Subject>,
    ) {
        if strict {
            let mut slot = Slot::new(Known::Absent);
            slot.believe(Found::There);
            self.dests.insert(address, slot);
            differing.push(Subject {
                id,
                address: Some(address),
            });
        } else if !self.foreign.insert(address) {
            return;
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
