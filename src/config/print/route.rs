//! Routes and rules as text.

use std::fmt::{Display, Write as _};
use std::net::IpAddr;

use super::{Printer, quoted};
use crate::addr::{Cidr, Family};
use crate::config::keywords::route::{KINDS, METRICS};
use crate::config::route::{
    Encapsulation, KEEPALIVED, Nexthop, Realms, Route, RouteCreate, RoutePreference, UNICAST,
};
use crate::config::rule::{Rule, RuleAction};

/// A line under construction: words with blanks between them.
#[derive(Default)]
struct Line(String);

impl Line {
    fn word(&mut self, word: impl Display) {
        let gap = if self.0.is_empty() { "" } else { " " };
        write!(self.0, "{gap}{word}").expect("a string takes any text");
    }

    fn pair(&mut self, option: &str, value: impl Display) {
        self.word(option);
        self.word(value);
    }

    fn maybe(&mut self, option: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.pair(option, value);
        }
    }

    fn flag(&mut self, option: &str, set: bool) {
        if set {
            self.word(option);
        }
    }

    /// The family is said where it is not that of the line.
    fn via(&mut self, option: &str, via: Option<IpAddr>, family: Family) {
        let Some(via) = via else {
            return;
        };
        self.word(option);
        match Family::of(via) {
            same if same == family => {}
            Family::V4 => self.word("inet"),
            Family::V6 => self.word("inet6"),
        }
        self.word(via);
    }

    fn realms(&mut self, realms: Option<Realms>) {
        let text = realms.map(|Realms { from, to }| format!("{from}/{to}"));
        self.maybe("realms", text);
    }

    fn nexthop(&mut self, hop: &Nexthop, family: Family) {
        self.word("nexthop");
        self.via("via", hop.via, family);
        self.maybe("dev", hop.device.as_deref().map(quoted));
        self.maybe("weight", hop.weight);
        self.flag("onlink", hop.onlink);
        self.realms(hop.realms);
        self.encapsulation(hop.encapsulation.as_ref());
    }

    fn encapsulation(&mut self, encapsulation: Option<&Encapsulation>) {
        let Some(encapsulation) = encapsulation else {
            return;
        };
        self.word("encap");
        match encapsulation {
            Encapsulation::Mpls(labels) => {
                let labels: Vec<String> = labels.iter().map(u32::to_string).collect();
                self.pair("mpls", labels.join("/"));
            }
            Encapsulation::Ip {
                id,
                destination,
                source,
                tos,
                ttl,
                flags,
            } => {
                self.word("ip");
                self.maybe("id", *id);
                self.maybe("dst", *destination);
                self.maybe("src", *source);
                self.maybe("tos", *tos);
                self.maybe("ttl", *ttl);
                self.maybe("flags", *flags);
            }
            Encapsulation::Ip6 {
                id,
                destination,
                source,
                traffic_class,
                hop_limit,
                flags,
            } => {
                self.word("ip6");
                self.maybe("id", *id);
                self.maybe("dst", *destination);
                self.maybe("src", *source);
                self.maybe("tc", *traffic_class);
                self.maybe("hoplimit", *hop_limit);
                self.maybe("flags", *flags);
            }
            Encapsulation::Ila(locator) => {
                let group = |shift: u32| (locator >> shift) & 0xffff;
                let (a, b, c, d) = (group(48), group(32), group(16), group(0));
                self.pair("ila", format_args!("{a:x}:{b:x}:{c:x}:{d:x}"));
            }
        }
    }
}

impl Printer {
    pub(super) fn routes(&mut self, keyword: &str, routes: &[Route]) {
        if routes.is_empty() {
            return;
        }
        self.open(keyword);
        for route in routes {
            self.line(route_line(route));
        }
        self.close();
    }

    pub(super) fn rules(&mut self, keyword: &str, rules: &[Rule]) {
        if rules.is_empty() {
            return;
        }
        self.open(keyword);
        for rule in rules {
            self.line(rule_line(rule));
        }
        self.close();
    }
}

