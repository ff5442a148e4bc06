//! Who wins: state, priority, preemption, and what strict mode makes of them.

use std::time::Duration;

use crate::config::diag::Problem;
use crate::config::keywords::global::GlobalDraft;
use crate::config::keywords::vrrp::InstanceDraft;
use crate::config::report::Report;
use crate::config::{InitialState, Version};

const OWNER: u8 = 255;

/// What an instance hopes to be, and its claim to it.
#[derive(Clone, Copy)]
pub(crate) struct Role {
    pub(crate) state: InitialState,
    pub(crate) priority: u8,
}

impl Role {
    fn is_owner(self) -> bool {
        self.priority == OWNER
    }
}

/// In strict mode only an owner is a master from the start.
pub(crate) fn role(draft: &InstanceDraft, strict: bool, report: &mut Report<'_>) -> Role {
    let state = draft.state.map(|(state, _)| state);
    let priority = draft.priority.unwrap_or(match state {
        Some(InitialState::Master) => OWNER,
        Some(InitialState::Backup) | None => 100,
    });
    let follows = if priority == OWNER {
        InitialState::Master
    } else {
        InitialState::Backup
    };
    let mut state = state.unwrap_or(follows);
    if strict && state != follows {
        let message = "in strict mode state MASTER goes with priority 255, the priority counts";
        let span = draft.state.map_or(draft.name.span, |(_, span)| span);
        report.add(Problem::error(span, message));
        state = follows;
    }
    Role { state, priority }
}

pub(crate) fn preemption(
    draft: &InstanceDraft,
    role: Role,
    strict: bool,
    report: &mut Report<'_>,
) -> (bool, Duration) {
    let mut nopreempt = draft.nopreempt;
    let master = (role.state == InitialState::Master).then_some("`state MASTER`");
    let owner = role.is_owner().then_some("priority 255");
    if let (Some(span), Some(other)) = (nopreempt, owner.or(master)) {
        let message = format!("`nopreempt` does not go with {other}, it is ignored");
        let help = "give both routers `state BACKUP` and let the priority decide";
        report.add(Problem::error(span, message).help(help));
        nopreempt = None;
    }
    let mut delay = Duration::ZERO;
    if let Some((wanted, span)) = draft.preempt_delay {
        let strict = strict.then_some("strict mode");
        let other = nopreempt.map(|_| "`nopreempt`").or(master).or(strict);
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

pub(crate) fn timer_expired_backup(
    draft: &InstanceDraft,
    preempt: bool,
    report: &mut Report<'_>,
) -> Option<u32> {
    let (priority, span) = draft.timer_expired_backup?;
    if preempt {
        let message = "`timer_expired_backup` goes with `nopreempt`, it is ignored";
        report.add(Problem::error(span, message));
        return None;
    }
    Some(priority)
}

pub(crate) fn lower_prio_no_advert(
    draft: &InstanceDraft,
    strict: bool,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> bool {
    if strict && draft.lower_prio_no_advert == Some(false) {
        let message = "strict mode has `lower_prio_no_advert`";
        report.add(Problem::error(draft.name.span, message));
    }
    let everyones = global.lower_prio_no_advert;
    strict || draft.lower_prio_no_advert.unwrap_or(everyones)
}

pub(crate) fn higher_prio_send_advert(
    draft: &InstanceDraft,
    strict: bool,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> bool {
    if strict && draft.higher_prio_send_advert == Some(true) {
        let message = "strict mode has no `higher_prio_send_advert`";
        report.add(Problem::error(draft.name.span, message));
    }
    let everyones = global.higher_prio_send_advert;
    !strict && draft.higher_prio_send_advert.unwrap_or(everyones)
}

/// Only an owner may be deaf; it is in strict mode, unless it is told to listen.
pub(crate) fn owner_ignores(
    draft: &InstanceDraft,
    role: Role,
    strict: bool,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> bool {
    if !role.is_owner() {
        if draft.owner_ignore_adverts == Some(true) {
            let message = "`owner_ignore_adverts` goes with priority 255, it is ignored";
            report.add(Problem::error(draft.name.span, message));
        }
        return false;
    }
    let everyones = strict || global.owner_ignore_adverts;
    draft.owner_ignore_adverts.unwrap_or(everyones)
}

/// Whether packets to the addresses are taken by a master that does not own them.
pub(crate) fn accept(
    draft: &InstanceDraft,
    role: Role,
    version: Version,
    strict: bool,
    report: &mut Report<'_>,
) -> bool {
    match draft.accept {
        Some((true, span)) if strict && version == Version::V2 && !role.is_owner() => {
            let message = "strict mode of version 2 knows no `accept`, it is ignored";
            report.add(Problem::error(span, message));
            false
        }
        Some((accept, _)) => accept,
        None => role.is_owner() || !strict,
    }
}
