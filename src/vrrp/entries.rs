//! What lines of the configuration are in the kernel's tables: names become numbers. Decides
//! nothing; a line whose interface does not exist is nothing yet.

use std::fmt;

use super::network::{Network, is_same};
use crate::addr::{Cidr, IfIndex};
use crate::config::VirtualAddress;
use crate::wire::rtnl::{ADDRESS_NODAD, Address, Notice, Request};

/// One thing of the kernel's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Address(Address),
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
        }
    }

    pub(super) fn remove(&self) -> Request {
        match self {
            Self::Address(address) => Request::RemoveAddress(address.clone()),
        }
    }

    /// What makes two entries one to the kernel.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(one), Self::Address(other)) => is_same(one, other),
        }
    }

    /// Whether it is what the request adds.
    pub(super) fn is_added_by(&self, request: &Request) -> bool {
        match (self, request) {
            (Self::Address(ours), Request::AddAddress(added)) => is_same(ours, added),
            _ => false,
        }
    }

    /// Whether it is what the notice tells the end of.
    pub(super) fn is_told_gone(&self, notice: &Notice) -> bool {
        match (self, notice) {
            (Self::Address(ours), Notice::AddressGone(gone)) => is_same(ours, gone),
            _ => false,
        }
    }

    /// False when it went with its interface.
    pub(super) fn lives_on(&self, network: &Network) -> bool {
        match self {
            Self::Address(address) => network.link(address.link).is_some(),
        }
    }

    pub(super) fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(address) => Some(address),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "ip address {}", address.cidr),
        }
    }
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

/// An IPv6 host is deprecated from the start: a virtual address must not be chosen as a source.
fn preferred(line: &VirtualAddress, is_v6: bool) -> Option<u32> {
    match line.preferred_lifetime {
        Some(seconds) if is_v6 => Some(seconds),
        None if is_v6 && line.cidr.is_host() => Some(0),
        _ => None,
    }
}
