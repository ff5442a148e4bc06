//! `unicast_peer` and what goes with it.

use crate::config::diag::Problem;
use crate::config::keywords::line::Words;
use crate::config::keywords::root::inside;
use crate::config::report::Report;
use crate::config::tree::Statement;
use crate::config::vrrp::{OldChecksum, Peer};

use super::InstanceDraft;

/// Lines of `IP [min_ttl N] [max_ttl N]`.
pub(super) fn peers(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    draft.is_unicast(statement);
    for line in inside(statement) {
        peer(draft, line, report);
    }
}

fn peer(draft: &mut InstanceDraft, line: &Statement, report: &mut Report<'_>) {
    let mut words = Words::new(line);
    let Some(first) = words.next() else {
        return;
    };
    let Some(address) = report.address(first) else {
        return;
    };
    if !draft.is_of_family(address, first.span, report) {
        return;
    }
    let same = |(other, _): &&(Peer, _)| other.address == address;
    if let Some((_, span)) = draft.peers.iter().find(same) {
        let message = format!("the peer {address} is given twice, the second is ignored");
        report.add(Problem::error(first.span, message).note(*span, "first given here"));
        return;
    }
    let mut peer = Peer {
        address,
        min_ttl: None,
        max_ttl: None,
    };
    while let Some(option) = words.next() {
        let into = match option.text.as_str() {
            "min_ttl" => &mut peer.min_ttl,
            "max_ttl" => &mut peer.max_ttl,
            _ => {
                report.unknown_word(option, &["min_ttl", "max_ttl"], "it is ignored");
                continue;
            }
        };
        match words.next() {
            Some(value) => *into = report.within(value, 0, 255).or(*into),
            None => {
                let message = format!("`{}` lacks its number", option.text);
                report.add(Problem::error(option.span, message));
            }
        }
        draft.check_source = true;
    }
    if let (Some(least), Some(most)) = (peer.min_ttl, peer.max_ttl)
        && least > most
    {
        let message = "min_ttl is larger than max_ttl, no advert of this peer counts";
        report.add(Problem::error(line.span(), message));
    }
    draft.peers.push((peer, first.span));
}

/// `old_unicast_checksum [never]`.
pub(super) fn old_checksum(
    draft: &mut InstanceDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    draft.is_unicast(statement);
    draft.old_checksum = match statement.argument(1) {
        None => OldChecksum::Always,
        Some(word) if word.text == "never" => OldChecksum::Never,
        Some(word) => return report.reject(word, "never"),
    };
}
