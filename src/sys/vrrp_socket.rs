//! The two raw sockets of a channel: adverts come in on one and go out on the other.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libc::c_int;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg,
};

use super::socket;
use crate::addr::{Family, IfIndex};
use crate::errno::Errno;
use crate::wire::channel::{Channel, Ear};
use crate::wire::ip::Datagram;
use crate::wire::vrrp;

/// Membership of a group on one interface (RFC 9568 5.1), or the place where peers find us.
#[derive(Debug)]
pub struct VrrpSocket {
    receiver: OwnedFd,
    sender: OwnedFd,
    channel: Channel,
}

/// From whom an advert comes, and how far it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub from: IpAddr,
    pub to: IpAddr,
    pub ttl: u8,
}

impl VrrpSocket {
    /// `name` is that of the channel's interface.
    pub fn open(channel: &Channel, name: &str) -> Result<Self, Errno> {
        Ok(Self {
            receiver: open_receiver(channel, name)?,
            sender: open_sender(channel, name)?,
            channel: *channel,
        })
    }

    /// How many octets may wait to be read, as far as the system allows.
    pub fn set_receive_buffer(&self, octets: u32) -> Result<(), Errno> {
        socket::set_receive_buffer(&self.receiver, octets, false)
    }

    /// Where it receives and where it sends.
    pub fn descriptors(&self) -> (RawFd, RawFd) {
        (self.receiver.as_raw_fd(), self.sender.as_raw_fd())
    }

    /// One packet; None when there is none. EMSGSIZE: the packet was longer than the buffer and is
    /// gone.
    pub fn recv<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<Datagram<'a>>, Errno> {
        match self.channel.family() {
            Family::V4 => self.recv_v4(buffer),
            Family::V6 => self.recv_v6(buffer),
        }
    }

    /// Sends a packet: that of IPv4 with its header, whose checksum the kernel fills in; that of
    /// IPv6 without, and the kernel fills in the checksum of the advert.
    pub fn send(&self, way: &Way, packet: &[u8]) -> Result<(), Errno> {
        // The group is on the link whatever the routes say; a peer may be behind a router.
        let flags = if way.to.is_multicast() {
            libc::MSG_DONTROUTE
        } else {
            0
        };
        match (way.from, way.to) {
            (_, IpAddr::V4(to)) => socket::send_to(&self.sender, packet, flags, &address_v4(to)),
            (IpAddr::V6(from), IpAddr::V6(to)) => self.send_v6(from, to, way.ttl, flags, packet),
            (IpAddr::V4(_), IpAddr::V6(_)) => Err(Errno::EAFNOSUPPORT),
        }
    }

    fn recv_v4<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<Datagram<'a>>, Errno> {
        let Some(received) = socket::receive_from::<libc::sockaddr_in>(&self.receiver, buffer)?
        else {
            return Ok(None);
        };
        if received.length > buffer.len() {
            return Err(Errno::EMSGSIZE);
        }
        Ok(Some(Datagram::V4(&buffer[..received.length])))
    }

    fn recv_v6<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<Datagram<'a>>, Errno> {
        let mut space = nix::cmsg_space!(libc::in6_pktinfo, c_int);
        let mut into = [IoSliceMut::new(buffer)];
        let descriptor = self.receiver.as_raw_fd();
        let result =
            recvmsg::<SockaddrIn6>(descriptor, &mut into, Some(&mut space), MsgFlags::empty());
        let received = match result {
            Ok(received) => received,
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if received.flags.contains(MsgFlags::MSG_TRUNC) {
            return Err(Errno::EMSGSIZE);
        }
        let (mut destination, mut hop_limit) = (None, None);
        for message in received.cmsgs()? {
            match message {
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                }
                ControlMessageOwned::Ipv6HopLimit(limit) => hop_limit = u8::try_from(limit).ok(),
                _ => {}
            }
        }
        let source = received.address.ok_or(Errno::EINVAL)?.ip();
        let length = received.bytes;
        Ok(Some(Datagram::V6 {
            source,
            destination,
            hop_limit,
            payload: &buffer[..length],
        }))
    }

    fn send_v6(
        &self,
        from: Ipv6Addr,
        to: Ipv6Addr,
        hops: u8,
        flags: c_int,
        packet: &[u8],
    ) -> Result<(), Errno> {
        let index = self.channel.link.map_or(0, |link| link.0);
        let info = libc::in6_pktinfo {
            ipi6_addr: octets_v6(from),
            ipi6_ifindex: index,
        };
        let hops = c_int::from(hops);
        let control = [
            ControlMessage::Ipv6PacketInfo(&info),
            ControlMessage::Ipv6HopLimit(&hops),
        ];
        let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, index));
        sendmsg(
            self.sender.as_raw_fd(),
            &[IoSlice::new(packet)],
            &control,
            MsgFlags::from_bits_retain(flags),
            Some(&to),
        )?;
        Ok(())
    }
}

