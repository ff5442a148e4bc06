//! Gratuitous ARP frames (RFC 826, RFC 5227 calls them announcements).

use std::net::Ipv4Addr;

use super::cursor::Writer;
use crate::addr::MacAddr;

/// The whole Ethernet frame that tells a segment who owns `address` now: a broadcast *request* with
/// sender and target address the same. The target hardware address is broadcast too, as keepalived
/// sends it.
pub fn gratuitous(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let mut writer = Writer::new();
    writer
        .bytes(&MacAddr::BROADCAST.0)
        .bytes(&mac.0)
        .u16(ETHERTYPE_ARP);
    writer
        .u16(HARDWARE_ETHERNET)
        .u16(PROTOCOL_IPV4)
        .u8(6)
        .u8(4)
        .u16(REQUEST);
    writer.bytes(&mac.0).bytes(&address.octets());
    writer.bytes(&MacAddr::BROADCAST.0).bytes(&address.octets());
    writer.finish()
}

const ETHERTYPE_ARP: u16 = 0x0806;
const HARDWARE_ETHERNET: u16 = 1;
const PROTOCOL_IPV4: u16 = 0x0800;
const REQUEST: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gratuitous_arp_is_sent_as_keepalived_sends_it() {
        let mac = MacAddr([0xb6, 0xb4, 0x9a, 0x35, 0xf0, 0x35]);
        let mut captured = vec![0xff; 6];
        captured.extend([
            0xb6, 0xb4, 0x9a, 0x35, 0xf0, 0x35, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1,
        ]);
        captured.extend([0xb6, 0xb4, 0x9a, 0x35, 0xf0, 0x35, 10, 9, 0, 100]);
        captured.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 10, 9, 0, 100]);
        assert_eq!(gratuitous(mac, Ipv4Addr::new(10, 9, 0, 100)), captured);
    }
}
