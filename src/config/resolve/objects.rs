//! What instances may watch: scripts, processes, files, BFD sessions.

use std::net::IpAddr;
use std::time::Duration;

use crate::addr::Family;
use crate::config::bfd::{Bfd, BfdTells};
use crate::config::diag::Problem;
use crate::config::keywords::bfd::BfdDraft;
use crate::config::keywords::track::{FileDraft, Named, ProcessDraft, ScriptDraft};
use crate::config::report::Report;
use crate::config::script::{Script, ScriptUser};
use crate::config::track::{ParameterMatch, TrackFile, TrackProcess, Trial, VrrpScript, Weight};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn script(
    name: &Named,
    draft: ScriptDraft,
    report: &mut Report<'_>,
) -> Option<VrrpScript> {
    let trial = match (draft.reach, draft.script) {
        (Some(reach), None) => Trial::Reach(reach),
        (Some(reach), Some(_)) => {
            let message = format!(
                "`vrrp_script {}` needs no `script` beside `{reach}`",
                name.name
            );
            report.add(Problem::error(name.span, message).help("the script is ignored"));
            Trial::Reach(reach)
        }
        (None, script) => Trial::Run(program(name, script, draft.user, report)?),
    };
    let interval = draft.interval.unwrap_or(SECOND);
    Some(VrrpScript {
        name: name.name.clone(),
        trial,
        interval,
        timeout: draft.timeout.unwrap_or(interval),
        weight: draft.weight,
        rise: draft.rise.unwrap_or(1),
        fall: draft.fall.unwrap_or(1),
        starts_down: draft.starts_down,
    })
}

/// The program of a `vrrp_script` with its user.
fn program(
    name: &Named,
    script: Option<Script>,
    user: Option<ScriptUser>,
    report: &mut Report<'_>,
) -> Option<Script> {
    let Some(mut script) = script else {
        let message = format!(
            "`vrrp_script {}` has no usable `script`, ignored",
            name.name
        );
        report.add(Problem::error(name.span, message));
        return None;
    };
    script.user = user;
    if let Some(unknown) = script.user.as_ref().and_then(|user| user.unknown(report)) {
        let message = format!(
            "there is no {unknown}, `vrrp_script {}` is ignored",
            name.name
        );
        report.add(Problem::error(name.span, message));
        return None;
    }
    Some(script)
}

pub(crate) fn process(
    name: &Named,
    draft: ProcessDraft,
    report: &mut Report<'_>,
) -> Option<TrackProcess> {
    /// What the kernel keeps of a name.
    const NAME_MAX: usize = 15;
    let Some(program) = draft.process.first() else {
        let message = format!(
            "`vrrp_track_process {}` has no `process`, ignored",
            name.name
        );
        report.add(Problem::error(name.span, message));
        return None;
    };
    if program.len() > NAME_MAX && !draft.full_command {
        let message = format!("`{program}` is longer than the name of a process can be");
        let help = "add `full_command` to compare the command line";
        report.add(Problem::warning(name.span, message).help(help));
    }
    let mut quorum = draft.quorum.unwrap_or(1);
    let mut quorum_max = draft.quorum_max;
    if quorum_max == Some(0) && quorum <= 1 {
        quorum = 0;
    } else if quorum_max.is_some_and(|most| most < quorum) {
        let message = "`quorum_max` is less than `quorum`, it is ignored";
        report.add(Problem::error(name.span, message));
        quorum_max = None;
    }
    Some(TrackProcess {
        name: name.name.clone(),
        process: draft.process,
        parameters: draft.parameters.unwrap_or(ParameterMatch::Any),
        full_command: draft.full_command,
        weight: draft.weight,
        quorum,
        quorum_max,
        terminate_delay: draft.terminate_delay.unwrap_or_default(),
        fork_delay: draft.fork_delay.unwrap_or_default(),
    })
}

pub(crate) fn file(name: &Named, draft: FileDraft, report: &mut Report<'_>) -> Option<TrackFile> {
    let Some(path) = draft.path else {
        let message = format!("`track_file {}` has no `file`, ignored", name.name);
        report.add(Problem::error(name.span, message));
        return None;
    };
    Some(TrackFile {
        name: name.name.clone(),
        path,
        weight: draft.weight.unwrap_or(Weight {
            value: 1,
            reverse: false,
        }),
        initial: draft.initial,
    })
}

/// `others` are the sessions before it: no two may be between the same addresses.
pub(crate) fn bfd(
    name: &Named,
    draft: &BfdDraft,
    others: &[Bfd],
    report: &mut Report<'_>,
) -> Option<Bfd> {
    let mut dropped = |message: &str| {
        let message = format!("{message}, `bfd_instance {}` is ignored", name.name);
        report.add(Problem::error(name.span, message));
        None
    };
    let Some(neighbour) = draft.neighbour else {
        return dropped(if draft.bad_neighbour {
            "the neighbour has no usable address"
        } else {
            "no `neighbor_ip`"
        });
    };
    let source = draft.source.map(|(source, _)| source);
    if source.is_some_and(|source| source.is_ipv4() != neighbour.is_ipv4()) {
        return dropped("source and neighbour are of different families");
    }
    let same = |other: &Bfd| {
        (other.source, other.neighbour, other.multihop) == (source, neighbour, draft.multihop)
    };
    if others.iter().any(same) {
        return dropped("there is a session between these addresses already");
    }
    Some(complete(name, draft, source, neighbour, report))
}

fn complete(
    name: &Named,
    draft: &BfdDraft,
    source: Option<IpAddr>,
    neighbour: IpAddr,
    report: &mut Report<'_>,
) -> Bfd {
    const INTERVAL: Duration = Duration::from_millis(10);
    let ttl = draft.ttl.and_then(|ttl| u8::try_from(ttl).ok());
    let usual = match Family::of(neighbour) {
        Family::V4 => 255,
        Family::V6 => 64,
    };
    let ttl = ttl.unwrap_or(usual);
    let mut max_hops = draft.max_hops.map_or(0, |(hops, _)| hops);
    if let Some((hops, span)) = draft.max_hops
        && hops > i16::from(ttl)
    {
        let message = format!("`max_hops` is more than the TTL, {ttl} is used");
        report.add(Problem::error(span, message));
        max_hops = i16::from(ttl);
    }
    let multiplier = draft.multiplier.and_then(|count| u8::try_from(count).ok());
    Bfd {
        name: name.name.clone(),
        source,
        neighbour,
        min_rx: draft.min_rx.unwrap_or(INTERVAL),
        min_tx: draft.min_tx.unwrap_or(INTERVAL),
        idle_tx: draft.idle_tx.unwrap_or(SECOND),
        multiplier: multiplier.unwrap_or(5),
        passive: draft.passive,
        ttl,
        max_hops,
        multihop: draft.multihop,
        weight: draft.weight,
        tells: match (draft.vrrp, draft.checker) {
            (true, false) => BfdTells::Vrrp,
            (false, true) => BfdTells::Checker,
            (true, true) | (false, false) => BfdTells::Both,
        },
    }
}
