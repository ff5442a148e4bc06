//! A TCP connection that never waits.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{SockType, SockaddrStorage, connect, getpeername, getsockopt, sockopt};

use super::outgoing::{StartError, Way, receive_some, send_some};
use crate::errno::Errno;

/// An attempt under way, or the connection it led to. Dropping it closes it the ordinary way: the
/// server sees an end of data and no reset, and SO_LINGER, which could make close wait, is left
/// off.
#[derive(Debug)]
pub struct TcpProbe(OwnedFd);

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Connected,
    /// To be asked again when the socket is writable.
    Pending,
}

impl TcpProbe {
    pub fn start(way: &Way<'_>) -> Result<(Self, Progress), StartError> {
        let socket = way
            .socket(SockType::Stream, None)
            .map_err(StartError::before)?;
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(way.to)) {
            Ok(()) => Ok((Self(socket), Progress::Connected)),
            Err(nix::errno::Errno::EINPROGRESS) => Ok((Self(socket), Progress::Pending)),
            Err(error) => Err(StartError::at_connect(error.into())),
        }
    }

    /// What became of it; to be called when the socket is writable.
    pub fn finish(&self) -> Result<Progress, Errno> {
        // Who has a peer is connected; an error of the socket is asked for only without one.
        match getpeername::<SockaddrStorage>(self.0.as_raw_fd()) {
            Ok(_) => return Ok(Progress::Connected),
            Err(nix::errno::Errno::ENOTCONN) => {}
            Err(error) => return Err(error.into()),
        }
        match getsockopt(&self.0, sockopt::SocketError)? {
            // No error is not yet a connection: a wake-up may come without a reason.
            0 => Ok(Progress::Pending),
            error => match Errno::new(error) {
                Errno::EINPROGRESS => Ok(Progress::Pending),
                error => Err(error),
            },
        }
    }

    /// Sends what there is room for, which may be nothing.
    pub fn send(&self, octets: &[u8]) -> Result<usize, Errno> {
        send_some(&self.0, octets)
    }

    /// What has come, as far as there is room; None when there is nothing, 0 at the end.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
        receive_some(&self.0, buffer)
    }
}

impl AsRawFd for TcpProbe {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
