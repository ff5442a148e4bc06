//! Links that are made: the very octets that `ip` of iproute2 6.1 sends for the same, as strace
//! shows them (`strace -xx -e trace=sendmsg ip link ...`), and how the kernel tells of the result.

use keepalived::addr::{IfIndex, MacAddr};
use keepalived::wire::netlink::{Draft, Messages};
use keepalived::wire::rtnl::{
    IpvlanMode, Link, LinkKind, LinkRequest, MacvlanMode, NewLink, Notice, Request,
};

use crate::octets;

const ETH0: IfIndex = IfIndex(3);
const VMAC: IfIndex = IfIndex(4);
const MAC: MacAddr = MacAddr([0, 0, 0x5e, 0, 1, 51]);

fn sent(request: LinkRequest) -> Vec<u8> {
    Request::Link(request).emit(7)
}

fn vmac() -> NewLink {
    NewLink {
        name: String::from("vrrp.51"),
        below: ETH0,
        kind: LinkKind::Macvlan(MacvlanMode::Private),
        mac: Some(MAC),
        master: None,
        group: 7,
    }
}

// Our nested attributes carry NLA_F_NESTED (the 80 in `1280`), iproute2's do not; the kernel does
// not look at it here.

#[test]
fn a_macvlan_is_asked_for_as_iproute_does() {
    let expected = "
        64000000 1000 0506 07000000 00000000    # RTM_NEWLINK, REQUEST | ACK | EXCL | CREATE
        00 000000 00000000 00000000 00000000
        0a00 0100 00005e000133 0000             # IFLA_ADDRESS
        0800 1b00 07000000                      # IFLA_GROUP
        0800 0500 03000000                      # IFLA_LINK
        0c00 0300 767272702e353100              # IFLA_IFNAME
        1c00 1280                               # IFLA_LINKINFO
          0b00 0100 6d6163766c616e 00           # IFLA_INFO_KIND
          0c00 0280 0800 0100 01000000          # IFLA_INFO_DATA, IFLA_MACVLAN_MODE: private";
    assert_eq!(sent(LinkRequest::Add(vmac())), octets(expected));
    let enslaved = NewLink {
        master: Some(IfIndex(9)),
        group: 0,
        ..vmac()
    };
    let octets_of_enslaved = sent(LinkRequest::Add(enslaved));
    let master = octets("0800 0a00 09000000");
    assert!(octets_of_enslaved.windows(8).any(|part| part == master));
}

#[test]
fn an_ipvlan_is_asked_for_as_iproute_does() {
    let ipvlan = NewLink {
        name: String::from("ip.51"),
        kind: LinkKind::Ipvlan(IpvlanMode::Bridge),
        mac: None,
        group: 0,
        ..vmac()
    };
    let expected = "
        58000000 1000 0506 07000000 00000000
        00 000000 00000000 00000000 00000000
        0800 0500 03000000
        0a00 0300 69702e353100 0000
        2400 1280
          0a00 0100 6970766c616e 0000
          1400 0280 0600 0100 0000 0000 0600 0200 0000 0000   # L2, bridge";
    assert_eq!(sent(LinkRequest::Add(ipvlan)), octets(expected));
}

