//! `real_server`: inheritance from its service, its port, and whether it can be one at all.

use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::time::Duration;

use crate::addr::Family;
use crate::config::check::{Check, Forwarding, Probe, RealServer, ServiceKey};
use crate::config::diag::Problem;
use crate::config::keywords::server::RealServerDraft;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::value::print_seconds;
use crate::hash::Map;

use super::check::Outline;
use super::checker::{Above, Checks, DELAY_LOOP, checkers};

const WEIGHT: i32 = 1;

pub(super) fn real_servers(
    service: &Outline<'_>,
    drafts: Vec<RealServerDraft>,
    checks: &mut Checks,
    report: &mut Report<'_>,
) -> Vec<RealServer> {
    let mut taken: Map<SocketAddr, Span> = Map::default();
    taken.reserve(drafts.len());
    let mut servers = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let span = draft.span;
        let Some(server) = real_server(draft, service, checks, report) else {
            continue;
        };
        match taken.entry(server.address) {
            Entry::Vacant(place) => _ = place.insert(span),
            Entry::Occupied(first) => {
                let name = service.key.name_of(server.address);
                let message = format!("a second real server {name}, it is skipped");
                let problem = Problem::error(span, message);
                report.add(problem.note(*first.get(), "first defined here"));
                continue;
            }
        }
        let mut checkers = server.checkers.iter();
        if let Some(hasty) = checkers.find(|checker| is_hasty(&checker.check)) {
            report.once("hasty check", || {
                Problem::warning(span, told_hasty(&hasty.check))
            });
        }
        servers.push(server);
    }
    servers
}

/// None when the server is of the other family.
fn real_server(
    draft: RealServerDraft,
    service: &Outline<'_>,
    checks: &mut Checks,
    report: &mut Report<'_>,
) -> Option<RealServer> {
    let above = service.draft;
    let forwarding = draft.forwarding.or(above.forwarding);
    let forwarding = forwarding.unwrap_or(Forwarding::Nat);
    if !service.takes(Family::of(draft.ip), forwarding) {
        let message = "a real server of another family than its service, it is skipped";
        report.add(Problem::error(draft.span, message));
        return None;
    }
    let port = service.port(draft.port, forwarding, draft.span, report);
    let address = SocketAddr::new(draft.ip, port);
    lint(&draft, address, service, report);
    let virtualhost = draft.virtualhost.or_else(|| above.virtualhost.clone());
    let checkers = checkers(
        draft.checkers,
        &Above {
            server: SocketAddr::new(draft.ip, service.port_of_checks(draft.port)),
            timing: draft.timing.or(above.timing),
            service_delay_loop: above.timing.delay_loop.unwrap_or(DELAY_LOOP),
            virtualhost: virtualhost.as_deref(),
            service_virtualhost: above.virtualhost.as_deref(),
            around: service.around,
        },
        checks,
        report,
    );
    let inhibit = draft.inhibit_on_failure;
    Some(RealServer {
        address,
        forwarding,
        weight: draft.weight.or(above.weight).unwrap_or(WEIGHT),
        upper_threshold: draft.upper_threshold.unwrap_or(0),
        lower_threshold: draft.lower_threshold.unwrap_or(0),
        inhibit_on_failure: inhibit.unwrap_or(above.inhibit_on_failure),
        notify_up: draft.notify_up.map(Box::new),
        notify_down: draft.notify_down.map(Box::new),
        smtp_alert: draft
            .smtp_alert
            .or(service.around.smtp_alert)
            .unwrap_or(true),
        virtualhost: virtualhost.map(String::into_boxed_str),
        snmp_name: draft.snmp_name.map(String::into_boxed_str),
        checkers: checkers.into_boxed_slice(),
    })
}

/// What is possible and seldom meant.
fn lint(
    draft: &RealServerDraft,
    address: SocketAddr,
    service: &Outline<'_>,
    report: &mut Report<'_>,
) {
    let itself = match &service.key {
        ServiceKey::Address(service) => service.address == address,
        ServiceKey::Group { .. } => service.group.is_some_and(|group| {
            group.contains(address.ip()) && group.ports().any(|port| port == address.port())
        }),
        ServiceKey::Fwmark { .. } => false,
    };
    if itself {
        let message = "this real server is the virtual server itself";
        report.add(Problem::warning(draft.span, message));
    }
    let (lower, upper) = (draft.lower_threshold, draft.upper_threshold);
    if upper.is_some_and(|upper| upper != 0) && lower > upper {
        let message = "`lthreshold` is above `uthreshold`, the kernel refuses such a server";
        report.add(Problem::warning(draft.span, message));
    }
}

/// A check that may last longer than the time to the next one.
fn is_hasty(check: &Check) -> bool {
    timeout(check).is_some_and(|(timeout, _)| check.delay_loop < timeout)
}

/// How long a check may take, and the keyword that says it.
fn timeout(check: &Check) -> Option<(Duration, &'static str)> {
    match &check.probe {
        Probe::Misc { timeout, .. } => Some((*timeout, "misc_timeout")),
        probe => Some((probe.endpoint()?.timeout, "connect_timeout")),
    }
}

fn told_hasty(check: &Check) -> String {
    let (timeout, keyword) = timeout(check).unwrap_or_default();
    format!(
        "a check waits up to {} s ({keyword}), longer than the {} s to the next one \
         (delay_loop), which comes that much later",
        print_seconds(timeout),
        print_seconds(check.delay_loop)
    )
}
