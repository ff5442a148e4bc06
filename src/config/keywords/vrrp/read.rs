//! Readers of `vrrp_instance` for what is more than one field.

use crate::addr::{Family, Vrid};
use crate::config::InitialState;
use crate::config::diag::Problem;
use crate::config::keywords::address::{AddressDraft, AddressKind, address};
use crate::config::keywords::root::inside;
use crate::config::report::Report;
use crate::config::tree::Statement;

use super::InstanceDraft;

pub(super) fn state(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let state = match word.text.as_str() {
        "MASTER" => InitialState::Master,
        "BACKUP" => InitialState::Backup,
        _ => {
            report.reject(word, "MASTER or BACKUP, it is read as BACKUP");
            InitialState::Backup
        }
    };
    match draft.state {
        Some((InitialState::Master, first)) if state == InitialState::Backup => {
            let message = "`state BACKUP` after `state MASTER` is ignored";
            report.add(Problem::error(statement.span(), message).note(first, "first given here"));
        }
        _ => draft.state = Some((state, statement.span())),
    }
}

pub(super) fn interface(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    if word.text == "lo" {
        report.reject(word, "an interface that can speak VRRP");
        draft.wrong_interface = true;
        return;
    }
    let interface = report.interface(word);
    draft.wrong_interface = interface.is_none();
    draft.interface = interface.or_else(|| draft.interface.take());
}

pub(super) fn virtual_router_id(
    draft: &mut InstanceDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let vrid = report.within(word, 1, 255).and_then(Vrid::new);
    draft.wrong_vrid = vrid.is_none();
    draft.vrid = vrid.map(|vrid| (vrid, statement.span()));
}

pub(super) fn priority(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    const WHEN_WRONG: u8 = 100;
    if let Some(word) = statement.argument(1) {
        draft.priority = Some(report.within(word, 1, 255).unwrap_or(WHEN_WRONG));
    }
}

pub(super) fn advert_int(
    draft: &mut InstanceDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let word = statement.argument(1);
    if let Some(interval) = word.and_then(|word| report.seconds(word, 0.01..=255.0)) {
        draft.advert_interval = Some((interval, statement.span()));
    }
}

pub(super) fn preempt_delay(
    draft: &mut InstanceDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let word = statement.argument(1);
    let delay = word.and_then(|word| report.seconds(word, 0.0..=1000.0));
    draft.preempt_delay = delay.map(|delay| (delay, statement.span()));
}

/// Once it is known, by a statement or by an address, another one is not taken.
pub(super) fn version(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let Some(version) = report.lenient(word, 2..=3) else {
        return;
    };
    let Ok(version) = u32::try_from(version) else {
        return;
    };
    match draft.version {
        Some((other, first)) if other != version => {
            let message = format!("the version is {other} already, this is ignored");
            report.add(Problem::error(statement.span(), message).note(first, "given here"));
        }
        None if version == 2 && draft.family == Some(Family::V6) => {
            let message = "version 2 knows no IPv6, this is ignored";
            report.add(Problem::error(statement.span(), message));
        }
        _ => draft.version = Some((version, statement.span())),
    }
}

pub(super) fn native_ipv6(
    draft: &mut InstanceDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let problem = Problem::warning(statement.head(), "`native_ipv6` is old");
    report.add(problem.help("IPv6 addresses say it all"));
    if draft.family == Some(Family::V4) {
        let message = "the instance is IPv4 already, `native_ipv6` is ignored";
        return report.add(Problem::error(statement.head(), message));
    }
    draft.family = Some(Family::V6);
    draft.version = Some((3, statement.span()));
}

/// One that is given twice is in the adverts twice: 2.2.7 has it so, and refuses the adverts of
/// a router that does not.
pub(super) fn virtual_ipaddress(
    draft: &mut InstanceDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    for line in inside(statement) {
        let Some(read) = address(line, AddressKind::Virtual, report) else {
            continue;
        };
        let ip = read.address.cidr.address();
        if !draft.is_of_family(ip, read.span, report) {
            continue;
        }
        let same = |other: &&AddressDraft| other.address.cidr.address() == ip;
        if let Some(first) = draft.addresses.iter().find(same) {
            let message = format!("{ip} is given twice, and is in adverts twice");
            let problem = Problem::warning(read.span, message);
            report.add(problem.note(first.span, "first given here"));
        }
        draft.addresses.push(read);
    }
}

/// Of either family; the same address may be on several interfaces.
pub(super) fn virtual_ipaddress_excluded(
    draft: &mut InstanceDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    for line in inside(statement) {
        let Some(read) = address(line, AddressKind::Virtual, report) else {
            continue;
        };
        let here = (read.address.cidr.address(), &read.address.device);
        let same =
            |other: &&AddressDraft| (other.address.cidr.address(), &other.address.device) == here;
        if let Some(first) = draft.excluded.iter().find(same) {
            let message = format!("{} is given twice, the second is ignored", here.0);
            let problem = Problem::warning(read.span, message);
            report.add(problem.note(first.span, "first given here"));
            continue;
        }
        draft.excluded.push(read);
    }
}

pub(super) fn source(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let Some(source) = report.address(word) else {
        return;
    };
    if draft.is_of_family(source, word.span, report) {
        draft.source = Some((source, statement.span()));
    }
}

pub(super) fn destination(
    draft: &mut InstanceDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let Some(group) = report.address(word) else {
        return;
    };
    let usable = match group {
        std::net::IpAddr::V4(group) => group.is_multicast(),
        std::net::IpAddr::V6(group) => group.segments()[0] & 0xff0f == 0xff02,
    };
    if !usable {
        return report.reject(word, "a multicast address, of IPv6 a link-local one");
    }
    if draft.is_of_family(group, word.span, report) {
        draft.group = Some((group, statement.span()));
    }
}

pub(super) fn ipvlan(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some((address, span)) = draft.layer.ipvlan(statement, report) else {
        return;
    };
    if draft.is_of_family(address.address(), span, report) {
        draft.source = Some((address.address(), span));
    } else if let Some(ipvlan) = &mut draft.layer.ipvlan {
        ipvlan.address = None;
    }
}

pub(super) fn timer_expired_backup(
    draft: &mut InstanceDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    const HIGHEST: u32 = 254;
    let priority = match statement.argument(1) {
        Some(word) => report.within(word, 1, HIGHEST.into()),
        None => Some(HIGHEST),
    };
    if let Some(priority) = priority {
        draft.timer_expired_backup = Some((priority, statement.span()));
    }
}

pub(super) fn sync_daemon_interface(
    draft: &mut InstanceDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    old(statement, "lvs_sync_daemon", report);
    let word = statement.argument(1);
    draft.sync_daemon_interface = word.and_then(|word| report.interface(word));
}

/// An old keyword that still means what it meant; to have it is not to be wrong.
pub(super) fn old(statement: &Statement, now: &str, report: &mut Report<'_>) {
    let message = format!("`{}` is old", statement.keyword());
    report.add(Problem::warning(statement.head(), message).help(format!("write `{now}`")));
}
