//! Destinations of a service: who answers, and how packets get there.

use std::net::SocketAddr;

use super::{
    COMMAND_NEW_DEST, ServiceId, TOP_DEST, attributes_of, family_number, parse_address_family,
    parse_endpoint, sixteen_octets,
};
use crate::addr::Family;
use crate::wire::cursor::Reader;
use crate::wire::netlink::{Attributes, Draft};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dest {
    /// Its key in its service.
    pub address: SocketAddr,
    pub options: DestOptions,
}

/// How packets get to a destination, and how many connections it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestOptions {
    pub method: Method,
    /// 0 to 2147483647; 0 takes no new connections.
    pub weight: i32,
    /// Connections beyond which it gets no new ones; 0 for no limit.
    pub upper_threshold: u32,
    /// Connections below which it gets new ones again.
    pub lower_threshold: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Masq,
    Local,
    Tunnel(Tunnel),
    Route,
}

/// How packets are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// IP in IP: the only one before Linux 5.3.
    Ipip,
    /// Generic UDP encapsulation (Linux 5.3).
    Gue { port: u16, checksum: Checksum },
    /// Linux 5.3.
    Gre { checksum: Checksum },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    None,
    Full,
    /// Remote checksum offload.
    Remote,
}

/// A destination as the kernel tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestState {
    pub dest: Dest,
    /// Connections that are open.
    pub active: u32,
}

impl Dest {
    /// A destination without limits.
    pub fn new(address: SocketAddr, method: Method, weight: i32) -> Self {
        let options = DestOptions {
            method,
            weight,
            upper_threshold: 0,
            lower_threshold: 0,
        };
        Self { address, options }
    }

    pub(super) fn write(&self, nest: &mut Draft) {
        write_key(nest, &self.address);
        self.options.write(nest);
    }
}

impl DestOptions {
    /// The same without new connections: those that are open go on.
    pub fn quiesced(self) -> Self {
        Self { weight: 0, ..self }
    }

    pub fn at(self, address: SocketAddr) -> Dest {
        let options = self;
        Dest { address, options }
    }

    fn write(&self, nest: &mut Draft) {
        let method = match self.method {
            Method::Masq => METHOD_MASQ,
            Method::Local => METHOD_LOCAL,
            Method::Tunnel(_) => METHOD_TUNNEL,
            Method::Route => METHOD_ROUTE,
        };
        nest.u32(DEST_METHOD, method)
            .u32(DEST_WEIGHT, self.weight.cast_unsigned());
        if let Method::Tunnel(tunnel) = self.method {
            tunnel.write(nest);
        }
        // Without both limits the kernel refuses the destination.
        nest.u32(DEST_UPPER_THRESHOLD, self.upper_threshold)
            .u32(DEST_LOWER_THRESHOLD, self.lower_threshold);
    }
}

impl DestState {
    /// A destination of `service`; None when it is cut or of an unknown method.
    pub fn parse(payload: &[u8], service: &ServiceId) -> Option<Self> {
        let nest = attributes_of(payload, COMMAND_NEW_DEST)?
            .last_of(TOP_DEST)?
            .nested();
        // Linux before 3.18 has no family of its own for a destination.
        let family = match nest.last_of(DEST_FAMILY) {
            Some(attribute) => parse_address_family(attribute)?,
            None => service.family(),
        };
        let method = match nest.last_of(DEST_METHOD)?.u32()? & METHOD_MASK {
            METHOD_MASQ => Method::Masq,
            METHOD_LOCAL => Method::Local,
            METHOD_TUNNEL => Method::Tunnel(Tunnel::parse(nest)?),
            METHOD_ROUTE => Method::Route,
            _ => return None,
        };
        let address = parse_endpoint(
            family,
            nest.last_of(DEST_ADDRESS)?,
            nest.last_of(DEST_PORT)?,
        )?;
        let options = DestOptions {
            method,
            weight: nest.last_of(DEST_WEIGHT)?.u32()?.cast_signed(),
            upper_threshold: nest.last_of(DEST_UPPER_THRESHOLD)?.u32()?,
            lower_threshold: nest.last_of(DEST_LOWER_THRESHOLD)?.u32()?,
        };
        let active = nest.last_of(DEST_ACTIVE).and_then(|count| count.u32());
        Some(Self {
            dest: Dest { address, options },
            active: active.unwrap_or(0),
        })
    }
}

