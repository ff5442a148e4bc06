//! Raw sockets over a cable between two namespaces.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use keepalived::addr::IfIndex;
use keepalived::errno::Errno;
use keepalived::sys::host::interface_index;
use keepalived::sys::packet_socket::PacketSocket;
use keepalived::sys::vrrp_socket::{VrrpSocket, Way};
use keepalived::wire::channel::{Carrier, Channel, Ear};
use keepalived::wire::ip::{self, Datagram};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};

use crate::namespace::{Namespace, eventually, run};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Two namespaces, and a cable with an eth0 at each end; the thread is in the first.
fn two_machines() -> (Namespace, Namespace) {
    let a = Namespace::enter_new();
    let b = Namespace::enter_new();
    run(&format!(
        "ip link add eth0 type veth peer name eth0 netns {}",
        a.path()
    ));
    run("ip address add 10.0.0.2/24 dev eth0");
    run("ip link set eth0 up");
    a.enter();
    run("ip address add 10.0.0.1/24 dev eth0");
    run("ip link set eth0 up");
    (a, b)
}

fn eth0() -> IfIndex {
    interface_index("eth0").unwrap()
}

fn channel(link: IfIndex) -> Channel {
    Channel {
        carrier: Carrier::Vrrp,
        link: Some(link),
        ear: Ear::Group(GROUP.into()),
    }
}

fn open_on_eth0() -> VrrpSocket {
    VrrpSocket::open(&channel(eth0()), "eth0").unwrap()
}

/// A packet of protocol 112 with these octets behind its header.
fn packet(from: Ipv4Addr, to: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0xc0, 0, 20 + u8::try_from(body.len()).unwrap()];
    packet.extend([0, 1, 0, 0, 255, 112, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(body);
    packet
}

/// Where its header says.
fn send(socket: &VrrpSocket, packet: &[u8]) -> Result<(), Errno> {
    let (header, _) = ip::Header::parse(packet).unwrap();
    let way = Way {
        from: header.source.into(),
        to: header.destination.into(),
        ttl: header.ttl,
    };
    socket.send(&way, packet)
}

fn next(socket: &VrrpSocket) -> Vec<u8> {
    let mut buffer = [0; 200];
    eventually("a VRRP packet", || {
        match socket.recv(&mut buffer).unwrap() {
            Some(Datagram::V4(packet)) => Some(packet.to_vec()),
            other => {
                assert_eq!(other, None);
                None
            }
        }
    })
}

#[test]
fn a_multicast_packet_crosses_the_cable_and_does_not_come_back() {
    let (_a, b) = two_machines();
    let at_a = open_on_eth0();
    b.enter();
    let at_b = open_on_eth0();
    assert_eq!(at_b.recv(&mut [0; 200]), Ok(None));

    let from = Ipv4Addr::new(10, 0, 0, 1);
    let sent = packet(from, GROUP, b"a to b");
    send(&at_a, &sent).unwrap();
    let received = next(&at_b);
    assert_eq!(received[..10], sent[..10], "length, id, ttl, protocol");
    assert_ne!(
        received[10..12],
        [0, 0],
        "the kernel filled in the checksum"
    );
    assert_eq!(received[12..], sent[12..]);
    assert_eq!(
        at_a.recv(&mut [0; 200]),
        Ok(None),
        "the sender hears itself"
    );
}

#[test]
fn a_packet_longer_than_the_buffer_is_told_and_the_next_one_is_whole() {
    let (_a, b) = two_machines();
    let at_a = open_on_eth0();
    b.enter();
    let at_b = open_on_eth0();
    let from = Ipv4Addr::new(10, 0, 0, 1);
    send(&at_a, &packet(from, GROUP, &[0x61; 100])).unwrap();
    send(&at_a, &packet(from, GROUP, b"next")).unwrap();
    let mut short = [0; 30];
    let error = eventually("the long packet", || at_b.recv(&mut short).err());
    assert_eq!(error, Errno::EMSGSIZE);
    assert_eq!(next(&at_b)[20..], *b"next");
}

#[test]
fn only_the_group_on_this_interface_is_heard() {
    let (a, b) = two_machines();
    run("ip link add eth1 type veth peer name other");
    run("ip link set other up");
    run("ip link set eth1 up");
    run("ip address add 10.1.0.1/24 dev eth1");
    let at_a = open_on_eth0();
    let eth1 = interface_index("eth1").unwrap();
    let on_eth1 = VrrpSocket::open(&channel(eth1), "eth1").unwrap();
    b.enter();
    let at_b = open_on_eth0();
    let from = Ipv4Addr::new(10, 0, 0, 2);
    let unicast = Ipv4Addr::new(10, 0, 0, 1);
    send(&at_b, &packet(from, unicast, b"unicast")).unwrap();
    send(&at_b, &packet(from, GROUP, b"group")).unwrap();
    a.enter();
    assert_eq!(next(&at_a)[20..], *b"group");
    assert_eq!(at_a.recv(&mut [0; 200]), Ok(None));
    assert_eq!(on_eth1.recv(&mut [0; 200]), Ok(None));
}

#[test]
fn an_interface_that_is_not_there_is_an_error_and_one_that_is_down_comes_back_to_life() {
    let (_a, b) = two_machines();
    assert_eq!(
        VrrpSocket::open(&channel(IfIndex(4711)), "no-such-0").err(),
        Some(Errno::ENODEV)
    );
    let at_a = open_on_eth0();
    run("ip link set eth0 down");
    let from_a = packet(Ipv4Addr::new(10, 0, 0, 1), GROUP, b"a");
    let from_b = packet(Ipv4Addr::new(10, 0, 0, 2), GROUP, b"b");
    assert_eq!(send(&at_a, &from_a), Err(Errno::ENETUNREACH));
    // The membership outlives the interruption.
    run("ip link set eth0 up");
    b.enter();
    let at_b = open_on_eth0();
    eventually("the link to be up at both ends", || {
        send(&at_a, &from_a).ok()?;
        at_b.recv(&mut [0; 200]).unwrap().map(drop)
    });
    eventually("a packet on the socket that was down", || {
        send(&at_b, &from_b).unwrap();
        at_a.recv(&mut [0; 200]).unwrap().map(drop)
    });
}

#[test]
fn a_frame_arrives_as_it_was_sent_and_nothing_is_received() {
    let (_a, b) = two_machines();
    let packets = PacketSocket::open().unwrap();
    let index = eth0();
    b.enter();
    let ear = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_NONBLOCK,
        SockProtocol::EthAll,
    )
    .unwrap();
    let mut frame = vec![0xff; 6];
    frame.extend([0x02, 0, 0, 0, 0, 1, 0x08, 0x06]);
    frame.extend([0x5a; 28]);
    packets.send(index, &frame).unwrap();

    let mut buffer = [0; 200];
    eventually("the frame", || {
        let length = recv(ear.as_raw_fd(), &mut buffer, MsgFlags::empty()).ok()?;
        (buffer[..length] == frame[..]).then_some(())
    });
    assert_eq!(packets.send(index, &frame[..13]), Err(Errno::EINVAL));
    assert_eq!(
        packets.send(IfIndex(4711), &frame),
        Err(Errno::new(6)), // ENXIO
    );
}
