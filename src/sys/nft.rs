//! The way to the kernel's packet filter.

use super::netlink::Channel;
use crate::errno::Errno;
use crate::wire::nft::Request;

/// Opened when it is first needed: few configurations need it.
#[derive(Debug, Default)]
pub struct PacketFilter(Option<Channel>);

impl PacketFilter {
    /// All of a request or nothing. EPROTONOSUPPORT, EOPNOTSUPP, EINVAL, ENOENT: this kernel does
    /// not have what is asked for.
    pub fn perform(&mut self, request: &Request) -> Result<(), Errno> {
        let channel = match &mut self.0 {
            Some(channel) => channel,
            none => none.insert(Channel::open(libc::NETLINK_NETFILTER)?),
        };
        channel.batch(|sequence| request.emit(sequence))
    }
}
