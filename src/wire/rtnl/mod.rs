//! Route netlink (RFC 3549 3.1): links, addresses, routes and rules, as requests and as notices.

mod address;
mod encapsulation;
mod link;
mod route;
mod rule;

use std::net::IpAddr;

use super::netlink::{Draft, FLAG_DUMP, Message};
use crate::addr::IfIndex;

pub use address::Address;
pub use encapsulation::Encapsulation;
pub use link::{IpvlanMode, Link, LinkKind, LinkRequest, MacvlanMode, NewLink, emit_link_dump};
pub use route::{Create, Hop, MetricValue, Route, RouteKey, RouteMetric, TABLE_MAIN};
pub use rule::{Action, Rule, emit_rule_dump};

/// What a core asks of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    AddAddress(Address),
    /// Matches on interface, address, prefix and peer; EADDRNOTAVAIL and ENODEV mean it is gone.
    RemoveAddress(Address),
    AddRoute(Box<Route>),
    /// In the place of one that leads to the same destination.
    ReplaceRoute(Box<Route>),
    /// ESRCH means it is gone.
    RemoveRoute(Box<Route>),
    AddRule(Box<Rule>),
    /// ENOENT means it is gone.
    RemoveRule(Box<Rule>),
    Link(LinkRequest),
}

/// What the monitor socket tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Link(Link),
    LinkGone(IfIndex),
    Address(Address),
    AddressGone(Address),
    RouteGone(RouteKey),
    /// Of dumps.
    Rule(Box<Rule>),
    RuleGone(Box<Rule>),
}

impl Request {
    /// The datagram that asks the kernel for this.
    pub fn emit(&self, sequence: u32) -> Vec<u8> {
        match self {
            Self::AddAddress(address) => address::emit_add(address, sequence),
            Self::RemoveAddress(address) => address::emit_remove(address, sequence),
            Self::AddRoute(route) => route.emit_add(route.create, sequence),
            Self::ReplaceRoute(route) => route.emit_add(Create::Replace, sequence),
            Self::RemoveRoute(route) => route.emit_remove(sequence),
            Self::AddRule(rule) => rule.emit_add(sequence),
            Self::RemoveRule(rule) => rule.emit_remove(sequence),
            Self::Link(request) => request.emit(sequence),
        }
    }
}

/// Asks for every address of both families; the answers are [`Notice::Address`]es.
pub fn emit_address_dump(sequence: u32) -> Vec<u8> {
    Draft::new(
        RTM_GETADDR,
        FLAG_DUMP,
        sequence,
        &[0; address::FIXED_LENGTH],
    )
    .finish()
}

impl Notice {
    /// What a message tells; None when it is about something else, or cut.
    pub fn parse(message: &Message<'_>) -> Option<Self> {
        match message.header.kind {
            RTM_NEWLINK => link::parse(message.payload).map(Self::Link),
            RTM_DELLINK => link::parse_gone(message.payload).map(Self::LinkGone),
            RTM_NEWADDR => address::parse(message.payload).map(Self::Address),
            RTM_DELADDR => address::parse(message.payload).map(Self::AddressGone),
            RTM_DELROUTE => route::parse(message.payload).map(Self::RouteGone),
            RTM_NEWRULE => rule::parse(message.payload).map(|rule| Self::Rule(Box::new(rule))),
            RTM_DELRULE => rule::parse(message.payload).map(|rule| Self::RuleGone(Box::new(rule))),
            _ => None,
        }
    }
}

fn family_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

/// IFA_F_NODAD: an IPv6 address is used at once, without duplicate address detection.
pub const ADDRESS_NODAD: u32 = 0x02;

/// RTPROT_KEEPALIVED: who made a route, a rule or an address.
pub const PROTOCOL_KEEPALIVED: u8 = 18;

const RTM_NEWLINK: u16 = 0x10;
const RTM_DELLINK: u16 = 0x11;
const RTM_GETLINK: u16 = 0x12;
const RTM_NEWADDR: u16 = 0x14;
const RTM_DELADDR: u16 = 0x15;
const RTM_GETADDR: u16 = 0x16;
const RTM_NEWROUTE: u16 = 0x18;
const RTM_DELROUTE: u16 = 0x19;
const RTM_NEWRULE: u16 = 0x20;
const RTM_DELRULE: u16 = 0x21;
const RTM_GETRULE: u16 = 0x22;

const AF_UNSPEC: u8 = 0x00;
const AF_INET: u8 = 0x02;
const AF_INET6: u8 = 0x0a;
