//! VRRP advertisements: version 2 (RFC 3768 5; the authentication data is that of RFC 2338) and
//! version 3 (RFC 9568 5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::checksum::Checksum;
use super::cursor::{Reader, Writer};
use crate::addr::{Family, Vrid};

/// An advertisement to send.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+-------+---------------+---------------+---------------+
/// |version|   1   |     VRID      |   priority    |  address count|
/// +-------+-------+---------------+---------------+---------------+
/// |   auth type   | interval, sec |            checksum           |  version 2
/// |   0   |   interval, 10 ms     |                               |  version 3
/// +---------------+---------------+-------------------------------+
/// |                          addresses ...                        |
/// +---------------------------------------------------------------+
/// |           authentication data, always eight octets            |  version 2 of IPv4
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    pub vrid: Vrid,
    /// 0: the master is leaving.
    pub priority: u8,
    pub format: Format,
    /// Of one family; at most 255, further ones are not in the packet.
    pub addresses: Vec<IpAddr>,
}

/// What tells the versions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    V2 {
        /// Seconds.
        interval: u8,
        /// None over IPv6, which has no place for it.
        auth: Option<Auth>,
    },
    V3 {
        /// Hundredths of a second, twelve bits.
        interval: u16,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    None,
    /// Simple text password, padded with zeros.
    Simple([u8; 8]),
    /// A signature in a header of its own (RFC 2402).
    Ah,
}

/// What the checksum covers beside the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Nothing: version 2 over IPv4, and version 3 by RFC 9568 5.2.8.
    Message,
    /// A pseudo header of IPv4 (RFC 5798 5.2.8).
    Addresses {
        source: Ipv4Addr,
        destination: Ipv4Addr,
    },
    /// A pseudo header of IPv6: the kernel computes the sum, and takes only what comes out right.
    Kernel,
}

impl Auth {
    /// The number in the packet (RFC 2338 5.3.6).
    pub fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Simple(_) => 1,
            Self::Ah => 2,
        }
    }

    fn data(self) -> [u8; 8] {
        match self {
            Self::None | Self::Ah => [0; 8],
            Self::Simple(password) => password,
        }
    }
}

impl Format {
    fn version(self) -> u8 {
        match self {
            Self::V2 { .. } => VERSION_2,
            Self::V3 { .. } => VERSION_3,
        }
    }
}

impl Advert {
    pub fn emit(&self, cover: Cover) -> Vec<u8> {
        let count = u8::try_from(self.addresses.len()).unwrap_or(u8::MAX);
        let mut writer = Writer::new();
        writer
            .u8(self.format.version() << 4 | ADVERTISEMENT)
            .u8(self.vrid.number());
        writer.u8(self.priority).u8(count);
        let auth = match self.format {
            Format::V2 { interval, auth } => {
                writer.u8(auth.map_or(0, Auth::number)).u8(interval);
                auth
            }
            Format::V3 { interval } => {
                writer.u16(interval & INTERVAL_MASK);
                None
            }
        };
        writer.u16(0);
        for address in self.addresses.iter().take(usize::from(count)) {
            match address {
                IpAddr::V4(address) => writer.bytes(&address.octets()),
                IpAddr::V6(address) => writer.bytes(&address.octets()),
            };
        }
        if let Some(auth) = auth {
            // RFC 3768 5.3.6: the field stays, for the sake of RFC 2338 routers, and is in the
            // checksum.
            writer.bytes(&auth.data());
        }
        if cover != Cover::Kernel {
            let checksum = cover.sum(writer.as_slice());
            writer.patch(CHECKSUM_AT, &checksum.to_be_bytes());
        }
        writer.finish()
    }
}

impl Cover {
    /// The checksum of a message; 0 when the message contains its own.
    fn sum(self, message: &[u8]) -> u16 {
        let sum = Checksum::new();
        let sum = match self {
            Self::Message | Self::Kernel => sum,
            Self::Addresses {
                source,
                destination,
            } => {
                let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
                sum.with(&source.octets())
                    .with(&destination.octets())
                    .with(&[0, PROTOCOL])
                    .with(&length.to_be_bytes())
            }
        };
        sum.with(message).finish()
    }
}

/// A received packet of any version whose first eight octets exist. Reading it judges nothing:
/// which complaint comes first is the receiver's business.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    head: [u8; 8],
    family: Family,
}

impl<'a> Packet<'a> {
    /// None when there are not even eight octets.
    pub fn parse(family: Family, bytes: &'a [u8]) -> Option<Self> {
        let head = Reader::new(bytes).array()?;
        Some(Self {
            bytes,
            head,
            family,
        })
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

    /// Only of version 2.
    pub fn auth_type(self) -> u8 {
        self.head[4]
    }

    /// The interval in the unit of its version: seconds, or hundredths.
    pub fn interval(self) -> u16 {
        match self.version() {
            VERSION_3 => u16::from_be_bytes([self.head[4], self.head[5]]) & INTERVAL_MASK,
            _ => u16::from(self.head[5]),
        }
    }

    /// How many octets arrived, padding and trailer included.
    pub fn length(self) -> usize {
        self.bytes.len()
    }

    /// How many octets a packet of this version with this address count has.
    pub fn expected_length(self) -> usize {
        self.addresses_end() + if self.has_auth_data() { AUTH_LENGTH } else { 0 }
    }

    /// The octets that the packet announces, without padding or a trailer; fewer when it is cut.
    pub fn announced(self) -> &'a [u8] {
        let length = self.expected_length().min(self.bytes.len());
        &self.bytes[..length]
    }

