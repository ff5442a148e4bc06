//! Dumps: the configuration and the state of the cores as text, in keepalived's layout.

use std::fmt::Write as _;

use log::{error, info};

use crate::addr::Cidr;
use crate::check;
use crate::config::{self, Authentication, Config, Forwarding, InitialState, ServiceKey, Version};
use crate::sys::{dump, host};
use crate::vrrp::{self, InstanceState};

use super::logging::{CHECK, VRRP};

/// Writes a dump into the temporary directory.
pub(super) fn write(name: &str, text: &str) {
    let path = std::env::temp_dir().join(name);
    match dump::write(&path, text) {
        Ok(()) => info!("Printing {}", path.display()),
        Err(error) => error!("cannot write {}: {error}", path.display()),
    }
}

/// `-d`: the same lines in the log, each part's under its own name.
pub(super) fn log(config: &Config) {
    for line in vrrp_data(config, None).lines() {
        info!(target: VRRP, "{line}");
    }
    for line in check_data(config, None).lines() {
        info!(target: CHECK, "{line}");
    }
}

/// keepalived.data. Without a snapshot only what is configured.
pub(super) fn vrrp_data(config: &Config, now: Option<&vrrp::Snapshot>) -> String {
    let mut text = String::new();
    heading(&mut text, "Global definitions");
    global(&mut text, &config.global);
    if !config.instances.is_empty() {
        heading(&mut text, "VRRP Topology");
    }
    for instance in &config.instances {
        let state = now.and_then(|now| {
            let mut states = now.instances.iter();
            states.find(|state| state.name == instance.name)
        });
        vrrp_instance(&mut text, instance, state);
    }
    text
}

fn global(text: &mut String, global: &config::Global) {
    field(
        text,
        1,
        "Router ID",
        global.router_id.clone().unwrap_or_else(host::host_name),
    );
    if let Some((server, port)) = &global.smtp_server {
        field(text, 1, "Smtp server", server);
        field(text, 1, "Smtp server port", port);
    }
    if let Some(name) = &global.smtp_helo_name {
        field(text, 1, "Smtp HELO name", name);
    }
    if let Some(timeout) = global.smtp_connect_timeout {
        field(text, 1, "Smtp server connection timeout", timeout.as_secs());
    }
    if let Some(from) = &global.notification_email_from {
        field(text, 1, "Email notification from", from);
    }
    for address in &global.notification_email {
        field(text, 1, "Email notification", address);
    }
}

fn vrrp_instance(text: &mut String, instance: &config::Instance, now: Option<&InstanceState>) {
    field(text, 1, "VRRP Instance", &instance.name);
    let version = match instance.version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    field(text, 3, "VRRP Version", version);
    condition(text, instance, now);
    field(text, 3, "Interface", &instance.interface);
    if let Some(source) = now.and_then(|now| now.source).or(instance.source) {
        field(text, 3, "Using src_ip", source);
    }
    announcement(text, instance);
    field(text, 3, "Virtual Router ID", instance.vrid);
    field(text, 3, "Priority", instance.priority);
    field(
        text,
        3,
        "Effective priority",
        now.map_or(instance.priority, |now| now.priority),
    );
    field(
        text,
        3,
        "Advert interval",
        format!("{} sec", instance.advert_interval.as_secs()),
    );
    preemption(text, instance);
    authentication(text, &instance.authentication);
    let _ = writeln!(text, "   Virtual IP ({}):", instance.addresses.len());
    for vip in &instance.addresses {
        let set = now.is_some_and(|now| {
            now.addresses
                .iter()
                .any(|owned| owned.cidr.address() == vip.cidr.address())
        });
        address_line(text, vip, &instance.interface, set);
    }
}