impl Tunnel {
    fn write(self, nest: &mut Draft) {
        let (kind, port, checksum) = match self {
            Self::Ipip => (TUNNEL_IPIP, None, None),
            Self::Gue { port, checksum } => (TUNNEL_GUE, Some(port), Some(checksum)),
            Self::Gre { checksum } => (TUNNEL_GRE, None, Some(checksum)),
        };
        nest.attribute(DEST_TUNNEL_TYPE, &[kind]);
        if let Some(port) = port {
            nest.attribute(DEST_TUNNEL_PORT, &port.to_be_bytes());
        }
        if let Some(checksum) = checksum {
            nest.u16(DEST_TUNNEL_FLAGS, checksum.number());
        }
    }

    /// Linux before 5.3 does not say: there it is IP in IP, whatever was asked for.
    fn parse(nest: Attributes<'_>) -> Option<Self> {
        let octet = |kind| nest.last_of(kind)?.value.first().copied();
        let kind = octet(DEST_TUNNEL_TYPE).unwrap_or(TUNNEL_IPIP);
        if kind == TUNNEL_IPIP {
            return Some(Self::Ipip);
        }
        let checksum = Checksum::of(nest.last_of(DEST_TUNNEL_FLAGS)?.u16()?);
        match kind {
            TUNNEL_GUE => {
                let port = nest.last_of(DEST_TUNNEL_PORT)?;
                let port = Reader::new(port.value).u16()?;
                Some(Self::Gue { port, checksum })
            }
            TUNNEL_GRE => Some(Self::Gre { checksum }),
            _ => None,
        }
    }
}

impl Checksum {
    fn number(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Full => CHECKSUM_FULL,
            Self::Remote => CHECKSUM_REMOTE,
        }
    }

    fn of(flags: u16) -> Self {
        if flags & CHECKSUM_REMOTE != 0 {
            Self::Remote
        } else if flags & CHECKSUM_FULL != 0 {
            Self::Full
        } else {
            Self::None
        }
    }
}

pub(super) fn write_key(nest: &mut Draft, address: &SocketAddr) {
    nest.u16(DEST_FAMILY, family_number(Family::of(address.ip())))
        .attribute(DEST_ADDRESS, &sixteen_octets(address.ip()))
        .attribute(DEST_PORT, &address.port().to_be_bytes());
}

const DEST_ADDRESS: u16 = 0x1;
const DEST_PORT: u16 = 0x2;
const DEST_METHOD: u16 = 0x3;
const DEST_WEIGHT: u16 = 0x4;
const DEST_UPPER_THRESHOLD: u16 = 0x5;
const DEST_LOWER_THRESHOLD: u16 = 0x6;
const DEST_ACTIVE: u16 = 0x7;
const DEST_FAMILY: u16 = 0xb;
const DEST_TUNNEL_TYPE: u16 = 0xd;
const DEST_TUNNEL_PORT: u16 = 0xe;
const DEST_TUNNEL_FLAGS: u16 = 0xf;

const METHOD_MASQ: u32 = 0x0;
const METHOD_LOCAL: u32 = 0x1;
const METHOD_TUNNEL: u32 = 0x2;
const METHOD_ROUTE: u32 = 0x3;
const METHOD_MASK: u32 = 0x7;

const TUNNEL_IPIP: u8 = 0x0;
const TUNNEL_GUE: u8 = 0x1;
const TUNNEL_GRE: u8 = 0x2;
const CHECKSUM_FULL: u16 = 0x1;
const CHECKSUM_REMOTE: u16 = 0x2;
