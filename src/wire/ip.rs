//! The IPv4 header of raw packets (RFC 791): as little of it as VRRP reads and writes.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::cursor::{Reader, Writer};

/// A packet as a raw socket hands it over: that of IPv4 with its header, that of IPv6 without, and
/// what is known of the header beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram<'a> {
    V4(&'a [u8]),
    V6 {
        source: Ipv6Addr,
        /// None where the kernel does not tell.
        destination: Option<Ipv6Addr>,
        hop_limit: Option<u8>,
        payload: &'a [u8],
    },
}

impl Datagram<'_> {
    /// How many octets were handed over.
    pub fn length(&self) -> usize {
        match self {
            Self::V4(bytes) => bytes.len(),
            Self::V6 { payload, .. } => payload.len(),
        }
    }
}

/// What VRRP reads from and writes to an IPv4 header.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+-------+---------------+-------------------------------+
/// |   4   |  IHL  |      TOS      |          total length         |
/// +-------+-------+---------------+-----+-------------------------+
/// |        identification         |flags|     fragment offset     |
/// +---------------+---------------+-----+-------------------------+
/// |      TTL      |    protocol   |            checksum           |
/// +---------------+---------------+-------------------------------+
/// |                             source                            |
/// +---------------------------------------------------------------+
/// |                          destination                          |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub total_length: u16,
    pub identification: u16,
    pub ttl: u8,
    pub protocol: u8,
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
}

impl Header {
    /// Splits a packet into its header and what follows; options are skipped. None when the packet
    /// is shorter than its own header or not IPv4.
    pub fn parse(packet: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader::new(packet);
        let first = reader.u8()?;
        let header_length = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || header_length < LENGTH {
            return None;
        }
        reader.u8()?;
        let total_length = reader.u16()?;
        let identification = reader.u16()?;
        reader.u16()?;
        let ttl = reader.u8()?;
        let protocol = reader.u8()?;
        reader.u16()?;
        let source = Ipv4Addr::from(reader.u32()?);
        let destination = Ipv4Addr::from(reader.u32()?);
        reader.take(header_length - LENGTH)?;
        let header = Self {
            total_length,
            identification,
            ttl,
            protocol,
            source,
            destination,
        };
        Some((header, reader.rest()))
    }

    /// Twenty octets, TOS 0xC0 (internetwork control); the kernel fills the checksum.
    pub fn emit(&self, writer: &mut Writer) {
        writer.u8(0x45).u8(TOS_INTERNETWORK_CONTROL);
        writer
            .u16(self.total_length)
            .u16(self.identification)
            .u16(0);
        writer.u8(self.ttl).u8(self.protocol).u16(0);
        writer
            .bytes(&self.source.octets())
            .bytes(&self.destination.octets());
    }
}

/// Octets of a header without options.
pub const LENGTH: usize = 20;

const TOS_INTERNETWORK_CONTROL: u8 = 0xc0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_wire_and_options_are_skipped() {
        let header = Header {
            total_length: 26,
            identification: 0xbeef,
            ttl: 255,
            protocol: 112,
            source: Ipv4Addr::new(10, 9, 0, 1),
            destination: Ipv4Addr::new(224, 0, 0, 18),
        };
        let mut writer = Writer::new();
        header.emit(&mut writer);
        writer.bytes(&[1, 2]);
        assert_eq!(
            Header::parse(writer.as_slice()),
            Some((header, &[1, 2][..]))
        );

        writer.patch(0, &[0x46]);
        writer.bytes(&[3, 4, 5]);
        assert_eq!(Header::parse(writer.as_slice()), Some((header, &[5][..])));
    }

    #[test]
    fn what_is_no_ipv4_header_is_refused() {
        for packet in [&[][..], &[0x45; 19], &[0x65; 40], &[0x44; 40], &[0x4f; 59]] {
            assert_eq!(Header::parse(packet), None);
        }
    }
}