/// The state with what only that state has; without a snapshot what it hopes to be.
fn condition(text: &mut String, instance: &config::Instance, now: Option<&InstanceState>) {
    match now {
        Some(now) => {
            field(text, 3, "State", now.state);
            if let Some(master) = now.master {
                field(text, 3, "Master router", master);
            }
            for fault in &now.faults {
                field(text, 3, "Fault", fault);
            }
            for refused in &now.refused {
                let from = refused
                    .from
                    .map_or_else(|| "others".to_owned(), |from| from.to_string());
                let (count, reason) = (refused.count, refused.reason);
                field(text, 3, "Refused", format!("{count} from {from}: {reason}"));
            }
        }
        None => {
            let wanted = match instance.state {
                InitialState::Master => "MASTER",
                InitialState::Backup => "BACKUP",
            };
            field(text, 3, "Wantstate", wanted);
        }
    }
}

fn announcement(text: &mut String, instance: &config::Instance) {
    let garp = instance.garp;
    field(text, 3, "Gratuitous ARP delay", garp.delay.as_secs());
    field(text, 3, "Gratuitous ARP repeat", garp.repeat);
    field(text, 3, "Gratuitous ARP refresh", garp.refresh.as_secs());
    field(
        text,
        3,
        "Gratuitous ARP refresh repeat",
        garp.refresh_repeat,
    );
    field(
        text,
        3,
        "Gratuitous ARP lower priority delay",
        garp.lower_prio_delay.as_secs(),
    );
    field(
        text,
        3,
        "Gratuitous ARP lower priority repeat",
        garp.lower_prio_repeat,
    );
    field(text, 3, "Down timer adverts", instance.down_timer_adverts);
    let answers = !instance.lower_prio_no_advert;
    field(
        text,
        3,
        "Send advert after receive lower priority advert",
        answers,
    );
    let warns = instance.higher_prio_send_advert;
    field(
        text,
        3,
        "Send advert after receive higher priority advert",
        warns,
    );
}

fn authentication(text: &mut String, authentication: &Authentication) {
    match authentication {
        Authentication::None => field(text, 3, "Authentication type", "none"),
        Authentication::Pass(_) => {
            field(text, 3, "Authentication type", "SIMPLE_PASSWORD");
            field(text, 3, "Password", "********");
        }
        Authentication::Ah(_) => {
            field(text, 3, "Authentication type", "IPSEC_AH");
            field(text, 3, "Password", "********");
        }
    }
}

fn preemption(text: &mut String, instance: &config::Instance) {
    field(
        text,
        3,
        "Preempt",
        if instance.preempt {
            "enabled"
        } else {
            "disabled"
        },
    );
    if !instance.preempt_delay.is_zero() {
        let delay = instance.preempt_delay.as_secs_f64();
        field(text, 3, "Preempt delay", format!("{delay} secs"));
    }
}

/// ADDRESS[/LENGTH] [brd B] dev INTERFACE scope S [label L] [peer P] [no_track] [set]
fn address_line(text: &mut String, vip: &config::VirtualAddress, interface: &str, set: bool) {
    let device = vip.device.as_deref().unwrap_or(interface);
    let mut line = vip.cidr.to_string();
    if let Some(broadcast) = vip.broadcast {
        let _ = write!(line, " brd {broadcast}");
    }
    let _ = write!(line, " dev {device} scope {}", scope_word(vip.scope));
    if let Some(label) = &vip.label {
        let _ = write!(line, " label {label}");
    }
    if let Some(peer) = vip.peer {
        let peer: Cidr = peer;
        let _ = write!(line, " peer {peer}");
    }
    line += if vip.track { "" } else { " no_track" };
    line += if set { " set" } else { "" };
    let _ = writeln!(text, "     {line}");
}

/// keepalived_check.data. Without a snapshot only what is configured.
pub(super) fn check_data(config: &Config, now: Option<&check::Snapshot>) -> String {
    let mut text = String::new();
    if config.virtual_servers.is_empty() {
        return text;
    }
    heading(&mut text, "LVS Topology");
    for server in &config.virtual_servers {
        let state = now.and_then(|now| {
            now.services
                .iter()
                .find(|service| server.key == service.key)
        });
        virtual_server(&mut text, server, state);
    }
    text
}

