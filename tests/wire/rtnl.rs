//! Notices of the kernel about links and addresses, and our requests.

use std::net::{IpAddr, Ipv4Addr};

use keepalived::addr::{IfIndex, MacAddr};
use keepalived::rand::Rand;
use keepalived::wire::netlink::Messages;
use keepalived::wire::rtnl::{
    ADDRESS_NODAD, Address, Link, Notice, Request, emit_address_dump, emit_link_dump,
};

use crate::octets;

const LINK_LOOPBACK: &str = include_str!("rtnl/link-loopback.hex");
const LINK_NO_CARRIER: &str = include_str!("rtnl/link-no-carrier.hex");
const LINK_RUNNING: &str = include_str!("rtnl/link-running.hex");
const LINK_GONE: &str = include_str!("rtnl/link-gone.hex");
const BRIDGE_PORT_LEFT: &str = include_str!("rtnl/bridge-port-left.hex");
const ADDRESS_V4: &str = include_str!("rtnl/address-v4.hex");
const ADDRESS_V4_PEER: &str = include_str!("rtnl/address-v4-peer.hex");
const ADDRESS_V4_GONE: &str = include_str!("rtnl/address-v4-gone.hex");
const ADDRESS_V6: &str = include_str!("rtnl/address-v6.hex");
const ADDRESS_V6_PEER: &str = include_str!("rtnl/address-v6-peer.hex");

const ALL: [&str; 10] = [
    LINK_LOOPBACK,
    LINK_NO_CARRIER,
    LINK_RUNNING,
    LINK_GONE,
    BRIDGE_PORT_LEFT,
    ADDRESS_V4,
    ADDRESS_V4_PEER,
    ADDRESS_V4_GONE,
    ADDRESS_V6,
    ADDRESS_V6_PEER,
];

const ETH0: IfIndex = IfIndex(3);
/// The kernel adds IFA_F_PERMANENT to what has no end.
const PERMANENT: u32 = 0x80;
const DEPRECATED: u32 = 0x20;
const NOPREFIXROUTE: u32 = 0x200;

fn notice(hex: &str) -> Option<Notice> {
    let octets = octets(hex);
    let mut messages = Messages::new(&octets);
    let notice = Notice::parse(&messages.next().unwrap());
    assert_eq!(messages.next(), None);
    notice
}

fn address(cidr: &str) -> Address {
    Address::new(ETH0, cidr.parse().unwrap())
}

fn vip() -> Address {
    Address {
        label: Some(String::from("eth0")),
        flags: PERMANENT,
        ..address("192.168.16.20")
    }
}

fn with_peer() -> Address {
    Address {
        peer: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2))),
        broadcast: Some(Ipv4Addr::new(10, 0, 0, 255)),
        label: Some(String::from("eth0:vip")),
        scope: 253,
        flags: PERMANENT | NOPREFIXROUTE,
        ..address("10.0.0.1/24")
    }
}

#[test]
fn links_are_read() {
    let eth0 = Link {
        index: ETH0,
        name: String::from("eth0"),
        mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
        mtu: 1400,
        up: true,
        multicast: true,
        below: Some(IfIndex(2)),
        ..Link::default()
    };
    assert_eq!(notice(LINK_NO_CARRIER), Some(Notice::Link(eth0.clone())));
    let running = Link {
        running: true,
        ..eth0
    };
    assert_eq!(notice(LINK_RUNNING), Some(Notice::Link(running)));
    let loopback = Link {
        index: IfIndex(1),
        name: String::from("lo"),
        mac: Some(MacAddr([0; 6])),
        mtu: 65536,
        up: true,
        running: true,
        no_arp: true,
        ..Link::default()
    };
    assert_eq!(notice(LINK_LOOPBACK), Some(Notice::Link(loopback)));
    assert_eq!(notice(LINK_GONE), Some(Notice::LinkGone(ETH0)));
}

#[test]
fn a_port_that_left_its_bridge_is_no_link_gone() {
    assert_eq!(notice(BRIDGE_PORT_LEFT), None);
}

#[test]
fn addresses_are_read() {
    assert_eq!(notice(ADDRESS_V4), Some(Notice::Address(vip())));
    assert_eq!(notice(ADDRESS_V4_GONE), Some(Notice::AddressGone(vip())));
    assert_eq!(notice(ADDRESS_V4_PEER), Some(Notice::Address(with_peer())));
    let host = Address {
        flags: PERMANENT | DEPRECATED | ADDRESS_NODAD,
        ..address("fd00::100")
    };
    assert_eq!(notice(ADDRESS_V6), Some(Notice::Address(host)));
    let with_peer = Address {
        peer: Some("fd00::2".parse().unwrap()),
        flags: PERMANENT | ADDRESS_NODAD,
        ..address("fd00::1/64")
    };
    assert_eq!(notice(ADDRESS_V6_PEER), Some(Notice::Address(with_peer)));
}

