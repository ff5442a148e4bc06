//! Which packets are adverts for us (RFC 9568 7.1, RFC 3768 7.1). Names what is refused, decides
//! nothing about who is master.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::dialect::{self, Dialect};
use super::refusal::Refusal;
use super::replay::GROUP_SENDERS_MAX;
use crate::addr::Family;
use crate::config::{
    self, Authentication, Destination, Hmac, HmacMode, OldChecksum, ReplayGuard, Unicast, Version,
};
use crate::wire::channel::Carrier;
use crate::wire::ip::{self, Datagram};
use crate::wire::signature::{self, Scope, Trailer};
use crate::wire::{ah, vrrp};

/// A packet that may be an advert, not looked at yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) source: IpAddr,
    /// None where the kernel does not tell.
    pub(super) destination: Option<IpAddr>,
    /// TTL or hop limit.
    pub(super) ttl: Option<u8>,
    pub(super) packet: vrrp::Packet<'a>,
    header: Option<Header<'a>>,
    /// Octets that arrived, as far as they were given to us.
    length: usize,
}

/// What only IPv4 gives us to see.
#[derive(Clone, Copy, Debug)]
struct Header<'a> {
    ip: ip::Header,
    ah: Option<ah::Header>,
    /// All of the packet.
    bytes: &'a [u8],
}

/// A valid advert: well-formed, for us, authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advert {
    pub(super) source: IpAddr,
    pub(super) priority: u8,
    /// What version 3 tells of its sender's interval.
    pub(super) interval: Option<Duration>,
    /// Of AH.
    pub(super) sequence: Option<u32>,
    /// How far the sender's clock is from ours, where that comes near to the limit; in seconds.
    pub(super) skew: Option<i64>,
}

/// Why a packet cannot even be told from others by its VRID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooShort {
    V4,
    Ah,
    V6,
}

/// A valid advert may still list other addresses than ours. It counts all the same: a change of
/// addresses rolled out over two routers must not make two masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressList {
    Same,
    OtherCount { ours: usize, received: u8 },
    Missing(IpAddr),
}

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4 VRRP packet too short",
            Self::Ah => "IPv4 VRRP packet with AH too short",
            Self::V6 => "IPv6 VRRP packet too short",
        })
    }
}

impl<'a> Received<'a> {
    pub(super) fn parse(datagram: Datagram<'a>) -> Result<Self, TooShort> {
        match datagram {
            Datagram::V4(bytes) => Self::parse_v4(bytes),
            Datagram::V6 {
                source,
                destination,
                hop_limit,
                payload,
            } => Ok(Self {
                source: source.into(),
                destination: destination.map(IpAddr::V6),
                ttl: hop_limit,
                packet: vrrp::Packet::parse(Family::V6, payload).ok_or(TooShort::V6)?,
                header: None,
                length: payload.len(),
            }),
        }
    }

    fn parse_v4(bytes: &'a [u8]) -> Result<Self, TooShort> {
        let (ip, mut rest) = ip::Header::parse(bytes).ok_or(TooShort::V4)?;
        let mut ah = None;
        if ip.protocol == Carrier::Ah.protocol() {
            let (header, behind) = ah::Header::parse(rest).ok_or(TooShort::Ah)?;
            (ah, rest) = (Some(header), behind);
        }
        let short = if ah.is_some() {
            TooShort::Ah
        } else {
            TooShort::V4
        };
        Ok(Self {
            source: ip.source.into(),
            destination: Some(ip.destination.into()),
            ttl: Some(ip.ttl),
            packet: vrrp::Packet::parse(Family::V4, rest).ok_or(short)?,
            header: Some(Header { ip, ah, bytes }),
            length: bytes.len(),
        })
    }