impl AsRawFd for VrrpSocket {
    /// The receiving side: the other one is never readable.
    fn as_raw_fd(&self) -> RawFd {
        self.receiver.as_raw_fd()
    }
}

fn open_receiver(channel: &Channel, name: &str) -> Result<OwnedFd, Errno> {
    let receiver = open_raw(channel)?;
    only_joined_groups(&receiver, channel.family())?;
    match channel.ear {
        Ear::Group(group) => {
            let index = channel.link.ok_or(Errno::ENODEV)?;
            join(&receiver, group, index)?;
        }
        Ear::Own(_) => bind_freely(&receiver, channel.family())?,
    }
    // Bound to the group, it hears no unicast packets, and the other way round.
    match channel.ear.address() {
        IpAddr::V4(address) => socket::bind(&receiver, &address_v4(address))?,
        IpAddr::V6(address) => {
            let index = channel.link.map_or(0, |link| link.0);
            socket::bind(&receiver, &address_v6(address, index))?;
            let ipv6 = |option| socket::set(&receiver, libc::IPPROTO_IPV6, option, &1);
            ipv6(libc::IPV6_RECVHOPLIMIT)?;
            ipv6(libc::IPV6_RECVPKTINFO)?;
            kernel_sums(&receiver)?;
        }
    }
    if channel.link.is_some() {
        socket::bind_to_device(&receiver, name)?;
    }
    Ok(receiver)
}

fn open_sender(channel: &Channel, name: &str) -> Result<OwnedFd, Errno> {
    let sender = open_raw(channel)?;
    // Nobody reads here, so nothing may queue up here.
    socket::reject_everything(&sender)?;
    socket::set(&sender, libc::SOL_SOCKET, libc::SO_RCVBUF, &0)?;
    only_joined_groups(&sender, channel.family())?;
    match channel.family() {
        Family::V4 => prepare_sender_v4(&sender, channel.link)?,
        Family::V6 => prepare_sender_v6(&sender, channel.link)?,
    }
    if channel.link.is_some() {
        socket::bind_to_device(&sender, name)?;
    }
    Ok(sender)
}

fn open_raw(channel: &Channel) -> Result<OwnedFd, Errno> {
    let domain = match channel.family() {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    let protocol = c_int::from(channel.carrier.protocol());
    socket::open(domain, libc::SOCK_RAW, protocol)
}

fn prepare_sender_v4(sender: &OwnedFd, link: Option<IfIndex>) -> Result<(), Errno> {
    let ip = |option, value: &c_int| socket::set(sender, libc::IPPROTO_IP, option, value);
    ip(libc::IP_HDRINCL, &1)?;
    if let Some(index) = link {
        let outgoing = libc::ip_mreqn {
            imr_multiaddr: octets_v4(Ipv4Addr::UNSPECIFIED),
            imr_address: octets_v4(Ipv4Addr::UNSPECIFIED),
            imr_ifindex: number_of(index)?,
        };
        socket::set(sender, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &outgoing)?;
    }
    ip(libc::IP_MULTICAST_LOOP, &0)?;
    ip(libc::IP_TOS, &TOS_INTERNETWORK_CONTROL)
}

fn prepare_sender_v6(sender: &OwnedFd, link: Option<IfIndex>) -> Result<(), Errno> {
    let ipv6 = |option, value: &c_int| socket::set(sender, libc::IPPROTO_IPV6, option, value);
    kernel_sums(sender)?;
    let hops = c_int::from(vrrp::TTL);
    ipv6(libc::IPV6_MULTICAST_HOPS, &hops)?;
    ipv6(libc::IPV6_UNICAST_HOPS, &hops)?;
    if let Some(index) = link {
        ipv6(libc::IPV6_MULTICAST_IF, &number_of(index)?)?;
    }
    ipv6(libc::IPV6_MULTICAST_LOOP, &0)?;
    ipv6(libc::IPV6_TCLASS, &TOS_INTERNETWORK_CONTROL)
}

/// The kernel computes the checksum of what is sent and drops what does not come out right.
fn kernel_sums(socket: &OwnedFd) -> Result<(), Errno> {
    let at = c_int::try_from(vrrp::CHECKSUM_AT).expect("an octet of the header");
    socket::set(socket, libc::IPPROTO_IPV6, IPV6_CHECKSUM, &at)
}

fn join(socket: &OwnedFd, group: IpAddr, index: IfIndex) -> Result<(), Errno> {
    match group {
        IpAddr::V4(group) => {
            let membership = libc::ip_mreqn {
                imr_multiaddr: octets_v4(group),
                imr_address: octets_v4(Ipv4Addr::UNSPECIFIED),
                imr_ifindex: number_of(index)?,
            };
            let option = libc::IP_ADD_MEMBERSHIP;
            socket::set(socket, libc::IPPROTO_IP, option, &membership)
        }
        IpAddr::V6(group) => {
            let membership = libc::ipv6_mreq {
                ipv6mr_multiaddr: octets_v6(group),
                ipv6mr_interface: index.0,
            };
            let option = libc::IPV6_ADD_MEMBERSHIP;
            socket::set(socket, libc::IPPROTO_IPV6, option, &membership)
        }
    }
}

/// Without this, a socket hears every group that anybody on this machine has joined.
fn only_joined_groups(socket: &OwnedFd, family: Family) -> Result<(), Errno> {
    // Linux has the option since 2.6.31, and for IPv6 since 4.20; before, binding to the group and
    // the device is enough.
    where_known(match family {
        Family::V4 => socket::set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, &0),
        Family::V6 => socket::set(socket, libc::IPPROTO_IPV6, IPV6_MULTICAST_ALL, &0),
    })
}

