//! What instances and the daemon own in the kernel, as keepalived.data shows it.

use std::fmt::Write as _;
use std::time::Duration;

use super::report::{field, heading};
use crate::addr::Cidr;
use crate::config::{self, Config, Layer, VirtualAddress, route_line, rule_line, scope_name};
use crate::vrrp::{Holding, InstanceState, Snapshot};
use crate::wire::rtnl::TABLE_MAIN;

/// What stands outside of instances: the pauses between announcements, and all that is static.
pub(super) fn statics(text: &mut String, config: &Config, now: Option<&Snapshot>) {
    pauses(text, config);
    let set = now.map_or(&[][..], |now| now.statics.as_slice());
    let statics = &config.statics;
    if !statics.addresses.is_empty() {
        heading(text, "Static Addresses");
    }
    for line in &statics.addresses {
        let group = line.track_group.as_deref();
        let device = line.address.device.as_deref().unwrap_or_default();
        address_line(text, &line.address, device, group, set);
    }
    if !statics.routes.is_empty() {
        heading(text, "Static Routes");
        routes(text, &statics.routes, set);
    }
    if !statics.rules.is_empty() {
        heading(text, "Static Rules");
        rules(text, &statics.rules, set);
    }
    if !statics.track_groups.is_empty() {
        heading(text, "Static Track groups");
    }
    for group in &statics.track_groups {
        field(text, 1, "Static Track Group", &group.name);
        field(text, 3, "Instances", group.members.join(", "));
    }
    if let Some(now) = now.filter(|now| now.statics_restored > 0) {
        field(text, 1, "Static entries put back", now.statics_restored);
    }
}

fn pauses(text: &mut String, config: &Config) {
    if config.links.garp_groups.is_empty() {
        return;
    }
    heading(text, "Gratuitous ARP delays");
    for group in &config.links.garp_groups {
        let seconds = |pause: Option<Duration>| pause.unwrap_or_default().as_secs_f64();
        field(
            text,
            1,
            "Gratuitous ARP interval",
            seconds(group.garp_interval),
        );
        field(
            text,
            1,
            "Gratuitous NA interval",
            seconds(group.gna_interval),
        );
        field(text, 1, "Interfaces", group.interfaces.join(", "));
    }
}

/// Addresses, routes and rules; what is in the kernel is marked `set`.
pub(super) fn of_instance(
    text: &mut String,
    instance: &config::Instance,
    now: Option<&InstanceState>,
) {
    let set = now.map_or(&[][..], |now| now.set.as_slice());
    let mut addresses = |heading: &str, lines: &[VirtualAddress]| {
        let _ = writeln!(text, "   {heading}:");
        for line in lines {
            let device = device_of(line, instance, now);
            address_line(text, line, &device, None, set);
        }
    };
    addresses(
        &format!("Virtual IP ({})", instance.addresses.len()),
        &instance.addresses,
    );
    if !instance.excluded.is_empty() {
        addresses("Virtual IP Excluded ", &instance.excluded);
    }
    if !instance.routes.is_empty() {
        let _ = writeln!(text, "   Virtual Routes :");
        routes(text, &instance.routes, set);
    }
    if !instance.rules.is_empty() {
        let _ = writeln!(text, "   Virtual Rules :");
        rules(text, &instance.rules, set);
    }
    let Some(now) = now else { return };
    if now.announcements_waiting > 0 {
        field(text, 3, "Announcements waiting", now.announcements_waiting);
    }
    if now.statistics.restored > 0 {
        field(text, 3, "Entries put back", now.statistics.restored);
    }
}

/// `DEVICE@BASE` of one on the macvlan of its instance.
fn device_of(
    vip: &VirtualAddress,
    instance: &config::Instance,
    now: Option<&InstanceState>,
) -> String {
    let base = vip.device.as_deref().unwrap_or(&instance.interface);
    let device = now.and_then(|now| now.device.as_deref());
    match (&instance.layer, device) {
        (Layer::Vmac(_), Some(device)) if base == instance.interface => format!("{device}@{base}"),
        _ => base.to_owned(),
    }
}

fn routes(text: &mut String, lines: &[config::Route], set: &[Holding]) {
    for line in lines {
        let is_set = set.iter().any(|known| is_route(known, line));
        let _ = writeln!(text, "     {}{}", route_line(line), mark(is_set));
    }
}

fn is_route(known: &Holding, line: &config::Route) -> bool {
    let Holding::Route {
        destination,
        table,
        metric,
    } = known
    else {
        return false;
    };
    // Of a routing domain the kernel knows the table.
    let is_table = match (line.table, &line.vrf) {
        (Some(named), _) => *table == named,
        (None, Some(_)) => true,
        (None, None) => *table == TABLE_MAIN,
    };
    is_table && *destination == line.destination && *metric == line.metric
}

fn rules(text: &mut String, lines: &[config::Rule], set: &[Holding]) {
    for line in lines {
        let is_set = set.contains(&Holding::Rule {
            family: line.family,
            preference: line.preference,
        });
        let _ = writeln!(text, "     {}{}", rule_line(line), mark(is_set));
    }
}

fn mark(is_set: bool) -> &'static str {
    if is_set { " set" } else { "" }
}

/// ADDRESS[/LENGTH] [brd B] dev INTERFACE scope S [label L] [peer P] [no_track] [track_group G]
/// [deprecated|preferred_lft N] [set]
fn address_line(
    text: &mut String,
    vip: &VirtualAddress,
    device: &str,
    track_group: Option<&str>,
    set: &[Holding],
) {
    let mut line = vip.cidr.to_string();
    if let Some(broadcast) = vip.broadcast {
        let _ = write!(line, " brd {broadcast}");
    }
    let _ = write!(line, " dev {device}");
    if vip.cidr.address().is_ipv4() {
        let _ = match scope_name(vip.scope) {
            Some(name) => write!(line, " scope {name}"),
            None => write!(line, " scope {}", vip.scope),
        };
    }
    if let Some(label) = &vip.label {
        let _ = write!(line, " label {label}");
    }
    if let Some(peer) = vip.peer {
        let peer: Cidr = peer;
        let _ = write!(line, " peer {peer}");
    }
    line += if vip.track { "" } else { " no_track" };
    if let Some(group) = track_group {
        let _ = write!(line, " track_group {group}");
    }
    let is_v6 = vip.cidr.address().is_ipv6();
    match vip.preferred_lifetime {
        Some(0) if is_v6 => line += " deprecated",
        None if is_v6 && vip.cidr.is_host() => line += " deprecated",
        Some(u32::MAX) if is_v6 => line += " preferred_lft forever",
        Some(seconds) if is_v6 => {
            let _ = write!(line, " preferred_lft {seconds}");
        }
        _ => {}
    }
    line += mark(set.contains(&Holding::Address(vip.cidr.address())));
    let _ = writeln!(text, "     {line}");
}
