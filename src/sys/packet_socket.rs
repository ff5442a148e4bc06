//! Whole Ethernet frames out; nothing comes in.

use std::os::fd::OwnedFd;

use super::socket;
use crate::addr::IfIndex;
use crate::errno::Errno;

/// One socket for the frames of all interfaces.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    pub fn open() -> Result<Self, Errno> {
        // Protocol 0 receives nothing; the filter says so even if that ever changes.
        let packets = socket::open(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        socket::reject_everything(&packets)?;
        Ok(Self(packets))
    }

    /// Sends a frame that begins with its destination, source and type.
    pub fn send(&self, link: IfIndex, frame: &[u8]) -> Result<(), Errno> {
        let Some((header, _)) = frame.split_first_chunk::<14>() else {
            return Err(Errno::EINVAL);
        };
        let [a, b, c, d, e, f, .., type_high, type_low] = *header;
        let to = libc::sockaddr_ll {
            sll_family: FAMILY,
            sll_protocol: u16::from_ne_bytes([type_high, type_low]),
            sll_ifindex: i32::try_from(link.0).map_err(|_| Errno::ENODEV)?,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: [a, b, c, d, e, f, 0, 0],
        };
        socket::send_to(&self.0, frame, 0, &to)
    }
}

/// AF_PACKET in the width of an address.
const FAMILY: u16 = 17;
