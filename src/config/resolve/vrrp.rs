//! `vrrp_instance`: defaults, and what keepalived puts right.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::addr::{Family, Vrid};
use crate::config::diag::Problem;
use crate::config::global::DynamicInterfaces;
use crate::config::keywords::address::AddressDraft;
use crate::config::keywords::garp::GarpDraft;
use crate::config::keywords::global::GlobalDraft;
use crate::config::keywords::notify::NotifyDraft;
use crate::config::keywords::vrrp::InstanceDraft;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::vrrp::{ExtraGarp, Notify};
use crate::config::{Destination, GratuitousArp, Instance, Layer, Version, VirtualAddress};

use super::election;
use super::statics::Preferences;
use super::track::Known;
use super::wire;

/// The count field of an advert has eight bits (RFC 9568 5.2.5).
const ADDRESSES_MAX: usize = 255;

const DOWN_TIMER_ADVERTS: u32 = 3;

/// What all instances of a file are settled with.
pub(crate) struct Around<'a> {
    pub(crate) global: &'a GlobalDraft,
    pub(crate) known: &'a Known,
    /// `notify_priority_changes` of the groups, by member.
    pub(crate) group_tells: HashMap<String, bool>,
}

/// Each instance with the place of its name.
pub(crate) fn instances(
    drafts: Vec<InstanceDraft>,
    around: &Around<'_>,
    preferences: &mut Preferences,
    report: &mut Report<'_>,
) -> Vec<(Instance, Span)> {
    let mut instances: Vec<(Instance, Span)> = Vec::new();
    let mut places = HashMap::new();
    for draft in drafts {
        let name = draft.name.span;
        let vrid = draft.vrid.map_or(name, |(_, span)| span);
        let Some(instance) = instance(draft, around, preferences, report) else {
            continue;
        };
        check_vrid(&instance, vrid, &mut places, around.global, report);
        instances.push((instance, name));
    }
    instances
}

/// Instances of one number on one interface that were seen: where, and whom each speaks with.
type Places = HashMap<(String, Family, Vrid), Vec<(Span, Destination, Option<IpAddr>)>>;

/// Two routers that hear each other's adverts cannot have one number.
fn check_vrid(
    instance: &Instance,
    span: Span,
    places: &mut Places,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) {
    let place = (instance.interface.clone(), instance.family, instance.vrid);
    let place = places.entry(place).or_default();
    let meets = |destination: &Destination, source| match (destination, &instance.destination) {
        (Destination::Multicast(one), Destination::Multicast(other)) => one == other,
        (Destination::Unicast(one), Destination::Unicast(other)) => {
            source == instance.source
                && one.peers.iter().any(|peer| {
                    other
                        .peers
                        .iter()
                        .any(|theirs| theirs.address == peer.address)
                })
        }
        _ => false,
    };
    let first = place
        .iter()
        .find(|(_, destination, source)| meets(destination, *source));
    if let Some((first, ..)) = first {
        let (id, interface) = (instance.vrid, &instance.interface);
        let message = format!("virtual_router_id {id} is taken on {interface}");
        let problem = Problem::error(span, message).note(*first, "first taken here");
        if global.global.dynamic_interfaces == Some(DynamicInterfaces::Change) {
            report.add(problem);
        } else {
            report.fatal(problem);
        }
    }
    place.push((span, instance.destination.clone(), instance.source));
}