    /// Everything but who the sender is; the order is that in which keepalived complains. What the
    /// dialect remembers of others changes only when their signatures hold.
    pub(super) fn check(
        &self,
        ours: &config::Instance,
        dialect: &mut Dialect,
        time: Duration,
    ) -> Result<Advert, Refusal> {
        self.check_form(ours)?;
        let skew = self.check_trailer(ours, dialect, time)?;
        self.authenticate(ours, dialect)?;
        let packet = self.packet;
        if packet.kind() != vrrp::ADVERTISEMENT {
            return Err(Refusal::Kind(packet.kind()));
        }
        if let Some(header) = self.header
            && !is_as_long_as(self.length, usize::from(header.ip.total_length))
        {
            return Err(Refusal::TotalLength {
                received: self.length,
                header: header.ip.total_length,
            });
        }
        self.check_sum(ours, dialect)?;
        self.check_destination(ours)?;
        if ours.owner_ignore_adverts && ours.is_owner() {
            return Err(Refusal::Owner);
        }
        Ok(Advert {
            source: self.source,
            priority: packet.priority(),
            interval: self.interval(),
            sequence: self
                .header
                .and_then(|header| header.ah)
                .map(|ah| ah.sequence),
            skew,
        })
    }

    /// Length, TTL and version (RFC 9568 7.1; RFC 3768 7.1).
    fn check_form(&self, ours: &config::Instance) -> Result<(), Refusal> {
        if let Some(header) = self.header {
            let expected = matches!(ours.authentication, Authentication::Ah(_));
            if header.ah.is_some() != expected {
                return Err(if expected {
                    Refusal::AhMissing
                } else {
                    Refusal::AhUnexpected
                });
            }
        }
        let version = self.packet.version();
        let known = [vrrp::VERSION_2, vrrp::VERSION_3].contains(&version);
        // A packet of a version that nobody knows has no length to be compared.
        if known && !self.has_trailer(ours) {
            let expected = self.expected_length();
            if !is_as_long_as(self.length, expected) {
                let received = self.length;
                return Err(Refusal::Length { received, expected });
            }
        }
        let unicast = matches!(ours.destination, Destination::Unicast(_));
        if let Some(ttl) = self.ttl.filter(|ttl| *ttl != vrrp::TTL && !unicast) {
            return Err(Refusal::Ttl(ttl));
        }
        let expected = dialect::version_number(ours);
        if version != expected {
            return Err(Refusal::Version {
                received: version,
                ours: expected,
            });
        }
        Ok(())
    }

    fn expected_length(&self) -> usize {
        let before = self.length - self.packet.length();
        before + self.packet.expected_length()
    }

    /// Only its length tells that there is a trailer.
    fn has_trailer(&self, ours: &config::Instance) -> bool {
        ours.hmac.is_some() && self.packet.trailer().len() == signature::LENGTH
    }

    fn check_trailer(
        &self,
        ours: &config::Instance,
        dialect: &mut Dialect,
        time: Duration,
    ) -> Result<Option<i64>, Refusal> {
        let Some(hmac) = &ours.hmac else {
            return Ok(None);
        };
        let trailer = Trailer::parse(self.packet.trailer());
        let Some(trailer) = trailer.filter(|_| self.has_trailer(ours)) else {
            return match hmac.mode {
                HmacMode::Enforce => Err(Refusal::Unsigned),
                HmacMode::Permissive | HmacMode::ReceiveOnly => Ok(None),
            };
        };
        if let Destination::Unicast(unicast) = &ours.destination
            && !is_peer(unicast, self.source)
        {
            return Err(Refusal::Stranger);
        }
        if trailer.kind != signature::KIND || trailer.reserved != 0 {
            return Err(Refusal::Malformed);
        }
        let skew = check_clock(hmac, &trailer, time)?;
        let secret = dialect::key(hmac, trailer.key).ok_or(Refusal::UnknownKey(trailer.key))?;
        let scope = Scope {
            version: self.packet.version(),
            vrid: self.packet.vrid(),
            source: self.source,
        };
        if !trailer.is_signed(&scope, self.packet.announced(), secret) {
            return Err(Refusal::Forged);
        }
        let senders = match &ours.destination {
            Destination::Multicast(_) => GROUP_SENDERS_MAX,
            Destination::Unicast(unicast) => unicast.peers.len(),
        };
        let replays = &mut dialect.replays;
        if hmac.replay == ReplayGuard::Time {
            replays.forget_before(time, hmac.window);
        }
        if !replays.is_new(self.source, trailer.sequence) {
            return Err(Refusal::Replayed);
        }
        replays.accept(self.source, trailer.sequence, senders);
        Ok(skew)
    }

