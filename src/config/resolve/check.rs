//! `virtual_server`: what it is, defaults, and what keepalived puts right.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::addr::Family;
use crate::config::check::{
    Forwarding, Persistence, Protocol, RealServer, Scheduler, ServiceAddress, ServiceKey,
    SorryServer, VirtualServer, VirtualServerGroup,
};
use crate::config::diag::Problem;
use crate::config::keywords::check::{PERSISTENCE_DEFAULT, Service, VirtualServerDraft};
use crate::config::keywords::server::RealServerDraft;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::suggest::nearest;

use super::checker::Checks;
use super::server::real_servers;
use super::track::Known;

/// What the rest of the file says to all services.
pub(crate) struct Around<'a> {
    pub(crate) groups: &'a [VirtualServerGroup],
    pub(crate) known: &'a Known,
    /// `smtp_alert_checker`, else `smtp_alert`.
    pub(crate) smtp_alert: Option<bool>,
    /// `checker_log_all_failures`.
    pub(crate) log_all_failures: bool,
}

/// What its servers must know of a service.
pub(super) struct Outline<'a> {
    pub(super) around: &'a Around<'a>,
    pub(super) draft: &'a VirtualServerDraft,
    pub(super) key: ServiceKey,
    pub(super) group: Option<&'a VirtualServerGroup>,
    /// Of a group with addresses of both families.
    mixed: bool,
}

pub(crate) fn virtual_servers(
    drafts: Vec<VirtualServerDraft>,
    around: &Around<'_>,
    report: &mut Report<'_>,
) -> Vec<VirtualServer> {
    let mut taken: HashMap<ServiceKey, Span> = HashMap::new();
    let mut users: HashMap<String, usize> = HashMap::new();
    let mut checks = Checks::default();
    let mut servers = Vec::new();
    for mut draft in drafts {
        report.host.meanwhile();
        let drafts = std::mem::take(&mut draft.real_servers);
        let ordinal = match &draft.service {
            Service::Group(name) => users.get(name).copied().unwrap_or(0),
            Service::Address(_) | Service::Fwmark(_) => 0,
        };
        let Some(server) = virtual_server(&draft, drafts, around, ordinal, &mut checks, report)
        else {
            continue;
        };
        if let Some(first) = taken.get(&server.key) {
            let message = format!("a second virtual server {}, it is skipped", server.key);
            report.add(Problem::warning(draft.span, message).note(*first, "first defined here"));
            continue;
        }
        if let ServiceKey::Group { name, .. } = &server.key {
            users.insert(name.clone(), ordinal + 1);
        }
        taken.insert(server.key.clone(), draft.span);
        servers.push(server);
    }
    servers
}

/// None when there is nothing to serve, or nobody who serves it.
fn virtual_server(
    draft: &VirtualServerDraft,
    drafts: Vec<RealServerDraft>,
    around: &Around<'_>,
    ordinal: usize,
    checks: &mut Checks,
    report: &mut Report<'_>,
) -> Option<VirtualServer> {
    let service = outline(draft, &drafts, around, ordinal, report)?;
    if draft.forwarding.is_none() && drafts.iter().any(|server| server.forwarding.is_none()) {
        report.add(Problem::error(draft.span, "no `lb_kind`, NAT is used"));
    }
    let real_servers = real_servers(&service, drafts, checks, report);
    if real_servers.is_empty() {
        let message = "no real server, the service is skipped";
        report.add(Problem::error(draft.span, message));
        return None;
    }
    if draft.scheduler.is_none() {
        report.add(Problem::error(draft.span, "no `lb_algo`, wlc is used"));
    }
    let (quorum, hysteresis) = quorum(draft, &real_servers, report);
    let scheduler = draft.scheduler;
    Some(VirtualServer {
        scheduler: scheduler.unwrap_or(Scheduler::WeightedLeastConnections),
        scheduler_flags: draft.scheduler_flags,
        persistence: persistence(&service, report),
        persistence_engine: draft.persistence_engine.clone(),
        one_packet: one_packet(&service, report),
        quorum,
        hysteresis,
        quorum_up: draft.quorum_up.clone(),
        quorum_down: draft.quorum_down.clone(),
        omega: draft.omega,
        ha_suspend: ha_suspend(&service, report),
        smtp_alert: draft.smtp_alert.or(around.smtp_alert).unwrap_or(false),
        virtualhost: draft.virtualhost.clone(),
        snmp_name: draft.snmp_name.clone(),
        sorry_server: sorry_server(&service, &real_servers, report),
        real_servers,
        key: service.key,
    })
}

