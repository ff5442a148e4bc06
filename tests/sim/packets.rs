//! Packets that no core sent, or not this one.

use std::net::Ipv4Addr;

use keepalived::addr::Vrid;
use keepalived::wire::cursor::Writer;
use keepalived::wire::{ip, vrrp};

/// The password of the scenarios.
pub(crate) const PASSWORD: vrrp::Auth = vrrp::Auth::Simple(*b"1111\0\0\0\0");

/// An advert of 10.0.0.66.
pub(crate) fn advert(vrid: u8, priority: u8, auth: vrrp::Auth) -> Vec<u8> {
    let advert = vrrp::Advert {
        vrid: Vrid::new(vrid).expect("not zero"),
        priority,
        interval: 1,
        auth,
        addresses: vec![Ipv4Addr::new(10, 0, 0, 100)],
    }
    .emit();
    let mut writer = Writer::new();
    ip::Header {
        total_length: u16::try_from(ip::LENGTH + advert.len()).expect("short"),
        identification: 1,
        ttl: vrrp::TTL,
        protocol: vrrp::PROTOCOL,
        source: Ipv4Addr::new(10, 0, 0, 66),
        destination: vrrp::GROUP,
    }
    .emit(&mut writer);
    writer.bytes(&advert);
    writer.finish()
}
