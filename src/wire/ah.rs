//! The authentication header of VRRP version 2 over IPv4 (RFC 2338 5.3.6, RFC 2402) with
//! HMAC-MD5-96 (RFC 2403), as keepalived has it.

use std::net::Ipv4Addr;

use hmac::{Hmac, Mac};
use md5::Md5;

use super::cursor::{Reader, Writer};
use super::vrrp;

/// What stands between the IP header and the advert.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +---------------+---------------+-------------------------------+
/// |  next header  | length, 4     |           reserved            |
/// +---------------+---------------+-------------------------------+
/// |         security parameters index: the source address         |
/// +---------------------------------------------------------------+
/// |                        sequence number                        |
/// +---------------------------------------------------------------+
/// |            integrity check value, twelve octets ...           |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 112 when an advert follows.
    pub next: u8,
    pub spi: Ipv4Addr,
    pub sequence: u32,
    pub icv: [u8; ICV_LENGTH],
}

/// What the signature covers of the TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hops {
    /// Multicast: the TTL as it is, since it never changes (other than RFC 2402 has it).
    Signed,
    /// Unicast: routers between the two change it.
    Free,
}

impl Header {
    /// None when there are not 24 octets.
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader::new(bytes);
        let next = reader.u8()?;
        reader.take(3)?;
        let header = Self {
            next,
            spi: reader.u32()?.into(),
            sequence: reader.u32()?,
            icv: reader.array()?,
        };
        Some((header, reader.rest()))
    }

    /// A header without its signature: `sign` fills that in, when the packet is whole.
    pub fn emit(spi: Ipv4Addr, sequence: u32, writer: &mut Writer) {
        writer.u8(vrrp::PROTOCOL).u8(PAYLOAD_LENGTH).u16(0);
        writer.bytes(&spi.octets()).u32(sequence).zeros(ICV_LENGTH);
    }
}

/// Puts the signature into a packet of ours, which has an IP header of 20 octets.
pub fn sign(packet: &mut Writer, key: &[u8; 8], hops: Hops) {
    if let Some(mac) = summed(packet.as_slice(), key, hops) {
        let icv = mac.finalize().into_bytes();
        packet.patch(IP_LENGTH + ICV_AT, &icv[..ICV_LENGTH]);
    }
}

/// True when the signature is that of `packet`: IP header, this header and the advert, without
/// padding. The time taken tells nothing of the right one.
pub fn is_signed(packet: &[u8], icv: &[u8; ICV_LENGTH], key: &[u8; 8], hops: Hops) -> bool {
    summed(packet, key, hops).is_some_and(|mac| mac.verify_truncated_left(icv).is_ok())
}

/// The packet with what may change on its way read as zero; None when it is too short.
fn summed(packet: &[u8], key: &[u8; 8], hops: Hops) -> Option<Hmac<Md5>> {
    let ip_length = usize::from(packet.first()? & 0x0f) * 4;
    let (ip, rest) = packet.split_at_checked(ip_length)?;
    let mut ip = ip.to_vec();
    let mutable: &[usize] = match hops {
        Hops::Signed => &[TOS, FRAGMENT, FRAGMENT + 1, CHECKSUM, CHECKSUM + 1],
        Hops::Free => &[TOS, FRAGMENT, FRAGMENT + 1, TTL, CHECKSUM, CHECKSUM + 1],
    };
    for at in mutable {
        *ip.get_mut(*at)? = 0;
    }
    let (front, rest) = rest.split_at_checked(ICV_AT)?;
    let (_, advert) = rest.split_at_checked(ICV_LENGTH)?;
    let mac = Hmac::<Md5>::new_from_slice(key).ok()?;
    Some(
        mac.chain_update(&ip)
            .chain_update(front)
            .chain_update([0; ICV_LENGTH])
            .chain_update(advert),
    )
}

/// With the signature.
pub const LENGTH: usize = ICV_AT + ICV_LENGTH;
/// 96 bits of the 128 (RFC 2403 2).
pub const ICV_LENGTH: usize = 12;
const ICV_AT: usize = 12;
/// The length in words of 32 bits, less two.
const PAYLOAD_LENGTH: u8 = 4;
/// Where the changing fields of the IP header stand.
const TOS: usize = 1;
const FRAGMENT: usize = 6;
const TTL: usize = 8;
const CHECKSUM: usize = 10;
/// Ours have no options.
const IP_LENGTH: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_on_the_way_is_not_signed_and_all_else_is() {
        let mut writer = Writer::new();
        writer.bytes(&[0x45, 0xc0, 0, 64, 0, 1, 0, 0, 255, 51, 0, 0]);
        writer.bytes(&[10, 0, 0, 1, 224, 0, 0, 18]);
        Header::emit(Ipv4Addr::new(10, 0, 0, 1), 7, &mut writer);
        writer.zeros(20);
        for hops in [Hops::Signed, Hops::Free] {
            sign(&mut writer, b"password", hops);
            let (header, _) = Header::parse(&writer.as_slice()[20..]).unwrap();
            assert_eq!((header.next, header.sequence), (112, 7));
            assert!(is_signed(writer.as_slice(), &header.icv, b"password", hops));
            assert!(!is_signed(
                writer.as_slice(),
                &header.icv,
                b"passwort",
                hops
            ));
            for at in 0..writer.len() {
                let mut bent = writer.as_slice().to_vec();
                bent[at] ^= 2;
                let free = [TOS, FRAGMENT, FRAGMENT + 1, CHECKSUM, CHECKSUM + 1].contains(&at)
                    || (at == TTL && hops == Hops::Free)
                    || (IP_LENGTH + ICV_AT..IP_LENGTH + LENGTH).contains(&at);
                let holds = is_signed(&bent, &header.icv, b"password", hops);
                assert_eq!(holds, free, "octet {at}, {hops:?}");
            }
        }
    }

    #[test]
    fn a_cut_packet_is_never_signed() {
        for length in 0..IP_LENGTH + LENGTH {
            let packet = vec![0x45; length];
            assert!(!is_signed(&packet, &[0; 12], b"password", Hops::Signed));
            assert_eq!(Header::parse(&packet).is_some(), length >= LENGTH);
        }
    }
}
