//! The IPVS family of generic netlink: requests that program the table, questions that read it.
//!
//! Numbers are in the machine's own order, ports and IPv4 masks in network order.

mod dest;
mod service;
mod settings;

use std::net::{IpAddr, SocketAddr};

use super::cursor::Reader;
use super::netlink::{Attribute, Attributes, Draft, FLAG_ACK, FLAG_DUMP};
use crate::addr::Family;

pub use dest::{Checksum, Dest, DestOptions, DestState, Method, Tunnel};
pub use service::{FLAG_ONE_PACKET, FLAG_PERSISTENT, FLAGS_SCHEDULER, Service, ServiceId};
pub use settings::{Role, SyncDaemon, Timeouts};

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
    /// Starts one of the two threads that tell connections to other directors.
    NewDaemon(SyncDaemon),
    DelDaemon(Role, u32),
    SetTimeouts(Timeouts),
}

impl Request {
    /// The datagram that asks the kernel for this; `family` is the number the kernel gave IPVS.
    pub fn emit(&self, family: u16, sequence: u32) -> Vec<u8> {
        let mut draft = generic(family, FLAG_ACK, sequence, self.command());
        match self {
            Self::Flush => {}
            Self::NewService(service) | Self::SetService(service) => {
                draft.nested(TOP_SERVICE, |nest| service.write(nest));
            }
            Self::DelService(id) => {
                draft.nested(TOP_SERVICE, |nest| id.write(nest));
            }
            Self::NewDest(id, dest) | Self::SetDest(id, dest) => {
                draft.nested(TOP_SERVICE, |nest| id.write(nest));
                draft.nested(TOP_DEST, |nest| dest.write(nest));
            }
            Self::DelDest(id, address) => {
                draft.nested(TOP_SERVICE, |nest| id.write(nest));
                draft.nested(TOP_DEST, |nest| dest::write_key(nest, address));
            }
            Self::NewDaemon(daemon) => {
                draft.nested(TOP_DAEMON, |nest| daemon.write(nest));
            }
            Self::DelDaemon(role, sync_id) => {
                draft.nested(TOP_DAEMON, |nest| role.write(*sync_id, nest));
            }
            Self::SetTimeouts(timeouts) => timeouts.write(&mut draft),
        }
        draft.finish()
    }

    fn command(&self) -> u8 {
        match self {
            Self::NewService(_) => COMMAND_NEW_SERVICE,
            Self::SetService(_) => COMMAND_SET_SERVICE,
            Self::DelService(_) => COMMAND_DEL_SERVICE,
            Self::NewDest(..) => COMMAND_NEW_DEST,
            Self::SetDest(..) => COMMAND_SET_DEST,
            Self::DelDest(..) => COMMAND_DEL_DEST,
            Self::NewDaemon(_) => COMMAND_NEW_DAEMON,
            Self::DelDaemon(..) => COMMAND_DEL_DAEMON,
            Self::SetTimeouts(_) => COMMAND_SET_CONFIG,
            Self::Flush => COMMAND_FLUSH,
        }
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

/// Asks for the timeouts; the answer is for [`Timeouts::parse`].
pub fn emit_timeouts_request(family: u16, sequence: u32) -> Vec<u8> {
    generic(family, FLAG_ACK, sequence, COMMAND_GET_CONFIG).finish()
}

/// Asks for all services; the answers are for [`Service::parse`].
pub fn emit_service_dump(family: u16, sequence: u32) -> Vec<u8> {
    generic(family, FLAG_DUMP, sequence, COMMAND_GET_SERVICE).finish()
}

/// Asks for one service; the answer is for [`Service::parse`].
pub fn emit_service_request(family: u16, sequence: u32, service: &ServiceId) -> Vec<u8> {
    let mut draft = generic(family, FLAG_ACK, sequence, COMMAND_GET_SERVICE);
    draft.nested(TOP_SERVICE, |nest| service.write(nest));
    draft.finish()
}

/// Asks for the destinations of a service; the answers are for [`DestState::parse`].
pub fn emit_dest_dump(family: u16, sequence: u32, service: &ServiceId) -> Vec<u8> {
    let mut draft = generic(family, FLAG_DUMP, sequence, COMMAND_GET_DEST);
    draft.nested(TOP_SERVICE, |nest| service.write(nest));
    draft.finish()
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

fn parse_endpoint(
    family: Family,
    address: Attribute<'_>,
    port: Attribute<'_>,
) -> Option<SocketAddr> {
    let mut octets = Reader::new(address.value);
    let address = match family {
        Family::V4 => IpAddr::from(octets.array::<4>()?),
        Family::V6 => IpAddr::from(octets.array::<16>()?),
    };
    let port = Reader::new(port.value).u16()?;
    Some(SocketAddr::new(address, port))
}

fn parse_address_family(attribute: Attribute<'_>) -> Option<Family> {
    match attribute.u16()? {
        AF_INET => Some(Family::V4),
        AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

/// The kernel's union of both families: an IPv4 address is followed by zeros.
fn sixteen_octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96).to_be_bytes(),
        IpAddr::V6(address) => address.octets(),
    }
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
const COMMAND_NEW_DAEMON: u8 = 0x9;
const COMMAND_DEL_DAEMON: u8 = 0xa;
const COMMAND_SET_CONFIG: u8 = 0xc;
const COMMAND_GET_CONFIG: u8 = 0xd;
const COMMAND_SET_INFO: u8 = 0xe;
const COMMAND_GET_INFO: u8 = 0xf;
const COMMAND_FLUSH: u8 = 0x11;

const TOP_SERVICE: u16 = 0x1;
const TOP_DEST: u16 = 0x2;
const TOP_DAEMON: u16 = 0x3;
const INFO_VERSION: u16 = 0x1;

const AF_INET: u16 = 0x02;
const AF_INET6: u16 = 0x0a;
