//! Virtual servers as text.

use std::net::{IpAddr, Ipv4Addr};

use super::{Printer, quoted};
use crate::config::check::{Checker, Forwarding, Persistence, Probe, RealServer, VirtualServer};

impl Printer {
    pub(super) fn virtual_server(&mut self, server: &VirtualServer) {
        let address = server.key.address;
        self.open(format_args!(
            "virtual_server {} {}",
            address.ip(),
            address.port()
        ));
        self.word("protocol", server.key.protocol.word().to_uppercase());
        self.word("lb_algo", &server.scheduler);
        if let Some(first) = server.real_servers.first() {
            self.word("lb_kind", forwarding(first.forwarding));
        }
        if let Some(Persistence { timeout, prefix }) = server.persistence {
            self.seconds("persistence_timeout", timeout);
            match address.ip() {
                IpAddr::V4(_) => self.word("persistence_granularity", netmask(prefix)),
                IpAddr::V6(_) => self.word("persistence_granularity", prefix),
            }
        }
        self.flag("ops", server.one_packet);
        self.word("quorum", server.quorum);
        self.word("hysteresis", server.hysteresis);
        for real in &server.real_servers {
            self.real_server(real);
        }
        self.close();
    }

    fn real_server(&mut self, server: &RealServer) {
        let address = server.address;
        self.open(format_args!(
            "real_server {} {}",
            address.ip(),
            address.port()
        ));
        self.word("weight", server.weight);
        self.word("lvs_method", forwarding(server.forwarding));
        self.word("inhibit_on_failure", server.inhibit_on_failure);
        for checker in &server.checkers {
            self.checker(checker);
        }
        self.close();
    }

    fn checker(&mut self, checker: &Checker) {
        let Probe::Tcp {
            to,
            from,
            device,
            mark,
            timeout,
        } = &checker.probe;
        self.open("TCP_CHECK");
        self.word("connect_ip", to.ip());
        self.word("connect_port", to.port());
        if let Some(from) = from {
            let any = from.ip().is_unspecified();
            self.maybe("bindto", (!any).then(|| from.ip()));
            self.maybe("bind_port", (from.port() != 0).then(|| from.port()));
        }
        self.maybe("bind_if", device.as_deref().map(quoted));
        self.maybe("fwmark", (*mark != 0).then_some(mark));
        self.seconds("connect_timeout", *timeout);
        self.word("retry", checker.retry);
        self.seconds("delay_before_retry", checker.delay_before_retry);
        self.seconds("delay_loop", checker.delay_loop);
        self.seconds("warmup", checker.warmup);
        self.word("alpha", checker.alpha);
        self.word("log_all_failures", checker.log_all_failures);
        self.close();
    }
}

fn forwarding(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Nat => "NAT",
        Forwarding::Tunnel => "TUN",
        Forwarding::DirectRouting => "DR",
    }
}

fn netmask(prefix: u8) -> Ipv4Addr {
    let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    Ipv4Addr::from(!host_bits)
}