/// None when the instance cannot run, which is reported then.
fn instance(
    mut draft: InstanceDraft,
    around: &Around<'_>,
    preferences: &mut Preferences,
    report: &mut Report<'_>,
) -> Option<Instance> {
    let global = around.global;
    let (vrid, interface) = identity(&mut draft, report)?;
    let strict = draft.strict.unwrap_or(global.strict);
    let family = draft.family.unwrap_or(Family::V4);
    let version = wire::version(&draft, family, strict, global, report);
    let role = election::role(&draft, strict, report);
    let destination = wire::destination(&draft, family, &interface, strict, global, report);
    let layer = wire::layer(&draft, vrid, &interface, &destination, strict, report);
    let (preempt, preempt_delay) = election::preemption(&draft, role, strict, report);
    let advert_interval = wire::advert_interval(&draft, version, report);
    let hmac = wire::hmac(&draft, strict, advert_interval, report);
    let authentication =
        wire::authentication(&draft, version, family, strict, hmac.is_some(), report);
    let (addresses, excluded) = addresses(&mut draft, &interface, &layer, report);
    without_addresses(&draft, &addresses, version, strict, report);
    let own = Some(interface.as_str()).filter(|name| !name.is_empty());
    let track = around
        .known
        .tracks(std::mem::take(&mut draft.track), own, report);
    Some(Instance {
        family,
        version,
        vmac_addresses: draft.layer.addresses,
        vrf: wire::vrf(&mut draft, &interface, &destination, report),
        vrid,
        state: wire::state(&draft, role, &authentication, report),
        priority: role.priority,
        advert_interval,
        authentication,
        hmac,
        addresses,
        excluded,
        routes: draft.routes.drain(..).map(|route| route.route).collect(),
        rules: preferences.settle(std::mem::take(&mut draft.rules), report),
        source: draft.source.map(|(source, _)| source),
        track_source: draft.track_source.is_some() && draft.source.is_some(),
        strict,
        preempt,
        preempt_delay,
        track_primary: !draft.untracked_primary,
        track,
        down_timer_adverts: down_timer_adverts(&draft, strict, global, report),
        timer_expired_backup: election::timer_expired_backup(&draft, preempt, report),
        lower_prio_no_advert: election::lower_prio_no_advert(&draft, strict, global, report),
        higher_prio_send_advert: election::higher_prio_send_advert(&draft, strict, global, report),
        owner_ignore_adverts: election::owner_ignores(&draft, role, strict, global, report),
        accept: election::accept(&draft, role, version, strict, report),
        skip_check_addresses: draft
            .skip_check_adv_addr
            .unwrap_or(global.skip_check_adv_addr),
        v3_checksum_as_v2: draft.v3_checksum_as_v2.unwrap_or(global.v3_checksum_as_v2),
        promote_secondaries: promote_secondaries(&draft, &layer, report),
        poll_link: draft.poll_link,
        receive_buffer: draft.receive_buffer,
        sync_daemon_interface: draft.sync_daemon_interface.take(),
        garp: gratuitous_arp(&draft, strict, global, report),
        notify: notify(
            draft.notify,
            around.group_tells.get(&draft.name.name).copied(),
            global,
        ),
        guards_service: false,
        interface,
        layer,
        destination,
        name: draft.name.name,
    })
}

/// Number and interface; without the one or the other there is nothing to run.
fn identity(draft: &mut InstanceDraft, report: &mut Report<'_>) -> Option<(Vrid, String)> {
    let name = &draft.name.name;
    let lacks = |what: &str| {
        let message = format!("`vrrp_instance {name}` has no {what}");
        Problem::error(draft.name.span, message)
    };
    if draft.vrid.is_none() {
        report.fatal_unless_told(draft.wrong_vrid, || lacks("`virtual_router_id`"));
    }
    if draft.interface.is_none() {
        if draft.unicast.is_none() {
            report.fatal_unless_told(draft.wrong_interface, || lacks("`interface`"));
        } else if let Some((source, span)) = draft.source {
            let link_local = matches!(source, IpAddr::V6(source) if source.is_unicast_link_local());
            if link_local {
                let message = "a link-local source needs an `interface`";
                report.fatal(Problem::error(span, message));
            }
        } else {
            report.fatal(lacks("`interface`, and no source address to do without"));
        }
    }
    let (vrid, _) = draft.vrid?;
    if draft.interface.is_none() && draft.unicast.is_none() {
        return None;
    }
    Some((vrid, draft.interface.take().unwrap_or_default()))
}

/// Those of adverts, and those that are not in them.
fn addresses(
    draft: &mut InstanceDraft,
    interface: &str,
    layer: &Layer,
    report: &mut Report<'_>,
) -> (Vec<VirtualAddress>, Vec<VirtualAddress>) {
    let mut usable = |AddressDraft {
                          mut address, span, ..
                      }| {
        if interface.is_empty() && address.device.is_none() {
            let message = "an address without `dev` in an instance without `interface`, ignored";
            report.add(Problem::error(span, message));
            return None;
        }
        let elsewhere = address
            .device
            .as_deref()
            .is_some_and(|device| device != interface);
        if address.vmac && matches!(layer, Layer::Vmac(_)) && !elsewhere {
            let message = "`use_vmac` of the instance covers this address already, ignored";
            report.add(Problem::error(span, message));
            address.vmac = false;
        }
        Some((address, span))
    };
    let mut listed: Vec<_> = draft.addresses.drain(..).filter_map(&mut usable).collect();
    let excluded = draft.excluded.drain(..).filter_map(&mut usable);
    let mut excluded: Vec<_> = excluded.map(|(address, _)| address).collect();
    let beyond = listed.split_off(listed.len().min(ADDRESSES_MAX));
    for (address, span) in beyond {
        let ip = address.cidr.address();
        let message = format!("more than {ADDRESSES_MAX} addresses, {ip} is not in adverts");
        report.add(Problem::error(span, message));
        // Out of adverts, once is enough.
        let is_same =
            |other: &VirtualAddress| other.cidr.address() == ip && other.device == address.device;
        if !excluded.iter().any(is_same) {
            excluded.push(address);
        }
    }
    let listed = listed.into_iter().map(|(address, _)| address);
    (listed.collect(), excluded)
}

