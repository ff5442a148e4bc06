//! One file per kind of descriptor or system call. Decides nothing; the only room with `unsafe`.
//!
//! Every descriptor is close-on-exec and non-blocking from its birth. What is newer than Linux
//! 2.6.32 has a way round it. Errors are the kernel's numbers; the drivers know of what to tell.

pub mod calendar;
pub mod clock;
pub mod daemonize;
pub mod dump;
pub mod fifo;
pub mod host;
pub mod icmp;
pub mod ipvs;
pub mod linkbeat;
pub mod logfile;
pub mod lookout;
pub mod netlink;
pub mod netns;
pub mod nft;
pub mod outgoing;
pub mod packet_socket;
pub mod pages;
pub mod pidfile;
pub mod process;
pub mod resolve;
#[cfg(test)]
pub(crate) mod scratch;
pub mod signal;
mod socket;
pub mod sysctl;
pub mod syslog;
pub mod tcp;
pub mod tls;
pub mod trust;
pub mod udp;
pub mod vrrp_socket;
pub mod watch;

use crate::errno::Errno;

/// The same number in the words of the other rooms.
impl From<nix::errno::Errno> for Errno {
    fn from(errno: nix::errno::Errno) -> Self {
        Self::new(errno as i32)
    }
}