    /// Version 2 (RFC 2338 5.3.6, 5.3.7): type, password or signature, interval.
    fn authenticate(&self, ours: &config::Instance, dialect: &mut Dialect) -> Result<(), Refusal> {
        if ours.version != Version::V2 {
            return Ok(());
        }
        if ours.family == Family::V4 {
            let auth = dialect::auth_of(&ours.authentication);
            let received = self.packet.auth_type();
            if received > AUTH_TYPE_MAX {
                return Err(Refusal::UnknownAuth(received));
            }
            if received != auth.number() {
                return Err(Refusal::AuthMismatch {
                    received,
                    ours: auth.number(),
                });
            }
            if let (vrrp::Auth::Simple(ours), Some(theirs)) = (auth, self.packet.auth_data())
                && !is_equal(ours, theirs)
            {
                return Err(Refusal::Password);
            }
            if let Authentication::Ah(password) = &ours.authentication {
                self.check_ah(ours, password, dialect)?;
            }
        }
        let interval = vrrp::whole_seconds(ours.advert_interval);
        if self.packet.interval() != u16::from(interval) {
            return Err(Refusal::Interval {
                ours: interval,
                received: self.packet.interval(),
            });
        }
        Ok(())
    }

    fn check_ah(
        &self,
        ours: &config::Instance,
        password: &[u8; 8],
        dialect: &mut Dialect,
    ) -> Result<(), Refusal> {
        let Some((header, ah)) = self.header.and_then(|header| Some((header, header.ah?))) else {
            return Err(Refusal::AhMissing);
        };
        if ah.next != vrrp::PROTOCOL {
            return Err(Refusal::AhNext(ah.next));
        }
        let signed = &header.bytes[..header.bytes.len().min(self.expected_length())];
        if !ah::is_signed(signed, &ah.icv, password, dialect::hops(ours)) {
            return Err(Refusal::AhSignature);
        }
        if ah.spi != header.ip.source {
            let source = header.ip.source;
            return Err(Refusal::AhIndex {
                spi: ah.spi,
                source,
            });
        }
        if !dialect.accept_ah(ah.sequence) {
            return Err(Refusal::AhSequence {
                received: ah.sequence,
                ours: dialect.ah_sequence,
            });
        }
        Ok(())
    }

    /// Of IPv6 the kernel has checked it, and nothing wrong reaches us.
    fn check_sum(&self, ours: &config::Instance, dialect: &mut Dialect) -> Result<(), Refusal> {
        let (IpAddr::V4(source), Some(IpAddr::V4(destination))) = (self.source, self.destination)
        else {
            return Ok(());
        };
        let holds = |cover| self.packet.checksum_holds(cover);
        if holds(dialect.cover(ours, self.source, destination.into())) {
            return Ok(());
        }
        let with = |destination| vrrp::Cover::Addresses {
            source,
            destination,
        };
        if ours.version == Version::V3 {
            // Whoever moves from one form to the other does so one router after the other.
            if ours.v3_checksum_as_v2 && holds(with(destination)) {
                return Ok(());
            }
            if let Destination::Unicast(unicast) = &ours.destination
                && dialect.is_old(unicast)
                && holds(with(destination))
            {
                return Ok(());
            }
            if let Destination::Unicast(unicast) = &ours.destination
                && unicast.old_checksum == OldChecksum::Detect
                && dialect::old_group(unicast).is_some_and(|group| holds(with(group)))
            {
                dialect.old_checksum = true;
                return Ok(());
            }
        }
        Err(Refusal::Checksum(dialect::version_number(ours)))
    }

    fn check_destination(&self, ours: &config::Instance) -> Result<(), Refusal> {
        let to_group = self.destination.map(|to| to.is_multicast());
        match (&ours.destination, to_group) {
            (Destination::Multicast(_), Some(false)) => Err(Refusal::Unicast),
            (Destination::Unicast(_), Some(true)) => Err(Refusal::Multicast),
            _ => Ok(()),
        }
    }

