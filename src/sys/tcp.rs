//! A TCP connection attempt that does not wait.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, getpeername, getsockopt,
    setsockopt, socket, sockopt,
};

use super::socket::bind_to_device;
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

/// Why an attempt ended before it was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartError {
    pub errno: Errno,
    /// True when the error speaks about the server, false when nothing could be tried.
    pub started: bool,
}

impl TcpProbe {
    pub fn start(
        to: SocketAddr,
        from: Option<SocketAddr>,
        device: Option<&str>,
        mark: u32,
    ) -> Result<(Self, Progress), StartError> {
        let probe = Self::prepare(to, from, device, mark).map_err(|errno| StartError {
            errno,
            started: false,
        })?;
        match connect(probe.0.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) => Ok((probe, Progress::Connected)),
            Err(nix::errno::Errno::EINPROGRESS) => Ok((probe, Progress::Pending)),
            Err(error) => {
                let errno = Errno::from(error);
                Err(StartError {
                    errno,
                    started: SERVER_ERRORS.contains(&errno),
                })
            }
        }
    }

    /// What became of it; to be called when the socket is writable.
    pub fn finish(&self) -> Result<Progress, Errno> {
        match getsockopt(&self.0, sockopt::SocketError)? {
            0 => {}
            error => {
                return match Errno::new(error) {
                    Errno::EINPROGRESS => Ok(Progress::Pending),
                    error => Err(error),
                };
            }
        }
        // No error is not yet a connection: a wake-up may come without a reason.
        match getpeername::<SockaddrStorage>(self.0.as_raw_fd()) {
            Ok(_) => Ok(Progress::Connected),
            Err(nix::errno::Errno::ENOTCONN) => Ok(Progress::Pending),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything that comes before connect; its failures say nothing about the server.
    fn prepare(
        to: SocketAddr,
        from: Option<SocketAddr>,
        device: Option<&str>,
        mark: u32,
    ) -> Result<Self, Errno> {
        let family = match to {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let tcp = socket(family, SockType::Stream, flags, None)?;
        if mark != 0 {
            setsockopt(&tcp, sockopt::Mark, &mark)?;
        }
        if let Some(device) = device {
            bind_to_device(&tcp, device)?;
        }
        if let Some(from) = from {
            bind(tcp.as_raw_fd(), &SockaddrStorage::from(from))?;
        }
        Ok(Self(tcp))
    }
}

impl AsRawFd for TcpProbe {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
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
