//! `vrrp_sync_group`: its members, and what membership does to them.

use std::collections::HashMap;

use crate::config::diag::Problem;
use crate::config::keywords::global::GlobalDraft;
use crate::config::keywords::sync::SyncDraft;
use crate::config::keywords::track::Named;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::suggest::nearest;
use crate::config::track::{Tracked, Weight};
use crate::config::{Instance, SyncGroup};

use super::track::{Known, without_weights};
use super::vrrp::notify;

pub(crate) fn groups(
    drafts: Vec<(Named, SyncDraft)>,
    instances: &mut [(Instance, Span)],
    known: &Known,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> Vec<SyncGroup> {
    let mut taken: HashMap<String, Span> = HashMap::new();
    let mut groups = Vec::new();
    for (name, draft) in drafts {
        let members = members(
            draft.group.members.unwrap_or_default(),
            instances,
            &mut taken,
            report,
        );
        if members.is_empty() {
            let message = format!("`vrrp_sync_group {}` has no member, ignored", name.name);
            report.add(Problem::error(name.span, message));
            continue;
        }
        if members.len() == 1 {
            let message = format!("`vrrp_sync_group {}` has one member only", name.name);
            report.add(Problem::error(name.span, message));
        }
        let mut group = SyncGroup {
            track: known.tracks(draft.track, None, report),
            notify: notify(draft.notify, None, global),
            tracking_weight: draft.tracking_weight,
            members,
            name: name.name,
        };
        settle(&mut group, name.span, instances, report);
        groups.push(group);
    }
    groups
}

fn members(
    named: Vec<Named>,
    instances: &[(Instance, Span)],
    taken: &mut HashMap<String, Span>,
    report: &mut Report<'_>,
) -> Vec<String> {
    let mut members = Vec::new();
    for Named { name, span } in named {
        let names = || instances.iter().map(|(instance, _)| instance.name.as_str());
        if !names().any(|known| known == name) {
            let message = format!("there is no `vrrp_instance {name}`, ignored");
            let help = nearest(&name, names()).map(|meant| format!("did you mean `{meant}`?"));
            report.add(Problem::error(span, message).maybe_help(help));
        } else if let Some(first) = taken.get(&name) {
            let message = format!("`{name}` is in a group already, ignored");
            report.add(Problem::error(span, message).note(*first, "here"));
        } else {
            taken.insert(name.clone(), span);
            members.push(name);
        }
    }
    members
}

/// Members move together, so that a weight of one of them cannot count, and owners move nobody.
fn settle(
    group: &mut SyncGroup,
    span: Span,
    instances: &mut [(Instance, Span)],
    report: &mut Report<'_>,
) {
    let ours = |instance: &Instance| group.members.contains(&instance.name);
    let members: Vec<&Instance> = instances
        .iter()
        .map(|(instance, _)| instance)
        .filter(|instance| ours(instance))
        .collect();
    let owners = members.iter().filter(|member| member.is_owner()).count();
    if owners > 0 && owners < members.len() {
        let message = format!(
            "`vrrp_sync_group {}`: priority 255 of some members only",
            group.name
        );
        report.add(Problem::error(span, message).help("all of them start as BACKUP"));
    }
    for (member, at) in instances.iter_mut().filter(|(instance, _)| ours(instance)) {
        if !group.tracking_weight {
            let why = format!("in `vrrp_sync_group {}`", group.name);
            without_weights(&mut member.track, true, &why, *at, report);
        }
        both(group, member, *at, report);
    }
    if owners > 0 {
        let track = &mut group.track;
        let lists = [
            &mut track.interfaces,
            &mut track.scripts,
            &mut track.files,
            &mut track.processes,
            &mut track.bfds,
        ];
        for tracked in lists.into_iter().flatten() {
            if tracked.weight.value != 0 {
                let message = format!("the weight of `{}` does not move an owner", tracked.name);
                report.add(Problem::error(span, message));
                tracked.weight = Weight::default();
            }
        }
    }
}

/// What a member watches and its group as well: the group's weight counts.
fn both(group: &SyncGroup, member: &Instance, span: Span, report: &mut Report<'_>) {
    let twice = |of_group: &[Tracked], own: &[Tracked]| {
        let own = own.iter().filter(|one| one.weight.value != 0);
        own.filter(|one| of_group.iter().any(|other| other.name == one.name))
            .map(|one| one.name.clone())
            .collect::<Vec<_>>()
    };
    let (theirs, ours) = (&group.track, &member.track);
    let own = theirs.interfaces.iter();
    let own = own.filter(|one| one.name == member.interface && member.track_primary);
    for Tracked { name, .. } in own {
        let message = format!(
            "`{name}` is the interface of `{}`, which tracks it",
            member.name
        );
        let help = "take it out of `track_interface` of the group";
        report.add(Problem::error(span, message).help(help));
    }
    for name in twice(&theirs.interfaces, &ours.interfaces) {
        let message = format!("`{name}` is tracked by the group as well, whose weight counts");
        report.add(Problem::error(span, message));
    }
    for name in [
        twice(&theirs.scripts, &ours.scripts),
        twice(&theirs.files, &ours.files),
        twice(&theirs.processes, &ours.processes),
        twice(&theirs.bfds, &ours.bfds),
    ]
    .concat()
    {
        let message = format!("`{name}` is tracked by the group as well, whose weight counts");
        report.add(Problem::warning(span, message));
    }
}
