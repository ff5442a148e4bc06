//! VRRP version 2 advertisements (RFC 3768 5; the authentication data is that of RFC 2338).

use std::net::Ipv4Addr;

use super::checksum::Checksum;
use super::cursor::{Reader, Writer};
use crate::addr::Vrid;

/// An advertisement to send.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+-------+---------------+---------------+---------------+
/// |   2   |   1   |     VRID      |   priority    |  address count|
/// +-------+-------+---------------+---------------+---------------+
/// |   auth type   | interval, sec |            checksum           |
/// +---------------+---------------+-------------------------------+
/// |                          addresses ...                        |
/// +---------------------------------------------------------------+
/// |           authentication data, always eight octets            |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    pub vrid: Vrid,
    /// 0: the master is leaving.
    pub priority: u8,
    /// Whole seconds.
    pub interval: u8,
    pub auth: Auth,
    /// At most 255; further ones are not in the packet.
    pub addresses: Vec<Ipv4Addr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    None,
    /// Simple text password, padded with zeros.
    Simple([u8; 8]),
}

impl Auth {
    /// The number in the packet (RFC 2338 5.3.6).
    pub fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Simple(_) => 1,
        }
    }

    fn data(self) -> [u8; 8] {
        match self {
            Self::None => [0; 8],
            Self::Simple(password) => password,
        }
    }
}

impl Advert {
    pub fn emit(&self) -> Vec<u8> {
        let count = u8::try_from(self.addresses.len()).unwrap_or(u8::MAX);
        let mut writer = Writer::new();
        writer
            .u8(VERSION_2 << 4 | ADVERTISEMENT)
            .u8(self.vrid.number());
        writer.u8(self.priority).u8(count);
        writer.u8(self.auth.number()).u8(self.interval).u16(0);
        for address in self.addresses.iter().take(usize::from(count)) {
            writer.bytes(&address.octets());
        }
        // RFC 3768 5.3.6: the field stays, for the sake of RFC 2338 routers, and is in the
        // checksum.
        writer.bytes(&self.auth.data());
        let checksum = Checksum::new().with(writer.as_slice()).finish();
        writer.patch(CHECKSUM_AT, &checksum.to_be_bytes());
        writer.finish()
    }
}

/// A received packet of any version whose first eight octets exist. Reading it judges nothing:
/// which complaint comes first is the receiver's business.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    head: [u8; 8],
}

impl<'a> Packet<'a> {
    /// None when there are not even eight octets.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = Reader::new(bytes).array()?;
        Some(Self { bytes, head })
    }

    pub fn version(self) -> u8 {
        self.head[0] >> 4
    }

    pub fn kind(self) -> u8 {
        self.head[0] & 0x0f
    }

    pub fn vrid(self) -> u8 {
        self.head[1]
    }

    pub fn priority(self) -> u8 {
        self.head[2]
    }

    pub fn address_count(self) -> u8 {
        self.head[3]
    }

    pub fn auth_type(self) -> u8 {
        self.head[4]
    }

    /// Seconds; only of version 2.
    pub fn interval(self) -> u8 {
        self.head[5]
    }

    /// How many octets a version 2 packet with this address count has.
    pub fn expected_length(self) -> usize {
        HEADER_LENGTH + usize::from(self.address_count()) * 4 + AUTH_LENGTH
    }

    /// The addresses that are really there, at most as many as announced.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> + 'a {
        let mut reader = Reader::new(self.bytes);
        reader.take(HEADER_LENGTH);
        (0..self.address_count()).map_while(move |_| reader.u32().map(Ipv4Addr::from))
    }

    /// The eight octets behind the addresses.
    pub fn auth_data(self) -> Option<[u8; 8]> {
        let mut reader = Reader::new(self.bytes);
        reader.take(self.expected_length() - AUTH_LENGTH)?;
        reader.array()
    }

    /// True when the sum over the announced length comes out right. Padding behind it is no part.
    pub fn checksum_holds(self) -> bool {
        let summed = Reader::new(self.bytes).take(self.expected_length());
        summed.is_some_and(|bytes| Checksum::new().with(bytes).finish() == 0)
    }
}

/// RFC 3768 5.2.4.
pub const PROTOCOL: u8 = 112;
/// RFC 3768 5.2.2.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// RFC 3768 5.2.3: packets with another TTL have crossed a router.
pub const TTL: u8 = 255;
pub const VERSION_2: u8 = 2;
/// The only packet type.
pub const ADVERTISEMENT: u8 = 1;

const HEADER_LENGTH: usize = 8;
const AUTH_LENGTH: usize = 8;
const CHECKSUM_AT: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from keepalived: PASS "1111", VRID 51, priority 150, two addresses.
    const CAPTURED: [u8; 24] = [
        0x21, 0x33, 0x96, 0x02, 0x01, 0x01, 0xd0, 0x8b, 10, 9, 0, 100, 10, 9, 0, 101, b'1', b'1',
        b'1', b'1', 0, 0, 0, 0,
    ];

    fn advert() -> Advert {
        Advert {
            vrid: Vrid::new(51).unwrap(),
            priority: 150,
            interval: 1,
            auth: Auth::Simple(*b"1111\0\0\0\0"),
            addresses: vec![Ipv4Addr::new(10, 9, 0, 100), Ipv4Addr::new(10, 9, 0, 101)],
        }
    }

    #[test]
    fn an_advert_is_sent_as_keepalived_sends_it() {
        assert_eq!(advert().emit(), CAPTURED);
    }

    #[test]
    fn an_advert_of_keepalived_reads_back() {
        let packet = Packet::parse(&CAPTURED).unwrap();
        assert_eq!(
            (packet.version(), packet.kind()),
            (VERSION_2, ADVERTISEMENT)
        );
        assert_eq!(
            (packet.vrid(), packet.priority(), packet.interval()),
            (51, 150, 1)
        );
        assert_eq!(packet.auth_type(), 1);
        assert_eq!(packet.auth_data(), Some(*b"1111\0\0\0\0"));
        assert!(packet.checksum_holds());
        assert_eq!(packet.expected_length(), CAPTURED.len());
        assert_eq!(packet.addresses().collect::<Vec<_>>(), advert().addresses);
    }

    #[test]
    fn every_single_flipped_bit_breaks_the_checksum() {
        for bit in 0..CAPTURED.len() * 8 {
            let mut bytes = CAPTURED;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let packet = Packet::parse(&bytes).unwrap();
            assert!(!packet.checksum_holds(), "bit {bit}");
        }
    }

    #[test]
    fn a_cut_packet_tells_less_and_never_panics() {
        for length in 0..CAPTURED.len() {
            let Some(packet) = Packet::parse(&CAPTURED[..length]) else {
                assert!(length < HEADER_LENGTH);
                continue;
            };
            assert!(!packet.checksum_holds());
            assert!(packet.addresses().count() <= (length - HEADER_LENGTH) / 4);
            assert_eq!(packet.auth_data(), None);
        }
    }

    #[test]
    fn more_than_255_addresses_do_not_overflow_the_count() {
        let mut advert = advert();
        advert.addresses = vec![Ipv4Addr::LOCALHOST; 300];
        let bytes = advert.emit();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.address_count(), 255);
        assert!(packet.checksum_holds());
        assert_eq!(packet.expected_length(), bytes.len());
    }
}
