//! `virtual_server_group`: what cannot be served together.

use std::collections::HashMap;

use crate::addr::Family;
use crate::config::check::{GroupEntry, VirtualServerGroup};
use crate::config::diag::Problem;
use crate::config::keywords::group::GroupDraft;
use crate::config::report::Report;
use crate::config::source::Span;

pub(crate) fn groups(drafts: Vec<GroupDraft>, report: &mut Report<'_>) -> Vec<VirtualServerGroup> {
    let mut taken: HashMap<String, Span> = HashMap::new();
    let mut groups = Vec::new();
    for draft in drafts {
        if draft.entries.is_empty() {
            let message = "a group of nothing, it is skipped";
            report.add(Problem::error(draft.span, message));
            continue;
        }
        if is_ambiguous(&draft.entries) {
            let message = "marks of no family among addresses of both, the group is skipped";
            let help = "write `fwmark N inet` or `fwmark N inet6`";
            report.add(Problem::error(draft.span, message).help(help));
            continue;
        }
        if let Some(first) = taken.get(&draft.name) {
            let message = format!("a second group `{}`, nobody uses it", draft.name);
            report.add(Problem::warning(draft.span, message).note(*first, "first defined here"));
            continue;
        }
        taken.insert(draft.name.clone(), draft.span);
        groups.push(VirtualServerGroup {
            name: draft.name,
            entries: draft.entries,
        });
    }
    groups
}

fn is_ambiguous(entries: &[GroupEntry]) -> bool {
    let has = |family| entries.iter().any(|entry| entry.family() == family);
    has(None) && has(Some(Family::V4)) && has(Some(Family::V6))
}
