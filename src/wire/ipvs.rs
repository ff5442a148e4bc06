//! The IPVS family of generic netlink.

use std::net::SocketAddr;

/// What the check core asks of IPVS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Flush,
    NewService(Service),
    SetService(Service),
    DelService(ServiceId),
    NewDest(ServiceId, Dest),
    SetDest(ServiceId, Dest),
    DelDest(ServiceId, SocketAddr),
}

/// The key of a service: protocol number (6, 17, 132) and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    pub protocol: u16,
    pub address: SocketAddr,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub id: ServiceId,
    /// At most 15 octets.
    pub scheduler: String,
    /// FLAG_* bits.
    pub flags: u32,
    /// Persistence, seconds.
    pub timeout: u32,
    /// Persistence granularity as a prefix length: a mask on the wire for IPv4, the number for IPv6.
    pub prefix: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dest {
    pub address: SocketAddr,
    pub method: Method,
    /// 0 to 2147483647; 0 takes no new connections.
    pub weight: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Masq,
    Local,
    Tunnel,
    Route,
}

pub const FLAG_PERSISTENT: u32 = 0x1;
pub const FLAG_ONE_PACKET: u32 = 0x4;
