//! From what is known to what is wanted: the request for one entry, if it takes one.

use std::net::SocketAddr;
use std::ops::Bound;

use log::info;

use crate::wire::ipvs::{DestOptions, Request, Service, ServiceId};

use super::super::Effect;
use super::super::refusal::Where;
use super::super::service::VirtualId;
use super::modules::Readiness;
use super::refused::Subject;
use super::slot::{Found, Known, Slot, Step};
use super::{Claimant, Dests, Table, Task, count};

/// What a service means to its destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Without it they are not there either.
    Absent,
    /// The answer tells of them.
    Reading,
    Unclear,
    There,
}

impl Standing {
    fn of(service: &Slot<Service, VirtualId>) -> Self {
        match service.known() {
            Known::Absent | Known::Unread => Self::Absent,
            Known::Reading => Self::Reading,
            Known::Unclear => Self::Unclear,
            Known::Other | Known::Present(_) => Self::There,
        }
    }
}

impl Table {
    pub(super) fn settle_service(&mut self, id: ServiceId, out: &mut Vec<Effect>) {
        self.unsettled.remove(&Subject { id, address: None });
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Some(wanted) = entry.service.wanted() else {
            // What is still being taken over goes as well.
            self.reading -= usize::from(*entry.service.known() == Known::Reading);
            if let Some(Step::Delete) = entry.service.step() {
                entry.believe_of_dests(Found::Absent);
                entry.audited = false;
                count(&mut self.operations);
                out.push(Effect::Ipvs(Request::DelService(id)));
            }
            self.forget_what_is_over(id);
            return;
        };
        match entry.service.known() {
            Known::Reading => return,
            Known::Unread => {
                entry.service.learn(Known::Reading);
                self.reading += 1;
                out.push(self.ask(id));
                return;
            }
            Known::Present(known) if known == wanted => return,
            _ => {}
        }
        match self.modules.ask(wanted) {
            Readiness::Ready => {}
            Readiness::Waits(modules) => {
                out.extend(modules.into_iter().map(Effect::LoadModule));
                return;
            }
            Readiness::Hopeless => {
                self.unsettled.insert(Subject { id, address: None });
                return;
            }
        }
        count(&mut self.operations);
        entry.audited = false;
        match entry.service.step() {
            Some(Step::New(service)) => {
                entry.believe_of_dests(Found::Absent);
                self.made += 1;
                self.pending.push_front(Task::Rest(id, None));
                out.push(Effect::Ipvs(Request::NewService(service)));
            }
            Some(Step::Set(service)) => out.push(Effect::Ipvs(Request::SetService(service))),
            Some(Step::Delete) | None => unreachable!("it is wanted, and another one is known"),
        }
    }

    pub(super) fn settle_dest(
        &mut self,
        id: ServiceId,
        address: SocketAddr,
        out: &mut Vec<Effect>,
    ) {
        let Some((standing, mut dests)) = self.borrow_dests(id) else {
            return;
        };
        let made = out.len();
        let over = dests.get_mut(&address).is_some_and(|dest| {
            self.settle_slot((id, standing), address, dest, out);
            dest.is_over()
        });
        if over {
            dests.remove(&address);
        }
        self.return_dests(id, dests, out.len() > made);
        if over {
            self.forget_what_is_over(id);
        }
    }

    /// The destinations of a service in the order of their addresses. Those that are too many for
    /// this turn wait; `looks` counts all others.
    pub(super) fn settle_rest(
        &mut self,
        id: ServiceId,
        from: Option<SocketAddr>,
        budget: usize,
        looks: &mut usize,
        out: &mut Vec<Effect>,
    ) {
        let Some((standing, mut dests)) = self.borrow_dests(id) else {
            return;
        };
        let (made, mut over) = (out.len(), Vec::new());
        let from = from.map_or(Bound::Unbounded, Bound::Included);
        for (&address, dest) in dests.range_mut((from, Bound::Unbounded)) {
            if out.len() - made + *looks / super::LOOKS_PER_REQUEST >= budget {
                self.pending.push_front(Task::Rest(id, Some(address)));
                break;
            }
            let before = out.len();
            self.settle_slot((id, standing), address, dest, out);
            *looks += usize::from(out.len() == before);
            if dest.is_over() {
                over.push(address);
            }
        }
        for address in &over {
            dests.remove(address);
        }
        self.return_dests(id, dests, out.len() > made);
        if !over.is_empty() {
            self.forget_what_is_over(id);
        }
    }

    /// Takes them out, so that the rest of the table is free meanwhile.
    fn borrow_dests(&mut self, id: ServiceId) -> Option<(Standing, Dests)> {
        let entry = self.entries.get_mut(&id)?;
        let standing = Standing::of(&entry.service);
        Some((standing, std::mem::take(&mut entry.dests)))
    }

    fn return_dests(&mut self, id: ServiceId, dests: Dests, changed: bool) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.dests = dests;
            entry.audited &= !changed;
        }
    }

    fn settle_slot(
        &mut self,
        (id, standing): (ServiceId, Standing),
        address: SocketAddr,
        dest: &mut Slot<DestOptions, Claimant>,
        out: &mut Vec<Effect>,
    ) {
        if !self.unsettled.is_empty() {
            let address = Some(address);
            self.unsettled.remove(&Subject { id, address });
        }
        match standing {
            Standing::Absent => return dest.believe(Found::Absent),
            Standing::Reading => return,
            Standing::Unclear if dest.wanted().is_some() => return,
            Standing::Unclear | Standing::There => {}
        }
        let lacking = |wanted: &DestOptions| self.newer.lacks(id, &wanted.at(address));
        let left = dest.is_left();
        let step = if dest.wanted().is_some_and(lacking) {
            dest.withhold()
        } else {
            dest.step()
        };
        let (request, made) = match step {
            Some(Step::New(options)) => {
                let dest = options.at(address);
                (Request::NewDest(id, dest), Some(dest))
            }
            Some(Step::Set(options)) => {
                let dest = options.at(address);
                (Request::SetDest(id, dest), Some(dest))
            }
            Some(Step::Delete) => (Request::DelDest(id, address), None),
            None => return,
        };
        if left && made.is_none() {
            info!(
                "IPVS: {} -> {address} is left from before, it is removed",
                Where(id)
            );
        }
        count(&mut self.operations);
        out.push(Effect::Ipvs(request));
        let next = self.asked + 1;
        if made.is_some_and(|made| self.newer.is_to_be_read(id, &made, next)) {
            out.push(self.ask(id));
        }
    }
}