/// The address need not be there yet: it may come, or be tentative, when we start.
fn bind_freely(socket: &OwnedFd, family: Family) -> Result<(), Errno> {
    // Linux has the option of IPv6 since 4.15; before, that of IPv4 counts for both.
    let both = where_known(socket::set(socket, libc::IPPROTO_IP, libc::IP_FREEBIND, &1));
    match family {
        Family::V4 => both,
        Family::V6 => where_known(socket::set(socket, libc::IPPROTO_IPV6, IPV6_FREEBIND, &1)),
    }
}

/// What the kernel does not know is done without.
fn where_known(answer: Result<(), Errno>) -> Result<(), Errno> {
    match answer {
        Err(Errno::ENOPROTOOPT) => Ok(()),
        answer => answer,
    }
}

fn octets_v4(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr {
        s_addr: u32::from_ne_bytes(address.octets()),
    }
}

fn octets_v6(address: Ipv6Addr) -> libc::in6_addr {
    libc::in6_addr {
        s6_addr: address.octets(),
    }
}

fn address_v4(address: Ipv4Addr) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: FAMILY_V4,
        sin_port: 0,
        sin_addr: octets_v4(address),
        sin_zero: [0; 8],
    }
}

fn address_v6(address: Ipv6Addr, scope: u32) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: FAMILY_V6,
        sin6_port: 0,
        sin6_flowinfo: 0,
        sin6_addr: octets_v6(address),
        sin6_scope_id: scope,
    }
}

fn number_of(index: IfIndex) -> Result<c_int, Errno> {
    c_int::try_from(index.0).map_err(|_| Errno::ENODEV)
}

/// Class selector 6: adverts go before everything else.
const TOS_INTERNETWORK_CONTROL: c_int = 0xc0;
/// AF_INET and AF_INET6 in the width of an address.
const FAMILY_V4: libc::sa_family_t = 2;
const FAMILY_V6: libc::sa_family_t = 10;
/// Options of linux/in6.h.
const IPV6_CHECKSUM: c_int = 7;
const IPV6_MULTICAST_ALL: c_int = 29;
const IPV6_FREEBIND: c_int = 78;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_the_options_is_good_enough() {
        // A netlink socket knows no options of IP: its answer is that of an old kernel.
        let other = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, 0).unwrap();
        let answer = socket::set(&other, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, &0);
        assert_eq!(answer, Err(Errno::ENOPROTOOPT));
        for family in [Family::V4, Family::V6] {
            assert_eq!(only_joined_groups(&other, family), Ok(()));
            assert_eq!(bind_freely(&other, family), Ok(()));
        }
        assert_eq!(where_known(Err(Errno::ENODEV)), Err(Errno::ENODEV));
    }
}
