//! What lines of the configuration are in the kernel's tables: names become numbers. Decides
//! nothing; a line whose interface does not exist is nothing yet.

use std::fmt;

use super::network::{Network, is_same};
use super::observe::Holding;
use super::routing;
use crate::addr::{Cidr, IfIndex};
use crate::config::{self, VirtualAddress};
use crate::wire::rtnl::{ADDRESS_NODAD, Address, Notice, Request, Route, Rule, TABLE_MAIN};

/// One thing of the kernel's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Address(Address),
    Route(Box<Route>),
    Rule(Box<Rule>),
}

/// An entry, and what its loss means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) entry: Entry,
    /// False with `no_track`: if somebody removes it, so be it.
    pub(super) track: bool,
}

impl Entry {
    pub(super) fn add(&self) -> Request {
        match self {
            Self::Address(address) => Request::AddAddress(address.clone()),
            Self::Route(route) => Request::AddRoute(route.clone()),
            Self::Rule(rule) => Request::AddRule(rule.clone()),
        }
    }

    pub(super) fn remove(&self) -> Request {
        match self {
            Self::Address(address) => Request::RemoveAddress(address.clone()),
            Self::Route(route) => Request::RemoveRoute(route.clone()),
            Self::Rule(rule) => Request::RemoveRule(rule.clone()),
        }
    }

    /// What makes two entries one to the kernel.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(one), Self::Address(other)) => is_same(one, other),
            (Self::Route(one), Self::Route(other)) => one == other,
            (Self::Rule(one), Self::Rule(other)) => one == other,
            _ => false,
        }
    }

    /// Whether it is what the request adds.
    pub(super) fn is_added_by(&self, request: &Request) -> bool {
        match (self, request) {
            (Self::Address(ours), Request::AddAddress(added)) => is_same(ours, added),
            (Self::Route(ours), Request::AddRoute(added) | Request::ReplaceRoute(added)) => {
                ours == added
            }
            (Self::Rule(ours), Request::AddRule(added)) => ours == added,
            _ => false,
        }
    }

    /// Whether it is what the notice tells the end of.
    pub(super) fn is_told_gone(&self, notice: &Notice) -> bool {
        match (self, notice) {
            (Self::Address(ours), Notice::AddressGone(gone)) => is_same(ours, gone),
            (Self::Route(ours), Notice::RouteGone(gone)) => ours.has_key(gone),
            (Self::Rule(ours), Notice::RuleGone(gone)) => ours.is_same(gone),
            _ => false,
        }
    }

    /// False when it went with its interface.
    pub(super) fn lives_on(&self, network: &Network) -> bool {
        match self {
            Self::Address(address) => network.link(address.link).is_some(),
            Self::Route(route) => {
                let mut hops = route.hops.iter().chain([&route.hop]);
                hops.all(|hop| hop.link.is_none_or(|link| network.link(link).is_some()))
            }
            Self::Rule(_) => true,
        }
    }

    /// What it is, and which.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Address(address) => format!("address {}", address.cidr),
            Self::Route(route) => match route.table {
                TABLE_MAIN => format!("route {}", route.destination),
                table => format!("route {} table {table}", route.destination),
            },
            Self::Rule(rule) => format!("rule {}", rule.preference),
        }
    }

    pub(super) fn holding(&self) -> Holding {
        match self {
            Self::Address(address) => Holding::Address(address.cidr.address()),
            Self::Route(route) => Holding::Route {
                destination: route.destination,
                table: route.table,
                metric: route.metric,
            },
            Self::Rule(rule) => Holding::Rule {
                family: rule.family,
                preference: rule.preference,
            },
        }
    }

    pub(super) fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(address) => Some(address),
            Self::Route(_) | Self::Rule(_) => None,
        }
    }

    pub(super) fn route(&self) -> Option<&Route> {
        match self {
            Self::Route(route) => Some(route),
            Self::Address(_) | Self::Rule(_) => None,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ip {}", self.title())
    }
}

/// The interfaces that the lines of an instance name, and whether the instance needs them.
pub(super) fn devices(instance: &config::Instance) -> impl Iterator<Item = (&str, bool)> {
    let addresses = instance.addresses.iter().chain(&instance.excluded);
    let addresses = addresses.map(|line| (line.device.as_ref(), line.track));
    let routes = instance.routes.iter().flat_map(|line| {
        let hops = line.nexthops.iter().map(|hop| hop.device.as_ref());
        let devices = [line.device.as_ref(), line.vrf.as_ref()]
            .into_iter()
            .chain(hops);
        devices.map(|device| (device, line.track))
    });
    let rules = instance.rules.iter().flat_map(|line| {
        let devices = [line.from_interface.as_ref(), line.to_interface.as_ref()];
        devices.map(|device| (device, line.track))
    });
    let all = addresses.chain(routes).chain(rules);
    all.filter_map(|(device, is_tracked)| Some((device?.as_str(), is_tracked)))
}

/// The address of a line, once it is known which interface it is on.
pub(super) fn address_on(line: &VirtualAddress, link: IfIndex) -> Option<Wanted> {
    // With a peer the length belongs to the peer, and the kernel files the address under it.
    let prefix = line.peer.unwrap_or(line.cidr).prefix();
    let cidr = Cidr::new(line.cidr.address(), prefix)?;
    let is_v6 = cidr.address().is_ipv6();
    let address = Address {
        link,
        cidr,
        peer: line.peer.map(Cidr::address),
        broadcast: line.broadcast,
        label: line.label.clone(),
        scope: line.scope,
        // A virtual address is used at once: whoever else has it is leaving. `-nodad` takes the
        // flag away.
        flags: if is_v6 {
            line.flags ^ ADDRESS_NODAD
        } else {
            line.flags & !ADDRESS_NODAD
        },
        preferred: preferred(line, is_v6),
    };
    Some(Wanted {
        entry: Entry::Address(address),
        track: line.track,
    })
}

pub(super) fn route(line: &config::Route, network: &Network) -> Option<Wanted> {
    Some(Wanted {
        entry: Entry::Route(Box::new(routing::route(line, network)?)),
        track: line.track,
    })
}

pub(super) fn rule(line: &config::Rule) -> Wanted {
    Wanted {
        entry: Entry::Rule(Box::new(routing::rule(line))),
        track: line.track,
    }
}

/// An IPv6 host is deprecated from the start: a virtual address must not be chosen as a source.
fn preferred(line: &VirtualAddress, is_v6: bool) -> Option<u32> {
    match line.preferred_lifetime {
        Some(seconds) if is_v6 => Some(seconds),
        None if is_v6 && line.cidr.is_host() => Some(0),
        _ => None,
    }
}
