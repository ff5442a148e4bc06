//! Schedulers and persistence engines are modules. The kernel would load a missing one itself,
//! while whoever asked waits: a child loads it first.

use log::warn;

use crate::hash::Map;
use crate::wire::ipvs::{Service, ServiceId};

#[derive(Debug, Default)]
pub(super) struct Modules {
    known: Map<String, State>,
    /// Services that wait for a child.
    waiting: Vec<ServiceId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Loading,
    /// A child was there: the kernel has it now, or has it built in, or will say so.
    Tried,
    /// The kernel has refused it: without a child that succeeds it is not asked again.
    Missing,
    MissingAndLoading,
}

/// Whether a service can be programmed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// A child is needed first, or at work; these are still to be started.
    Waits(Vec<String>),
    /// There is no such module.
    Hopeless,
}

impl Modules {
    pub(super) fn ask(&mut self, service: &Service) -> Readiness {
        let mut to_load = Vec::new();
        let (mut waits, mut hopeless) = (false, false);
        for module in modules_of(service) {
            match self.known.get(&module) {
                Some(State::Tried) => {}
                Some(State::Loading | State::MissingAndLoading) => waits = true,
                Some(State::Missing) => hopeless = true,
                None => {
                    waits = true;
                    self.known.insert(module.clone(), State::Loading);
                    to_load.push(module);
                }
            }
        }
        if waits || hopeless {
            self.waiting.push(service.id);
        }
        match (waits, hopeless) {
            (true, _) => Readiness::Waits(to_load),
            (false, true) => Readiness::Hopeless,
            (false, false) => Readiness::Ready,
        }
    }

    /// A child has ended; the services that may go on now.
    pub(super) fn loaded(&mut self, module: &str, success: bool) -> Vec<ServiceId> {
        if let Some(state) = self.known.get_mut(module) {
            *state = match *state {
                State::MissingAndLoading | State::Missing if !success => State::Missing,
                _ => State::Tried,
            };
        }
        std::mem::take(&mut self.waiting)
    }

    /// The kernel knows no such scheduler or engine.
    pub(super) fn refused(&mut self, service: &Service) {
        for module in modules_of(service) {
            self.known.insert(module, State::Missing);
        }
    }

    /// Time to try again what was missing, and what has no answer yet; the modules to load.
    pub(super) fn retry(&mut self) -> Vec<String> {
        let mut to_load = Vec::new();
        for (module, state) in &mut self.known {
            match state {
                State::Tried => continue,
                State::Loading => warn!("IPVS: still waiting for modprobe {module}"),
                State::MissingAndLoading => {}
                State::Missing => *state = State::MissingAndLoading,
            }
            to_load.push(module.clone());
        }
        to_load
    }

    /// A child is at work, or is to be started again.
    pub(super) fn is_waiting(&self) -> bool {
        self.known.values().any(|state| *state != State::Tried)
    }

    /// A first child is at work.
    pub(super) fn is_loading(&self) -> bool {
        self.known.values().any(|state| *state == State::Loading)
    }

    /// IPVS has gone, and what was loaded with it.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.waiting.clear();
    }
}

fn modules_of(service: &Service) -> impl Iterator<Item = String> {
    let scheduler = format!("ip_vs_{}", service.scheduler);
    let engine = service.engine.as_ref();
    std::iter::once(scheduler).chain(engine.map(|engine| format!("ip_vs_pe_{engine}")))
}
