//! What holds for IPVS as a whole: timeouts of connections, and the threads that tell connections
//! to other directors.

use std::net::IpAddr;

use super::{COMMAND_SET_CONFIG, attributes_of};
use crate::wire::netlink::Draft;

/// Seconds after which idle connections are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub tcp: u32,
    /// After a FIN.
    pub tcp_fin: u32,
    pub udp: u32,
}

/// A director sends what it knows, or receives what others know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Master,
    Backup,
}

/// One of the two threads. What is None is left to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncDaemon {
    pub role: Role,
    /// At most 15 octets.
    pub interface: String,
    /// Directors of another number are not heard; 0 to 255.
    pub id: u32,
    /// Octets of a datagram. This and what follows: since Linux 4.3, older kernels pass over it.
    pub max_length: Option<u16>,
    pub port: Option<u16>,
    pub ttl: Option<u8>,
    pub group: Option<IpAddr>,
}

impl Timeouts {
    /// None when the answer is cut.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        // The kernel answers GET_CONFIG with its counterpart.
        let attributes = attributes_of(payload, COMMAND_SET_CONFIG)?;
        Some(Self {
            tcp: attributes.last_of(TIMEOUT_TCP)?.u32()?,
            tcp_fin: attributes.last_of(TIMEOUT_TCP_FIN)?.u32()?,
            udp: attributes.last_of(TIMEOUT_UDP)?.u32()?,
        })
    }

    pub(super) fn write(self, draft: &mut Draft) {
        draft
            .u32(TIMEOUT_TCP, self.tcp)
            .u32(TIMEOUT_TCP_FIN, self.tcp_fin)
            .u32(TIMEOUT_UDP, self.udp);
    }
}

impl Role {
    pub(super) fn write(self, sync_id: u32, nest: &mut Draft) {
        nest.u32(DAEMON_STATE, self.number())
            .u32(DAEMON_SYNC_ID, sync_id);
    }

    fn number(self) -> u32 {
        match self {
            Self::Master => STATE_MASTER,
            Self::Backup => STATE_BACKUP,
        }
    }
}

impl SyncDaemon {
    pub(super) fn write(&self, nest: &mut Draft) {
        nest.u32(DAEMON_STATE, self.role.number())
            .text(DAEMON_INTERFACE, &self.interface)
            .u32(DAEMON_SYNC_ID, self.id);
        if let Some(length) = self.max_length {
            nest.u16(DAEMON_MAX_LENGTH, length);
        }
        match self.group {
            Some(group @ IpAddr::V4(_)) => nest.address(DAEMON_GROUP_V4, group),
            Some(group @ IpAddr::V6(_)) => nest.address(DAEMON_GROUP_V6, group),
            None => nest,
        };
        if let Some(port) = self.port {
            // The one port of this family that is in the machine's own order.
            nest.u16(DAEMON_PORT, port);
        }
        if let Some(ttl) = self.ttl {
            nest.attribute(DAEMON_TTL, &[ttl]);
        }
    }
}

const TIMEOUT_TCP: u16 = 0x4;
const TIMEOUT_TCP_FIN: u16 = 0x5;
const TIMEOUT_UDP: u16 = 0x6;

const DAEMON_STATE: u16 = 0x1;
const DAEMON_INTERFACE: u16 = 0x2;
const DAEMON_SYNC_ID: u16 = 0x3;
const DAEMON_MAX_LENGTH: u16 = 0x4;
const DAEMON_GROUP_V4: u16 = 0x5;
const DAEMON_GROUP_V6: u16 = 0x6;
const DAEMON_PORT: u16 = 0x7;
const DAEMON_TTL: u16 = 0x8;

const STATE_MASTER: u32 = 0x1;
const STATE_BACKUP: u32 = 0x2;
