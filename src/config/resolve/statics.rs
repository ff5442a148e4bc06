//! Static entries, their groups, and what is said of single interfaces.

use std::collections::HashMap;
use std::time::Duration;

use crate::addr::Family;
use crate::config::Instance;
use crate::config::diag::Problem;
use crate::config::keywords::address::AddressDraft;
use crate::config::keywords::route::RouteDraft;
use crate::config::keywords::rule::RuleDraft;
use crate::config::keywords::statics::{GarpGroupDraft, StaticsDraft};
use crate::config::keywords::track::Named;
use crate::config::report::Report;
use crate::config::route::Route;
use crate::config::rule::Rule;
use crate::config::source::Span;
use crate::config::statics::{GarpGroup, Links, StaticAddress, Statics, TrackGroup, UpDownDelay};
use crate::config::value::print_seconds;

/// Rules without a preference take these, from above, each family its own.
const LAST_PREFERENCE: u32 = 16_384;

/// Which preferences are given out already.
pub(crate) struct Preferences {
    v4: u32,
    v6: u32,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            v4: LAST_PREFERENCE,
            v6: LAST_PREFERENCE,
        }
    }
}

impl Preferences {
    pub(crate) fn settle(&mut self, drafts: Vec<RuleDraft>, report: &mut Report<'_>) -> Vec<Rule> {
        let mut rules = Vec::new();
        for draft in drafts {
            let mut rule = draft.rule;
            if !draft.has_preference {
                let next = match rule.family {
                    Family::V4 => &mut self.v4,
                    Family::V6 => &mut self.v6,
                };
                rule.preference = *next;
                *next = next.saturating_sub(1);
                let message = format!("a rule without a preference, {} is used", rule.preference);
                report
                    .add(Problem::error(draft.span, message).help("add `preference` and a number"));
            }
            rules.push(rule);
        }
        rules
    }
}

/// The groups by name, and where they are defined.
type Groups = HashMap<String, Span>;

pub(crate) fn statics(
    draft: StaticsDraft,
    default_interface: Option<&str>,
    instances: &[&str],
    preferences: &mut Preferences,
    report: &mut Report<'_>,
) -> (Statics, Links) {
    let garp_groups = garp_groups(draft.garp_groups, report);
    let mut groups = Groups::new();
    let mut track_groups = Vec::new();
    for (name, group) in draft.track_groups {
        let members = group.members.unwrap_or_default();
        let members = members_of(members, instances, report);
        if members.is_empty() {
            let message = format!("`track_group {}` has no member, ignored", name.name);
            report.add(Problem::error(name.span, message));
            continue;
        }
        groups.insert(name.name.clone(), name.span);
        track_groups.push(TrackGroup {
            name: name.name,
            members,
        });
    }
    let addresses = draft.addresses.into_iter();
    let addresses = addresses
        .map(|address| static_address(address, default_interface, &groups, report))
        .collect();
    let routes = static_routes(draft.routes, &groups, report);
    let rules = static_rules(draft.rules, &groups, preferences, report);
    let statics = Statics {
        addresses,
        routes,
        rules,
        track_groups,
    };
    let links = Links {
        garp_groups,
        linkbeats: draft.linkbeats,
        delays: Vec::new(),
    };
    (statics, links)
}

/// A link may be down for so long that its backups still wait, and no longer: beyond that two would
/// be master, one of them without knowing that nobody hears it.
pub(crate) fn delays(
    lines: Vec<(UpDownDelay, Span)>,
    instances: &[(Instance, Span)],
    report: &mut Report<'_>,
) -> Vec<UpDownDelay> {
    let mut delays = Vec::new();
    for (mut delay, span) in lines {
        let uses = |instance: &Instance| {
            let mut watched = instance.track.interfaces.iter();
            instance.interface == delay.interface
                || watched.any(|watched| watched.name == delay.interface)
        };
        let users = instances.iter().filter(|(instance, _)| uses(instance));
        let longest = users
            .map(|(instance, _)| {
                let interval = instance.advert_interval;
                let adverts = interval * (instance.down_timer_adverts - 1);
                let longest = adverts.saturating_sub(interval / 256);
                // A duration of this file has six decimals.
                Duration::from_micros(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX))
            })
            .min();
        if let Some(longest) = longest.filter(|longest| *longest < delay.down) {
            let seconds = print_seconds(longest);
            let message = format!("the backups do not wait so long, {seconds} s is used");
            let help = "less than down_timer_adverts - 1 intervals";
            report.add(Problem::warning(span, message).help(help));
            delay.down = longest;
        }
        delays.push(delay);
    }
    delays
}