    /// What follows the announced octets.
    pub fn trailer(self) -> &'a [u8] {
        &self.bytes[self.announced().len()..]
    }

    /// The addresses that are really there, at most as many as announced.
    pub fn addresses(self) -> impl Iterator<Item = IpAddr> + 'a {
        let mut reader = Reader::new(self.bytes);
        reader.take(HEADER_LENGTH);
        (0..self.address_count()).map_while(move |_| match self.family {
            Family::V4 => reader.array::<4>().map(IpAddr::from),
            Family::V6 => reader.array::<16>().map(IpAddr::from),
        })
    }

    /// The eight octets behind the addresses; only of version 2 over IPv4.
    pub fn auth_data(self) -> Option<[u8; 8]> {
        let mut reader = Reader::new(self.bytes);
        reader.take(self.addresses_end())?;
        self.has_auth_data().then(|| reader.array())?
    }

    /// True when the sum over the announced length comes out right. Padding behind it is no part.
    pub fn checksum_holds(self, cover: Cover) -> bool {
        let summed = Reader::new(self.bytes).take(self.expected_length());
        summed.is_some_and(|bytes| cover == Cover::Kernel || cover.sum(bytes) == 0)
    }

    fn addresses_end(self) -> usize {
        let width = match self.family {
            Family::V4 => 4,
            Family::V6 => 16,
        };
        HEADER_LENGTH + usize::from(self.address_count()) * width
    }

    fn has_auth_data(self) -> bool {
        self.version() == VERSION_2 && self.family == Family::V4
    }
}

/// An interval as version 2 counts it: whole seconds, at least one.
pub fn whole_seconds(interval: Duration) -> u8 {
    u8::try_from(interval.as_secs().max(1)).unwrap_or(u8::MAX)
}

/// An interval as version 3 counts it (RFC 9568 5.2.7).
pub fn hundredths(interval: Duration) -> u16 {
    u16::try_from(interval.as_millis() / 10).map_or(INTERVAL_MASK, |n| n.clamp(1, INTERVAL_MASK))
}

/// RFC 3768 5.2.4.
pub const PROTOCOL: u8 = 112;
/// RFC 3768 5.2.2.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// RFC 9568 5.1.2.2.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// RFC 3768 5.2.3: packets with another TTL have crossed a router.
pub const TTL: u8 = 255;
pub const VERSION_2: u8 = 2;
pub const VERSION_3: u8 = 3;
/// The only packet type.
pub const ADVERTISEMENT: u8 = 1;
/// Where the checksum stands; the kernel is told this of IPv6 sockets.
pub const CHECKSUM_AT: usize = 6;

const HEADER_LENGTH: usize = 8;
const AUTH_LENGTH: usize = 8;
/// Twelve bits; the four above are reserved and ignored.
const INTERVAL_MASK: u16 = 0x0fff;

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
            format: Format::V2 {
                interval: 1,
                auth: Some(Auth::Simple(*b"1111\0\0\0\0")),
            },
            addresses: vec![[10, 9, 0, 100].into(), [10, 9, 0, 101].into()],
        }
    }

    #[test]
    fn an_advert_is_sent_as_keepalived_sends_it() {
        assert_eq!(advert().emit(Cover::Message), CAPTURED);
    }

    #[test]
    fn an_advert_of_keepalived_reads_back() {
        let packet = Packet::parse(Family::V4, &CAPTURED).unwrap();
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
        assert!(packet.checksum_holds(Cover::Message));
        assert_eq!(packet.expected_length(), CAPTURED.len());
        assert_eq!(packet.addresses().collect::<Vec<_>>(), advert().addresses);
    }

    #[test]
    fn every_single_flipped_bit_breaks_the_checksum() {
        for bit in 0..CAPTURED.len() * 8 {
            let mut bytes = CAPTURED;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let packet = Packet::parse(Family::V4, &bytes).unwrap();
            assert!(!packet.checksum_holds(Cover::Message), "bit {bit}");
        }
    }

    #[test]
    fn a_cut_packet_tells_less_and_never_panics() {
        for length in 0..CAPTURED.len() {
            let Some(packet) = Packet::parse(Family::V4, &CAPTURED[..length]) else {
                assert!(length < HEADER_LENGTH);
                continue;
            };
            assert!(!packet.checksum_holds(Cover::Message));
            assert!(packet.addresses().count() <= (length - HEADER_LENGTH) / 4);
            assert_eq!(packet.auth_data(), None);
        }
    }

    #[test]
    fn more_than_255_addresses_do_not_overflow_the_count() {
        let mut advert = advert();
        advert.addresses = vec![Ipv4Addr::LOCALHOST.into(); 300];
        let bytes = advert.emit(Cover::Message);
        let packet = Packet::parse(Family::V4, &bytes).unwrap();
        assert_eq!(packet.address_count(), 255);
        assert!(packet.checksum_holds(Cover::Message));
        assert_eq!(packet.expected_length(), bytes.len());
    }
}
