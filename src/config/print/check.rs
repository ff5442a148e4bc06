//! Virtual servers and their groups as text.

use std::net::{Ipv4Addr, SocketAddr};

use super::{Printer, quoted};
use crate::addr::Family;
use crate::config::check::{
    Checksum, Encapsulation, Forwarding, GroupEntry, Persistence, RealServer, Scheduler,
    ServiceKey, Ssl, VirtualServer, VirtualServerGroup,
};

impl Printer {
    pub(super) fn ssl(&mut self, ssl: &Ssl) {
        self.open("SSL");
        self.maybe("password", ssl.password.as_deref().map(quoted));
        self.maybe("ca", ssl.ca.as_deref().map(quoted));
        self.maybe("certificate", ssl.certificate.as_deref().map(quoted));
        self.maybe("key", ssl.key.as_deref().map(quoted));
        self.close();
    }

    pub(super) fn virtual_server_group(&mut self, group: &VirtualServerGroup) {
        self.open(format_args!("virtual_server_group {}", quoted(&group.name)));
        for entry in &group.entries {
            match entry {
                GroupEntry::Addresses { first, last, port } if first == last => {
                    self.line(format_args!("{first} {port}"));
                }
                GroupEntry::Addresses { first, last, port } => {
                    self.line(format_args!("{first}-{last} {port}"));
                }
                GroupEntry::Fwmark { mark, family } => match family {
                    Some(family) => self.line(format_args!("fwmark {mark} {}", word(*family))),
                    None => self.line(format_args!("fwmark {mark}")),
                },
            }
        }
        self.close();
    }

    pub(super) fn virtual_server(&mut self, server: &VirtualServer) {
        match &server.key {
            ServiceKey::Address(service) => {
                self.open(format_args!("virtual_server {}", place(service.address)));
            }
            ServiceKey::Fwmark { mark, family } => {
                self.open(format_args!("virtual_server fwmark {mark}"));
                self.word("ip_family", word(*family));
            }
            ServiceKey::Group { name, family, .. } => {
                self.open(format_args!("virtual_server group {}", quoted(name)));
                self.word("ip_family", word(*family));
            }
        }
        let protocol = server.key.protocol();
        self.maybe(
            "protocol",
            protocol.map(|protocol| protocol.word().to_uppercase()),
        );
        self.scheduling(server);
        if let Some(Persistence { timeout, prefix }) = server.persistence {
            self.seconds("persistence_timeout", timeout);
            match server.key.family() {
                Family::V4 => self.word("persistence_granularity", netmask(prefix)),
                Family::V6 => self.word("persistence_granularity", prefix),
            }
        }
        let engine = server.persistence_engine.as_deref();
        self.maybe("persistence_engine", engine.map(quoted));
        self.flag("ops", server.one_packet);
        self.word("quorum", server.quorum);
        self.word("hysteresis", server.hysteresis);
        self.maybe("quorum_up", server.quorum_up.as_ref());
        self.maybe("quorum_down", server.quorum_down.as_ref());
        self.flag("omega", server.omega);
        self.flag("ha_suspend", server.ha_suspend);
        self.word("smtp_alert", server.smtp_alert);
        self.maybe("virtualhost", server.virtualhost.as_deref().map(quoted));
        self.maybe("snmp_name", server.snmp_name.as_deref().map(quoted));
        if let Some(sorry) = &server.sorry_server {
            self.word("sorry_server", place(sorry.address));
            self.word("sorry_server_lvs_method", forwarding(sorry.forwarding));
            self.flag("sorry_server_inhibit", sorry.inhibit);
        }
        for real in &server.real_servers {
            self.real_server(real);
        }
        self.close();
    }

    fn scheduling(&mut self, server: &VirtualServer) {
        self.word("lb_algo", server.scheduler.word());
        let words = match server.scheduler {
            Scheduler::SourceHashing => ["sh-fallback", "sh-port", "flag-3"],
            Scheduler::Maglev => ["mh-fallback", "mh-port", "flag-3"],
            _ => ["flag-1", "flag-2", "flag-3"],
        };
        for (word, set) in words.iter().zip(server.scheduler_flags.0) {
            self.flag(word, set);
        }
        if let Some(first) = server.real_servers.first() {
            self.word("lb_kind", forwarding(first.forwarding));
        }
    }

    fn real_server(&mut self, server: &RealServer) {
        self.open(format_args!("real_server {}", place(server.address)));
        self.word("weight", server.weight);
        self.word("lvs_method", forwarding(server.forwarding));
        let limit = |limit: u32| (limit != 0).then_some(limit);
        self.maybe("uthreshold", limit(server.upper_threshold));
        self.maybe("lthreshold", limit(server.lower_threshold));
        self.word("inhibit_on_failure", server.inhibit_on_failure);
        self.maybe("notify_up", server.notify_up.as_ref());
        self.maybe("notify_down", server.notify_down.as_ref());
        self.word("smtp_alert", server.smtp_alert);
        self.maybe("virtualhost", server.virtualhost.as_deref().map(quoted));
        self.maybe("snmp_name", server.snmp_name.as_deref().map(quoted));
        for checker in &server.checkers {
            self.checker(checker);
        }
        self.close();
    }
}

/// The word of `ip_family`.
fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    }
}

fn place(address: SocketAddr) -> String {
    format!("{} {}", address.ip(), address.port())
}

fn forwarding(forwarding: Forwarding) -> String {
    let tunnel = match forwarding {
        Forwarding::Nat => return "NAT".to_owned(),
        Forwarding::DirectRouting => return "DR".to_owned(),
        Forwarding::Tunnel(tunnel) => tunnel,
    };
    let encapsulation = match tunnel.encapsulation {
        Encapsulation::Ipip => String::new(),
        Encapsulation::Gue { port } => format!(" type gue port {port}"),
        Encapsulation::Gre => " type gre".to_owned(),
    };
    let checksum = match tunnel.checksum {
        Checksum::None => "",
        Checksum::Full => " csum",
        Checksum::Remote => " remcsum",
    };
    format!("TUN{encapsulation}{checksum}")
}

fn netmask(prefix: u8) -> Ipv4Addr {
    let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    Ipv4Addr::from(!host_bits)
}
