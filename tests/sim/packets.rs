//! Packets on their way, and those that no core sent, or not this one.

use std::net::{IpAddr, Ipv4Addr};

use keepalived::addr::{Family, Vrid};
use keepalived::wire::channel::{Carrier, Channel};
use keepalived::wire::cursor::Writer;
use keepalived::wire::ip::Datagram;
use keepalived::wire::{ah, ip, vrrp};

/// A packet between two routers: that of IPv4 with its header, that of IPv6 without.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) bytes: Vec<u8>,
}

impl Packet {
    /// Of IPv4; what is no whole packet goes to the group all the same.
    pub(crate) fn v4(bytes: &[u8]) -> Self {
        let header = ip::Header::parse(bytes).map(|(header, _)| header);
        Self {
            from: header
                .map_or(Ipv4Addr::UNSPECIFIED, |header| header.source)
                .into(),
            to: header
                .map_or(vrrp::GROUP, |header| header.destination)
                .into(),
            ttl: header.map_or(vrrp::TTL, |header| header.ttl),
            bytes: bytes.to_vec(),
        }
    }

    pub(crate) fn datagram(&self) -> Datagram<'_> {
        match (self.from, self.to) {
            (IpAddr::V6(source), IpAddr::V6(to)) => Datagram::V6 {
                source,
                destination: Some(to),
                hop_limit: Some(self.ttl),
                payload: &self.bytes,
            },
            _ => Datagram::V4(&self.bytes),
        }
    }

    /// True when a socket of this channel is given the packet.
    pub(crate) fn is_for(&self, channel: &Channel) -> bool {
        channel.ear.address() == self.to && channel.carrier == self.carrier()
    }

    fn carrier(&self) -> Carrier {
        match ip::Header::parse(&self.bytes) {
            Some((header, _)) if self.to.is_ipv4() && header.protocol == Carrier::Ah.protocol() => {
                Carrier::Ah
            }
            _ => Carrier::Vrrp,
        }
    }

    /// The octets from the first one of the advert on.
    pub(crate) fn advert(&self) -> vrrp::Packet<'_> {
        let (family, bytes) = match self.from {
            IpAddr::V4(_) => {
                let (_, rest) = ip::Header::parse(&self.bytes).expect("a whole packet");
                let rest = match self.carrier() {
                    Carrier::Vrrp => rest,
                    Carrier::Ah => ah::Header::parse(rest).expect("a whole header").1,
                };
                (Family::V4, rest)
            }
            IpAddr::V6(_) => (Family::V6, &self.bytes[..]),
        };
        vrrp::Packet::parse(family, bytes).expect("a whole advert")
    }
}

/// The password of the scenarios.
pub(crate) const PASSWORD: vrrp::Auth = vrrp::Auth::Simple(*b"1111\0\0\0\0");

/// An advert of 10.0.0.66.
pub(crate) fn advert(vrid: u8, priority: u8, auth: vrrp::Auth) -> Vec<u8> {
    advert_of(Ipv4Addr::new(10, 0, 0, 66), vrid, priority, auth)
}

pub(crate) fn advert_of(source: Ipv4Addr, vrid: u8, priority: u8, auth: vrrp::Auth) -> Vec<u8> {
    let advert = vrrp::Advert {
        vrid: Vrid::new(vrid).expect("not zero"),
        priority,
        format: vrrp::Format::V2 {
            interval: 1,
            auth: Some(auth),
        },
        addresses: vec![IpAddr::from([10, 0, 0, 100])],
    }
    .emit(vrrp::Cover::Message);
    let mut writer = Writer::new();
    ip::Header {
        total_length: u16::try_from(ip::LENGTH + advert.len()).expect("short"),
        identification: 1,
        ttl: vrrp::TTL,
        protocol: vrrp::PROTOCOL,
        source,
        destination: vrrp::GROUP,
    }
    .emit(&mut writer);
    writer.bytes(&advert);
    writer.finish()
}
