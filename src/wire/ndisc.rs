//! Unsolicited neighbour advertisements (RFC 4861 7.2.6): what gratuitous ARP is to IPv4.

use std::net::Ipv6Addr;

use super::checksum::Checksum;
use super::cursor::Writer;
use crate::addr::MacAddr;

/// The whole Ethernet frame that tells a segment who owns `address` now.
///
/// ```text
///  Ethernet 14 | IPv6 40 | type code checksum flags target 24 | option: link-layer address 8
/// ```
///
/// `router` is to be true while the interface forwards: hosts take a router that says otherwise out
/// of their lists (RFC 4861 7.2.5).
pub fn unsolicited(mac: MacAddr, address: Ipv6Addr, router: bool) -> Vec<u8> {
    let flags = OVERRIDE | if router { ROUTER } else { 0 };
    let mut advertisement = Writer::new();
    advertisement
        .u8(NEIGHBOUR_ADVERTISEMENT)
        .u8(0)
        .u16(0) // The checksum, known at the end.
        .u32(flags)
        .bytes(&address.octets())
        .u8(TARGET_LINK_LAYER_ADDRESS)
        .u8(1) // In units of eight octets.
        .bytes(&mac.0);
    let length = u32::try_from(advertisement.len()).expect("thirty-two octets");
    let checksum = Checksum::new()
        .with(&address.octets())
        .with(&ALL_NODES.octets())
        .with(&length.to_be_bytes())
        .with(&[0, 0, 0, ICMPV6])
        .with(advertisement.as_slice())
        .finish();
    advertisement.patch(CHECKSUM_OFFSET, &checksum.to_be_bytes());

    let mut frame = Writer::new();
    frame
        .bytes(&ALL_NODES_MAC)
        .bytes(&mac.0)
        .u16(ETHERTYPE_IPV6)
        .u32(VERSION_6)
        .u16(u16::try_from(length).expect("thirty-two octets"))
        .u8(ICMPV6)
        .u8(HOP_LIMIT)
        .bytes(&address.octets())
        .bytes(&ALL_NODES.octets())
        .bytes(advertisement.as_slice());
    frame.finish()
}

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// RFC 2464 7: 33:33 and the last four octets of the group.
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Version 6, no traffic class, no flow.
const VERSION_6: u32 = 0x6000_0000;
/// RFC 4861 7.1.2: what crossed a router does not count.
const HOP_LIMIT: u8 = 255;
const ICMPV6: u8 = 58;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const CHECKSUM_OFFSET: usize = 2;
const ROUTER: u32 = 0x8000_0000;
const OVERRIDE: u32 = 0x2000_0000;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([0xb6, 0xb4, 0x9a, 0x35, 0xf0, 0x35]);

    #[test]
    fn an_advertisement_is_sent_as_keepalived_sends_it() {
        let address: Ipv6Addr = "2001:db8::5".parse().unwrap();
        let mut captured = vec![0x33, 0x33, 0, 0, 0, 1];
        captured.extend(MAC.0);
        captured.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 0x20, 0x3a, 0xff]);
        captured.extend(address.octets());
        captured.extend(ALL_NODES.octets());
        captured.extend([0x88, 0, 0xba, 0x03, 0x20, 0, 0, 0]);
        captured.extend(address.octets());
        captured.extend([0x02, 0x01]);
        captured.extend(MAC.0);
        assert_eq!(unsolicited(MAC, address, false), captured);
    }

    #[test]
    fn a_router_says_so_and_its_checksum_still_holds() {
        let address: Ipv6Addr = "fe80::1".parse().unwrap();
        let frame = unsolicited(MAC, address, true);
        assert_eq!(frame[58], 0xa0);
        let sum = Checksum::new()
            .with(&frame[22..54])
            .with(&[0, 0, 0, 32, 0, 0, 0, 58])
            .with(&frame[54..]);
        assert_eq!(sum.finish(), 0);
    }
}
