//! What the core believes right now, as plain data.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::ServiceAddress;
use crate::time::Instant;

use super::checker::CheckerId;
use super::service::ServerKey;
use super::{Core, Reason, ServerState, ServiceState, Snapshot, Timer};

impl Core {
    pub fn observe(&self, now: Instant) -> Snapshot {
        Snapshot {
            directing: self.directing(),
            services: self
                .order
                .iter()
                .map(|&key| self.show_service(now, key))
                .collect(),
        }
    }

    fn show_service(&self, now: Instant, key: ServiceAddress) -> ServiceState {
        let service = &self.services[&key];
        let servers = service.servers.iter();
        ServiceState {
            key,
            quorum_up: service.quorum_up,
            servers: servers
                .map(|&address| self.show_server(now, key, address))
                .collect(),
        }
    }

    fn show_server(
        &self,
        now: Instant,
        service: ServiceAddress,
        address: SocketAddr,
    ) -> ServerState {
        let server = &self.servers[&ServerKey { service, address }];
        let id = self.services[&service].kernel.id;
        let due = server.checkers.iter().filter_map(|&id| self.due(id)).min();
        ServerState {
            address,
            alive: server.alive,
            weight: self.table.weight_of(id, address),
            failed_checks: server.failed,
            reasons: server
                .checkers
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
        Some((checker.config.probe.keyword(), reason))
    }

    fn due(&self, checker: CheckerId) -> Option<Instant> {
        self.timers.deadline_of(Timer::Due(checker))
    }
}