#[test]
fn changes_of_a_link_are_asked_for_as_iproute_does() {
    let up = "
        20000000 1000 0500 07000000 00000000
        00 000000 04000000 01000000 01000000    # IFF_UP, and nothing else is meant";
    assert_eq!(sent(LinkRequest::SwitchOn(VMAC)), octets(up));
    let no_address = "
        30000000 1000 0500 07000000 00000000
        00 000000 04000000 00000000 00000000
        1000 1a80 0c00 0a80 0500 0800 01 000000  # AF_SPEC, INET6, ADDR_GEN_MODE: none";
    assert_eq!(sent(LinkRequest::NoOwnAddress(VMAC)), octets(no_address));
    let mode = "
        3c000000 1000 0500 07000000 00000000
        00 000000 04000000 00000000 00000000
        1c00 1280 0b00 0100 6d6163766c616e 00 0c00 0280 0800 0100 01000000";
    let private = LinkRequest::SetKind(VMAC, LinkKind::Macvlan(MacvlanMode::Private));
    assert_eq!(sent(private), octets(mode));
    let mode = "
        44000000 1000 0500 07000000 00000000
        00 000000 04000000 00000000 00000000
        2400 1280 0a00 0100 6970766c616e 0000 1400 0280 0600 0100 0000 0000 0600 0200 0100 0000";
    let private = LinkRequest::SetKind(VMAC, LinkKind::Ipvlan(IpvlanMode::Private));
    assert_eq!(sent(private), octets(mode));
    let port = "
        28000000 1000 0500 07000000 00000000
        00 000000 04000000 00000000 00000000
        0800 0a00 09000000";
    let into = LinkRequest::SetMaster(VMAC, Some(IfIndex(9)));
    assert_eq!(sent(into), octets(port));
    let out = octets(&port.replace("09000000", "00000000"));
    assert_eq!(sent(LinkRequest::SetMaster(VMAC, None)), out);
    let mac = "
        2c000000 1000 0500 07000000 00000000
        00 000000 04000000 00000000 00000000
        0a00 0100 00005e000133 0000";
    assert_eq!(sent(LinkRequest::SetMac(VMAC, MAC)), octets(mac));
    let gone = "
        20000000 1100 0500 07000000 00000000
        00 000000 04000000 00000000 00000000";
    assert_eq!(sent(LinkRequest::Remove(VMAC)), octets(gone));
}

#[test]
fn a_macvlan_is_told_of_with_what_it_is_on() {
    let told = octets(include_str!("rtnl/link-macvlan.hex"));
    let message = Messages::new(&told).next().unwrap();
    let expected = Link {
        index: VMAC,
        name: String::from("vrrp.51"),
        mac: Some(MAC),
        mtu: 1500,
        multicast: true,
        kind: LinkKind::Macvlan(MacvlanMode::Private),
        below: Some(ETH0),
        group: 7,
        ..Link::default()
    };
    assert_eq!(Notice::parse(&message), Some(Notice::Link(expected)));
}

#[test]
fn the_kind_of_a_link_is_what_its_information_says() {
    let told = |name: &str, data: &dyn Fn(&mut Draft)| {
        let mut draft = Draft::new(0x10, 0, 1, &[0; 16]);
        draft.text(3, "x").u32(4, 1500).u32(10, 8);
        draft.nested(0x12, |info| {
            info.text(1, name).nested(2, |inner| data(inner));
        });
        let octets = draft.finish();
        let message = Messages::new(&octets).next().unwrap();
        let Some(Notice::Link(link)) = Notice::parse(&message) else {
            panic!("{message:?}")
        };
        assert_eq!(link.master, Some(IfIndex(8)));
        link.kind
    };
    let ipvlan = |mode, flags| {
        told("ipvlan", &move |data| {
            data.u16(1, mode).u16(2, flags);
        })
    };
    assert_eq!(ipvlan(0, 0), LinkKind::Ipvlan(IpvlanMode::Bridge));
    assert_eq!(ipvlan(0, 1), LinkKind::Ipvlan(IpvlanMode::Private));
    assert_eq!(ipvlan(0, 2), LinkKind::Ipvlan(IpvlanMode::Vepa));
    assert_eq!(ipvlan(1, 0), LinkKind::Ipvlan(IpvlanMode::Other));
    let bridge = told("macvlan", &|data| {
        data.u32(1, 4);
    });
    assert_eq!(bridge, LinkKind::Macvlan(MacvlanMode::Other(4)));
    let vrf = told("vrf", &|data| {
        data.u32(1, 10);
    });
    assert_eq!(vrf, LinkKind::Vrf(10));
    assert_eq!(told("veth", &|_| {}), LinkKind::Other);
}
