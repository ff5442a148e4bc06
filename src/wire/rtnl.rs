//! Route netlink (RFC 3549 3.1): links and addresses, as requests and as notices.

use std::net::{IpAddr, Ipv4Addr};

use super::cursor::{Reader, Writer};
use super::netlink::{Attributes, Draft, FLAG_ACK, FLAG_DUMP, Message};
use crate::addr::{Cidr, IfIndex, MacAddr};

/// What a core asks of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    AddAddress(Address),
    /// Matches on interface, address, prefix and peer; EADDRNOTAVAIL and ENODEV mean it is gone.
    RemoveAddress(Address),
}

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
}

/// An interface as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: IfIndex,
    pub name: String,
    /// None when it has no six-octet hardware address.
    pub mac: Option<MacAddr>,
    pub mtu: u32,
    /// IFF_UP and IFF_RUNNING: a cable is plugged and the interface is switched on.
    pub running: bool,
    pub multicast: bool,
    /// IFF_NOARP or a loopback: no gratuitous ARP here.
    pub no_arp: bool,
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
            Self::AddAddress(address) => emit_add(address, sequence),
            Self::RemoveAddress(address) => emit_remove(address, sequence),
        }
    }
}

/// Asks for every interface; the answers are [`Notice::Link`]s.
pub fn emit_link_dump(sequence: u32) -> Vec<u8> {
    Draft::new(RTM_GETLINK, FLAG_DUMP, sequence, &[0; LINK_FIXED_LENGTH]).finish()
}

/// Asks for every address of both families; the answers are [`Notice::Address`]es.
pub fn emit_address_dump(sequence: u32) -> Vec<u8> {
    Draft::new(RTM_GETADDR, FLAG_DUMP, sequence, &[0; ADDRESS_FIXED_LENGTH]).finish()
}

impl Notice {
    /// What a message tells; None when it is about something else, or cut.
    pub fn parse(message: &Message<'_>) -> Option<Self> {
        match message.header.kind {
            RTM_NEWLINK => parse_link(message.payload).map(Self::Link),
            RTM_DELLINK => parse_link_fixed(message.payload).map(|link| Self::LinkGone(link.index)),
            RTM_NEWADDR => parse_address(message.payload).map(Self::Address),
            RTM_DELADDR => parse_address(message.payload).map(Self::AddressGone),
            _ => None,
        }
    }
}

fn emit_add(address: &Address, sequence: u32) -> Vec<u8> {
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
    if address.cidr.address().is_ipv6() && address.cidr.is_host() {
        // Deprecated from the start: a virtual address must not be chosen as a source address.
        let mut lifetimes = Writer::new();
        lifetimes
            .native_u32(0)
            .native_u32(LIFETIME_FOREVER)
            .zeros(8); // When it was made and changed is for the kernel to say.
        draft.attribute(IFA_CACHEINFO, lifetimes.as_slice());
    }
    draft.finish()
}

fn emit_remove(address: &Address, sequence: u32) -> Vec<u8> {
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
    let family = match address.cidr.address() {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    };
    let [low_flags, ..] = address.flags.to_le_bytes();
    let mut fixed = Writer::new();
    fixed
        .u8(family)
        .u8(address.cidr.prefix())
        .u8(low_flags)
        .u8(address.scope)
        .native_u32(address.link.0);
    Draft::new(kind, FLAG_ACK, sequence, fixed.as_slice())
}

fn parse_address(payload: &[u8]) -> Option<Address> {
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
    let same_family = match local {
        IpAddr::V4(_) => family == AF_INET,
        IpAddr::V6(_) => family == AF_INET6,
    };
    if !same_family {
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
    })
}

/// The part of struct ifinfomsg that matters, and the attributes after it.
struct LinkFixed<'a> {
    index: IfIndex,
    flags: u32,
    attributes: Attributes<'a>,
}

fn parse_link_fixed(payload: &[u8]) -> Option<LinkFixed<'_>> {
    let mut reader = Reader::new(payload);
    let family = reader.u8()?;
    reader.take(3)?; // Padding and the hardware type.
    let index = IfIndex(reader.native_u32()?);
    let flags = reader.native_u32()?;
    reader.take(4)?; // Which flags changed: old kernels say "all".
    // Other families tell of a port leaving its bridge with an RTM_DELLINK, and of IPv6 settings
    // with an RTM_NEWLINK: the interface itself is AF_UNSPEC.
    (family == AF_UNSPEC).then_some(LinkFixed {
        index,
        flags,
        attributes: Attributes::new(reader.rest()),
    })
}

fn parse_link(payload: &[u8]) -> Option<Link> {
    let LinkFixed {
        index,
        flags,
        attributes,
    } = parse_link_fixed(payload)?;
    let mac = attributes
        .last_of(IFLA_ADDRESS)
        .and_then(|attribute| <[u8; 6]>::try_from(attribute.value).ok());
    Some(Link {
        index,
        name: attributes.last_of(IFLA_IFNAME)?.text(),
        mac: mac.map(MacAddr),
        // Wireless drivers send scraps without an MTU: events, not descriptions of the interface.
        mtu: attributes.last_of(IFLA_MTU)?.u32()?,
        running: flags & IFF_UP != 0 && flags & IFF_RUNNING != 0,
        multicast: flags & IFF_MULTICAST != 0,
        no_arp: flags & (IFF_NOARP | IFF_LOOPBACK) != 0,
    })
}

/// IFA_F_NODAD: an IPv6 address is used at once, without duplicate address detection.
pub const ADDRESS_NODAD: u32 = 0x02;

const RTM_NEWLINK: u16 = 0x10;
const RTM_DELLINK: u16 = 0x11;
const RTM_GETLINK: u16 = 0x12;
const RTM_NEWADDR: u16 = 0x14;
const RTM_DELADDR: u16 = 0x15;
const RTM_GETADDR: u16 = 0x16;

const AF_UNSPEC: u8 = 0x00;
const AF_INET: u8 = 0x02;
const AF_INET6: u8 = 0x0a;

const IFA_ADDRESS: u16 = 0x1;
const IFA_LOCAL: u16 = 0x2;
const IFA_LABEL: u16 = 0x3;
const IFA_BROADCAST: u16 = 0x4;
const IFA_CACHEINFO: u16 = 0x6;
const IFA_FLAGS: u16 = 0x8;
const LIFETIME_FOREVER: u32 = 0xffff_ffff;

const IFLA_ADDRESS: u16 = 0x1;
const IFLA_IFNAME: u16 = 0x3;
const IFLA_MTU: u16 = 0x4;

const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_NOARP: u32 = 0x80;
const IFF_MULTICAST: u32 = 0x1000;

/// sizeof(struct ifinfomsg).
const LINK_FIXED_LENGTH: usize = 16;
/// sizeof(struct ifaddrmsg).
const ADDRESS_FIXED_LENGTH: usize = 8;
