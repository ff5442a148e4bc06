//! A configuration as canonical text. Reading it gives the same configuration again, so defaults
//! and inherited values are written out where they ended up.

use std::fmt::{self, Display, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::check::{Checker, Forwarding, Persistence, Probe, RealServer, VirtualServer};
use super::lossless;
use super::value::print_seconds;
use super::vrrp::{
    AUTOJOIN, Authentication, HOME_ADDRESS, InitialState, Instance, MANAGE_TEMPORARY,
    NO_PREFIX_ROUTE, VirtualAddress,
};
use super::{Config, Global};

/// Text under construction, with its depth of blocks.
#[derive(Default)]
struct Printer {
    out: String,
    depth: usize,
}

/// The canonical text of a configuration, passwords included. Octets that are not UTF-8 are in
/// their lossless form; `lossless::encode` makes them octets again.
pub fn print(config: &Config) -> String {
    let mut printer = Printer::default();
    printer.global(&config.global);
    for instance in &config.instances {
        printer.instance(instance);
    }
    for server in &config.virtual_servers {
        printer.virtual_server(server);
    }
    printer.out
}

impl Printer {
    fn global(&mut self, global: &Global) {
        if *global == Global::default() {
            return;
        }
        self.open("global_defs");
        self.maybe("router_id", global.router_id.as_deref().map(quoted));
        if !global.notification_email.is_empty() {
            self.open("notification_email");
            for address in &global.notification_email {
                self.line(quoted(address));
            }
            self.close();
        }
        let from = global.notification_email_from.as_deref();
        self.maybe("notification_email_from", from.map(quoted));
        if let Some((host, port)) = &global.smtp_server {
            self.line(format_args!("smtp_server {} {port}", quoted(host)));
        }
        self.maybe(
            "smtp_helo_name",
            global.smtp_helo_name.as_deref().map(quoted),
        );
        self.maybe(
            "smtp_connect_timeout",
            global.smtp_connect_timeout.map(print_seconds),
        );
        self.flag("lvs_flush", global.lvs_flush);
        self.flag("log_unknown_vrids", global.log_unknown_vrids);
        self.close();
    }

    fn instance(&mut self, instance: &Instance) {
        self.open(format_args!("vrrp_instance {}", quoted(&instance.name)));
        let state = match instance.state {
            InitialState::Master => "MASTER",
            InitialState::Backup => "BACKUP",
        };
        self.word("state", state);
        self.word("interface", quoted(&instance.interface));
        self.word("virtual_router_id", instance.vrid);
        self.word("priority", instance.priority);
        self.seconds("advert_int", instance.advert_interval);
        if let Authentication::Pass(password) = instance.authentication {
            let used = password.iter().rposition(|octet| *octet != 0);
            let octets = password.get(..used.map_or(0, |last| last + 1));
            let text = lossless::decode(octets.unwrap_or_default());
            self.open("authentication");
            self.word("auth_type", "PASS");
            self.word("auth_pass", quoted(&text));
            self.close();
        }
        self.maybe("mcast_src_ip", instance.source);
        self.flag("nopreempt", !instance.preempt);
        self.seconds("preempt_delay", instance.preempt_delay);
        self.flag("dont_track_primary", !instance.track_primary);
        self.word("down_timer_adverts", instance.down_timer_adverts);
        self.word("lower_prio_no_advert", instance.lower_prio_no_advert);
        self.word("higher_prio_send_advert", instance.higher_prio_send_advert);
        let garp = &instance.garp;
        self.word("garp_master_repeat", garp.repeat);
        self.seconds("garp_master_delay", garp.delay);
        self.seconds("garp_master_refresh", garp.refresh);
        self.word("garp_master_refresh_repeat", garp.refresh_repeat);
        self.word("garp_lower_prio_repeat", garp.lower_prio_repeat);
        self.seconds("garp_lower_prio_delay", garp.lower_prio_delay);
        if instance.addresses.is_empty() {
            self.line("no_virtual_ipaddress");
        } else {
            self.open("virtual_ipaddress");
            for address in &instance.addresses {
                self.line(address_line(address));
            }
            self.close();
        }
        self.close();
    }

    fn virtual_server(&mut self, server: &VirtualServer) {
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

    fn open(&mut self, head: impl Display) {
        self.line(format_args!("{head} {{"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    fn line(&mut self, text: impl Display) {
        let indent = self.depth * 4;
        writeln!(self.out, "{:indent$}{text}", "").expect("a string takes any text");
    }

    fn word(&mut self, keyword: &str, value: impl Display) {
        self.line(format_args!("{keyword} {value}"));
    }

    fn maybe(&mut self, keyword: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.word(keyword, value);
        }
    }

    fn seconds(&mut self, keyword: &str, value: Duration) {
        self.word(keyword, print_seconds(value));
    }

    fn flag(&mut self, keyword: &str, set: bool) {
        if set {
            self.line(keyword);
        }
    }
}

/// A word, in quotes when it would not be one without. A word never holds a quote itself.
fn quoted(word: &str) -> impl Display {
    let plain = !word.is_empty()
        && word
            .chars()
            .all(|letter| !letter.is_whitespace() && !"{}｛｝#!\\".contains(letter));
    let quote = if plain { "" } else { "\"" };
    format!("{quote}{word}{quote}")
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

/// An address with its options, as `virtual_ipaddress` takes them.
fn address_line(address: &VirtualAddress) -> String {
    AddressLine(address).to_string()
}

struct AddressLine<'a>(&'a VirtualAddress);

impl Display for AddressLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(address) = self;
        write!(f, "{}", address.cidr)?;
        if let Some(peer) = address.peer {
            write!(f, " peer {}", peer.address())?;
        }
        if let Some(broadcast) = address.broadcast {
            write!(f, " brd {broadcast}")?;
        }
        if let Some(device) = &address.device {
            write!(f, " dev {}", quoted(device))?;
        }
        if address.scope != 0 {
            write!(f, " scope {}", address.scope)?;
        }
        if let Some(label) = &address.label {
            write!(f, " label {}", quoted(label))?;
        }
        for (flag, word) in [
            (HOME_ADDRESS, "home"),
            (MANAGE_TEMPORARY, "mngtmpaddr"),
            (NO_PREFIX_ROUTE, "noprefixroute"),
            (AUTOJOIN, "autojoin"),
        ] {
            if address.flags & flag != 0 {
                write!(f, " {word}")?;
            }
        }
        if !address.track {
            write!(f, " no_track")?;
        }
        Ok(())
    }
}