fn virtual_server(
    text: &mut String,
    server: &config::VirtualServer,
    now: Option<&check::ServiceState>,
) {
    match &server.key {
        ServiceKey::Address(service) => {
            field(text, 1, "VIP", service.address.ip());
            field(text, 3, "Port", service.address.port());
        }
        ServiceKey::Fwmark { mark, .. } => field(text, 1, "VS FWMARK", mark),
        ServiceKey::Group { name, .. } => field(text, 1, "VS GROUP", name),
    }
    if let Some(protocol) = server.key.protocol() {
        field(text, 3, "Protocol", protocol.word().to_uppercase());
    }
    field(text, 3, "lb_algo", server.scheduler.word());
    if let Some(persistence) = server.persistence {
        field(
            text,
            3,
            "Persistence timeout",
            persistence.timeout.as_secs(),
        );
        field(text, 3, "Persistence granularity", persistence.prefix);
    }
    field(text, 3, "Quorum", server.quorum);
    field(text, 3, "Hysteresis", server.hysteresis);
    if let Some(now) = now {
        field(text, 3, "Quorum up", now.quorum_up);
        field(text, 3, "Sorry server in use", now.sorry);
        field(text, 3, "Checks suspended", now.suspended);
    }
    for real in &server.real_servers {
        field(text, 3, "RIP", real.address.ip());
        field(text, 5, "Port", real.address.port());
        field(text, 5, "Weight", real.weight);
        let kind = match real.forwarding {
            Forwarding::Nat => "NAT",
            Forwarding::Tunnel(_) => "TUN",
            Forwarding::DirectRouting => "DR",
        };
        field(text, 5, "Forwarding method", kind);
        field(text, 5, "Inhibit on failure", real.inhibit_on_failure);
        field(text, 5, "Checkers", real.checkers.len());
        let state = now.and_then(|now| {
            now.servers
                .iter()
                .find(|state| state.address == real.address)
        });
        if let Some(state) = state {
            field(text, 5, "Alive", state.alive);
            field(text, 5, "Failed checkers", state.failed_checks);
            let weight = state
                .weight
                .map_or_else(|| "none".to_owned(), |weight| weight.to_string());
            field(text, 5, "Weight in the kernel", weight);
        }
    }
}

/// keepalived.stats: monitoring tools read it line by line, so the layout is fixed.
pub(super) fn statistics(now: &vrrp::Snapshot) -> String {
    let mut text = String::new();
    for instance in &now.instances {
        let of = &instance.statistics;
        let _ = write!(
            text,
            "VRRP Instance: {}\n  Advertisements:\n    Received: {}\n    Sent: {}\n  \
             Became master: {}\n  Released master: {}\n  Packet Errors:\n    Length: {}\n    \
             TTL: {}\n    Invalid Type: {}\n    Advertisement Interval: {}\n    \
             Address List: {}\n  Authentication Errors:\n    Invalid Type: {}\n    \
             Type Mismatch: {}\n    Failure: {}\n  Priority Zero:\n    Received: {}\n    \
             Sent: {}\n",
            instance.name,
            of.advert_rcvd,
            of.advert_sent,
            of.become_master,
            of.release_master,
            of.packet_len_err,
            of.ip_ttl_err,
            of.invalid_type_rcvd,
            of.advert_interval_err,
            of.addr_list_err,
            of.invalid_authtype,
            of.authtype_mismatch,
            of.auth_failure,
            of.pri_zero_rcvd,
            of.pri_zero_sent,
        );
    }
    text
}

fn heading(text: &mut String, words: &str) {
    let _ = writeln!(text, "------< {words} >------");
}

fn field(text: &mut String, indent: usize, key: &str, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:indent$}{key} = {value}", "");
}

fn scope_word(scope: u8) -> String {
    match scope {
        0 => "global".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        255 => "nowhere".to_owned(),
        number => number.to_string(),
    }
}
