//! From drafts to the typed configuration: defaults, names, contradictions.

mod check;
mod checker;
mod election;
mod global;
mod group;

mod lint;
mod objects;
mod scripts;
mod server;
mod statics;
mod sync;
mod track;
mod vmac;
mod vrrp;
mod wire;

use std::collections::HashMap;
use std::net::IpAddr;

use super::Config;
use super::bfd::BfdTells;
use super::check::{ServiceKey, VirtualServer, VirtualServerGroup};
use super::diag::Problem;
use super::keywords::global::GlobalDraft;
use super::keywords::root::Draft;
use super::keywords::track::Named;
use super::report::Report;
use super::source::Span;
use super::{InitialState, Instance, Layer};

use statics::Preferences;
use track::{Known, Objects, without_weights};
use vrrp::Around;

/// Settles everything. What is wrong and cannot be put right makes the report fatal.
pub(crate) fn resolve(mut draft: Draft, report: &mut Report<'_>) -> Config {
    let mut config = Config::default();
    let watched = names(&draft);
    scripts::settle_user(&mut draft, report);
    scripts::vet(&mut draft, report);
    global::settle(&mut draft.global, report);
    let known = objects(&mut draft, &mut config, report);
    let mut preferences = Preferences::default();
    let delays = std::mem::take(&mut draft.statics.delays);
    let instance_names: Vec<String> = draft
        .instances
        .iter()
        .map(|instance| instance.name.name.clone())
        .collect();
    let instance_names: Vec<&str> = instance_names.iter().map(String::as_str).collect();
    (config.statics, config.links) = statics::statics(
        draft.statics,
        draft.global.global.default_interface.as_deref(),
        &instance_names,
        &mut preferences,
        report,
    );
    for instance in &draft.instances {
        let backup = !matches!(instance.state, Some((InitialState::Master, _)));
        if instance.priority.is_none() && backup {
            lint::no_priority(&instance.name, report);
        }
    }
    let around = Around {
        global: &draft.global,
        known: &known,
        group_tells: group_tells(&draft.sync_groups),
    };
    let mut instances = vrrp::instances(draft.instances, &around, &mut preferences, report);
    for (instance, span) in &mut instances {
        if instance.is_owner() {
            let why = "to an owner of the addresses";
            without_weights(&mut instance.track, false, why, *span, report);
        }
    }
    let groups = draft.sync_groups;
    config.sync_groups = sync::groups(groups, &mut instances, &known, &draft.global, report);
    for (instance, span) in &instances {
        lint::weights(instance, *span, report);
    }
    vmac::shared(&instances, &config.sync_groups, report);
    config.links.delays = statics::delays(delays, &instances, report);
    report.settle_interfaces(|name| may_be_missing(name, &draft.global, &instances));
    let spans: Vec<Span>;
    (config.instances, spans) = instances.into_iter().unzip();
    config.virtual_server_groups = group::groups(draft.virtual_server_groups, report);
    let around = check::Around {
        groups: &config.virtual_server_groups,
        known: &known,
        smtp_alert: draft.global.smtp_alert_checker.or(draft.global.smtp_alert),
        log_all_failures: draft.global.global.checker_log_all_failures,
    };
    config.virtual_servers = check::virtual_servers(draft.virtual_servers, &around, report);
    config.ssl = draft.ssl.map(|(ssl, _)| ssl);
    guard(&mut config);
    lint::out_of_reach(&config, &spans, report);
    sync_daemon(&mut draft.global, &instance_names, report);
    config.global = draft.global.global;
    lint::unused(&config, &watched, report);
    lint::security(&config.global, report);
    config
}

/// What may be watched, with its kind and where it is defined.
fn names(draft: &Draft) -> Vec<(&'static str, Named)> {
    let scripts = draft.scripts.iter().map(|(name, _)| ("vrrp_script", name));
    let processes = draft.processes.iter();
    let processes = processes.map(|(name, _)| ("vrrp_track_process", name));
    let files = draft.files.iter().map(|(name, _)| ("track_file", name));
    let bfds = draft.bfds.iter().map(|(name, _)| ("bfd_instance", name));
    let all = scripts.chain(processes).chain(files).chain(bfds);
    all.map(|(kind, name)| (kind, name.clone())).collect()
}

