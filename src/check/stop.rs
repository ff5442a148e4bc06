//! The end: the table is cleared of what is ours, some servers at a time, and nothing is waited for
//! any more.

use std::collections::VecDeque;
use std::net::SocketAddr;

use log::info;

use crate::config::FlushOnStop;
use crate::time::Instant;
use crate::wire::ipvs::Request;

use super::service::{ServerKey, VirtualId};
use super::{Core, Effect, Timer};
use crate::notify::{Notice, Why};

/// The end on its way.
#[derive(Debug)]
pub(super) struct Farewell {
    /// In the order of the file.
    waiting: VecDeque<VirtualId>,
    /// The servers of the first of them that are still there.
    servers: VecDeque<SocketAddr>,
    /// There is a table, and our entries are still in it.
    deletes: bool,
}

impl Core {
    pub(super) fn stop(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.abandon();
        self.new_checkers.clear();
        self.forget_shares();
        self.walks.clear();
        self.ask_for_marks(out, |marks, _, out| marks.clear(out));
        let flush = self.flush_on_stop == Some(FlushOnStop::Everything) && self.is_ready();
        if flush {
            out.push(Effect::Ipvs(Request::Flush));
        }
        let deletes = self.table.end() && !flush;
        if deletes {
            for id in self.drain.closing() {
                out.extend(self.table.remove(id));
            }
        }
        self.rest();
        self.farewell = Some(Farewell {
            waiting: std::mem::take(&mut self.order).into(),
            servers: VecDeque::new(),
            deletes,
        });
        self.go_on_leaving(now, out);
    }

    /// Leaves a share of what is there.
    pub(super) fn go_on_leaving(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let Some(mut farewell) = self.farewell.take() else {
            return;
        };
        for _ in 0..SERVERS_PER_TURN {
            let Some(&service) = farewell.waiting.front() else {
                return self.end(out);
            };
            if farewell.servers.is_empty() {
                let servers = &mut self.service_mut(service).servers;
                farewell.servers = std::mem::take(servers).into();
            }
            if let Some(address) = farewell.servers.pop_front() {
                self.dismiss(ServerKey { service, address }, out);
            }
            if farewell.servers.is_empty() {
                farewell.waiting.pop_front();
                self.end_service(service, farewell.deletes, out);
            }
        }
        self.farewell = Some(farewell);
        self.timers.set(Timer::Rebuild, now);
    }

    fn dismiss(&mut self, key: ServerKey, out: &mut Vec<Effect>) {
        if self.flush_on_stop.is_none() {
            self.say_goodbye(key);
        }
        let Some(server) = self.servers.remove(&key) else {
            return;
        };
        let service = &self.services[&key.service];
        for &at in &service.kernel {
            let place = service.place(key.address, server.options.method, at);
            self.table.forget_dest(at, place);
        }
        for &checker in server.checkers.as_slice() {
            self.remove_checker(checker, out);
        }
    }

    /// Told of every server, also of those that are not in the table.
    fn say_goodbye(&mut self, key: ServerKey) {
        let server = &self.servers[&key];
        let service = &self.services[&key.service];
        let name = &service.key;
        if server.inhibit && !server.alive {
            info!("Shutting down (inhibited) service {key} from VS {name}");
        } else {
            info!("Shutting down service {key} from VS {name}");
        }
        if service.omega && server.alive && self.desired(key).is_some() {
            self.notify_server(key, false, Why::Stopped);
        }
    }

    /// With a service of the kernel go its destinations.
    fn end_service(&mut self, id: VirtualId, deletes: bool, out: &mut Vec<Effect>) {
        let Some(service) = self.services.remove(&id) else {
            return;
        };
        self.ids.remove(&service.key);
        if service.omega {
            // As in keepalived also where it had no quorum.
            self.notices.push(Notice::Service {
                service: service.key,
                up: false,
                why: Why::Stopped,
            });
        }
        if deletes {
            for id in service.kernel {
                out.extend(self.table.remove(id));
            }
        }
    }

    fn end(&mut self, out: &mut Vec<Effect>) {
        self.table.forget();
        self.sync.stop(out);
        out.extend(self.timeouts.restore());
        self.watch_addresses(out);
        self.timers.cancel(Timer::Rebuild);
    }
}

/// Servers that leave at the end in one turn of the loop.
const SERVERS_PER_TURN: usize = 256;