pub(super) fn route_line(route: &Route) -> String {
    let mut line = Line::default();
    if route.kind != UNICAST {
        match KINDS.iter().find(|(_, kind)| *kind == route.kind) {
            Some((name, _)) => line.word(name),
            None => line.word(route.kind),
        }
    }
    line.word(network(route.destination));
    let family = route.family();
    line.via("via", route.via, family);
    line.via("or", route.or_via, family);
    line.maybe("dev", route.device.as_deref().map(quoted));
    line.maybe("vrf", route.vrf.as_deref().map(quoted));
    line.maybe("src", route.source);
    line.maybe("scope", route.scope);
    line.maybe("table", route.table);
    line.maybe("metric", route.metric);
    line.maybe(
        "protocol",
        Some(route.protocol).filter(|number| *number != KEEPALIVED),
    );
    line.maybe("tos", route.tos);
    line.maybe("from", route.from);
    line.realms(route.realms);
    line.flag("onlink", route.onlink);
    for metric in &route.metrics {
        let named = METRICS.iter().find(|(_, kind)| *kind == metric.kind);
        line.word(named.map_or("", |(name, _)| *name));
        line.flag("lock", metric.locked);
        line.word(metric.value);
    }
    if let Some((name, locked)) = &route.congestion_control {
        line.word("congctl");
        line.flag("lock", *locked);
        line.word(quoted(name));
    }
    if route.ecn {
        line.pair("features", "ecn");
    }
    match route.preference {
        Some(RoutePreference::Low) => line.pair("pref", "low"),
        Some(RoutePreference::Medium) => line.pair("pref", "medium"),
        Some(RoutePreference::High) => line.pair("pref", "high"),
        Some(RoutePreference::Number(number)) => line.pair("pref", number),
        None => {}
    }
    line.maybe("expires", route.expires);
    let propagate = |on| if on { "enabled" } else { "disabled" };
    line.maybe("ttl-propagate", route.ttl_propagate.map(propagate));
    match route.create {
        RouteCreate::Add => line.word("add"),
        RouteCreate::Append => line.word("append"),
        RouteCreate::Prepend => {}
    }
    line.flag("no_track", !route.track);
    line.maybe("track_group", route.track_group.as_deref().map(quoted));
    line.encapsulation(route.encapsulation.as_ref());
    for hop in &route.nexthops {
        line.nexthop(hop, family);
    }
    line.0
}

/// With its length where it is everything: `default` alone would be of IPv4.
fn network(network: Cidr) -> String {
    match (network.family(), network.prefix()) {
        (Family::V4, 0) if network.address().is_unspecified() => "default".to_owned(),
        _ => network.to_string(),
    }
}

pub(super) fn rule_line(rule: &Rule) -> String {
    let mut line = Line::default();
    line.word(match rule.family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    });
    line.flag("not", rule.invert);
    line.maybe("from", rule.from);
    line.maybe("to", rule.to);
    line.pair("preference", rule.preference);
    line.maybe("tos", rule.tos);
    let mark = rule.mark.map(|mark| match mark.mask {
        Some(mask) => format!("{}/{mask}", mark.mark),
        None => mark.mark.to_string(),
    });
    line.maybe("fwmark", mark);
    line.maybe("iif", rule.from_interface.as_deref().map(quoted));
    line.maybe("oif", rule.to_interface.as_deref().map(quoted));
    line.maybe("tunnel-id", rule.tunnel);
    line.maybe(
        "uidrange",
        rule.users.map(|(from, to)| format!("{from}-{to}")),
    );
    line.maybe(
        "protocol",
        Some(rule.protocol).filter(|number| *number != KEEPALIVED),
    );
    line.maybe("ipproto", rule.ip_protocol);
    let ports = |ports: Option<(u16, u16)>| ports.map(|(from, to)| format!("{from}-{to}"));
    line.maybe("sport", ports(rule.source_ports));
    line.maybe("dport", ports(rule.destination_ports));
    match rule.action {
        RuleAction::Table(lookup) => {
            line.pair("table", lookup.table);
            line.maybe("suppress_prefixlength", lookup.suppress_prefix);
            line.maybe("suppress_ifgroup", lookup.suppress_group);
            line.realms(lookup.realms);
        }
        RuleAction::L3mdev => line.word("l3mdev"),
        RuleAction::Goto(target) => line.pair("goto", target),
        RuleAction::Nop => line.word("nop"),
        RuleAction::Blackhole => line.word("blackhole"),
        RuleAction::Unreachable => line.word("unreachable"),
        RuleAction::Prohibit => line.word("prohibit"),
    }
    line.flag("no_track", !rule.track);
    line.maybe("track_group", rule.track_group.as_deref().map(quoted));
    line.0
}
