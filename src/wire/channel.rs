//! Where adverts are heard and sent: what makes two virtual routers share one pair of sockets.

use std::fmt;
use std::net::IpAddr;

use crate::addr::{Family, IfIndex};

/// A pair of raw sockets, as a value. Virtual routers of one channel are told apart by VRID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    pub carrier: Carrier,
    /// None: unicast that any interface may bring.
    pub link: Option<IfIndex>,
    pub ear: Ear,
}

/// What follows the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// The advert itself.
    Vrrp,
    /// An authentication header (RFC 2402), then the advert.
    Ah,
}

/// What a packet's destination must be to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ear {
    Group(IpAddr),
    /// Unicast to this address of ours.
    Own(IpAddr),
}

impl Channel {
    pub fn family(&self) -> Family {
        Family::of(self.ear.address())
    }
}

impl Carrier {
    /// The protocol number in the IP header (RFC 3768 5.2.4, RFC 2402 2).
    pub fn protocol(self) -> u8 {
        match self {
            Self::Vrrp => 112,
            Self::Ah => 51,
        }
    }
}

impl Ear {
    pub fn address(self) -> IpAddr {
        match self {
            Self::Group(address) | Self::Own(address) => address,
        }
    }
}

impl fmt::Display for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "multicast, address({group})"),
            Self::Own(source) => write!(f, "unicast, address({source})"),
        }
    }
}
