//! What the sockets of probes have in common: where they lead, where from, and how.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, recv, send,
    setsockopt, socket, sockopt,
};

use super::socket::bind_to_device;
use crate::errno::Errno;

/// Where a probe goes to and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    pub to: SocketAddr,
    pub from: Option<SocketAddr>,
    pub device: Option<&'a str>,
    /// 0 for none.
    pub mark: u32,
}

/// Why an attempt ended before it was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartError {
    pub errno: Errno,
    /// True when the error speaks about the server, false when nothing could be tried.
    pub started: bool,
}

impl Way<'_> {
    /// Everything that comes before connect; its failures say nothing about the server.
    pub(super) fn socket(
        &self,
        kind: SockType,
        protocol: Option<SockProtocol>,
    ) -> Result<OwnedFd, Errno> {
        let family = match self.to {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(family, kind, flags, protocol)?;
        if self.mark != 0 {
            setsockopt(&socket, sockopt::Mark, &self.mark)?;
        }
        if let Some(device) = self.device {
            bind_to_device(&socket, device)?;
        }
        if let Some(from) = self.from {
            bind(socket.as_raw_fd(), &SockaddrStorage::from(from))?;
        }
        Ok(socket)
    }
}

impl StartError {
    pub(super) fn before(errno: Errno) -> Self {
        Self {
            errno,
            started: false,
        }
    }

    /// Of connect.
    pub(super) fn at_connect(errno: Errno) -> Self {
        Self {
            errno,
            started: SERVER_ERRORS.contains(&errno),
        }
    }
}

/// Sends what there is room for, which may be nothing. A peer that has gone is an error and no
/// signal.
pub(super) fn send_some(socket: &OwnedFd, octets: &[u8]) -> Result<usize, Errno> {
    loop {
        match send(socket.as_raw_fd(), octets, MsgFlags::MSG_NOSIGNAL) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(nix::errno::Errno::EAGAIN) => return Ok(0),
            sent => return sent.map_err(Errno::from),
        }
    }
}

/// What has come, as far as there is room; None when there is nothing.
pub(super) fn receive_some(socket: &OwnedFd, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
    loop {
        match recv(socket.as_raw_fd(), buffer, MsgFlags::empty()) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(nix::errno::Errno::EAGAIN) => return Ok(None),
            received => return received.map(Some).map_err(Errno::from),
        }
    }
}

/// Errors of connect that are about the server or the way to it. All others are about ourselves.
const SERVER_ERRORS: [Errno; 8] = [
    Errno::ENETUNREACH,
    Errno::EHOSTUNREACH,
    Errno::ECONNREFUSED,
    Errno::EHOSTDOWN,
    Errno::ENETDOWN,
    Errno::ECONNRESET,
    Errno::ECONNABORTED,
    Errno::ETIMEDOUT,
];