#[test]
fn requests_are_exact() {
    let vip = address("192.168.16.20");
    let plain = "
        28000000 1400 0500 07000000 00000000    # RTM_NEWADDR, REQUEST | ACK
        02 20 00 00 03000000                    # AF_INET, /32, no flags, global, eth0
        0800 0200 c0a81014                      # IFA_LOCAL
        0500 0b00 12000000                      # IFA_PROTO, keepalived";
    assert_eq!(Request::AddAddress(vip.clone()).emit(7), octets(plain));
    let removed = "
        28000000 1500 0500 08000000 00000000    # RTM_DELADDR
        02 20 00 00 03000000
        0800 0200 c0a81014                      # IFA_LOCAL
        0800 0100 c0a81014                      # IFA_ADDRESS, so that the prefix counts";
    assert_eq!(Request::RemoveAddress(vip).emit(8), octets(removed));
    let full = "
        50000000 1400 0500 09000000 00000000
        02 18 80 fd 03000000                    # the low flags, scope link
        0800 0200 0a000001                      # IFA_LOCAL
        0800 0100 0a000002                      # IFA_ADDRESS is the peer
        0800 0400 0a0000ff                      # IFA_BROADCAST
        0d00 0300 657468303a76697000 000000     # IFA_LABEL, padded
        0800 0800 80020000                      # IFA_FLAGS: one of them has the ninth bit
        0500 0b00 12000000";
    assert_eq!(Request::AddAddress(with_peer()).emit(9), octets(full));
    let host = Address {
        flags: ADDRESS_NODAD,
        preferred: Some(0),
        ..address("fd00::100")
    };
    let deprecated = "
        48000000 1400 0500 0a000000 00000000
        0a 80 02 00 03000000                    # AF_INET6, /128, IFA_F_NODAD
        1400 0200 fd000000 00000000 00000000 00000100
        1400 0600 00000000 ffffffff 00000000 00000000   # preferred 0 s, valid for ever
        0500 0b00 12000000";
    assert_eq!(
        Request::AddAddress(host.clone()).emit(10),
        octets(deprecated)
    );
    let removed = "
        2c000000 1500 0500 0b000000 00000000
        0a 80 02 00 03000000
        1400 0200 fd000000 00000000 00000000 00000100";
    assert_eq!(Request::RemoveAddress(host).emit(11), octets(removed));
}

#[test]
fn dumps_ask_for_every_family() {
    let links = "20000000 1200 0103 01000000 00000000 00000000 00000000 00000000 00000000";
    assert_eq!(emit_link_dump(1), octets(links));
    let addresses = "18000000 1600 0103 02000000 00000000 00000000 00000000";
    assert_eq!(emit_address_dump(2), octets(addresses));
}

#[test]
fn what_we_ask_for_reads_back_as_what_was_meant() {
    for meant in [
        address("192.168.16.20"),
        with_peer(),
        address("fd00::1/64"),
        Address {
            peer: Some("fd00::2".parse().unwrap()),
            flags: ADDRESS_NODAD,
            ..address("fd00::1")
        },
    ] {
        let datagram = Request::AddAddress(meant.clone()).emit(1);
        let message = Messages::new(&datagram).next().unwrap();
        assert_eq!(Notice::parse(&message), Some(Notice::Address(meant)));
    }
}

#[test]
fn damaged_notices_are_read_or_refused_and_never_more() {
    let mut rand = Rand::new(0x7274_6e6c);
    for captured in ALL {
        let whole = octets(captured);
        for cut in 0..whole.len() {
            let parsed = Messages::new(&whole[..cut]).filter_map(|m| Notice::parse(&m));
            assert_eq!(parsed.count(), 0, "the message was longer than {cut}");
        }
        for _ in 0..2_000 {
            let mut damaged = whole.clone();
            for _ in 0..=rand.below(8) {
                let at = usize::try_from(rand.below(damaged.len() as u64)).unwrap();
                damaged[at] = u8::try_from(rand.below(256)).unwrap();
            }
            for message in Messages::new(&damaged) {
                if let Some(Notice::Address(address)) = Notice::parse(&message) {
                    let width = if address.cidr.address().is_ipv4() {
                        32
                    } else {
                        128
                    };
                    assert!(address.cidr.prefix() <= width);
                }
            }
        }
    }
}
