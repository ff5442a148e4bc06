//! `bfd_instance`.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::track::Weight;
use crate::config::tree::Statement;
use crate::config::value;

use super::field::Field;
use super::track::weight;
use super::{Keyword, Table};

/// What a `bfd_instance` says.
#[derive(Default)]
pub(crate) struct BfdDraft {
    pub(crate) source: Option<(IpAddr, Span)>,
    pub(crate) neighbour: Option<IpAddr>,
    /// It was given and is none: the instance is dropped without another word.
    pub(crate) bad_neighbour: bool,
    pub(crate) min_rx: Option<Duration>,
    pub(crate) min_tx: Option<Duration>,
    pub(crate) idle_tx: Option<Duration>,
    pub(crate) multiplier: Option<u32>,
    pub(crate) passive: bool,
    pub(crate) ttl: Option<u32>,
    pub(crate) max_hops: Option<(i16, Span)>,
    pub(crate) multihop: bool,
    pub(crate) weight: Weight,
    pub(crate) vrrp: bool,
    pub(crate) checker: bool,
}

type Row = Keyword<BfdDraft>;

const BFD: &str = "there is no BFD yet";

#[rustfmt::skip]
pub(crate) static INSTANCE: Table<BfdDraft> = Table {
    name: "bfd_instance",
    keywords: &[
        Row::line("source_ip", "IP", "Our address; any unless given.", source_ip).stored(BFD),
        Row::line("neighbor_ip", "IP", "The neighbour. Needed.", neighbour).stored(BFD),
        Row::line("neighbour_ip", "IP", "The same.", neighbour).stored(BFD),
        Row::line("min_rx", "MS 1..4294967",
            "Milliseconds between packets we can take, 10 unless given.",
            |draft, statement, report| millis(&mut draft.min_rx, 1, statement, report))
            .stored(BFD),
        Row::line("min_tx", "MS 1..4294967", "Milliseconds between ours, 10 unless given.",
            |draft, statement, report| millis(&mut draft.min_tx, 1, statement, report))
            .stored(BFD),
        Row::line("idle_tx", "MS 1000..4294967", "The same while it is not up, 1000 unless given.",
            |draft, statement, report| millis(&mut draft.idle_tx, 1000, statement, report))
            .stored(BFD),
        Row::field("multiplier", "INT 1..255", "So many missed are too many, 5 unless given.",
            Field::Exact(|draft| &mut draft.multiplier)).stored(BFD),
        Row::flag("passive", "The neighbour begins.", |draft| &mut draft.passive).stored(BFD),
        Row::field("ttl", "INT 1..255", "TTL of our packets, 255 unless given, 64 of IPv6.",
            Field::Exact(|draft| &mut draft.ttl)).stored(BFD),
        Row::field("hoplimit", "INT 1..255", "The same.",
            Field::Exact(|draft| &mut draft.ttl)).stored(BFD),
        Row::line("max_hops", "INT -1..255", "How much less the TTL may be that arrives.",
            max_hops).stored(BFD),
        Row::truth("multihop", "The port of RFC 5883.", |draft| &mut draft.multihop).stored(BFD),
        Row::line("weight", "INT -253..253 [reverse]", "Of track_bfd lines without one.",
            |draft, statement, report| {
                let read = weight(statement.arguments(), 253, report);
                draft.weight = read.unwrap_or(draft.weight);
            }).judging_itself().stored(BFD),
        Row::flag("vrrp", "Only instances of VRRP hear of it.", |draft| &mut draft.vrrp)
            .stored(BFD),
        Row::flag("checker", "Only checks hear of it.", |draft| &mut draft.checker).stored(BFD),
    ],
};

fn source_ip(draft: &mut BfdDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    if let Some(address) = report.address(word) {
        draft.source = Some((address, word.span));
    }
}

fn neighbour(draft: &mut BfdDraft, statement: &Statement, report: &mut Report<'_>) {
    let word = statement.argument(1);
    draft.neighbour = word.and_then(|word| report.address(word));
    draft.bad_neighbour = draft.neighbour.is_none();
}

/// Milliseconds with three decimals.
fn millis(into: &mut Option<Duration>, least: u64, statement: &Statement, report: &mut Report<'_>) {
    const MOST: u64 = 4_294_967;
    const SLOW: Duration = Duration::from_secs(10);
    let Some(word) = statement.argument(1) else {
        return;
    };
    let thousandfold = value::seconds(&word.text).map(|read| read.duration / 1000);
    let range = Duration::from_millis(least)..=Duration::from_millis(MOST);
    match thousandfold.filter(|read| range.contains(read)) {
        Some(read) => {
            if read > SLOW {
                let message = "more than 10 seconds is much for BFD";
                report.add(Problem::warning(word.span, message));
            }
            *into = Some(read);
        }
        None => report.reject(word, &format!("from {least} to {MOST} milliseconds")),
    }
}

fn max_hops(draft: &mut BfdDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    if let Some(hops) = report.within(word, -1, 255) {
        draft.max_hops = Some((hops, word.span));
    }
}
