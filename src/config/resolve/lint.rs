//! What is allowed and probably not meant: the questions people ask most. Warnings only.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::addr::Cidr;
use crate::config::check::{Forwarding, Probe, VirtualServer};
use crate::config::diag::{Class, Problem};
use crate::config::keywords::track::Named;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::track::{Tracked, VrrpScript};
use crate::config::value::print_seconds;
use crate::config::{Config, Global, InitialState, Instance};

use super::serves;

/// What a router has that gives no priority.
const DEFAULT_PRIORITY: i32 = 100;

pub(crate) fn weights(instance: &Instance, span: Span, report: &mut Report<'_>) {
    let track = &instance.track;
    let lists = [
        &track.interfaces,
        &track.scripts,
        &track.processes,
        &track.bfds,
    ];
    let weighted: Vec<&Tracked> = lists
        .into_iter()
        .flatten()
        .filter(|tracked| tracked.weight.value != 0)
        .collect();
    if weighted.is_empty() {
        return;
    }
    let priority = i32::from(instance.priority);
    let sum = |sign: i32| {
        let values = weighted.iter().map(|tracked| tracked.weight.value);
        values.filter(|value| value.signum() == sign).sum::<i32>()
    };
    let best = (priority + sum(1)).clamp(1, 254);
    let worst = (priority + sum(-1)).clamp(1, 254);
    if best == worst {
        let message = format!("the priority is {best} whatever is tracked");
        report.add(Problem::warning(span, message).help("a priority stays within 1 to 254"));
    } else if instance.state == InitialState::Master && worst > DEFAULT_PRIORITY {
        let message = format!(
            "with everything down that is tracked the priority is {worst}: a backup of \
             {worst} or less does not take over"
        );
        let help = "the weights must be larger than the distance to the priority of the backup";
        report.add(Problem::warning(span, message).help(help));
    }
}

pub(crate) fn no_priority(name: &Named, report: &mut Report<'_>) {
    let message = format!(
        "`vrrp_instance {}` has no `priority`: {DEFAULT_PRIORITY}, as every router that gives none",
        name.name
    );
    let help = "of equals the one with the higher address wins; give each router its own";
    report.add(Problem::warning(name.span, message).help(help));
}

/// What could be watched and is not.
pub(crate) fn unused(config: &Config, names: &[(&'static str, Named)], report: &mut Report<'_>) {
    let used = used(config);
    let usable = usable(config);
    for (kind, Named { name, span }) in names {
        let object = (*kind, name.as_str());
        if usable.contains(&object) && !used.contains(&object) {
            let message = format!("nothing tracks `{name}`");
            report.add(Problem::warning(*span, message));
        }
    }
}

/// Kinds and names of what instances, groups and checks watch.
fn used(config: &Config) -> HashSet<(&'static str, &str)> {
    let instances = config.instances.iter().map(|instance| &instance.track);
    let groups = config.sync_groups.iter().map(|group| &group.track);
    let mut used = HashSet::new();
    for track in instances.chain(groups) {
        let lists = [
            ("vrrp_script", &track.scripts),
            ("vrrp_track_process", &track.processes),
            ("track_file", &track.files),
            ("bfd_instance", &track.bfds),
        ];
        for (kind, list) in lists {
            used.extend(list.iter().map(|tracked| (kind, tracked.name.as_str())));
        }
    }
    let servers = config.virtual_servers.iter();
    let servers = servers.flat_map(|service| &service.real_servers);
    for checker in servers.flat_map(|server| &server.checkers) {
        match &checker.check.probe {
            Probe::File { track_file, .. } => drop(used.insert(("track_file", track_file))),
            Probe::Bfd { instance } => drop(used.insert(("bfd_instance", instance))),
            _ => {}
        }
    }
    used
}

fn usable(config: &Config) -> HashSet<(&'static str, &str)> {
    let scripts = config.scripts.iter();
    let processes = config.processes.iter();
    let files = config.files.iter();
    let bfds = config.bfds.iter();
    let scripts = scripts.map(|script| ("vrrp_script", script.name.as_str()));
    let processes = processes.map(|process| ("vrrp_track_process", process.name.as_str()));
    let files = files.map(|file| ("track_file", file.name.as_str()));
    let bfds = bfds.map(|bfd| ("bfd_instance", bfd.name.as_str()));
    scripts.chain(processes).chain(files).chain(bfds).collect()
}

/// A script that may run into its next turn.
pub(crate) fn slow_script(name: &Named, script: &VrrpScript, report: &mut Report<'_>) {
    if script.timeout > script.interval {
        let message = format!(
            "`{}` may take {} s (timeout), longer than the {} s to its next run (interval)",
            name.name,
            print_seconds(script.timeout),
            print_seconds(script.interval)
        );
        report.add(Problem::warning(name.span, message));
    }
}

/// An address without a network of its own, of a service that rewrites addresses, on a link where
/// nobody would look for it. `spans` are those of the instances.
pub(crate) fn out_of_reach(config: &Config, spans: &[Span], report: &mut Report<'_>) {
    for (instance, span) in config.instances.iter().zip(spans) {
        if !instance.guards_service {
            continue;
        }
        for address in &instance.addresses {
            let device = address.device.as_deref().unwrap_or(&instance.interface);
            let ip = address.cidr.address();
            let alone = address.cidr.is_host() && address.peer.is_none();
            if !alone || !rewrites(config, ip) {
                continue;
            }
            let networks = networks(config, device, report);
            let known = networks
                .iter()
                .any(|network| network.family() == address.cidr.family());
            if known && !networks.iter().any(|network| network.contains(ip)) {
                let message =
                    format!("{ip} is in no network of {device}: nobody there asks for it");
                let help = format!("write its prefix length, as in `{ip}/24`, or route it here");
                report.add(Problem::warning(*span, message).help(help));
            }
        }
    }
}

/// Whether that is the address of a service of NAT: under DR and TUN it is often far from all
/// others.
fn rewrites(config: &Config, ip: IpAddr) -> bool {
    let nat = |service: &VirtualServer| {
        let mut servers = service.real_servers.iter();
        servers.any(|server| server.forwarding == Forwarding::Nat)
    };
    let groups = &config.virtual_server_groups;
    let mut services = config.virtual_servers.iter();
    services.any(|service| nat(service) && serves(service, groups, ip))
}

/// Networks that an interface has now or gets from the file.
fn networks(config: &Config, device: &str, report: &Report<'_>) -> Vec<Cidr> {
    let mut networks = report.host.networks(device);
    for instance in &config.instances {
        for address in instance.addresses.iter().chain(&instance.excluded) {
            if address.device.as_deref().unwrap_or(&instance.interface) == device {
                networks.push(address.cidr);
            }
        }
    }
    let statics = config.statics.addresses.iter().map(|one| &one.address);
    let statics = statics.filter(|address| address.device.as_deref() == Some(device));
    networks.extend(statics.map(|address| address.cidr));
    networks.retain(|network| !network.is_host());
    networks
}

/// Scripts run as root unless told otherwise, and keepalived wants to hear that this is known.
pub(crate) fn security(global: &Global, report: &mut Report<'_>) {
    let Some(span) = report.first_script().filter(|_| !global.scripts.security) else {
        return;
    };
    let message = "scripts are to run, and `enable_script_security` is not set";
    let help = "add it to `global_defs`: no script runs as root then that others could change";
    report.add(
        Problem::error(span, message)
            .class(Class::Security)
            .help(help),
    );
}
