//! Lines of `virtual_routes`, `virtual_rules` and their static kin as the kernel takes them: names
//! of interfaces become numbers, options become attributes. A route over an interface that does
//! not exist is nothing yet.

use super::network::Network;
use crate::addr::IfIndex;
use crate::config::{
    self, Metric, MetricKind, Nexthop, Realms, RouteCreate, RouteEncapsulation as Wrapping,
    RoutePreference, RuleAction,
};
use crate::wire::rtnl::{
    Action, Create, Encapsulation, Hop, LinkKind, MetricValue, Route, RouteMetric, Rule, TABLE_MAIN,
};

pub(super) fn route(line: &config::Route, network: &Network) -> Option<Route> {
    let hop = Hop {
        gateway: line.via,
        link: device(line.device.as_deref(), network)?,
        weight: 1,
        onlink: line.onlink,
        realms: line.realms.map(realms),
        encapsulation: line.encapsulation.as_ref().map(encapsulation),
    };
    let mut hops = Vec::new();
    for nexthop in &line.nexthops {
        hops.push(way(nexthop, network)?);
    }
    if let Some(second) = line.or_via {
        // The old way of writing two.
        hops.push(hop.clone());
        hops.push(Hop {
            gateway: Some(second),
            ..hop.clone()
        });
    }
    Some(Route {
        destination: line.destination,
        table: table(line, network)?,
        kind: line.kind,
        protocol: line.protocol,
        scope: line.scope,
        tos: line.tos.unwrap_or(0),
        metric: line.metric,
        source: line.source,
        from: line.from,
        hop,
        hops,
        metrics: metrics(line),
        preference: line.preference.map(preference),
        expires: line.expires,
        ttl_propagate: line.ttl_propagate,
        create: match line.create {
            RouteCreate::Add => Create::Exclusive,
            RouteCreate::Append => Create::Append,
            RouteCreate::Prepend => Create::Prepend,
        },
    })
}

/// The one said, else that of the routing domain, else main.
fn table(line: &config::Route, network: &Network) -> Option<u32> {
    if let Some(table) = line.table {
        return Some(table);
    }
    let Some(domain) = &line.vrf else {
        return Some(TABLE_MAIN);
    };
    match network.named(domain)?.kind {
        LinkKind::Vrf(table) => Some(table),
        LinkKind::Other | LinkKind::Macvlan(_) | LinkKind::Ipvlan(_) => Some(TABLE_MAIN),
    }
}

fn way(line: &Nexthop, network: &Network) -> Option<Hop> {
    Some(Hop {
        gateway: line.via,
        link: device(line.device.as_deref(), network)?,
        weight: line.weight.unwrap_or(1),
        onlink: line.onlink,
        realms: line.realms.map(realms),
        encapsulation: line.encapsulation.as_ref().map(encapsulation),
    })
}

/// None when it is named and does not exist.
fn device(name: Option<&str>, network: &Network) -> Option<Option<IfIndex>> {
    match name {
        None => Some(None),
        Some(name) => Some(Some(network.named(name)?.index)),
    }
}

fn realms(realms: Realms) -> u32 {
    u32::from(realms.from) << 16 | u32::from(realms.to)
}

/// RFC 4191 2.1, in two bits.
fn preference(preference: RoutePreference) -> u8 {
    match preference {
        RoutePreference::Medium => 0,
        RoutePreference::High => 1,
        RoutePreference::Low => 3,
        RoutePreference::Number(number) => number,
    }
}

fn metrics(line: &config::Route) -> Vec<RouteMetric> {
    let numbers = line.metrics.iter().map(|metric: &Metric| RouteMetric {
        kind: metric_number(metric.kind),
        value: MetricValue::Number(metric.value),
        locked: metric.locked,
    });
    let algorithm = line.congestion_control.as_ref();
    let algorithm = algorithm.map(|(name, locked)| RouteMetric {
        kind: CONGESTION_ALGORITHM,
        value: MetricValue::Name(name.clone()),
        locked: *locked,
    });
    let features = line.ecn.then_some(RouteMetric {
        kind: FEATURES,
        value: MetricValue::Number(FEATURE_ECN),
        locked: false,
    });
    numbers.chain(algorithm).chain(features).collect()
}

/// RTAX_* of the kernel.
fn metric_number(kind: MetricKind) -> u16 {
    match kind {
        MetricKind::Mtu => 2,
        MetricKind::Window => 3,
        MetricKind::Rtt => 4,
        MetricKind::RttVar => 5,
        MetricKind::SsThresh => 6,
        MetricKind::Cwnd => 7,
        MetricKind::AdvMss => 8,
        MetricKind::Reordering => 9,
        MetricKind::HopLimit => 10,
        MetricKind::InitCwnd => 11,
        MetricKind::RtoMin => 13,
        MetricKind::InitRwnd => 14,
        MetricKind::QuickAck => 15,
        MetricKind::FastopenNoCookie => 17,
    }
}

fn encapsulation(wrapping: &Wrapping) -> Encapsulation {
    match *wrapping {
        Wrapping::Mpls(ref labels) => Encapsulation::Mpls(labels.clone()),
        Wrapping::Ila(locator) => Encapsulation::Ila(locator),
        Wrapping::Ip {
            id,
            destination,
            source,
            tos,
            ttl,
            flags,
        } => Encapsulation::Ip {
            id,
            destination,
            source,
            tos,
            ttl,
            flags,
        },
        Wrapping::Ip6 {
            id,
            destination,
            source,
            traffic_class,
            hop_limit,
            flags,
        } => Encapsulation::Ip6 {
            id,
            destination,
            source,
            traffic_class,
            hop_limit,
            flags,
        },
    }
}

pub(super) fn rule(line: &config::Rule) -> Rule {
    let lookup = match line.action {
        RuleAction::Table(lookup) => Some(lookup),
        _ => None,
    };
    Rule {
        family: line.family,
        preference: line.preference,
        from: line.from,
        to: line.to,
        invert: line.invert,
        tos: line.tos.unwrap_or(0),
        action: match line.action {
            RuleAction::Table(lookup) => Action::Table(lookup.table),
            RuleAction::L3mdev => Action::L3mdev,
            RuleAction::Goto(target) => Action::Goto(target),
            RuleAction::Nop => Action::Nop,
            RuleAction::Blackhole => Action::Blackhole,
            RuleAction::Unreachable => Action::Unreachable,
            RuleAction::Prohibit => Action::Prohibit,
        },
        mark: line.mark.map(|mark| mark.mark),
        mark_mask: line.mark.and_then(|mark| mark.mask),
        from_interface: line.from_interface.clone(),
        to_interface: line.to_interface.clone(),
        tunnel: line.tunnel,
        users: line.users,
        protocol: line.protocol,
        ip_protocol: line.ip_protocol,
        source_ports: line.source_ports,
        destination_ports: line.destination_ports,
        suppress_prefix: lookup.and_then(|lookup| lookup.suppress_prefix),
        suppress_group: lookup.and_then(|lookup| lookup.suppress_group),
        realms: lookup.and_then(|lookup| lookup.realms).map(realms),
    }
}

/// RTAX_FEATURES and RTAX_FEATURE_ECN.
const FEATURES: u16 = 12;
const FEATURE_ECN: u32 = 1;
/// RTAX_CC_ALGO.
const CONGESTION_ALGORITHM: u16 = 16;
