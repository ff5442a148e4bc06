//! Interfaces: RTM_NEWLINK and RTM_DELLINK.

use super::AF_UNSPEC;
use crate::addr::{IfIndex, MacAddr};
use crate::wire::cursor::Reader;
use crate::wire::netlink::Attributes;

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

/// The part of struct ifinfomsg that matters, and the attributes after it.
struct Fixed<'a> {
    index: IfIndex,
    flags: u32,
    attributes: Attributes<'a>,
}

fn parse_fixed(payload: &[u8]) -> Option<Fixed<'_>> {
    let mut reader = Reader::new(payload);
    let family = reader.u8()?;
    reader.take(3)?; // Padding and the hardware type.
    let index = IfIndex(reader.native_u32()?);
    let flags = reader.native_u32()?;
    reader.take(4)?; // Which flags changed: old kernels say "all".
    // Other families tell of a port leaving its bridge with an RTM_DELLINK, and of IPv6 settings
    // with an RTM_NEWLINK: the interface itself is AF_UNSPEC.
    (family == AF_UNSPEC).then_some(Fixed {
        index,
        flags,
        attributes: Attributes::new(reader.rest()),
    })
}

pub(super) fn parse(payload: &[u8]) -> Option<Link> {
    let Fixed {
        index,
        flags,
        attributes,
    } = parse_fixed(payload)?;
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

/// RTM_DELLINK.
pub(super) fn parse_gone(payload: &[u8]) -> Option<IfIndex> {
    parse_fixed(payload).map(|link| link.index)
}

/// sizeof(struct ifinfomsg).
pub(super) const FIXED_LENGTH: usize = 16;

const IFLA_ADDRESS: u16 = 0x1;
const IFLA_IFNAME: u16 = 0x3;
const IFLA_MTU: u16 = 0x4;

const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_NOARP: u32 = 0x80;
const IFF_MULTICAST: u32 = 0x1000;