impl Outline<'_> {
    /// Whether a server of that family can be reached so.
    pub(super) fn takes(&self, family: Family, forwarding: Forwarding) -> bool {
        forwarding.is_tunnel() || (family == self.key.family() && !self.mixed)
    }

    /// The port of a server, as it is told to the kernel.
    pub(super) fn port(
        &self,
        written: u16,
        forwarding: Forwarding,
        span: Span,
        report: &mut Report<'_>,
    ) -> u16 {
        // Under DR and TUN a packet reaches the server as the client sent it.
        let keeps = forwarding != Forwarding::Nat;
        match (&self.key, self.group) {
            (ServiceKey::Address(service), _) => {
                let port = service.address.port();
                if keeps && written != 0 && written != port {
                    let message = format!("only NAT can change the port, {port} is used");
                    report.add(Problem::error(span, message));
                    return port;
                }
                if written == 0 { port } else { written }
            }
            (ServiceKey::Fwmark { .. }, _) => {
                if keeps && written != 0 {
                    let message = "only NAT can change the port of what is marked, it is ignored";
                    report.add(Problem::error(span, message));
                    return 0;
                }
                written
            }
            (ServiceKey::Group { .. }, group) => {
                let group = group.map(|group| &group.entries).into_iter().flatten();
                let other = |port| written != port;
                let mut ports = group.map(|entry| entry.port().unwrap_or(0));
                if keeps && written != 0 && ports.any(other) {
                    let message = "only NAT can change the port, that of each address is used";
                    report.add(Problem::error(span, message));
                }
                written
            }
        }
    }

    /// The port that checks of a server without one connect to; 0 when nothing says it.
    pub(super) fn port_of_checks(&self, written: u16) -> u16 {
        if written != 0 {
            return written;
        }
        match (&self.key, self.group) {
            (ServiceKey::Address(service), _) => service.address.port(),
            (_, Some(group)) => {
                let first = group.ports().next().unwrap_or(0);
                let only = group.ports().all(|port| port == first);
                if only { first } else { 0 }
            }
            (_, None) => 0,
        }
    }

    fn has_addresses(&self) -> bool {
        match self.group {
            Some(group) => group.ports().next().is_some(),
            None => self.key.address().is_some(),
        }
    }

    fn takes_all_ports(&self) -> bool {
        match self.group {
            Some(group) => group.ports().any(|port| port == 0),
            None => self
                .key
                .address()
                .is_some_and(|service| service.address.port() == 0),
        }
    }
}

/// What the service is. None when its group is not there or cannot be served so.
fn outline<'a>(
    draft: &'a VirtualServerDraft,
    drafts: &[RealServerDraft],
    around: &'a Around<'a>,
    ordinal: usize,
    report: &mut Report<'_>,
) -> Option<Outline<'a>> {
    let method = |server: &RealServerDraft| server.forwarding.or(draft.forwarding);
    let tunnelled = |server: &&RealServerDraft| method(server).is_some_and(Forwarding::is_tunnel);
    let of_servers = || {
        let direct = drafts.iter().find(|server| !tunnelled(server));
        let family = |server: &RealServerDraft| Family::of(server.ip);
        let first = direct.or_else(|| drafts.first()).map_or(Family::V4, family);
        let agreed = direct.is_some() || drafts.iter().all(|server| family(server) == first);
        if agreed { first } else { Family::V4 }
    };
    let (key, group, mixed) = match &draft.service {
        Service::Address(address) => {
            let service = ServiceAddress {
                protocol: protocol(draft, report),
                address: *address,
            };
            (ServiceKey::Address(service), None, false)
        }
        Service::Fwmark(mark) => {
            without_protocol(draft, report);
            let mark = *mark;
            let family = draft.family.unwrap_or_else(of_servers);
            (ServiceKey::Fwmark { mark, family }, None, false)
        }
        Service::Group(name) => {
            let group = find_group(name, draft.span, around.groups, report)?;
            let families = families_of(group);
            let mixed = families.len() > 1;
            if mixed && !drafts.iter().all(|server| tunnelled(&server)) {
                let message = "only TUN can serve addresses of both families, \
                               the service is skipped";
                report.add(Problem::warning(draft.span, message));
                return None;
            }
            let own = families.first().copied().filter(|_| !mixed);
            if let (Some(own), Some(wanted)) = (own, draft.family)
                && own != wanted
            {
                let message = "a group of the other family, the service is skipped";
                report.add(Problem::warning(draft.span, message));
                return None;
            }
            let protocol = if group.ports().next().is_some() {
                Some(protocol(draft, report))
            } else {
                without_protocol(draft, report);
                None
            };
            let key = ServiceKey::Group {
                name: name.clone(),
                ordinal,
                protocol,
                family: own.or(draft.family).unwrap_or_else(of_servers),
            };
            (key, Some(group), mixed)
        }
    };
    Some(Outline {
        around,
        draft,
        key,
        group,
        mixed,
    })
}

fn find_group<'a>(
    name: &str,
    span: Span,
    groups: &'a [VirtualServerGroup],
    report: &mut Report<'_>,
) -> Option<&'a VirtualServerGroup> {
    let group = groups.iter().find(|group| group.name == name);
    if group.is_none() {
        let message = format!("there is no virtual_server_group `{name}`, the service is skipped");
        let meant = nearest(name, groups.iter().map(|group| group.name.as_str()));
        let help = meant.map(|meant| format!("did you mean `{meant}`?"));
        report.add(Problem::warning(span, message).maybe_help(help));
    }
    group
}