fn members_of(named: Vec<Named>, instances: &[&str], report: &mut Report<'_>) -> Vec<String> {
    let mut members = Vec::new();
    for Named { name, span } in named {
        if !instances.contains(&name.as_str()) {
            let message = format!("there is no `vrrp_instance {name}`, ignored");
            report.add(Problem::warning(span, message));
        } else if !members.contains(&name) {
            members.push(name);
        }
    }
    members
}

fn static_address(
    draft: AddressDraft,
    default_interface: Option<&str>,
    groups: &Groups,
    report: &mut Report<'_>,
) -> StaticAddress {
    const DEFAULT: &str = "eth0";
    let mut address = draft.address;
    if address.device.is_none() {
        let device = default_interface.unwrap_or(DEFAULT).to_owned();
        if !report.host.interface_exists(&device) {
            let message = format!("no `dev`, and there is no default interface `{device}`");
            report.missing(&device, Problem::error(draft.span, message));
        }
        address.device = Some(device);
    }
    let track_group = draft
        .track_group
        .and_then(|(group, span)| checked_group(Some(group), address.track, span, groups, report));
    StaticAddress {
        address,
        track_group,
    }
}

fn static_routes(drafts: Vec<RouteDraft>, groups: &Groups, report: &mut Report<'_>) -> Vec<Route> {
    let mut routes = Vec::new();
    for RouteDraft { mut route, span } in drafts {
        let group = route.track_group.take();
        if group.is_some() && route.device.is_none() {
            let message = "`track_group` needs a `dev`, the route is not tracked";
            report.add(Problem::error(span, message));
        } else {
            route.track_group = checked_group(group, route.track, span, groups, report);
        }
        routes.push(route);
    }
    routes
}

fn static_rules(
    mut drafts: Vec<RuleDraft>,
    groups: &Groups,
    preferences: &mut Preferences,
    report: &mut Report<'_>,
) -> Vec<Rule> {
    for RuleDraft { rule, span, .. } in &mut drafts {
        let group = rule.track_group.take();
        if group.is_some() && rule.from_interface.is_none() {
            let message = "`track_group` needs an `iif`, the rule is not tracked";
            report.add(Problem::error(*span, message));
        } else {
            rule.track_group = checked_group(group, rule.track, *span, groups, report);
        }
    }
    preferences.settle(drafts, report)
}

/// The group of an entry, if it is defined before the entry and the entry may be tracked.
fn checked_group(
    group: Option<String>,
    track: bool,
    span: Span,
    groups: &Groups,
    report: &mut Report<'_>,
) -> Option<String> {
    let group = group?;
    if !track {
        let message = "both `track_group` and `no_track`, it is not tracked";
        report.add(Problem::warning(span, message));
        return None;
    }
    match groups.get(&group) {
        Some(defined) if defined.start < span.start => Some(group),
        Some(defined) => {
            let message = format!("`track_group {group}` is defined only after this, not tracked");
            report.add(Problem::error(span, message).note(*defined, "defined here"));
            None
        }
        None => {
            let message = format!("there is no `track_group {group}`, it is not tracked");
            report.add(Problem::error(span, message));
            None
        }
    }
}

/// Each interface is in one group, and each group has something to say.
fn garp_groups(drafts: Vec<(Span, GarpGroupDraft)>, report: &mut Report<'_>) -> Vec<GarpGroup> {
    let mut taken: HashMap<String, Span> = HashMap::new();
    let mut groups = Vec::new();
    for (span, draft) in drafts {
        if draft.garp_interval.is_none() && draft.gna_interval.is_none() {
            let message = "a `garp_group` without an interval, ignored";
            report.add(Problem::error(span, message));
            continue;
        }
        let mut interfaces = Vec::new();
        for Named { name, span } in draft.interfaces {
            if let Some(first) = taken.get(&name) {
                let message = format!("{name} is in a `garp_group` already, ignored");
                report.add(Problem::error(span, message).note(*first, "here"));
                continue;
            }
            taken.insert(name.clone(), span);
            interfaces.push(name);
        }
        groups.push(GarpGroup {
            garp_interval: draft.garp_interval,
            gna_interval: draft.gna_interval,
            interfaces,
        });
    }
    groups
}
