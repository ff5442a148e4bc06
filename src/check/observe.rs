//! What the core believes right now, as plain data.

use std::time::Duration;

use crate::time::Instant;

use super::checker::CheckerId;
use super::service::{ServerKey, VirtualId};
use super::{Core, Reason, ServerState, ServiceState, Snapshot, Timer};

impl Core {
    pub fn observe(&self, now: Instant) -> Snapshot {
        Snapshot {
            directing: self.directing(),
            services: self
                .order
                .iter()
                .map(|&id| self.observe_service(now, id))
                .collect(),
        }
    }

    fn observe_service(&self, now: Instant, id: VirtualId) -> ServiceState {
        let service = &self.services[&id];
        let keys = service.servers.iter().map(|&address| ServerKey {
            service: id,
            address,
        });
        ServiceState {
            key: service.key.clone(),
            quorum_up: service.quorum_up,
            sorry: service.is_sorry(),
            suspended: service.suspended,
            servers: keys.map(|key| self.observe_server(now, key)).collect(),
        }
    }

    fn observe_server(&self, now: Instant, key: ServerKey) -> ServerState {
        let server = &self.servers[&key];
        let service = &self.services[&key.service];
        let due = server
            .checkers
            .as_slice()
            .iter()
            .filter_map(|&id| self.due(now, id))
            .min();
        // In a group it is the same everywhere, but for what was done by hand.
        let weight = service.kernel.first().and_then(|&at| {
            let place = service.place(key.address, server.options.method, at);
            self.table.weight_of(at, place)
        });
        ServerState {
            address: key.address,
            alive: server.alive,
            weight,
            failed_checks: server.failed,
            reasons: server
                .checkers
                .as_slice()
                .iter()
                .filter_map(|id| self.reason(*id))
                .collect(),
            next_check: due.map(|at: Instant| -> Duration { at.since(now) }),
        }
    }

    /// Of a check that says down.
    fn reason(&self, checker: CheckerId) -> Option<(&'static str, Reason)> {
        let checker = &self.checkers[&checker];
        let reason = checker.reason.clone().filter(|_| !checker.up)?;
        Some((checker.config.check.probe.keyword(), reason))
    }

    /// By its own timer, or that of another.
    fn due(&self, now: Instant, checker: CheckerId) -> Option<Instant> {
        let ride = self.checkers[&checker].ride.map(|ride| ride.due);
        let own = self.timers.deadline_of(Timer::Due(checker));
        own.or_else(|| ride.filter(|&due| due > now))
    }
}
