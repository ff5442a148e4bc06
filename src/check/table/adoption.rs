//! What a daemon before us left in the table, or somebody made by hand, is taken over, some
//! destinations at a time. The service is ours, and so are its destinations: those that nobody
//! wants are of a configuration that is no longer.

use std::vec;

use crate::wire::ipvs::{DestState, Service, ServiceId};

use super::refused::Subject;
use super::slot::{Found, Known, Slot};
use super::{LOOKS_PER_REQUEST, Table, Task};

/// A service that was found; it counts as being read until all of it is taken over.
#[derive(Debug)]
pub(super) struct Adoption {
    service: Service,
    dests: vec::IntoIter<DestState>,
}

impl Table {
    /// The servers of a service are about to be told one after the other.
    pub(in crate::check) fn hold(&mut self, ids: &[ServiceId]) {
        self.held.extend(ids);
    }

    /// They are all told.
    pub(in crate::check) fn release(&mut self, ids: &[ServiceId]) {
        let mut room = PACKED_AT_ONCE;
        for id in ids {
            self.held.remove(id);
            let Some(entry) = self.entries.get_mut(id) else {
                continue;
            };
            if std::mem::take(&mut entry.waits) {
                self.pending.push_back(Task::Rest(*id, None));
            }
            if entry.is_loose && entry.dests.len() <= room {
                room -= entry.dests.len();
                entry.pack();
            }
        }
    }

    pub(super) fn begin_adoption(&mut self, (service, dests): (Service, Vec<DestState>)) {
        if let Some(entry) = self.entries.get_mut(&service.id) {
            entry.believe_of_dests(Found::Absent);
            let dests = dests.into_iter();
            self.adoptions.push_back(Adoption { service, dests });
        }
    }

    /// Takes over what costs as much as one request. False: there is nothing to be taken over.
    pub(super) fn adopt_some(&mut self) -> bool {
        let Some(mut adoption) = self.adoptions.pop_front() else {
            return false;
        };
        let id = adoption.service.id;
        let entry = self.entries.get_mut(&id);
        // It may have been given up meanwhile.
        let Some(entry) = entry.filter(|entry| *entry.service.known() == Known::Reading) else {
            return true;
        };
        for DestState { dest, .. } in adoption.dests.by_ref().take(LOOKS_PER_REQUEST) {
            let slot = entry.dests.entry(dest.address);
            slot.or_insert_with(|| Slot::new(Known::Absent))
                .find(dest.options);
        }
        if !adoption.dests.as_slice().is_empty() {
            self.adoptions.push_front(adoption);
            return true;
        }
        entry.service.learn(Known::Present(adoption.service));
        entry.waits = self.held.contains(&id);
        if !entry.waits {
            self.pending.push_back(Task::Rest(id, None));
        }
        self.made += 1;
        self.reading -= 1;
        let address = None;
        self.pending.push_front(Task::One(Subject { id, address }));
        true
    }
}

/// Destinations that are moved in one turn of the loop: a tenth of a millisecond of it. Services of
/// more take more memory.
const PACKED_AT_ONCE: usize = 1024;
