//! Datagrams to one peer and back.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libc::c_int;
use nix::sys::socket::{SockType, SockaddrStorage, connect};

use super::outgoing::{StartError, Way, receive_some, send_some};
use super::socket;
use crate::errno::Errno;

/// Hears its peer only, and what the network says of him.
#[derive(Debug)]
pub struct UdpProbe(OwnedFd);

impl UdpProbe {
    pub fn start(way: &Way<'_>) -> Result<Self, StartError> {
        let made = way
            .socket(SockType::Datagram, None)
            .map_err(StartError::before)?;
        hear_of_errors(&made, way.to.is_ipv4()).map_err(StartError::before)?;
        connect(made.as_raw_fd(), &SockaddrStorage::from(way.to))
            .map_err(|error| StartError::at_connect(error.into()))?;
        Ok(Self(made))
    }

    /// Sends it whole, or not at all when there is no room.
    pub fn send(&self, datagram: &[u8]) -> Result<usize, Errno> {
        send_some(&self.0, datagram)
    }

    /// One datagram, which may be empty; None when there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
        receive_some(&self.0, buffer)
    }
}

/// Without it only "port unreachable" reaches a connected socket.
fn hear_of_errors(made: &OwnedFd, is_v4: bool) -> Result<(), Errno> {
    let (level, option) = if is_v4 {
        (libc::SOL_IP, libc::IP_RECVERR)
    } else {
        (libc::SOL_IPV6, libc::IPV6_RECVERR)
    };
    socket::set::<c_int>(made, level, option, &1)
}

impl AsRawFd for UdpProbe {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
