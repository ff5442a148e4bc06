//! The two raw sockets of an interface: adverts of the multicast group come in on one and go out
//! on the other.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libc::c_int;

use super::socket;
use crate::addr::IfIndex;
use crate::errno::Errno;
use crate::wire::channel::{Carrier, Channel, Ear};
use crate::wire::ip::Datagram;

/// Membership of the VRRP group on one interface (RFC 9568 5.1).
#[derive(Debug)]
pub struct VrrpSocket {
    receiver: OwnedFd,
    sender: OwnedFd,
}

impl VrrpSocket {
    /// `name` is that of the channel's interface.
    pub fn open(channel: &Channel, name: &str) -> Result<Self, Errno> {
        let index = channel.link.ok_or(Errno::ENODEV)?;
        let (Ear::Group(IpAddr::V4(group)), Carrier::Vrrp) = (channel.ear, channel.carrier) else {
            return Err(Errno::EAFNOSUPPORT);
        };
        Ok(Self {
            receiver: open_receiver(index, name, group)?,
            sender: open_sender(index, name)?,
        })
    }

    /// One packet; None when there is none. EMSGSIZE: the packet was longer than the buffer and is
    /// gone.
    pub fn recv<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<Datagram<'a>>, Errno> {
        let Some(received) = socket::receive_from::<libc::sockaddr_in>(&self.receiver, buffer)?
        else {
            return Ok(None);
        };
        if received.length > buffer.len() {
            return Err(Errno::EMSGSIZE);
        }
        Ok(Some(Datagram::V4(&buffer[..received.length])))
    }

    /// Sends a packet with its IP header; the kernel fills in the checksum of that header.
    pub fn send(&self, to: IpAddr, packet: &[u8]) -> Result<(), Errno> {
        let IpAddr::V4(to) = to else {
            return Err(Errno::EAFNOSUPPORT);
        };
        // The group is on the link whatever the routes say; a peer may be behind a router.
        let flags = if to.is_multicast() {
            libc::MSG_DONTROUTE
        } else {
            0
        };
        socket::send_to(&self.sender, packet, flags, &address_of(to))
    }
}

impl AsRawFd for VrrpSocket {
    /// The receiving side: the other one is never readable.
    fn as_raw_fd(&self) -> RawFd {
        self.receiver.as_raw_fd()
    }
}

fn open_receiver(index: IfIndex, name: &str, group: Ipv4Addr) -> Result<OwnedFd, Errno> {
    let receiver = socket::open(libc::AF_INET, libc::SOCK_RAW, PROTOCOL_VRRP)?;
    only_joined_groups(&receiver)?;
    let membership = libc::ip_mreqn {
        imr_multiaddr: octets_of(group),
        imr_address: octets_of(Ipv4Addr::UNSPECIFIED),
        imr_ifindex: number_of(index)?,
    };
    socket::set(
        &receiver,
        libc::IPPROTO_IP,
        libc::IP_ADD_MEMBERSHIP,
        &membership,
    )?;
    // Bound to the group, it hears no unicast packets.
    socket::bind(&receiver, &address_of(group))?;
    socket::bind_to_device(&receiver, name)?;
    Ok(receiver)
}

fn open_sender(index: IfIndex, name: &str) -> Result<OwnedFd, Errno> {
    let sender = socket::open(libc::AF_INET, libc::SOCK_RAW, PROTOCOL_VRRP)?;
    let ip = |option, value: &c_int| socket::set(&sender, libc::IPPROTO_IP, option, value);
    // Nobody reads here, so nothing may queue up here.
    socket::reject_everything(&sender)?;
    socket::set(&sender, libc::SOL_SOCKET, libc::SO_RCVBUF, &0)?;
    only_joined_groups(&sender)?;
    ip(libc::IP_HDRINCL, &1)?;
    socket::bind_to_device(&sender, name)?;
    let outgoing = libc::ip_mreqn {
        imr_multiaddr: octets_of(Ipv4Addr::UNSPECIFIED),
        imr_address: octets_of(Ipv4Addr::UNSPECIFIED),
        imr_ifindex: number_of(index)?,
    };
    socket::set(&sender, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &outgoing)?;
    ip(libc::IP_MULTICAST_LOOP, &0)?;
    ip(libc::IP_TOS, &TOS_INTERNETWORK_CONTROL)?;
    Ok(sender)
}

/// Without this, a socket hears every group that anybody on this machine has joined.
fn only_joined_groups(socket: &OwnedFd) -> Result<(), Errno> {
    match socket::set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, &0) {
        // Linux before 2.6.31 has no such option; binding to the group and the device is enough.
        Ok(()) | Err(Errno::ENOPROTOOPT) => Ok(()),
        Err(error) => Err(error),
    }
}

fn octets_of(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr {
        s_addr: u32::from_ne_bytes(address.octets()),
    }
}

fn address_of(address: Ipv4Addr) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: FAMILY,
        sin_port: 0,
        sin_addr: octets_of(address),
        sin_zero: [0; 8],
    }
}

fn number_of(index: IfIndex) -> Result<c_int, Errno> {
    c_int::try_from(index.0).map_err(|_| Errno::ENODEV)
}

/// The protocol number of VRRP (RFC 9568 5.1.1.4).
const PROTOCOL_VRRP: c_int = 112;
/// Class selector 6: adverts go before everything else.
const TOS_INTERNETWORK_CONTROL: c_int = 0xc0;
/// AF_INET in the width of an address.
const FAMILY: libc::sa_family_t = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_the_option_is_good_enough() {
        // A netlink socket knows no options of IP: its answer is that of a kernel before 2.6.31.
        let other = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, 0).unwrap();
        let answer = socket::set(&other, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, &0);
        assert_eq!(answer, Err(Errno::ENOPROTOOPT));
        assert_eq!(only_joined_groups(&other), Ok(()));
    }
}
