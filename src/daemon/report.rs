//! Dumps: the configuration and the state of the cores as text, in keepalived's layout.

use std::fmt::Write as _;

use log::{error, info};

use crate::check;
use crate::config::{self, Config, Forwarding, ServiceKey};
use crate::sys::{dump, host};
use crate::vrrp;

use super::logging::{CHECK, VRRP};
use super::{belongings, definitions, topology};

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
pub(super) fn vrrp_data(config: &Config, now: Option<&topology::Now>) -> String {
    let mut text = String::new();
    heading(&mut text, "Global definitions");
    global(&mut text, &config.global);
    definitions::write(&mut text, &config.global);
    let snapshot = now.map(|now| &now.snapshot);
    belongings::statics(&mut text, config, snapshot);
    topology::write(&mut text, config, now);
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
             Type Mismatch: {}\n    Failure: {}\n  Authentication Extension Errors:\n    \
             Missing: {}\n    Malformed: {}\n    Unknown Key: {}\n    Invalid HMAC: {}\n    \
             Stale: {}\n    Replay: {}\n  Priority Zero:\n    Received: {}\n    \
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
            of.auth_ext_missing,
            of.auth_ext_malformed,
            of.auth_ext_unknown_key,
            of.auth_ext_invalid_hmac,
            of.auth_ext_stale,
            of.auth_ext_replay,
            of.pri_zero_rcvd,
            of.pri_zero_sent,
        );
    }
    text
}

pub(super) fn heading(text: &mut String, words: &str) {
    let _ = writeln!(text, "------< {words} >------");
}

pub(super) fn field(text: &mut String, indent: usize, key: &str, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:indent$}{key} = {value}", "");
}