fn without_addresses(
    draft: &InstanceDraft,
    addresses: &[VirtualAddress],
    version: Version,
    strict: bool,
    report: &mut Report<'_>,
) {
    if let Some(span) = draft.no_addresses.filter(|_| strict) {
        let message = "strict mode knows no instance without addresses, this is ignored";
        report.add(Problem::error(span, message));
    }
    if let (true, Some(first)) = (strict, addresses.first())
        && let IpAddr::V6(ip) = first.cidr.address()
        && !ip.is_unicast_link_local()
    {
        let message = "the first address of an IPv6 instance should be a link-local one";
        report.add(Problem::error(draft.name.span, message));
    }
    if !addresses.is_empty() || (draft.no_addresses.is_some() && !strict) {
        return;
    }
    let message = format!("`vrrp_instance {}` has no address", draft.name.name);
    let problem = Problem::error(draft.name.span, message);
    if strict || version == Version::V3 {
        report.fatal(problem);
    } else {
        report.add(problem);
    }
}

fn down_timer_adverts(
    draft: &InstanceDraft,
    strict: bool,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> u32 {
    let wanted = draft.down_timer_adverts.or(global.down_timer_adverts);
    let wanted = wanted.unwrap_or(DOWN_TIMER_ADVERTS);
    if strict && wanted != DOWN_TIMER_ADVERTS {
        let message = "strict mode has 3 down_timer_adverts";
        report.add(Problem::error(draft.name.span, message));
        return DOWN_TIMER_ADVERTS;
    }
    wanted
}

fn promote_secondaries(draft: &InstanceDraft, layer: &Layer, report: &mut Report<'_>) -> bool {
    let Some(span) = draft.promote_secondaries else {
        return false;
    };
    if *layer != Layer::Interface {
        let message = "`promote_secondaries` does not go with use_vmac or use_ipvlan, ignored";
        report.add(Problem::error(span, message));
        return false;
    }
    true
}

fn gratuitous_arp(
    draft: &InstanceDraft,
    strict: bool,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> GratuitousArp {
    let default = GratuitousArp::default();
    let (own, everyones): (&GarpDraft, &GarpDraft) = (&draft.garp, &global.garp);
    // After an advert of lower priority: as after becoming master, of all instances.
    let mut lower_prio_repeat = own.lower_prio_repeat;
    let mut lower_prio_delay = own.lower_prio_delay;
    if strict {
        let talks = lower_prio_repeat.is_some_and(|repeat| repeat > 0)
            || lower_prio_delay.is_some_and(|delay| !delay.is_zero());
        if talks {
            let message = "strict mode has no gratuitous ARP after an advert of lower priority";
            report.add(Problem::error(draft.name.span, message));
        }
        lower_prio_repeat = Some(0);
        lower_prio_delay = Some(std::time::Duration::ZERO);
    }
    let or = |one: Option<u32>, other: Option<u32>, default| one.or(other).unwrap_or(default);
    let extra = match draft.garp_extra.interval {
        Some(interval) => Some((interval, draft.garp_extra.all)),
        None => global
            .garp_extra
            .interval
            .map(|interval| (interval, global.garp_extra.all)),
    };
    GratuitousArp {
        repeat: or(own.repeat, everyones.repeat, default.repeat),
        delay: own.delay.or(everyones.delay).unwrap_or(default.delay),
        refresh: own.refresh.or(everyones.refresh).unwrap_or(default.refresh),
        refresh_repeat: or(
            own.refresh_repeat,
            everyones.refresh_repeat,
            default.refresh_repeat,
        ),
        lower_prio_repeat: lower_prio_repeat
            .or(everyones.lower_prio_repeat)
            .or(everyones.repeat)
            .unwrap_or(default.lower_prio_repeat),
        lower_prio_delay: lower_prio_delay
            .or(everyones.lower_prio_delay)
            .or(everyones.delay)
            .unwrap_or(default.lower_prio_delay),
        extra: extra
            .filter(|(interval, _)| !interval.is_zero())
            .map(|(interval, all)| ExtraGarp { interval, all }),
    }
}

/// `group_tells` is what the sync group of an instance says of priorities.
pub(crate) fn notify(
    draft: NotifyDraft,
    group_tells: Option<bool>,
    global: &GlobalDraft,
) -> Notify {
    let mail = draft.mail.or(global.smtp_alert_vrrp).or(global.smtp_alert);
    let priority_changes = draft.priority_changes.or(group_tells);
    Notify {
        backup: draft.backup,
        master: draft.master,
        fault: draft.fault,
        stop: draft.stop,
        any: draft.any,
        deletion: draft.deletion,
        deleted: draft.deleted,
        master_hears_lower: draft.master_hears_lower,
        mail: mail.unwrap_or(false),
        priority_changes: priority_changes.unwrap_or(global.notify_priority_changes),
    }
}