    /// Of unicast, when asked for: the sender is a peer, and as far away as it should be.
    pub(super) fn check_sender(&self, ours: &config::Instance) -> Result<(), Refusal> {
        let Destination::Unicast(unicast) = &ours.destination else {
            return Ok(());
        };
        if !unicast.check_source {
            return Ok(());
        }
        let peer = unicast
            .peers
            .iter()
            .find(|peer| peer.address == self.source);
        let Some(peer) = peer else {
            return Err(Refusal::Stranger);
        };
        let Some(ttl) = self.ttl else {
            return Ok(());
        };
        let least = peer.min_ttl.unwrap_or(0);
        let most = peer.max_ttl.unwrap_or(u8::MAX);
        if (least..=most).contains(&ttl) {
            Ok(())
        } else {
            Err(Refusal::Distance { ttl, least, most })
        }
    }

    /// The sender's interval, of version 3. Nobody can advertise at intervals of zero.
    fn interval(&self) -> Option<Duration> {
        let hundredths = u64::from(self.packet.interval());
        let told = self.packet.version() == vrrp::VERSION_3 && hundredths > 0;
        told.then(|| Duration::from_millis(hundredths * 10))
    }

    /// Compares the advert's addresses with ours, in any order.
    pub(super) fn address_list(&self, ours: &[IpAddr]) -> AddressList {
        let received = self.packet.address_count();
        if usize::from(received) != ours.len() {
            return AddressList::OtherCount {
                ours: ours.len(),
                received,
            };
        }
        let theirs: BTreeSet<_> = self.packet.addresses().collect();
        let missing = ours.iter().find(|address| !theirs.contains(address));
        missing.map_or(AddressList::Same, |address| AddressList::Missing(*address))
    }
}

pub(super) fn is_peer(unicast: &Unicast, source: IpAddr) -> bool {
    unicast.peers.iter().any(|peer| peer.address == source)
}

/// The skew of the clocks when it is worth a word; an error when the advert is of another time.
fn check_clock(hmac: &Hmac, trailer: &Trailer, time: Duration) -> Result<Option<i64>, Refusal> {
    if hmac.replay != ReplayGuard::Time {
        return Ok(None);
    }
    let skew = trailer.sequence.seconds_after(time).abs();
    let window = i64::try_from(hmac.window.as_secs()).unwrap_or(i64::MAX);
    if skew > window {
        return Err(Refusal::Stale { skew, window });
    }
    Ok((skew > window / 2).then_some(skew))
}

/// Equal, or longer by what pads a short Ethernet frame (46 octets, less a VLAN tag or two).
fn is_as_long_as(received: usize, expected: usize) -> bool {
    let surplus = received.checked_sub(expected);
    surplus == Some(0)
        || (received <= ETHERNET_PAYLOAD_MIN && surplus.is_some_and(|octets| octets % 4 == 2))
}

/// Compares all octets, equal or not: the time taken tells nothing of the password.
fn is_equal(one: [u8; 8], other: [u8; 8]) -> bool {
    one.iter()
        .zip(other)
        .fold(0, |difference, (a, b)| difference | (a ^ b))
        == 0
}

/// 0 none, 1 simple, 2 AH.
const AUTH_TYPE_MAX: u8 = 2;
/// What a network card pads shorter frames to.
const ETHERNET_PAYLOAD_MIN: usize = 46;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_of_a_short_frame_is_no_surplus() {
        assert!(is_as_long_as(40, 40));
        assert!(is_as_long_as(46, 40));
        assert!(is_as_long_as(42, 40));
        assert!(!is_as_long_as(44, 40));
        assert!(!is_as_long_as(39, 40));
        assert!(!is_as_long_as(50, 44));
    }

    #[test]
    fn passwords_compare_as_a_whole() {
        assert!(is_equal(*b"12345678", *b"12345678"));
        assert!(!is_equal(*b"12345678", *b"12345679"));
        assert!(!is_equal(*b"12345678", *b"02345678"));
    }
}
