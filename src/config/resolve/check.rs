//! `virtual_server`: defaults, inheritance down to the checks, and what keepalived puts right.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::diag::Problem;
use crate::config::keywords::check::{
    PERSISTENCE_DEFAULT, RealServerDraft, TcpCheckDraft, VirtualServerDraft,
};
use crate::config::keywords::timing::TimingDraft;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::{
    Checker, Forwarding, Persistence, Probe, Protocol, RealServer, ServiceKey, VirtualServer,
};

const SCHEDULER: &str = "wlc";
const WEIGHT: i32 = 1;
const DELAY_LOOP: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Of `TCP_CHECK`.
const RETRY: u32 = 1;
const DELAY_BEFORE_RETRY: Duration = Duration::from_secs(1);

pub(crate) fn virtual_servers(
    drafts: Vec<VirtualServerDraft>,
    report: &mut Report<'_>,
) -> Vec<VirtualServer> {
    let mut taken: HashMap<ServiceKey, Span> = HashMap::new();
    let mut servers = Vec::new();
    for draft in drafts {
        let span = draft.span;
        let Some(server) = virtual_server(&draft, report) else {
            continue;
        };
        if let Some(first) = taken.get(&server.key) {
            let message = format!("a second virtual server {}, it is skipped", server.key);
            report.add(Problem::error(span, message).note(*first, "first defined here"));
            continue;
        }
        taken.insert(server.key, span);
        servers.push(server);
    }
    servers
}

/// None when no real server is left.
fn virtual_server(draft: &VirtualServerDraft, report: &mut Report<'_>) -> Option<VirtualServer> {
    let key = ServiceKey {
        protocol: protocol(draft, report),
        address: draft.address,
    };
    if draft.forwarding.is_none() && draft.real_servers.iter().any(|rs| rs.forwarding.is_none()) {
        report.add(Problem::error(draft.span, "no `lb_kind`, NAT is used"));
    }
    let real_servers = real_servers(draft, key, report);
    if real_servers.is_empty() {
        report.add(Problem::error(
            draft.span,
            "no real server, the service is skipped",
        ));
        return None;
    }
    if draft.scheduler.is_none() {
        report.add(Problem::error(draft.span, "no `lb_algo`, wlc is used"));
    }
    let (quorum, hysteresis) = quorum(draft, &real_servers, report);
    Some(VirtualServer {
        key,
        scheduler: draft
            .scheduler
            .clone()
            .unwrap_or_else(|| SCHEDULER.to_owned()),
        persistence: persistence(draft, report),
        one_packet: one_packet(draft, key.protocol, report),
        quorum,
        hysteresis,
        real_servers,
    })
}

fn protocol(draft: &VirtualServerDraft, report: &mut Report<'_>) -> Protocol {
    draft.protocol.unwrap_or_else(|| {
        let problem = Problem::error(draft.span, "no `protocol`, UDP is used");
        report.add(problem.help("most services want `protocol TCP`"));
        Protocol::Udp
    })
}

fn persistence(draft: &VirtualServerDraft, report: &mut Report<'_>) -> Option<Persistence> {
    let wanted = draft.persistence_timeout.is_some() || draft.persistence_prefix.is_some();
    if !wanted && draft.address.port() != 0 {
        return None;
    }
    if !wanted {
        let message = "a service without port is persistent, a timeout of 360 s is used";
        report.add(Problem::error(draft.span, message));
    }
    let each_client = if draft.address.is_ipv4() { 32 } else { 128 };
    Some(Persistence {
        timeout: draft.persistence_timeout.unwrap_or(PERSISTENCE_DEFAULT),
        prefix: draft.persistence_prefix.unwrap_or(each_client),
    })
}

fn one_packet(draft: &VirtualServerDraft, protocol: Protocol, report: &mut Report<'_>) -> bool {
    match draft.one_packet {
        Some(span) if protocol != Protocol::Udp => {
            report.add(Problem::error(span, "`ops` is for UDP only, ignored"));
            false
        }
        wanted => wanted.is_some(),
    }
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
        if let Some((_, span)) = draft.quorum {
            let message = format!("the quorum is more than all weights together, {sum} is used");
            report.add(Problem::error(span, message));
        }
        quorum = sum;
    }
    let mut hysteresis = draft.hysteresis.map_or(0, |(hysteresis, _)| hysteresis);
    if let Some((_, span)) = draft
        .hysteresis
        .filter(|_| hysteresis > 0 && hysteresis >= quorum)
    {
        hysteresis = quorum.saturating_sub(1);
        let message = format!("hysteresis must be less than the quorum, {hysteresis} is used");
        report.add(Problem::error(span, message));
    }
    (quorum, hysteresis)
}

