//! The way to the kernel's packet filter.

use super::netlink::Channel;
use super::netns;
use crate::errno::Errno;
use crate::wire::nft::{Request, marks};

/// Opened when it is first needed: few configurations need it.
#[derive(Debug, Default)]
pub struct PacketFilter(Option<Channel>);

impl PacketFilter {
    /// Where IPVS is, which may be another network namespace.
    pub fn of(namespace: Option<&str>) -> Result<Self, Errno> {
        let open = || Channel::open(libc::NETLINK_NETFILTER);
        let channel = match namespace {
            Some(namespace) => netns::within(namespace, open)?,
            None => open()?,
        };
        Ok(Self(Some(channel)))
    }

    /// All of a request or nothing. EPROTONOSUPPORT, EOPNOTSUPP, EINVAL, ENOENT: this kernel does
    /// not have what is asked for.
    pub fn perform(&mut self, request: &Request) -> Result<(), Errno> {
        self.batch(|sequence| request.emit(sequence))
    }

    /// The same of marks.
    pub fn mark(&mut self, request: &marks::Request) -> Result<(), Errno> {
        self.batch(|sequence| request.emit(sequence))
    }

    fn batch(&mut self, emit: impl FnOnce(u32) -> Vec<u8>) -> Result<(), Errno> {
        let channel = match &mut self.0 {
            Some(channel) => channel,
            none => none.insert(Channel::open(libc::NETLINK_NETFILTER)?),
        };
        channel.batch(emit)
    }
}