/// Takes what instances may watch out of the draft.
fn objects(draft: &mut Draft, config: &mut Config, report: &mut Report<'_>) -> Known {
    let mut known = Known {
        scripts: Objects::new("vrrp_script"),
        files: Objects::new("track_file"),
        processes: Objects::new("vrrp_track_process"),
        bfds: Objects::new("bfd_instance"),
    };
    for (name, script) in draft.scripts.drain(..) {
        if let Some(script) = objects::script(&name, script, report) {
            lint::slow_script(&name, &script, report);
            known.scripts.add(&name, script.weight);
            config.scripts.push(script);
        }
    }
    for (name, process) in draft.processes.drain(..) {
        if let Some(process) = objects::process(&name, process, report) {
            known.processes.add(&name, process.weight);
            config.processes.push(process);
        }
    }
    for (name, file) in draft.files.drain(..) {
        if let Some(file) = objects::file(&name, file, report) {
            known.files.add(&name, file.weight);
            config.files.push(file);
        }
    }
    for (name, bfd) in draft.bfds.drain(..) {
        if let Some(bfd) = objects::bfd(&name, &bfd, &config.bfds, report) {
            // One that tells nothing but checks is not there for instances.
            if bfd.tells != BfdTells::Checker {
                known.bfds.add(&name, bfd.weight);
            }
            config.bfds.push(bfd);
        }
    }
    known
}

/// What groups say of the priorities of their members.
fn group_tells(groups: &[(Named, super::keywords::sync::SyncDraft)]) -> HashMap<String, bool> {
    let mut tells = HashMap::new();
    for (_, group) in groups {
        let Some(tell) = group.notify.priority_changes else {
            continue;
        };
        for member in group.group.members.iter().flatten() {
            tells.entry(member.name.clone()).or_insert(tell);
        }
    }
    tells
}

/// Interfaces that come and go, and those that instances make for themselves.
fn may_be_missing(name: &str, global: &GlobalDraft, instances: &[(Instance, Span)]) -> bool {
    let made = |instance: &Instance| match &instance.layer {
        Layer::Interface => false,
        Layer::Vmac(vmac) => match &vmac.name {
            Some(own) => own == name,
            None => generated(name, instance),
        },
        Layer::Ipvlan(ipvlan) => match &ipvlan.name {
            Some(own) => own == name,
            None => generated(name, instance),
        },
    };
    global.global.dynamic_interfaces.is_some() || instances.iter().any(|(one, _)| made(one))
}

/// The name of an interface that is given none.
fn generated(name: &str, instance: &Instance) -> bool {
    name == format!("vrrp.{}", instance.vrid) || name == format!("vrrp6.{}", instance.vrid)
}

/// An instance that carries the address of a service has to do with IPVS.
fn guard(config: &mut Config) {
    let groups = &config.virtual_server_groups;
    for instance in &mut config.instances {
        instance.guards_service = instance.addresses.iter().any(|address| {
            let ip = address.cidr.address();
            let mut servers = config.virtual_servers.iter();
            servers.any(|server| serves(server, groups, ip))
        });
    }
}

/// Whether clients of the service come to that address.
pub(super) fn serves(server: &VirtualServer, groups: &[VirtualServerGroup], ip: IpAddr) -> bool {
    match &server.key {
        ServiceKey::Address(service) => service.address.ip() == ip,
        ServiceKey::Fwmark { .. } => false,
        ServiceKey::Group { name, .. } => groups
            .iter()
            .any(|group| group.name == *name && group.contains(ip)),
    }
}

/// The sync daemon follows an instance that exists.
fn sync_daemon(global: &mut GlobalDraft, instances: &[&str], report: &mut Report<'_>) {
    let daemon = global.global.lvs.sync_daemon.as_ref();
    let instance = daemon.and_then(|daemon| daemon.instance.clone());
    let (Some(instance), Some(span)) = (instance, global.sync_daemon) else {
        return;
    };
    if !instances.contains(&instance.as_str()) {
        let message = format!("`lvs_sync_daemon`: there is no `vrrp_instance {instance}`, ignored");
        report.add(Problem::warning(span, message));
        global.global.lvs.sync_daemon = None;
    }
}
