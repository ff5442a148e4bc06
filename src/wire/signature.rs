//! The trailer behind an advert that signs it (`auth_hmac`): HMAC-SHA256, cut to 128 bits, with a
//! sequence number that is a time.

use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::cursor::{Reader, Writer};

/// What follows an advert.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +---------------+---------------+-------------------------------+
/// |    type, 1    |    key id     |           reserved            |
/// +---------------+---------------+-------------------------------+
/// |                seconds, the low 32 bits of them               |
/// +-------------------------------+-------------------------------+
/// |      1/65536 of a second      |            counter            |
/// +-------------------------------+-------------------------------+
/// |               signature, sixteen octets ...                   |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    pub kind: u8,
    pub key: u8,
    pub reserved: u16,
    pub sequence: Sequence,
    pub mac: [u8; MAC_LENGTH],
}

/// Seconds, their fraction and a counter: each advert has a higher one, around the corner too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(pub u64);

/// What is signed beside the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    pub version: u8,
    pub vrid: u8,
    pub source: IpAddr,
}

impl Trailer {
    /// None when there are not exactly 28 octets: only the length tells a trailer.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let trailer = Self {
            kind: reader.u8()?,
            key: reader.u8()?,
            reserved: reader.u16()?,
            sequence: Sequence(u64::from_be_bytes(reader.array()?)),
            mac: reader.array()?,
        };
        reader.is_empty().then_some(trailer)
    }

    /// The trailer of a message; the checksum of that may still change.
    pub fn sign(
        scope: &Scope,
        message: &[u8],
        key: u8,
        secret: &[u8],
        sequence: Sequence,
    ) -> Vec<u8> {
        let unsigned = Self {
            kind: KIND,
            key,
            reserved: 0,
            sequence,
            mac: [0; MAC_LENGTH],
        };
        let mac = unsigned.summed(scope, message, secret).finalize();
        let mut writer = unsigned.front();
        writer.bytes(&mac.into_bytes()[..MAC_LENGTH]);
        writer.finish()
    }

    /// The time taken tells nothing of the right signature.
    pub fn is_signed(&self, scope: &Scope, message: &[u8], secret: &[u8]) -> bool {
        let mac = self.summed(scope, message, secret);
        mac.verify_truncated_left(&self.mac).is_ok()
    }

    fn summed(&self, scope: &Scope, message: &[u8], secret: &[u8]) -> Hmac<Sha256> {
        let mut pseudo = Writer::new();
        match scope.source {
            IpAddr::V4(source) => {
                pseudo.u8(4).u8(scope.version).u8(scope.vrid).u8(0);
                pseudo.bytes(&source.octets()).zeros(12);
            }
            IpAddr::V6(source) => {
                pseudo.u8(6).u8(scope.version).u8(scope.vrid).u8(0);
                pseudo.bytes(&source.octets());
            }
        }
        // The checksum is read as zero: it differs from one peer to the next, the signature does
        // not.
        let (front, rest) = message.split_at(message.len().min(CHECKSUM.start));
        let rest = &rest[rest.len().min(CHECKSUM.len())..];
        let mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key may have any length");
        mac.chain_update(pseudo.as_slice())
            .chain_update(front)
            .chain_update([0; 2])
            .chain_update(rest)
            .chain_update(self.front().as_slice())
            .chain_update([0; MAC_LENGTH])
    }

    fn front(&self) -> Writer {
        let mut writer = Writer::new();
        writer.u8(self.kind).u8(self.key).u16(self.reserved);
        writer.bytes(&self.sequence.0.to_be_bytes());
        writer
    }
}

impl Sequence {
    /// The first of a moment; `time` counts from 1970.
    pub fn at(time: Duration) -> Self {
        let seconds = time.as_secs() & u64::from(u32::MAX);
        let fraction = u64::from(time.subsec_nanos()) * 0x1_0000 / 1_000_000_000;
        Self(seconds << 32 | fraction << 16)
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// True when this one is later (RFC 1982: the numbers go round).
    pub fn is_after(self, other: Self) -> bool {
        self != other && self.0.wrapping_sub(other.0) < 1 << 63
    }

    /// Whole seconds from `time` to this one; negative when it is older.
    pub fn seconds_after(self, time: Duration) -> i64 {
        let now = Self::at(time).0 >> 32;
        let ahead = (self.0 >> 32).wrapping_sub(now) & u64::from(u32::MAX);
        let ahead = i64::try_from(ahead).expect("32 bits");
        // The half of the circle that is nearer.
        if ahead > i64::from(i32::MAX) {
            ahead - (1 << 32)
        } else {
            ahead
        }
    }
}

pub const LENGTH: usize = 12 + MAC_LENGTH;
/// HMAC-SHA256-128.
pub const KIND: u8 = 1;
const MAC_LENGTH: usize = 16;
/// Of the message.
const CHECKSUM: std::ops::Range<usize> = 6..8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_is_later_when_the_seconds_go_round() {
        let before = Sequence::at(Duration::from_secs(u64::from(u32::MAX)));
        let after = Sequence::at(Duration::from_secs(1 << 32));
        assert!(after.is_after(before) && !before.is_after(after));
        assert!(before.next().is_after(before) && !before.is_after(before));
        assert_eq!(after.seconds_after(Duration::from_secs((1 << 32) - 1)), 1);
        assert_eq!(before.seconds_after(Duration::from_secs(1 << 32)), -1);
    }

    #[test]
    fn every_octet_counts_but_the_checksum() {
        let scope = Scope {
            version: 3,
            vrid: 51,
            source: IpAddr::from([10, 0, 0, 1]),
        };
        let message = [0x31, 51, 200, 0, 0, 100, 1, 2, 9, 9, 9, 9];
        let secret = [7; 32];
        let sequence = Sequence::at(Duration::from_millis(1_500));
        let signed = Trailer::sign(&scope, &message, 1, &secret, sequence);
        let trailer = Trailer::parse(&signed).unwrap();
        assert!(trailer.is_signed(&scope, &message, &secret));
        for at in 0..message.len() {
            let mut bent = message;
            bent[at] ^= 1;
            let holds = trailer.is_signed(&scope, &bent, &secret);
            assert_eq!(holds, CHECKSUM.contains(&at), "octet {at}");
        }
        for at in 0..signed.len() {
            let mut bent = signed.clone();
            bent[at] ^= 1;
            let trailer = Trailer::parse(&bent).unwrap();
            assert!(!trailer.is_signed(&scope, &message, &secret), "octet {at}");
        }
        assert!(!trailer.is_signed(&Scope { vrid: 52, ..scope }, &message, &secret));
        for length in (0..60).filter(|length| *length != LENGTH) {
            assert_eq!(Trailer::parse(&vec![1; length]), None);
        }
    }
}
