//! The IPVS family of generic netlink: requests that program the table, dumps that read it.
//!
//! Numbers are in the machine's own order, ports and IPv4 masks in network order.

use std::net::{IpAddr, SocketAddr};

use super::cursor::{Reader, Writer};
use super::netlink::{Attribute, Attributes, Draft, FLAG_ACK, FLAG_DUMP};

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
    /// Persistence granularity as a prefix length: a mask on the wire for IPv4, the number for
    /// IPv6.
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
/// The switches of the scheduler, whose meaning is its own.
pub const FLAGS_SCHEDULER: [u32; 3] = [0x8, 0x10, 0x20];

impl Request {
    /// The datagram that asks the kernel for this; `family` is the number the kernel gave IPVS.
    pub fn emit(&self, family: u16, sequence: u32) -> Vec<u8> {
        let command = match self {
            Self::Flush => COMMAND_FLUSH,
            Self::NewService(_) => COMMAND_NEW_SERVICE,
            Self::SetService(_) => COMMAND_SET_SERVICE,
            Self::DelService(_) => COMMAND_DEL_SERVICE,
            Self::NewDest(..) => COMMAND_NEW_DEST,
            Self::SetDest(..) => COMMAND_SET_DEST,
            Self::DelDest(..) => COMMAND_DEL_DEST,
        };
        let mut draft = generic(family, FLAG_ACK, sequence, command);
        match self {
            Self::Flush => {}
            Self::NewService(service) | Self::SetService(service) => {
                draft.nested(TOP_SERVICE, |nest| write_service(nest, service));
            }
            Self::DelService(id) => {
                draft.nested(TOP_SERVICE, |nest| write_service_key(nest, id));
            }
            Self::NewDest(id, dest) | Self::SetDest(id, dest) => {
                draft.nested(TOP_SERVICE, |nest| write_service_key(nest, id));
                draft.nested(TOP_DEST, |nest| write_dest(nest, dest));
            }
            Self::DelDest(id, address) => {
                draft.nested(TOP_SERVICE, |nest| write_service_key(nest, id));
                draft.nested(TOP_DEST, |nest| write_dest_key(nest, address));
            }
        }
        draft.finish()
    }
}

/// Asks the controller of generic netlink for the number of the family IPVS.
pub fn emit_family_request(sequence: u32) -> Vec<u8> {
    let mut draft = generic(CONTROL_FAMILY, FLAG_ACK, sequence, CONTROL_GET_FAMILY);
    draft.text(CONTROL_FAMILY_NAME, FAMILY_NAME);
    draft.finish()
}

/// The number in the answer to [`emit_family_request`].
pub fn parse_family(payload: &[u8]) -> Option<u16> {
    attributes_of(payload, CONTROL_NEW_FAMILY)?
        .last_of(CONTROL_FAMILY_ID)?
        .u16()
}

/// Asks for the version.
pub fn emit_info_request(family: u16, sequence: u32) -> Vec<u8> {
    generic(family, FLAG_ACK, sequence, COMMAND_GET_INFO).finish()
}

/// The version (0x010201 is 1.2.1) in the answer to [`emit_info_request`].
pub fn parse_info(payload: &[u8]) -> Option<u32> {
    attributes_of(payload, COMMAND_SET_INFO)?
        .last_of(INFO_VERSION)?
        .u32()
}

/// Asks for all services; the answers are for [`Service::parse`].
pub fn emit_service_dump(family: u16, sequence: u32) -> Vec<u8> {
    generic(family, FLAG_DUMP, sequence, COMMAND_GET_SERVICE).finish()
}

/// Asks for the destinations of a service; the answers are for [`Dest::parse`].
pub fn emit_dest_dump(family: u16, sequence: u32, service: &ServiceId) -> Vec<u8> {
    let mut draft = generic(family, FLAG_DUMP, sequence, COMMAND_GET_DEST);
    draft.nested(TOP_SERVICE, |nest| write_service_key(nest, service));
    draft.finish()
}

