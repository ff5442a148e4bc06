//! The end: the table is cleared of what is ours, and nothing is waited for any more.

use log::info;

use crate::config::FlushOnStop;
use crate::wire::ipvs::Request;

use super::reload::Rebuild;
use super::service::{ServerKey, VirtualId};
use super::{Core, Effect, Timer};
use crate::notify::{Notice, Why};

impl Core {
    pub(super) fn stop(&mut self, out: &mut Vec<Effect>) {
        let mut order = std::mem::take(&mut self.order);
        let unfinished = self.rebuild.take().into_iter();
        order.extend(unfinished.flat_map(Rebuild::into_leaving));
        self.new_checkers.clear();
        self.timers.cancel(Timer::Rebuild);
        let mut entries: Vec<_> = self.drain.closing().collect();
        for &id in &order {
            self.say_goodbye(id);
            let service = &mut self.service_mut(id);
            entries.append(&mut service.kernel);
            for address in std::mem::take(&mut service.servers) {
                let service = id;
                let key = ServerKey { service, address };
                let server = self.servers.remove(&key);
                for checker in server.into_iter().flat_map(|server| server.checkers) {
                    self.remove_checker(checker, out);
                }
            }
        }
        if self.flush_on_stop == Some(FlushOnStop::Everything) && self.is_ready() {
            out.push(Effect::Ipvs(Request::Flush));
            entries.clear();
        }
        // With a service go its destinations.
        self.table.clear(entries.into_iter(), out);
        self.sync.stop(out);
        out.extend(self.timeouts.restore());
        self.services.clear();
        self.ids.clear();
        self.watch_addresses(out);
        self.rest();
    }

    /// Who is to be told that a service ends.
    fn say_goodbye(&mut self, id: VirtualId) {
        let service = &self.services[&id];
        let omega = service.omega;
        let name = service.key.clone();
        if self.flush_on_stop.is_none() {
            for address in service.servers.clone() {
                let service = id;
                let key = ServerKey { service, address };
                let server = &self.servers[&key];
                // Told of every server, also of those that are not in the table.
                if server.inhibit && !server.alive {
                    info!("Shutting down (inhibited) service {key} from VS {name}");
                } else {
                    info!("Shutting down service {key} from VS {name}");
                }
                if omega && server.alive && self.desired(key).is_some() {
                    self.notify_server(key, false, Why::Stopped);
                }
            }
        }
        if omega {
            // As in keepalived also where it had no quorum.
            self.notices.push(Notice::Service {
                service: name,
                up: false,
                why: Why::Stopped,
            });
        }
    }
}
