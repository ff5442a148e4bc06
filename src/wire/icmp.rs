//! Echo requests and replies of both families (RFC 792, RFC 4443 4.1 and 4.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |     Type      |     Code      |          Checksum             |
//! |           Identifier          |        Sequence Number        |
//! |     Data ...
//! ```

use super::checksum::Checksum;
use super::cursor::{Reader, Writer};
use crate::addr::Family;

/// A request or the reply to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// The kernel puts its own in place of it where it hands out sockets for echoes.
    pub identifier: u16,
    pub sequence: u16,
    pub data: &'a [u8],
}

impl<'a> Echo<'a> {
    /// A request. The checksum of ICMPv6 covers addresses and is the kernel's.
    pub fn emit(&self, family: Family) -> Vec<u8> {
        let mut writer = Writer::new();
        let kind = match family {
            Family::V4 => REQUEST_V4,
            Family::V6 => REQUEST_V6,
        };
        writer.u8(kind).u8(0).u16(0);
        writer
            .u16(self.identifier)
            .u16(self.sequence)
            .bytes(self.data);
        if family == Family::V4 {
            let checksum = Checksum::new().with(writer.as_slice()).finish();
            writer.patch(CHECKSUM_AT, &checksum.to_be_bytes());
        }
        writer.finish()
    }

    /// None when it is no reply to an echo.
    pub fn parse_reply(octets: &'a [u8], family: Family) -> Option<Self> {
        let mut reader = Reader::new(octets);
        let (kind, code) = (reader.u8()?, reader.u8()?);
        reader.u16()?;
        let wanted = match family {
            Family::V4 => REPLY_V4,
            Family::V6 => REPLY_V6,
        };
        (kind == wanted && code == 0).then_some(())?;
        Some(Self {
            identifier: reader.u16()?,
            sequence: reader.u16()?,
            data: reader.rest(),
        })
    }
}

const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;
const CHECKSUM_AT: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Echo<'_> = Echo {
        identifier: 0x1234,
        sequence: 1,
        data: b"keepalived",
    };

    #[test]
    fn a_request_has_its_checksum_where_it_is_ours() {
        let octets = ECHO.emit(Family::V4);
        assert_eq!(octets[..2], [8, 0]);
        assert_eq!(octets[4..8], [0x12, 0x34, 0, 1]);
        assert_eq!(Checksum::new().with(&octets).finish(), 0);
        assert_eq!(ECHO.emit(Family::V6)[..4], [128, 0, 0, 0]);
    }

    #[test]
    fn only_a_reply_is_one() {
        for (family, reply) in [(Family::V4, REPLY_V4), (Family::V6, REPLY_V6)] {
            let mut octets = ECHO.emit(family);
            assert_eq!(
                Echo::parse_reply(&octets, family),
                None,
                "a request is none"
            );
            octets[0] = reply;
            assert_eq!(Echo::parse_reply(&octets, family), Some(ECHO));
            for length in 0..8 {
                assert_eq!(Echo::parse_reply(&octets[..length], family), None);
            }
        }
    }
}
