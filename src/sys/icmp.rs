//! Echoes of one peer.
//!
//! The kernel hands out sockets for echoes to the groups of `net.ipv4.ping_group_range` (Linux 3.0,
//! for IPv6 3.11), by default to nobody. keepalived changes that setting for the whole machine;
//! here a raw socket takes its place.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{SockProtocol, SockType, SockaddrStorage, connect};

use super::outgoing::{StartError, Way, receive_some, send_some};
use crate::errno::Errno;

#[derive(Debug)]
pub struct EchoProbe {
    socket: OwnedFd,
    raw: bool,
    is_v4: bool,
    /// What a raw socket's replies must bear: it hears those of everybody.
    identifier: Option<[u8; 2]>,
}

impl EchoProbe {
    pub fn start(way: &Way<'_>) -> Result<Self, StartError> {
        Self::open(way, SockType::Datagram).or_else(|error| {
            if error.started {
                return Err(error);
            }
            Self::open(way, SockType::Raw)
        })
    }

    /// As `start` does where the kernel hands out no sockets for echoes.
    pub fn start_raw(way: &Way<'_>) -> Result<Self, StartError> {
        Self::open(way, SockType::Raw)
    }

    fn open(way: &Way<'_>, kind: SockType) -> Result<Self, StartError> {
        let is_v4 = way.to.is_ipv4();
        let protocol = if is_v4 {
            SockProtocol::Icmp
        } else {
            SockProtocol::IcmpV6
        };
        let socket = way
            .socket(kind, Some(protocol))
            .map_err(StartError::before)?;
        connect(socket.as_raw_fd(), &SockaddrStorage::from(way.to))
            .map_err(|error| StartError::at_connect(error.into()))?;
        Ok(Self {
            socket,
            raw: kind == SockType::Raw,
            is_v4,
            identifier: None,
        })
    }

    pub fn send(&mut self, message: &[u8]) -> Result<usize, Errno> {
        self.identifier = identifier(message);
        send_some(&self.socket, message)
    }

    /// One message without the header of IP; None when there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
        loop {
            let Some(count) = receive_some(&self.socket, buffer)? else {
                return Ok(None);
            };
            if !self.raw {
                return Ok(Some(count));
            }
            let header = self.header(buffer);
            let Some(message) = buffer.get(header..count) else {
                continue;
            };
            if identifier(message) == self.identifier {
                buffer.copy_within(header..count, 0);
                return Ok(Some(count - header));
            }
        }
    }

    /// Octets before the message: raw sockets of IPv4 show the header, those of IPv6 do not.
    fn header(&self, packet: &[u8]) -> usize {
        match packet.first() {
            Some(first) if self.is_v4 => usize::from(first & 0x0f) * 4,
            _ => 0,
        }
    }
}

/// Where an echo bears it.
fn identifier(message: &[u8]) -> Option<[u8; 2]> {
    message.get(4..6)?.try_into().ok()
}

impl AsRawFd for EchoProbe {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
