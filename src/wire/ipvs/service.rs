//! Services of the table: their keys and what is told of them.

use std::net::SocketAddr;

use super::{
    COMMAND_NEW_SERVICE, TOP_SERVICE, attributes_of, family_number, parse_address_family,
    parse_endpoint, sixteen_octets,
};
use crate::addr::Family;
use crate::wire::cursor::Writer;
use crate::wire::netlink::{Attributes, Draft};

/// The key of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceId {
    Address {
        /// As in the IP header: 6, 17, 132.
        protocol: u16,
        address: SocketAddr,
    },
    /// Whatever the firewall has marked.
    Fwmark { mark: u32, family: Family },
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
    /// Persistence granularity as a prefix length: a mask on the wire for IPv4, the number for
    /// IPv6.
    pub prefix: u8,
    /// The persistence engine, at most 15 octets.
    pub engine: Option<String>,
}

pub const FLAG_PERSISTENT: u32 = 0x1;
pub const FLAG_ONE_PACKET: u32 = 0x4;
/// The switches of the scheduler, whose meaning is its own.
pub const FLAGS_SCHEDULER: [u32; 3] = [0x8, 0x10, 0x20];

impl ServiceId {
    pub fn family(self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(address.ip()),
            Self::Fwmark { family, .. } => family,
        }
    }

    pub(super) fn write(&self, nest: &mut Draft) {
        nest.u16(SERVICE_FAMILY, family_number(self.family()));
        match self {
            Self::Address { protocol, address } => nest
                .u16(SERVICE_PROTOCOL, *protocol)
                .attribute(SERVICE_ADDRESS, &sixteen_octets(address.ip()))
                .attribute(SERVICE_PORT, &address.port().to_be_bytes()),
            Self::Fwmark { mark, .. } => nest.u32(SERVICE_MARK, *mark),
        };
    }

    fn parse(nest: Attributes<'_>) -> Option<Self> {
        let family = parse_address_family(nest.last_of(SERVICE_FAMILY)?)?;
        if let Some(mark) = nest.last_of(SERVICE_MARK) {
            let mark = mark.u32()?;
            return Some(Self::Fwmark { mark, family });
        }
        Some(Self::Address {
            protocol: nest.last_of(SERVICE_PROTOCOL)?.u16()?,
            address: parse_endpoint(
                family,
                nest.last_of(SERVICE_ADDRESS)?,
                nest.last_of(SERVICE_PORT)?,
            )?,
        })
    }
}

impl Service {
    /// A service that the kernel tells of; None when it is cut.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let nest = attributes_of(payload, COMMAND_NEW_SERVICE)?
            .last_of(TOP_SERVICE)?
            .nested();
        let id = ServiceId::parse(nest)?;
        let netmask = nest.last_of(SERVICE_NETMASK)?.u32()?;
        let prefix = match id.family() {
            Family::V4 => netmask.count_ones(),
            Family::V6 => netmask,
        };
        Some(Self {
            id,
            scheduler: nest.last_of(SERVICE_SCHEDULER)?.text(),
            flags: nest.last_of(SERVICE_FLAGS)?.u32()? & !FLAG_HASHED,
            timeout: nest.last_of(SERVICE_TIMEOUT)?.u32()?,
            prefix: u8::try_from(prefix).ok()?,
            engine: nest.last_of(SERVICE_ENGINE).map(|engine| engine.text()),
        })
    }

    pub(super) fn write(&self, nest: &mut Draft) {
        self.id.write(nest);
        nest.text(SERVICE_SCHEDULER, &self.scheduler);
        let mut flags = Writer::new();
        flags.native_u32(self.flags).native_u32(FLAGS_ALL);
        nest.attribute(SERVICE_FLAGS, flags.as_slice());
        nest.u32(SERVICE_TIMEOUT, self.timeout);
        match self.id.family() {
            Family::V4 => nest.attribute(SERVICE_NETMASK, &mask_of(self.prefix)),
            Family::V6 => nest.u32(SERVICE_NETMASK, u32::from(self.prefix)),
        };
        if let Some(engine) = &self.engine {
            nest.text(SERVICE_ENGINE, engine);
        }
    }
}

/// The mask of a prefix length in network order.
fn mask_of(prefix: u8) -> [u8; 4] {
    let host_bits = 32_u32.saturating_sub(u32::from(prefix));
    u32::MAX.checked_shl(host_bits).unwrap_or(0).to_be_bytes()
}

const SERVICE_FAMILY: u16 = 0x1;
const SERVICE_PROTOCOL: u16 = 0x2;
const SERVICE_ADDRESS: u16 = 0x3;
const SERVICE_PORT: u16 = 0x4;
const SERVICE_MARK: u16 = 0x5;
const SERVICE_SCHEDULER: u16 = 0x6;
const SERVICE_FLAGS: u16 = 0x7;
const SERVICE_TIMEOUT: u16 = 0x8;
const SERVICE_NETMASK: u16 = 0x9;
const SERVICE_ENGINE: u16 = 0xb;

/// The kernel's own flag: the service is in its hash table.
const FLAG_HASHED: u32 = 0x2;
/// Every flag is set or cleared as given.
const FLAGS_ALL: u32 = 0xffff_ffff;
