//! Route netlink: links and addresses.

use std::net::{IpAddr, Ipv4Addr};

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
