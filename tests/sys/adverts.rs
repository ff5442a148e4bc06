//! Sockets of adverts over IPv6 and unicast: what the kernel tells of them, and whom they hear.

use std::net::IpAddr;

use keepalived::addr::IfIndex;
use keepalived::errno::Errno;
use keepalived::sys::host::interface_index;
use keepalived::sys::vrrp_socket::{VrrpSocket, Way};
use keepalived::wire::channel::{Carrier, Channel, Ear};
use keepalived::wire::ip::Datagram;

use crate::namespace::{Namespace, eventually, run};

const GROUP: &str = "ff02::12";
/// An advert without addresses and without a checksum.
const BODY: [u8; 8] = [0x31, 51, 100, 0, 0, 100, 0, 0];

/// What was received: source, destination, TTL, octets.
type Heard = (IpAddr, Option<IpAddr>, Option<u8>, Vec<u8>);

/// Two namespaces and a cable; the first machine has numbers that end with 1. The thread is in it.
fn two_machines() -> (Namespace, Namespace) {
    let a = Namespace::enter_new();
    let b = Namespace::enter_new();
    run(&format!(
        "ip link add eth0 type veth peer name eth0 netns {}",
        a.path()
    ));
    for (machine, number) in [(&b, 2), (&a, 1)] {
        machine.enter();
        run("ip link set eth0 up");
        run(&format!("ip address add 10.0.0.{number}/24 dev eth0"));
        run(&format!("ip address add fe80::{number}/64 dev eth0 nodad"));
        run(&format!("ip address add fd00::{number}/64 dev eth0 nodad"));
    }
    (a, b)
}

fn channel(ear: Ear, link: Option<IfIndex>) -> Channel {
    Channel {
        carrier: Carrier::Vrrp,
        link,
        ear,
    }
}

fn open(ear: Ear) -> VrrpSocket {
    let link = interface_index("eth0");
    VrrpSocket::open(&channel(ear, link), "eth0").unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn way(from: &str, to: &str, ttl: u8) -> Way {
    Way {
        from: ip(from),
        to: ip(to),
        ttl,
    }
}

fn recv(socket: &VrrpSocket) -> Option<Heard> {
    let mut buffer = [0; 200];
    Some(match socket.recv(&mut buffer).unwrap()? {
        Datagram::V4(packet) => {
            let (header, rest) = keepalived::wire::ip::Header::parse(packet).unwrap();
            let to = Some(header.destination.into());
            (header.source.into(), to, Some(header.ttl), rest.to_vec())
        }
        Datagram::V6 {
            source,
            destination,
            hop_limit,
            payload,
        } => (
            source.into(),
            destination.map(IpAddr::V6),
            hop_limit,
            payload.to_vec(),
        ),
    })
}

/// The checksum is there, and it is right: the receiver's kernel has taken it.
fn expect(heard: &Heard, way: &Way) {
    assert_eq!(
        (heard.0, heard.1, heard.2),
        (way.from, Some(way.to), Some(way.ttl))
    );
    assert_eq!(heard.3[..6], BODY[..6]);
    if way.from.is_ipv6() {
        assert_ne!(heard.3[6..], [0, 0], "the kernel filled in the checksum");
    }
}

#[test]
fn a_group_of_ipv6_is_heard_with_source_destination_and_hop_limit() {
    let (_a, b) = two_machines();
    let at_a = open(Ear::Group(ip(GROUP)));
    b.enter();
    let at_b = open(Ear::Group(ip(GROUP)));
    for from in ["fe80::1", "fd00::1"] {
        let way = way(from, GROUP, 255);
        eventually("the first packet", || {
            at_a.send(&way, &BODY).unwrap();
            recv(&at_b).map(|heard| expect(&heard, &way))
        });
        while recv(&at_b).is_some() {}
    }
    assert_eq!(recv(&at_a), None, "the sender hears itself");
    let missing = way("fe80::99", GROUP, 255);
    assert!(
        at_a.send(&missing, &BODY).is_err(),
        "not an address of ours"
    );
}

#[test]
fn a_group_hears_no_unicast_and_unicast_no_group() {
    let (_a, b) = two_machines();
    let from_group = open(Ear::Group(ip(GROUP)));
    b.enter();
    let group = open(Ear::Group(ip(GROUP)));
    let own = open(Ear::Own(ip("fe80::2")));
    let other = open(Ear::Own(ip("fd00::2")));
    let unicast = way("fe80::1", "fe80::2", 64);
    eventually("unicast", || {
        from_group.send(&unicast, &BODY).ok()?;
        recv(&own).map(|heard| expect(&heard, &unicast))
    });
    let multicast = way("fe80::1", GROUP, 255);
    from_group.send(&multicast, &BODY).unwrap();
    eventually("multicast", || {
        recv(&group).map(|heard| expect(&heard, &multicast))
    });
    assert_eq!(recv(&group), None);
    assert_eq!(recv(&other), None);
    while let Some(heard) = recv(&own) {
        expect(&heard, &unicast);
    }
}

#[test]
fn unicast_of_ipv4_reaches_the_socket_of_its_destination_with_or_without_an_interface() {
    let (_a, b) = two_machines();
    let at_a = VrrpSocket::open(&channel(Ear::Own(ip("10.0.0.1")), None), "").unwrap();
    b.enter();
    let at_b = open(Ear::Own(ip("10.0.0.2")));
    let mut packet = vec![0x45, 0xc0, 0, 28, 0, 1, 0, 0, 64, 112, 0, 0];
    packet.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(BODY);
    let there = way("10.0.0.1", "10.0.0.2", 64);
    // While the neighbour is not known yet, packets for it fill the queue.
    eventually("unicast", || {
        at_a.send(&there, &packet).ok()?;
        recv(&at_b).map(|heard| expect(&heard, &there))
    });
    packet[12..20].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
    at_b.send(&way("10.0.0.2", "10.0.0.1", 64), &packet)
        .unwrap();
    let heard = eventually("the answer", || recv(&at_a));
    assert_eq!(heard.0, ip("10.0.0.2"));
}

#[test]
fn a_source_may_be_bound_to_before_it_is_there() {
    let (_a, _b) = two_machines();
    for absent in ["10.0.0.77", "fd00::77"] {
        let socket = open(Ear::Own(ip(absent)));
        assert_eq!(recv(&socket), None);
    }
    let nowhere = channel(Ear::Group(ip(GROUP)), Some(IfIndex(4711)));
    assert_eq!(
        VrrpSocket::open(&nowhere, "no-such-0").err(),
        Some(Errno::ENODEV)
    );
}