fn families_of(group: &VirtualServerGroup) -> Vec<Family> {
    let said = group.entries.iter().filter_map(|entry| entry.family());
    let mut families: Vec<Family> = said.collect();
    families.sort_unstable();
    families.dedup();
    families
}

fn protocol(draft: &VirtualServerDraft, report: &mut Report<'_>) -> Protocol {
    let Some((protocol, _)) = draft.protocol else {
        let problem = Problem::error(draft.span, "no `protocol`, UDP is used");
        report.add(problem.help("most services want `protocol TCP`"));
        return Protocol::Udp;
    };
    protocol
}

fn without_protocol(draft: &VirtualServerDraft, report: &mut Report<'_>) {
    if let Some((_, span)) = draft.protocol {
        let message = "what is marked is of any protocol, ignored";
        report.add(Problem::error(span, message));
    }
}

fn persistence(service: &Outline<'_>, report: &mut Report<'_>) -> Option<Persistence> {
    let draft = service.draft;
    let wanted = draft.persistence_timeout.is_some() || draft.persistence_prefix.is_some();
    if !wanted && !service.takes_all_ports() {
        return None;
    }
    if !wanted {
        let message = "a service without port is persistent, a timeout of 360 s is used";
        report.add(Problem::error(draft.span, message));
    }
    let each_client = match service.key.family() {
        Family::V4 => 32,
        Family::V6 => 128,
    };
    Some(Persistence {
        timeout: draft.persistence_timeout.unwrap_or(PERSISTENCE_DEFAULT),
        prefix: draft.persistence_prefix.unwrap_or(each_client),
    })
}

fn one_packet(service: &Outline<'_>, report: &mut Report<'_>) -> bool {
    let Some(span) = service.draft.one_packet else {
        return false;
    };
    let possible = !service.has_addresses() || service.key.protocol() == Some(Protocol::Udp);
    if !possible {
        report.add(Problem::error(span, "`ops` is for UDP only, ignored"));
    }
    possible
}

fn ha_suspend(service: &Outline<'_>, report: &mut Report<'_>) -> bool {
    let Some(span) = service.draft.ha_suspend else {
        return false;
    };
    let possible = service.has_addresses();
    if !possible {
        let message = "what is marked has no address to wait for, ignored";
        report.add(Problem::error(span, message));
    }
    possible
}

fn quorum(
    draft: &VirtualServerDraft,
    real_servers: &[RealServer],
    report: &mut Report<'_>,
) -> (u32, u32) {
    let weights = real_servers.iter();
    let sum: u64 = weights
        .map(|server| u64::from(server.weight.unsigned_abs()))
        .sum();
    let sum = u32::try_from(sum).unwrap_or(u32::MAX);
    let mut quorum = draft.quorum.map_or(1, |(quorum, _)| quorum);
    if quorum > sum {
        let span = draft.quorum.map_or(draft.span, |(_, span)| span);
        let message = format!("the quorum is more than all weights together, {sum} is used");
        report.add(Problem::error(span, message));
        quorum = sum;
    }
    let mut hysteresis = draft.hysteresis.map_or(0, |(hysteresis, _)| hysteresis);
    let Some((_, span)) = draft.hysteresis.filter(|_| hysteresis > 0) else {
        return (quorum, hysteresis);
    };
    if hysteresis >= quorum {
        hysteresis = quorum.saturating_sub(1);
        let message = format!("hysteresis must be less than the quorum, {hysteresis} is used");
        report.add(Problem::error(span, message));
    }
    if u64::from(quorum) + u64::from(hysteresis) > u64::from(sum) {
        let message = format!(
            "all weights together are {sum}: a quorum of {quorum} plus {hysteresis} is never gained"
        );
        report.add(Problem::warning(span, message));
    }
    (quorum, hysteresis)
}

fn sorry_server(
    service: &Outline<'_>,
    real_servers: &[RealServer],
    report: &mut Report<'_>,
) -> Option<SorryServer> {
    let draft = service.draft.sorry_server.as_ref()?;
    let forwarding = draft.forwarding.or(service.draft.forwarding);
    let forwarding = forwarding.unwrap_or(Forwarding::Nat);
    let ip = draft.address.ip();
    if !service.takes(Family::of(ip), forwarding) {
        let message = "a sorry server of another family than its service, it is skipped";
        report.add(Problem::error(draft.span, message));
        return None;
    }
    let port = service.port(draft.address.port(), forwarding, draft.span, report);
    let address = SocketAddr::new(ip, port);
    let mut inhibit = draft.inhibit;
    let same = real_servers.iter().find(|server| server.address == address);
    if let Some(server) = same.filter(|server| server.inhibit_on_failure != inhibit) {
        inhibit = server.inhibit_on_failure;
        let setting = if inhibit { "has" } else { "has no" };
        let message = format!("the same real server {setting} `inhibit_on_failure`, so has this");
        report.add(Problem::error(draft.span, message));
    }
    Some(SorryServer {
        address,
        forwarding,
        inhibit,
    })
}
