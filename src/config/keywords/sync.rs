//! `vrrp_sync_group`.

use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::tree::Statement;

use super::field::Field;
use super::notify::NotifyDraft;
use super::root::{Draft, inside};
use super::statics::{GroupDraft, group};
use super::track::{BFDS, Named, TrackKind, TracksDraft};
use super::{Keyword, Table};

/// What a group says.
#[derive(Default)]
pub(crate) struct SyncDraft {
    pub(crate) group: GroupDraft,
    pub(crate) track: TracksDraft,
    pub(crate) notify: NotifyDraft,
    pub(crate) tracking_weight: bool,
}

type Row = Keyword<SyncDraft>;

#[rustfmt::skip]
pub(crate) static SYNC_GROUP: Table<SyncDraft> = Table {
    name: "vrrp_sync_group",
    keywords: &[
        Row::values("group", "", "Block of the instances that change state together. Needed.",
            |draft, statement, report| group(&mut draft.group, statement, report)),
        Row::values("track_interface", "", "As of an instance, for every member.",
            |draft, statement, report| {
                TrackKind::Interface.read(&mut draft.track.interfaces, statement, report);
            }),
        Row::values("track_script", "", "As of an instance, for every member.",
            |draft, statement, report| {
                TrackKind::Script.read(&mut draft.track.scripts, statement, report);
            }),
        Row::values("track_file", "", "As of an instance, for every member.",
            |draft, statement, report| {
                TrackKind::File.read(&mut draft.track.files, statement, report);
            }),
        Row::values("track_process", "", "As of an instance, for every member.",
            |draft, statement, report| {
                TrackKind::Process.read(&mut draft.track.processes, statement, report);
            }),
        Row::values("track_bfd", "", "As of an instance, for every member.",
            |draft, statement, report| {
                TrackKind::Bfd.read(&mut draft.track.bfds, statement, report);
            }).stored(BFDS),
        Row::command("notify_backup", "Run when the group becomes BACKUP.",
            |draft| &mut draft.notify.backup),
        Row::command("notify_master", "Run when the group becomes MASTER.",
            |draft| &mut draft.notify.master),
        Row::command("notify_fault", "Run when the group enters FAULT.",
            |draft| &mut draft.notify.fault),
        Row::command("notify_stop", "Run when the daemon stops.",
            |draft| &mut draft.notify.stop),
        Row::command("notify", "Run on each of these, with GROUP, name, state and priority.",
            |draft| &mut draft.notify.any),
        Row::field("smtp_alert", "[BOOL]", "Mail on each of these.",
            Field::MaybeTruth(|draft| &mut draft.notify.mail)),
        Row::line("global_tracking", "", "Old name of sync_group_tracking_weight.",
            |draft, statement, report| {
                let problem = Problem::warning(statement.head(), "`global_tracking` is old");
                report.add(problem.help("write `sync_group_tracking_weight`"));
                draft.tracking_weight = true;
            }),
        Row::flag("sync_group_tracking_weight", "Members may have weights of their own.",
            |draft| &mut draft.tracking_weight),
        Row::field("notify_priority_changes", "[BOOL]", "Default of the members.",
            Field::MaybeTruth(|draft| &mut draft.notify.priority_changes)),
    ],
};

pub(crate) fn vrrp_sync_group(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    let [name] = statement.arguments() else {
        let message = "`vrrp_sync_group` takes one name, its block is skipped";
        return report.add(Problem::error(statement.span(), message));
    };
    let groups = &mut draft.sync_groups;
    if let Some((first, _)) = groups.iter().find(|(other, _)| other.name == name.text) {
        let message = format!("a second `vrrp_sync_group {}`, it is skipped", name.text);
        report.add(Problem::error(name.span, message).note(first.span, "first defined here"));
        return;
    }
    let mut group = SyncDraft::default();
    SYNC_GROUP.read(&mut group, inside(statement), report);
    groups.push((Named::new(name), group));
}
