//! `vrrp_instance`: defaults, and what keepalived puts right.

use std::collections::HashMap;
use std::time::Duration;

use crate::addr::Cidr;
use crate::config::diag::Problem;
use crate::config::keywords::address::AddressDraft;
use crate::config::keywords::garp::GarpDraft;
use crate::config::keywords::global::GlobalDraft;
use crate::config::keywords::vrrp::{AuthenticationDraft, AuthenticationKind, InstanceDraft};
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::{
    Authentication, GratuitousArp, InitialState, Instance, InstanceKey, VirtualAddress,
};

/// The count field of an advert has eight bits (RFC 3768 5.3.5).
const ADDRESSES_MAX: usize = 255;

const DOWN_TIMER_ADVERTS: u32 = 3;
const ADVERT_INTERVAL: Duration = Duration::from_secs(1);
const OWNER: u8 = 255;

pub(crate) fn instances(
    drafts: Vec<InstanceDraft>,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> Vec<Instance> {
    let mut taken: HashMap<InstanceKey, Span> = HashMap::new();
    let mut instances = Vec::new();
    for draft in drafts {
        let vrid = draft.vrid.map_or(draft.span, |(_, span)| span);
        let Some(instance) = instance(draft, global, report) else {
            continue;
        };
        match taken.get(&instance.key()) {
            Some(first) => {
                let (id, interface) = (instance.vrid, &instance.interface);
                let message = format!("virtual_router_id {id} is taken on {interface}");
                report.fatal(Problem::error(vrid, message).note(*first, "first taken here"));
            }
            None => {
                taken.insert(instance.key(), vrid);
            }
        }
        instances.push(instance);
    }
    instances
}

/// None when the instance cannot run, which is reported then.
fn instance(
    mut draft: InstanceDraft,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> Option<Instance> {
    let name = draft.name.clone();
    let lacks = |what: &str| {
        let message = format!("`vrrp_instance {name}` has no usable `{what}`");
        Problem::error(draft.span, message)
    };
    if draft.vrid.is_none() {
        report.fatal(lacks("virtual_router_id"));
    }
    if draft.interface.is_none() {
        report.fatal(lacks("interface"));
    }
    let (vrid, _) = draft.vrid?;
    let interface = draft.interface.take()?;
    if !speaks_version_2_here(&draft, global, report) {
        return None;
    }
    let (state, priority) = state_and_priority(&draft);
    let (preempt, preempt_delay) = preemption(&draft, state, priority, report);
    Some(Instance {
        interface,
        vrid,
        state,
        priority,
        advert_interval: advert_interval(&draft, report),
        authentication: authentication(&draft.authentication, report),
        addresses: addresses(&mut draft, report),
        source: draft.source,
        preempt,
        preempt_delay,
        track_primary: draft.track_primary,
        down_timer_adverts: draft
            .down_timer_adverts
            .or(global.down_timer_adverts)
            .unwrap_or(DOWN_TIMER_ADVERTS),
        lower_prio_no_advert: draft
            .lower_prio_no_advert
            .unwrap_or(global.lower_prio_no_advert),
        higher_prio_send_advert: draft
            .higher_prio_send_advert
            .unwrap_or(global.higher_prio_send_advert),
        garp: gratuitous_arp(&draft.garp, &global.garp),
        guards_service: false,
        name: draft.name,
    })
}

/// An instance that would not hear its peers must not run: there would be two masters.
fn speaks_version_2_here(
    draft: &InstanceDraft,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> bool {
    let family = draft.addresses.first().map(|first| first.address.cidr);
    let version = draft.version.or(global.version);
    let (what, span) = if family.is_some_and(|cidr| cidr.address().is_ipv6()) {
        ("an instance of IPv6", draft.span)
    } else if version == Some(3) {
        ("VRRP version 3", draft.span)
    } else if let Some((AuthenticationKind::Ah, span)) = draft.authentication.kind {
        ("`auth_type AH`", span)
    } else {
        // These have been reported where they stand.
        return draft.foreign_protocol.is_none() && global.mcast_group4.is_none();
    };
    let message = format!(
        "{what} is not supported yet, `vrrp_instance {}` does not run",
        draft.name
    );
    report.add(Problem::warning(span, message));
    false
}

fn state_and_priority(draft: &InstanceDraft) -> (InitialState, u8) {
    let state = draft.state.map(|(state, _)| state);
    let priority = draft.priority.unwrap_or(match state {
        Some(InitialState::Master) => OWNER,
        Some(InitialState::Backup) | None => 100,
    });
    let state = state.unwrap_or(if priority == OWNER {
        InitialState::Master
    } else {
        InitialState::Backup
    });
    (state, priority)
}

fn preemption(
    draft: &InstanceDraft,
    state: InitialState,
    priority: u8,
    report: &mut Report<'_>,
) -> (bool, Duration) {
    let mut nopreempt = draft.nopreempt;
    let master = (state == InitialState::Master).then_some("`state MASTER`");
    let owner = (priority == OWNER).then_some("priority 255");
    if let (Some(span), Some(other)) = (nopreempt, owner.or(master)) {
        let message = format!("`nopreempt` does not go with {other}, it is ignored");
        let help = "give both routers `state BACKUP` and let the priority decide";
        report.add(Problem::error(span, message).help(help));
        nopreempt = None;
    }
    let mut delay = Duration::ZERO;
    if let Some((wanted, span)) = draft.preempt_delay {
        let other = nopreempt.map(|_| "`nopreempt`").or(master);
        match other.filter(|_| !wanted.is_zero()) {
            Some(other) => {
                let message = format!("`preempt_delay` does not go with {other}, it is ignored");
                report.add(Problem::error(span, message));
            }
            None => delay = wanted,
        }
    }
    (nopreempt.is_none(), delay)
}

/// Version 2 has a field of whole seconds (RFC 3768 5.3.7).
fn advert_interval(draft: &InstanceDraft, report: &mut Report<'_>) -> Duration {
    let Some((wanted, span)) = draft.advert_interval else {
        return ADVERT_INTERVAL;
    };
    let half = Duration::from_millis(500);
    let seconds = wanted.saturating_add(half).as_secs().clamp(1, 255);
    let interval = Duration::from_secs(seconds);
    if interval != wanted {
        let message = format!("version 2 counts whole seconds, {seconds} is used");
        report.add(Problem::error(span, message));
    }
    interval
}

fn authentication(draft: &AuthenticationDraft, report: &mut Report<'_>) -> Authentication {
    match (draft.kind, draft.password) {
        (Some((AuthenticationKind::Pass, _)), Some(password)) => Authentication::Pass(password),
        (Some((_, span)), None) => {
            let message = "`auth_type` without `auth_pass`, there is no authentication";
            report.add(Problem::error(span, message));
            Authentication::None
        }
        (Some((AuthenticationKind::Ah, _)) | None, _) => Authentication::None,
    }
}

fn addresses(draft: &mut InstanceDraft, report: &mut Report<'_>) -> Vec<VirtualAddress> {
    let mut kept: Vec<VirtualAddress> = Vec::new();
    let mut seen: HashMap<Cidr, Span> = HashMap::new();
    for AddressDraft { address, span } in draft.addresses.drain(..) {
        let ip = address.cidr.address();
        if ip.is_ipv6() {
            let message = format!("{ip} is not of the family of the instance, ignored");
            report.add(Problem::error(span, message));
        } else if let Some(first) = seen.get(&Cidr::host(ip)) {
            let message = format!("{ip} is given twice, the second is ignored");
            report.add(Problem::error(span, message).note(*first, "first given here"));
        } else if kept.len() == ADDRESSES_MAX {
            let message = format!("more than {ADDRESSES_MAX} addresses, {ip} is ignored");
            report.add(Problem::error(span, message));
        } else {
            seen.insert(Cidr::host(ip), span);
            kept.push(address);
        }
    }
    if kept.is_empty() && !draft.no_addresses_wanted {
        let message = format!("`vrrp_instance {}` has no address", draft.name);
        report.add(Problem::error(draft.span, message));
    }
    kept
}

fn gratuitous_arp(own: &GarpDraft, global: &GarpDraft) -> GratuitousArp {
    let default = GratuitousArp::default();
    let everyones = GratuitousArp {
        repeat: global.repeat.unwrap_or(default.repeat),
        delay: global.delay.unwrap_or(default.delay),
        refresh: global.refresh.unwrap_or(default.refresh),
        refresh_repeat: global.refresh_repeat.unwrap_or(default.refresh_repeat),
        // After an advert of lower priority: as after becoming master, of all instances.
        lower_prio_repeat: global
            .lower_prio_repeat
            .or(global.repeat)
            .unwrap_or(default.lower_prio_repeat),
        lower_prio_delay: global
            .lower_prio_delay
            .or(global.delay)
            .unwrap_or(default.lower_prio_delay),
    };
    GratuitousArp {
        repeat: own.repeat.unwrap_or(everyones.repeat),
        delay: own.delay.unwrap_or(everyones.delay),
        refresh: own.refresh.unwrap_or(everyones.refresh),
        refresh_repeat: own.refresh_repeat.unwrap_or(everyones.refresh_repeat),
        lower_prio_repeat: own.lower_prio_repeat.unwrap_or(everyones.lower_prio_repeat),
        lower_prio_delay: own.lower_prio_delay.unwrap_or(everyones.lower_prio_delay),
    }
}
