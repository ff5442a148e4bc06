//! Route netlink (RFC 3549 3.1): links, addresses, routes and rules, as requests and as notices.

mod address;
mod link;

use std::net::IpAddr;

use super::netlink::{Draft, FLAG_DUMP, Message};
use crate::addr::IfIndex;

pub use address::Address;
pub use link::{IpvlanMode, Link, LinkKind, LinkRequest, MacvlanMode, NewLink, emit_link_dump};

/// What a core asks of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    AddAddress(Address),
    /// Matches on interface, address, prefix and peer; EADDRNOTAVAIL and ENODEV mean it is gone.
    RemoveAddress(Address),
    Link(LinkRequest),
}

/// What the monitor socket tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Link(Link),
    LinkGone(IfIndex),
    Address(Address),
    AddressGone(Address),
}

impl Request {
    /// The datagram that asks the kernel for this.
    pub fn emit(&self, sequence: u32) -> Vec<u8> {
        match self {
            Self::AddAddress(address) => address::emit_add(address, sequence),
            Self::RemoveAddress(address) => address::emit_remove(address, sequence),
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

const AF_UNSPEC: u8 = 0x00;
const AF_INET: u8 = 0x02;
const AF_INET6: u8 = 0x0a;
