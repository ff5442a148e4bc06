//! One line of `static_routes` or `virtual_routes`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::addr::{Cidr, Family};
use crate::config::diag::Problem;
use crate::config::names::NameKind;
use crate::config::report::Report;
use crate::config::route::{
    KEEPALIVED, Metric, MetricKind, Nexthop, Realms, Route, RouteCreate, RoutePreference, UNICAST,
};
use crate::config::source::Span;
use crate::config::tree::{Statement, Word};
use crate::config::value;

use super::encap::encapsulation;
use super::line::{LineFamily, NUMBER, Words};

/// A route and where it was written.
pub(crate) struct RouteDraft {
    pub(crate) route: Route,
    pub(crate) span: Span,
}

/// RTN_* of the kernel.
pub(crate) const KINDS: [(&str, u8); 12] = [
    ("unicast", UNICAST),
    ("local", 2),
    ("broadcast", 3),
    ("brd", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
    ("throw", 9),
    ("nat", 10),
    ("xresolve", 11),
];

/// The metrics by name, and whether they may be locked.
pub(crate) const METRICS: [(&str, MetricKind); 14] = [
    ("mtu", MetricKind::Mtu),
    ("advmss", MetricKind::AdvMss),
    ("reordering", MetricKind::Reordering),
    ("cwnd", MetricKind::Cwnd),
    ("ssthresh", MetricKind::SsThresh),
    ("rtt", MetricKind::Rtt),
    ("rttvar", MetricKind::RttVar),
    ("rto_min", MetricKind::RtoMin),
    ("window", MetricKind::Window),
    ("initcwnd", MetricKind::InitCwnd),
    ("initrwnd", MetricKind::InitRwnd),
    ("hoplimit", MetricKind::HopLimit),
    ("quickack", MetricKind::QuickAck),
    ("fastopen_no_cookie", MetricKind::FastopenNoCookie),
];

/// What a line says so far.
struct Line {
    route: Route,
    family: LineFamily,
    destination: Option<Option<Cidr>>,
    protocol: Option<(u8, Span)>,
}

/// Reads a line; None when the route is unusable, which is reported then.
pub(crate) fn route(line: &Statement, report: &mut Report<'_>) -> Option<RouteDraft> {
    let mut words = Words::new(line);
    let mut draft = Line {
        route: empty(),
        family: LineFamily::default(),
        destination: None,
        protocol: None,
    };
    while let Some(word) = words.next() {
        if word.text == "nexthop" {
            draft.nexthops(word, &mut words, report)?;
            break;
        }
        draft.word(word, &mut words, report)?;
    }
    let route = draft.finish(line, report)?;
    Some(RouteDraft {
        route,
        span: line.span(),
    })
}

fn empty() -> Route {
    Route {
        destination: default_of(Family::V4),
        kind: UNICAST,
        source: None,
        via: None,
        or_via: None,
        device: None,
        vrf: None,
        scope: None,
        table: None,
        metric: None,
        protocol: KEEPALIVED,
        tos: None,
        from: None,
        realms: None,
        onlink: false,
        metrics: Vec::new(),
        congestion_control: None,
        ecn: false,
        preference: None,
        expires: None,
        ttl_propagate: None,
        encapsulation: None,
        create: RouteCreate::default(),
        nexthops: Vec::new(),
        track: true,
        track_group: None,
    }
}

/// Everything of a family.
fn default_of(family: Family) -> Cidr {
    let all = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Cidr::new(all, 0).expect("no family has addresses shorter than nothing")
}

impl Line {
    fn word(&mut self, word: &Word, words: &mut Words<'_>, report: &mut Report<'_>) -> Option<()> {
        let route = &mut self.route;
        match word.text.as_str() {
            "inet" => self.family.agree(Family::V4, word, report)?,
            "inet6" => self.family.agree(Family::V6, word, report)?,
            "onlink" => route.onlink = true,
            "no_track" => route.track = false,
            "add" => route.create = RouteCreate::Add,
            "append" => route.create = RouteCreate::Append,
            "prepend" => route.create = RouteCreate::Prepend,
            "to" => {
                let value = words.value(word, report)?;
                self.destination(value, words, report)?;
            }
            "via" | "gw" | "or" => self.gateway(word, words, report)?,
            "dev" | "oif" => route.device = Some(words.interface(word, report)?),
            "vrf" => route.vrf = Some(words.interface(word, report)?),
            "src" => {
                let value = words.value(word, report)?;
                let source = report.plain_address(value)?;
                self.family.agree(Family::of(source), value, report)?;
                route.source = Some(source);
            }
            "from" => {
                let value = words.value(word, report)?;
                let from = report.cidr(value, "the route is ignored")?;
                self.family.agree(Family::V6, value, report)?;
                if from.family() == Family::V4 {
                    report.reject(value, "of IPv6");
                    return None;
                }
                route.from = Some(from);
            }
            "encap" => route.encapsulation = Some(encapsulation(word, words, report)?),
            _ if self.number(word, words, report)? || self.metric(word, words, report)? => {}
            _ => self.destination(word, words, report)?,
        }
        Some(())
    }

    /// Options whose value is a number, a name for one, or a word of a few.
    fn number(
        &mut self,
        word: &Word,
        words: &mut Words<'_>,
        report: &mut Report<'_>,
    ) -> Option<bool> {
        let route = &mut self.route;
        match word.text.as_str() {
            "scope" => route.scope = Some(scope(words.value(word, report)?, report)?),
            "table" => route.table = Some(table(words.value(word, report)?, report)?),
            "metric" | "priority" | "preference" => {
                route.metric = Some(words.within(word, NUMBER, report)?);
            }
            "protocol" => {
                let value = words.value(word, report)?;
                let wanted = "a routing protocol or a number up to 255";
                let protocol = report.named_octet(NameKind::Protocol, value, wanted)?;
                self.protocol = Some((protocol, value.span));
            }
            "tos" | "dsfield" => route.tos = Some(tos(words.value(word, report)?, report)?),
            "realms" => {
                self.family.agree(Family::V4, word, report)?;
                route.realms = Some(realms(words.value(word, report)?, report)?);
            }
            "pref" => {
                self.family.agree(Family::V6, word, report)?;
                route.preference = Some(preference(words.value(word, report)?, report)?);
            }
            "expires" => {
                self.family.agree(Family::V6, word, report)?;
                route.expires = Some(words.within(word, NUMBER, report)?);
            }
            "ttl-propagate" => {
                let value = words.value(word, report)?;
                route.ttl_propagate = Some(match value.text.as_str() {
                    "enabled" => true,
                    "disabled" => false,
                    _ => {
                        report.reject(value, "enabled or disabled, the route is ignored");
                        return None;
                    }
                });
            }
            "features" => {
                let value = words.value(word, report)?;
                if value.text == "ecn" {
                    route.ecn = true;
                } else {
                    report.reject(value, "ecn, the only feature there is");
                }
            }
            "track_group" => route.track_group = Some(words.value(word, report)?.text.to_string()),
            "as" => {
                report.add(Problem::error(word.span, "`as` is not supported, ignored"));
                words.take("to");
                words.value(word, report)?;
            }
            _ => return Some(false),
        }
        Some(true)
    }

    /// `mtu [lock] N` and the like.
    fn metric(
        &mut self,
        word: &Word,
        words: &mut Words<'_>,
        report: &mut Report<'_>,
    ) -> Option<bool> {
        if word.text == "congctl" {
            let locked = words.take("lock");
            let name = words.value(word, report)?.text.to_string();
            self.route.congestion_control = Some((name, locked));
            return Some(true);
        }
        let known = METRICS.iter().find(|(name, _)| word.text == *name);
        let Some((_, kind)) = known else {
            return Some(false);
        };
        let locked = kind.may_be_locked() && words.take("lock");
        let value = words.value(word, report)?;
        let value = match kind {
            MetricKind::Rtt => time(value, 8, report)?,
            MetricKind::RttVar => time(value, 4, report)?,
            MetricKind::RtoMin => time(value, 1, report)?,
            MetricKind::HopLimit => report.within(value, 0, 255)?,
            MetricKind::QuickAck | MetricKind::FastopenNoCookie => report.within(value, 0, 1)?,
            _ => report.within(value, 0, u32::MAX.into())?,
        };
        self.route.metrics.retain(|metric| metric.kind != *kind);
        self.route.metrics.push(Metric {
            kind: *kind,
            value,
            locked,
        });
        Some(true)
    }

    fn gateway(
        &mut self,
        word: &Word,
        words: &mut Words<'_>,
        report: &mut Report<'_>,
    ) -> Option<()> {
        if word.text != "via" {
            let message = format!("`{}` is the old word for a gateway", word.text);
            let problem = Problem::warning(word.span, message);
            report.add(problem.help("write `via`, or `nexthop` for two"));
        }
        let (address, said) = via(word, words, report)?;
        if !said {
            self.family
                .agree(Family::of(address.0), address.1, report)?;
        }
        if word.text != "or" {
            self.route.via = Some(address.0);
        } else if self.route.or_via.is_none() {
            self.route.or_via = Some(address.0);
        }
        Some(())
    }

    /// A type and what it is of, or the destination alone. The last one counts.
    fn destination(
        &mut self,
        word: &Word,
        words: &mut Words<'_>,
        report: &mut Report<'_>,
    ) -> Option<()> {
        let named = KINDS.iter().find(|(name, _)| word.text == *name);
        let number = || word.text.parse().ok().filter(|_| words.peek().is_some());
        if let Some(kind) = named.map(|(_, kind)| *kind).or_else(number) {
            self.route.kind = kind;
            words.take("to");
            let value = words.value(word, report)?;
            return self.network(value, report);
        }
        self.network(word, report)
    }

    fn network(&mut self, word: &Word, report: &mut Report<'_>) -> Option<()> {
        self.destination = Some(match word.text.as_str() {
            "default" | "any" | "all" => None,
            "default6" => {
                self.family.agree(Family::V6, word, report)?;
                None
            }
            _ => {
                let network = report.cidr(word, "the route is ignored")?;
                self.family.agree(network.family(), word, report)?;
                Some(network)
            }
        });
        Some(())
    }

    /// `nexthop [via IP] [dev IF] [weight N] ...`, again and again to the end of the line.
    fn nexthops(
        &mut self,
        first: &Word,
        words: &mut Words<'_>,
        report: &mut Report<'_>,
    ) -> Option<()> {
        let mut hop = Nexthop::default();
        let mut head = first;
        while let Some(word) = words.next() {
            match word.text.as_str() {
                "nexthop" => {
                    self.add_hop(std::mem::take(&mut hop), head, report)?;
                    head = word;
                }
                "via" => {
                    let ((address, at), said) = via(word, words, report)?;
                    if !said {
                        self.family.agree(Family::of(address), at, report)?;
                    }
                    hop.via = Some(address);
                }
                "dev" => hop.device = Some(words.interface(word, report)?),
                "weight" => hop.weight = Some(words.within(word, (1, 256), report)?),
                "onlink" => hop.onlink = true,
                "encap" => hop.encapsulation = Some(encapsulation(word, words, report)?),
                "realms" => {
                    self.family.agree(Family::V4, word, report)?;
                    hop.realms = Some(realms(words.value(word, report)?, report)?);
                }
                _ => {
                    let known = [
                        "via", "dev", "weight", "onlink", "encap", "realms", "nexthop",
                    ];
                    report.unknown_word(word, &known, "the route is ignored");
                    return None;
                }
            }
        }
        self.add_hop(hop, head, report)
    }

    fn add_hop(&mut self, hop: Nexthop, head: &Word, report: &mut Report<'_>) -> Option<()> {
        if hop.via.is_none() && hop.device.is_none() {
            let message = "a `nexthop` that leads nowhere, the route is ignored";
            report.add(Problem::error(head.span, message));
            return None;
        }
        self.route.nexthops.push(hop);
        Some(())
    }

    fn finish(self, line: &Statement, report: &mut Report<'_>) -> Option<Route> {
        let mut route = self.route;
        let family = self.family.0.unwrap_or(Family::V4);
        let Some(destination) = self.destination else {
            let message = "a route without a destination, ignored";
            report.add(Problem::error(line.span(), message));
            return None;
        };
        route.destination = destination.unwrap_or_else(|| default_of(family));
        if let Some((protocol, span)) = self.protocol {
            if route.track && protocol != KEEPALIVED {
                let message = "a route that is tracked has the protocol of keepalived, 18";
                report.add(Problem::error(span, message).help("add `no_track`"));
            } else {
                route.protocol = protocol;
            }
        }
        Some(route)
    }
}

impl MetricKind {
    pub(crate) fn may_be_locked(self) -> bool {
        !matches!(
            self,
            Self::Window
                | Self::InitCwnd
                | Self::InitRwnd
                | Self::HopLimit
                | Self::QuickAck
                | Self::FastopenNoCookie
        )
    }
}

/// `[inet|inet6] IP`, with its word, and whether the family was said.
fn via<'s>(
    word: &Word,
    words: &mut Words<'s>,
    report: &mut Report<'_>,
) -> Option<((IpAddr, &'s Word), bool)> {
    let family = if words.take("inet6") {
        Some(Family::V6)
    } else {
        words.take("inet").then_some(Family::V4)
    };
    let value = words.value(word, report)?;
    let address = report.plain_address(value)?;
    if let Some(family) = family.filter(|family| *family != Family::of(address)) {
        report.reject(value, &format!("of {family}"));
        return None;
    }
    Some(((address, value), family.is_some()))
}

pub(crate) fn scope(word: &Word, report: &mut Report<'_>) -> Option<u8> {
    let wanted = "a scope: global, site, link, host, nowhere or 0 to 255";
    report.named_octet(NameKind::Scope, word, wanted)
}

pub(crate) fn table(word: &Word, report: &mut Report<'_>) -> Option<u32> {
    report.named_number(NameKind::Table, word, "a routing table or its number")
}

pub(crate) fn tos(word: &Word, report: &mut Report<'_>) -> Option<u8> {
    report.named_octet(
        NameKind::TypeOfService,
        word,
        "a type of service or a number up to 255",
    )
}

/// `[FROM/]TO`.
pub(crate) fn realms(word: &Word, report: &mut Report<'_>) -> Option<Realms> {
    let host = report.host;
    let mut realm = |name: &str| {
        let number = report.names.number(NameKind::Realm, name, host);
        number.and_then(|number| u16::try_from(number).ok())
    };
    let read = match word.text.split_once('/') {
        Some((from, to)) => realm(from).zip(realm(to)),
        None => realm(&word.text).map(|to| (0, to)),
    };
    if read.is_none() {
        report.reject(word, "one realm, or two with a / between them");
    }
    read.map(|(from, to)| Realms { from, to })
}

fn preference(word: &Word, report: &mut Report<'_>) -> Option<RoutePreference> {
    Some(match word.text.as_str() {
        "low" => RoutePreference::Low,
        "medium" => RoutePreference::Medium,
        "high" => RoutePreference::High,
        _ => RoutePreference::Number(report.within(word, 0, 255)?),
    })
}

/// A number in the kernel's unit, or milliseconds or seconds of which that is `per_milli`.
fn time(word: &Word, per_milli: u128, report: &mut Report<'_>) -> Option<u32> {
    const LEAST: u128 = 200;
    const MOST: u128 = 120_000;
    let lower = word.text.to_ascii_lowercase();
    let end = lower.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (digits, unit) = lower.split_at(end.unwrap_or(lower.len()));
    let read = value::seconds(digits).map(|read| read.duration);
    let units = match (unit, read) {
        ("", _) => u128::from(report.within::<u32>(word, 0, u32::MAX.into())?),
        ("ms", Some(read)) => u128::from(read.as_secs()) * per_milli,
        ("s" | "sec" | "secs", Some(read)) => read.as_millis() * per_milli,
        _ => {
            report.reject(word, "a time such as 300ms or 2s");
            return None;
        }
    };
    let clamped = units.clamp(LEAST * per_milli, MOST * per_milli);
    if clamped != units {
        let millis = clamped / per_milli;
        report.reject(word, &format!("from 200ms to 120s, {millis}ms is used"));
    }
    Some(u32::try_from(clamped).expect("two minutes are less"))
}