impl Service {
    /// A service of a dump; None when it is cut, or keyed by a firewall mark.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let nest = attributes_of(payload, COMMAND_NEW_SERVICE)?
            .last_of(TOP_SERVICE)?
            .nested();
        let family = nest.last_of(SERVICE_FAMILY)?.u16()?;
        let id = ServiceId {
            protocol: nest.last_of(SERVICE_PROTOCOL)?.u16()?,
            address: parse_endpoint(
                family,
                nest.last_of(SERVICE_ADDRESS)?,
                nest.last_of(SERVICE_PORT)?,
            )?,
        };
        let netmask = nest.last_of(SERVICE_NETMASK)?.u32()?;
        let prefix = match id.address {
            SocketAddr::V4(_) => netmask.count_ones(),
            SocketAddr::V6(_) => netmask,
        };
        Some(Self {
            id,
            scheduler: nest.last_of(SERVICE_SCHEDULER)?.text(),
            flags: nest.last_of(SERVICE_FLAGS)?.u32()? & !FLAG_HASHED,
            timeout: nest.last_of(SERVICE_TIMEOUT)?.u32()?,
            prefix: u8::try_from(prefix).ok()?,
        })
    }
}

impl Dest {
    /// A destination of a dump of `service`; None when it is cut or of an unknown method.
    pub fn parse(payload: &[u8], service: &ServiceId) -> Option<Self> {
        let nest = attributes_of(payload, COMMAND_NEW_DEST)?
            .last_of(TOP_DEST)?
            .nested();
        // Linux before 3.18 has no family of its own for a destination.
        let family = match nest.last_of(DEST_FAMILY) {
            Some(attribute) => attribute.u16()?,
            None => family_number(service.address),
        };
        let method = match nest.last_of(DEST_METHOD)?.u32()? & METHOD_MASK {
            METHOD_MASQ => Method::Masq,
            METHOD_LOCAL => Method::Local,
            METHOD_TUNNEL => Method::Tunnel,
            METHOD_ROUTE => Method::Route,
            _ => return None,
        };
        Some(Self {
            address: parse_endpoint(
                family,
                nest.last_of(DEST_ADDRESS)?,
                nest.last_of(DEST_PORT)?,
            )?,
            method,
            weight: nest.last_of(DEST_WEIGHT)?.u32()?.cast_signed(),
        })
    }
}

/// A request of generic netlink: the fixed part is command, version, and two octets of nothing.
fn generic(family: u16, flags: u16, sequence: u32, command: u8) -> Draft {
    Draft::new(family, flags, sequence, &[command, VERSION, 0, 0])
}

fn attributes_of(payload: &[u8], command: u8) -> Option<Attributes<'_>> {
    let mut reader = Reader::new(payload);
    let [answered, _version, _, _] = reader.array()?;
    (answered == command).then(|| Attributes::new(reader.rest()))
}

fn write_service(nest: &mut Draft, service: &Service) {
    write_service_key(nest, &service.id);
    nest.text(SERVICE_SCHEDULER, &service.scheduler);
    let mut flags = Writer::new();
    flags.native_u32(service.flags).native_u32(FLAGS_ALL);
    nest.attribute(SERVICE_FLAGS, flags.as_slice());
    nest.u32(SERVICE_TIMEOUT, service.timeout);
    match service.id.address {
        SocketAddr::V4(_) => nest.attribute(SERVICE_NETMASK, &mask_of(service.prefix)),
        SocketAddr::V6(_) => nest.u32(SERVICE_NETMASK, u32::from(service.prefix)),
    };
}

fn write_service_key(nest: &mut Draft, id: &ServiceId) {
    nest.u16(SERVICE_FAMILY, family_number(id.address))
        .u16(SERVICE_PROTOCOL, id.protocol)
        .attribute(SERVICE_ADDRESS, &sixteen_octets(id.address.ip()))
        .attribute(SERVICE_PORT, &id.address.port().to_be_bytes());
}

fn write_dest(nest: &mut Draft, dest: &Dest) {
    write_dest_key(nest, &dest.address);
    let method = match dest.method {
        Method::Masq => METHOD_MASQ,
        Method::Local => METHOD_LOCAL,
        Method::Tunnel => METHOD_TUNNEL,
        Method::Route => METHOD_ROUTE,
    };
    nest.u32(DEST_METHOD, method)
        .u32(DEST_WEIGHT, dest.weight.cast_unsigned());
    if dest.method == Method::Tunnel {
        nest.attribute(DEST_TUNNEL_TYPE, &[TUNNEL_IPIP]);
    }
    // No limits, but the kernel wants them: without both it refuses the destination.
    nest.u32(DEST_UPPER_THRESHOLD, 0)
        .u32(DEST_LOWER_THRESHOLD, 0);
}

