//! Addresses of interfaces: RTM_NEWADDR and RTM_DELADDR.

use std::net::{IpAddr, Ipv4Addr};

use super::{PROTOCOL_KEEPALIVED, RTM_DELADDR, RTM_NEWADDR, family_of};
use crate::addr::{Cidr, IfIndex};
use crate::wire::cursor::{Reader, Writer};
use crate::wire::netlink::{Attributes, Draft, FLAG_ACK};

/// An address of an interface, as `ip address` would write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub link: IfIndex,
    /// IFA_LOCAL and the prefix length (the peer's length when there is a peer).
    pub cidr: Cidr,
    /// IFA_ADDRESS when it differs from the local one.
    pub peer: Option<IpAddr>,
    pub broadcast: Option<Ipv4Addr>,
    pub label: Option<String>,
    /// global 0, site 200, link 253, host 254, nowhere 255.
    pub scope: u8,
    /// IFA_F_* bits.
    pub flags: u32,
    /// Seconds until it is no source of new connections any more, u32::MAX for ever. None leaves
    /// it to the kernel: for ever. Of requests; notices do not tell.
    pub preferred: Option<u32>,
}

impl Address {
    /// Global, with nothing said about it.
    pub fn new(link: IfIndex, cidr: Cidr) -> Self {
        Self {
            link,
            cidr,
            peer: None,
            broadcast: None,
            label: None,
            scope: 0,
            flags: 0,
            preferred: None,
        }
    }

    /// Without the flags that only an attribute has room for: Linux before 3.14 does not know it.
    /// None when there are none.
    pub fn for_older_kernels(&self) -> Option<Self> {
        let oldest = self.flags & u32::from(u8::MAX);
        (oldest != self.flags).then(|| Self {
            flags: oldest,
            ..self.clone()
        })
    }
}

pub(super) fn emit_add(address: &Address, sequence: u32) -> Vec<u8> {
    let mut draft = address_draft(RTM_NEWADDR, address, sequence);
    draft.address(IFA_LOCAL, address.cidr.address());
    if let Some(peer) = address.peer {
        draft.address(IFA_ADDRESS, peer);
    }
    if let Some(broadcast) = address.broadcast {
        draft.address(IFA_BROADCAST, broadcast.into());
    }
    if let Some(label) = &address.label {
        draft.text(IFA_LABEL, label);
    }
    // Linux before 3.14 knows only the eight bits of the fixed part.
    if address.flags > u32::from(u8::MAX) {
        draft.u32(IFA_FLAGS, address.flags);
    }
    if let Some(preferred) = address.preferred {
        let mut lifetimes = Writer::new();
        lifetimes
            .native_u32(preferred)
            .native_u32(LIFETIME_FOREVER)
            .zeros(8); // When it was made and changed is for the kernel to say.
        draft.attribute(IFA_CACHEINFO, lifetimes.as_slice());
    }
    // Who made it; Linux before 5.18 does not look.
    draft.attribute(IFA_PROTO, &[PROTOCOL_KEEPALIVED]);
    draft.finish()
}

pub(super) fn emit_remove(address: &Address, sequence: u32) -> Vec<u8> {
    let mut draft = address_draft(RTM_DELADDR, address, sequence);
    let local = address.cidr.address();
    draft.address(IFA_LOCAL, local);
    // IPv4 compares the prefix only when IFA_ADDRESS is there; without it, the first entry with
    // this local address would go, whatever its length.
    if address.peer.is_some() || local.is_ipv4() {
        draft.address(IFA_ADDRESS, address.peer.unwrap_or(local));
    }
    draft.finish()
}

/// struct ifaddrmsg: family, prefix length, flags, scope, interface.
fn address_draft(kind: u16, address: &Address, sequence: u32) -> Draft {
    let [low_flags, ..] = address.flags.to_le_bytes();
    let mut fixed = Writer::new();
    fixed
        .u8(family_of(address.cidr.address()))
        .u8(address.cidr.prefix())
        .u8(low_flags)
        .u8(address.scope)
        .native_u32(address.link.0);
    Draft::new(kind, FLAG_ACK, sequence, fixed.as_slice())
}

pub(super) fn parse(payload: &[u8]) -> Option<Address> {
    let mut reader = Reader::new(payload);
    let family = reader.u8()?;
    let prefix = reader.u8()?;
    let low_flags = reader.u8()?;
    let scope = reader.u8()?;
    let link = IfIndex(reader.native_u32()?);
    let attributes = Attributes::new(reader.rest());

    // IFA_LOCAL is missing on ordinary IPv6 addresses; with a peer, IFA_ADDRESS is the peer's.
    let address = attributes.last_of(IFA_ADDRESS).and_then(|a| a.address());
    let local = attributes.last_of(IFA_LOCAL).and_then(|a| a.address());
    let local = local.or(address)?;
    if family != family_of(local) {
        return None;
    }
    let broadcast = attributes.last_of(IFA_BROADCAST).and_then(|a| a.address());
    let all_flags = attributes.last_of(IFA_FLAGS).and_then(|a| a.u32());
    Some(Address {
        link,
        cidr: Cidr::new(local, prefix)?,
        peer: address.filter(|peer| *peer != local),
        broadcast: match broadcast {
            Some(IpAddr::V4(broadcast)) => Some(broadcast),
            Some(IpAddr::V6(_)) | None => None,
        },
        label: attributes.last_of(IFA_LABEL).map(|a| a.text()),
        scope,
        flags: all_flags.unwrap_or_else(|| low_flags.into()),
        preferred: None,
    })
}

/// sizeof(struct ifaddrmsg).
pub(super) const FIXED_LENGTH: usize = 8;

const IFA_ADDRESS: u16 = 0x1;
const IFA_LOCAL: u16 = 0x2;
const IFA_LABEL: u16 = 0x3;
const IFA_BROADCAST: u16 = 0x4;
const IFA_CACHEINFO: u16 = 0x6;
const IFA_FLAGS: u16 = 0x8;
const IFA_PROTO: u16 = 0xb;
const LIFETIME_FOREVER: u32 = 0xffff_ffff;