fn real_servers(
    service: &VirtualServerDraft,
    key: ServiceKey,
    report: &mut Report<'_>,
) -> Vec<RealServer> {
    let mut taken: HashMap<SocketAddr, Span> = HashMap::new();
    let mut servers = Vec::new();
    for draft in &service.real_servers {
        let Some(server) = real_server(draft, service, report) else {
            continue;
        };
        if let Some(first) = taken.get(&server.address) {
            let name = key.name_of(server.address);
            let message = format!("a second real server {name}, it is skipped");
            report.add(Problem::error(draft.span, message).note(*first, "first defined here"));
            continue;
        }
        taken.insert(server.address, draft.span);
        servers.push(server);
    }
    servers
}

/// None when the server is of the other family.
fn real_server(
    draft: &RealServerDraft,
    service: &VirtualServerDraft,
    report: &mut Report<'_>,
) -> Option<RealServer> {
    let forwarding = draft
        .forwarding
        .or(service.forwarding)
        .unwrap_or(Forwarding::Nat);
    if forwarding != Forwarding::Tunnel && draft.ip.is_ipv4() != service.address.is_ipv4() {
        let message = "a real server of another family than its service, it is skipped";
        report.add(Problem::error(draft.span, message));
        return None;
    }
    let own = if draft.port == 0 {
        service.address.port()
    } else {
        draft.port
    };
    let mut port = own;
    // Under DR and TUN a packet reaches the server as the client sent it.
    if forwarding != Forwarding::Nat && own != service.address.port() {
        port = service.address.port();
        let message = format!("only NAT can change the port, {port} is used");
        report.add(Problem::error(draft.span, message));
    }
    let inhibit = draft.inhibit_on_failure;
    Some(RealServer {
        address: SocketAddr::new(draft.ip, port),
        forwarding,
        weight: draft.weight.or(service.weight).unwrap_or(WEIGHT),
        inhibit_on_failure: inhibit.unwrap_or(service.inhibit_on_failure),
        checkers: draft
            .checkers
            .iter()
            .filter_map(|check| {
                let server = SocketAddr::new(draft.ip, own);
                let timing = check.timing.or(draft.timing).or(service.timing);
                checker(check, server, timing, report)
            })
            .collect(),
    })
}

/// None when there is nothing it could connect to.
fn checker(
    draft: &TcpCheckDraft,
    server: SocketAddr,
    timing: TimingDraft,
    report: &mut Report<'_>,
) -> Option<Checker> {
    let ip = draft.connect_ip.map_or_else(|| server.ip(), |(ip, _)| ip);
    let port = draft.connect_port.unwrap_or_else(|| server.port());
    if port == 0 {
        let problem = Problem::error(draft.span, "no port to connect to, the check is skipped");
        report.add(problem.help("give it a `connect_port`; without a check the server is up"));
        return None;
    }
    let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    if link_local && draft.device.is_none() {
        let message = "a link-local address needs a `bind_if`, the check is skipped";
        report.add(Problem::error(draft.span, message));
        return None;
    }
    let delay_loop = timing.delay_loop.unwrap_or(DELAY_LOOP);
    Some(Checker {
        probe: Probe::Tcp {
            to: SocketAddr::new(ip, port),
            from: source(draft, ip, report),
            device: draft.device.clone(),
            mark: draft.mark,
            timeout: timing.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        },
        retry: timing.retry.unwrap_or(RETRY),
        delay_before_retry: timing.delay_before_retry.unwrap_or(DELAY_BEFORE_RETRY),
        delay_loop,
        warmup: timing.warmup.unwrap_or(delay_loop),
        alpha: timing.alpha.unwrap_or(false),
        log_all_failures: draft.log_all_failures,
    })
}

/// `bindto` and `bind_port`; a port alone leaves the address to the kernel.
fn source(draft: &TcpCheckDraft, to: IpAddr, report: &mut Report<'_>) -> Option<SocketAddr> {
    let port = draft.bind_port.unwrap_or(0);
    match draft.bind_ip {
        Some((ip, _)) if ip.is_ipv4() == to.is_ipv4() => Some(SocketAddr::new(ip, port)),
        Some((ip, span)) => {
            let message = format!("{ip} is not of the family of {to}, ignored");
            report.add(Problem::error(span, message));
            None
        }
        None => draft.bind_port.map(|port| {
            let any = if to.is_ipv4() {
                IpAddr::from([0; 4])
            } else {
                IpAddr::from([0; 16])
            };
            SocketAddr::new(any, port)
        }),
    }
}