fn write_dest_key(nest: &mut Draft, address: &SocketAddr) {
    nest.u16(DEST_FAMILY, family_number(*address))
        .attribute(DEST_ADDRESS, &sixteen_octets(address.ip()))
        .attribute(DEST_PORT, &address.port().to_be_bytes());
}

fn parse_endpoint(family: u16, address: Attribute<'_>, port: Attribute<'_>) -> Option<SocketAddr> {
    let mut octets = Reader::new(address.value);
    let address = match family {
        AF_INET => IpAddr::from(octets.array::<4>()?),
        AF_INET6 => IpAddr::from(octets.array::<16>()?),
        _ => return None,
    };
    let port = Reader::new(port.value).u16()?;
    Some(SocketAddr::new(address, port))
}

fn family_number(address: SocketAddr) -> u16 {
    match address {
        SocketAddr::V4(_) => AF_INET,
        SocketAddr::V6(_) => AF_INET6,
    }
}

/// The kernel's union of both families: an IPv4 address is followed by zeros.
fn sixteen_octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96).to_be_bytes(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The mask of a prefix length in network order.
fn mask_of(prefix: u8) -> [u8; 4] {
    let host_bits = 32_u32.saturating_sub(u32::from(prefix));
    u32::MAX.checked_shl(host_bits).unwrap_or(0).to_be_bytes()
}

const FAMILY_NAME: &str = "IPVS";
const VERSION: u8 = 0x1;

/// GENL_ID_CTRL: the one family with a fixed number.
const CONTROL_FAMILY: u16 = 0x10;
const CONTROL_NEW_FAMILY: u8 = 0x1;
const CONTROL_GET_FAMILY: u8 = 0x3;
const CONTROL_FAMILY_ID: u16 = 0x1;
const CONTROL_FAMILY_NAME: u16 = 0x2;

const COMMAND_NEW_SERVICE: u8 = 0x1;
const COMMAND_SET_SERVICE: u8 = 0x2;
const COMMAND_DEL_SERVICE: u8 = 0x3;
const COMMAND_GET_SERVICE: u8 = 0x4;
const COMMAND_NEW_DEST: u8 = 0x5;
const COMMAND_SET_DEST: u8 = 0x6;
const COMMAND_DEL_DEST: u8 = 0x7;
const COMMAND_GET_DEST: u8 = 0x8;
const COMMAND_SET_INFO: u8 = 0xe;
const COMMAND_GET_INFO: u8 = 0xf;
const COMMAND_FLUSH: u8 = 0x11;

const TOP_SERVICE: u16 = 0x1;
const TOP_DEST: u16 = 0x2;
const INFO_VERSION: u16 = 0x1;

const SERVICE_FAMILY: u16 = 0x1;
const SERVICE_PROTOCOL: u16 = 0x2;
const SERVICE_ADDRESS: u16 = 0x3;
const SERVICE_PORT: u16 = 0x4;
const SERVICE_SCHEDULER: u16 = 0x6;
const SERVICE_FLAGS: u16 = 0x7;
const SERVICE_TIMEOUT: u16 = 0x8;
const SERVICE_NETMASK: u16 = 0x9;

const DEST_ADDRESS: u16 = 0x1;
const DEST_PORT: u16 = 0x2;
const DEST_METHOD: u16 = 0x3;
const DEST_WEIGHT: u16 = 0x4;
const DEST_UPPER_THRESHOLD: u16 = 0x5;
const DEST_LOWER_THRESHOLD: u16 = 0x6;
const DEST_FAMILY: u16 = 0xb;
const DEST_TUNNEL_TYPE: u16 = 0xd;

const METHOD_MASQ: u32 = 0x0;
const METHOD_LOCAL: u32 = 0x1;
const METHOD_TUNNEL: u32 = 0x2;
const METHOD_ROUTE: u32 = 0x3;
const METHOD_MASK: u32 = 0x7;
const TUNNEL_IPIP: u8 = 0x0;

/// The kernel's own flag: the service is in its hash table.
const FLAG_HASHED: u32 = 0x2;
/// Every flag is set or cleared as given.
const FLAGS_ALL: u32 = 0xffff_ffff;

const AF_INET: u16 = 0x02;
const AF_INET6: u16 = 0x0a;
