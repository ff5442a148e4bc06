//! What stands outside of instances: static entries, their groups, and single interfaces.

use std::time::Duration;

use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::statics::{Linkbeat, LinkbeatMethod, UpDownDelay};
use crate::config::tree::{Statement, Word};

use super::address::{AddressDraft, AddressKind, address};
use super::field::Field;
use super::root::{Draft, inside};
use super::route::{RouteDraft, route};
use super::rule::{RuleDraft, rule};
use super::track::Named;
use super::{Keyword, Table};

/// Everything that stands outside of instances.
#[derive(Default)]
pub(crate) struct StaticsDraft {
    pub(crate) addresses: Vec<AddressDraft>,
    pub(crate) routes: Vec<RouteDraft>,
    pub(crate) rules: Vec<RuleDraft>,
    pub(crate) track_groups: Vec<(Named, GroupDraft)>,
    pub(crate) garp_groups: Vec<(Span, GarpGroupDraft)>,
    pub(crate) linkbeats: Vec<Linkbeat>,
    /// Each with its line.
    pub(crate) delays: Vec<(UpDownDelay, Span)>,
}

/// A `group` block: names of instances.
#[derive(Default)]
pub(crate) struct GroupDraft {
    pub(crate) members: Option<Vec<Named>>,
}

/// What a `garp_group` says.
#[derive(Default)]
pub(crate) struct GarpGroupDraft {
    pub(crate) garp_interval: Option<Duration>,
    pub(crate) gna_interval: Option<Duration>,
    pub(crate) interfaces: Vec<Named>,
}

pub(crate) static TRACK_GROUP: Table<GroupDraft> = Table {
    name: "track_group",
    keywords: &[Keyword::<GroupDraft>::values(
        "group",
        "",
        "Block of instances that are in FAULT without the static entries of this group.",
        group,
    )],
};

type GarpRow = Keyword<GarpGroupDraft>;

#[rustfmt::skip]
pub(crate) static GARP_GROUP: Table<GarpGroupDraft> = Table {
    name: "garp_group",
    keywords: &[
        GarpRow::field("garp_interval", "SEC 0..4294.967295", "Pause between gratuitous ARPs.",
            Field::Seconds(|draft| &mut draft.garp_interval)),
        GarpRow::field("gna_interval", "SEC 0..4294.967295",
            "Pause between neighbour advertisements.",
            Field::Seconds(|draft| &mut draft.gna_interval)),
        GarpRow::line("interface", "IFNAME", "One interface.",
            |draft, statement, report| {
                if let Some(word) = statement.argument(1) {
                    garp_interface(draft, word, report);
                }
            }).judging_itself(),
        GarpRow::values("interfaces", "", "Block of interfaces that share the pauses.",
            garp_interfaces),
    ],
};

pub(crate) fn group(draft: &mut GroupDraft, statement: &Statement, report: &mut Report<'_>) {
    if draft.members.is_some() {
        let message = "a second `group`, it is ignored";
        return report.add(Problem::error(statement.head(), message));
    }
    let words = inside(statement).iter().flat_map(|line| &line.words);
    draft.members = Some(words.map(Named::new).collect());
}

fn garp_interface(draft: &mut GarpGroupDraft, word: &Word, report: &mut Report<'_>) {
    if report.interface(word).is_some() {
        draft.interfaces.push(Named::new(word));
    }
}

fn garp_interfaces(draft: &mut GarpGroupDraft, statement: &Statement, report: &mut Report<'_>) {
    if inside(statement).is_empty() {
        let message = "`interfaces` names none";
        report.add(Problem::error(statement.head(), message));
    }
    for word in inside(statement).iter().flat_map(|line| &line.words) {
        garp_interface(draft, word, report);
    }
}

pub(crate) fn track_group(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    let [name] = statement.arguments() else {
        let message = "`track_group` takes one name, its block is skipped";
        return report.add(Problem::error(statement.span(), message));
    };
    let groups = &mut draft.statics.track_groups;
    if let Some((first, _)) = groups.iter().find(|(other, _)| other.name == name.text) {
        let message = format!("a second `track_group {}`, it is skipped", name.text);
        report.add(Problem::error(name.span, message).note(first.span, "first defined here"));
        return;
    }
    let mut group = GroupDraft::default();
    TRACK_GROUP.read(&mut group, inside(statement), report);
    groups.push((Named::new(name), group));
}

pub(crate) fn garp_group(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    let mut group = GarpGroupDraft::default();
    GARP_GROUP.read(&mut group, inside(statement), report);
    draft.statics.garp_groups.push((statement.head(), group));
}

pub(crate) fn addresses(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    for line in inside(statement) {
        let address = address(line, AddressKind::Static, report);
        draft.statics.addresses.extend(address);
    }
}

pub(crate) fn routes(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    for line in inside(statement) {
        draft.statics.routes.extend(route(line, report));
    }
}

pub(crate) fn rules(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    for line in inside(statement) {
        draft.statics.rules.extend(rule(line, report));
    }
}

/// `IFNAME [MII|ETHTOOL|IOCTL]`.
pub(crate) fn linkbeats(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    for line in inside(statement) {
        let Some(interface) = line.words.first().and_then(|word| present(word, report)) else {
            continue;
        };
        let method = match line.argument(1) {
            None => None,
            Some(word) => match word.text.as_str() {
                "MII" => Some(LinkbeatMethod::Mii),
                "ETHTOOL" => Some(LinkbeatMethod::Ethtool),
                "IOCTL" => Some(LinkbeatMethod::Ioctl),
                _ => {
                    report.reject(word, "MII, ETHTOOL or IOCTL");
                    None
                }
            },
        };
        if let Some(word) = line.argument(2) {
            report.reject(word, "read, the line ends before it");
        }
        draft.statics.linkbeats.push(Linkbeat { interface, method });
    }
}

/// `IFNAME DOWN_DELAY [UP_DELAY]`.
pub(crate) fn delays(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    for line in inside(statement) {
        let Some(interface) = line.words.first().and_then(|word| present(word, report)) else {
            continue;
        };
        let Some(down) = line.argument(1) else {
            let message = "this interface has no delay, the line is ignored";
            report.add(Problem::warning(line.span(), message));
            continue;
        };
        let Some(down) = report.seconds(down, 0.0..=255.0) else {
            continue;
        };
        let up = match line.argument(2) {
            None => Some(Duration::ZERO),
            Some(word) => report.seconds(word, 0.0..=255.0),
        };
        if let Some(up) = up {
            let delay = UpDownDelay {
                interface,
                down,
                up,
            };
            draft.statics.delays.push((delay, line.span()));
        }
    }
}

/// An interface that must be there for its line to count, but not for the rest.
fn present(word: &Word, report: &mut Report<'_>) -> Option<String> {
    let name = report.interface_name(word)?;
    if report.host.interface_exists(&name) {
        return Some(name);
    }
    report.reject(word, "an interface that exists, the line is ignored");
    None
}
