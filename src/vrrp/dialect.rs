//! How an instance speaks: its adverts as packets, and what it has to remember for the next one.
//!
//! Every dialect is here: versions 2 and 3, IPv4 and IPv6, to a group or to peers, plain, with AH
//! or with a signature behind the advert.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::replay::Replays;
use crate::addr::Family;
use crate::config::{
    self, Authentication, Destination, Hmac, HmacKey, HmacMode, OldChecksum, ReplayGuard, Unicast,
    Version,
};
use crate::wire::channel::Carrier;
use crate::wire::cursor::Writer;
use crate::wire::signature::{Scope, Sequence, Trailer};
use crate::wire::{ah, ip, vrrp};

/// What outlives an advert; it survives a reload.
#[derive(Debug, Default)]
pub(super) struct Dialect {
    /// The IP identification of the last packet, one per advert.
    identification: u16,
    /// Of AH, the one sent or accepted last: both directions share it, so that a backup goes on
    /// where its master stopped.
    pub(super) ah_sequence: u32,
    /// That number, when it was we who sent it and nothing was accepted since.
    ah_own: Option<u32>,
    /// Of `auth_hmac`, the one sent last.
    signed: Option<Sequence>,
    pub(super) replays: Replays,
    /// A peer was heard that computes checksums as keepalived did up to 1.3.6.
    pub(super) old_checksum: bool,
}

/// One copy of an advert, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) to: IpAddr,
    pub(super) ttl: u8,
    pub(super) packet: Vec<u8>,
}

/// An advert to be said in the dialect of an instance.
#[derive(Debug)]
pub(super) struct Saying<'a> {
    pub(super) source: IpAddr,
    pub(super) priority: u8,
    pub(super) addresses: &'a [IpAddr],
    /// Since 1970.
    pub(super) time: Duration,
}

impl Dialect {
    /// The copies of one advert: they share identification, sequence numbers and signature.
    pub(super) fn say(&mut self, config: &config::Instance, saying: &Saying<'_>) -> Vec<Outgoing> {
        // The identification counts adverts from 1 and skips 0.
        self.identification = self.identification.checked_add(1).unwrap_or(1);
        if carrier(config) == Carrier::Ah {
            // At the end of its numbers it stays there; peers then take it for a replay, until it
            // becomes master anew. That is 136 years at one advert a second.
            self.ah_sequence = self.ah_sequence.saturating_add(1);
            self.ah_own = Some(self.ah_sequence);
        }
        let advert = vrrp::Advert {
            vrid: config.vrid,
            priority: saying.priority,
            format: format(config),
            addresses: saying.addresses.to_vec(),
        };
        let trailer = self.trailer(config, &advert, saying);
        let (peers, ttl) = match &config.destination {
            Destination::Multicast(group) => (vec![*group], vrrp::TTL),
            Destination::Unicast(unicast) => {
                let peers = unicast.peers.iter().map(|peer| peer.address).collect();
                (peers, unicast.ttl.unwrap_or(vrrp::TTL))
            }
        };
        let copy = |to: IpAddr| {
            let cover = self.cover(config, saying.source, to);
            let mut message = advert.emit(cover);
            message.extend_from_slice(&trailer);
            let packet = match (saying.source, to) {
                (IpAddr::V4(source), IpAddr::V4(to)) => {
                    self.with_headers(config, &message, Leg { source, to, ttl })
                }
                _ => message,
            };
            Outgoing { to, ttl, packet }
        };
        peers.into_iter().map(copy).collect()
    }

    /// What the checksum of a packet between these two covers.
    pub(super) fn cover(
        &self,
        config: &config::Instance,
        source: IpAddr,
        to: IpAddr,
    ) -> vrrp::Cover {
        let (IpAddr::V4(source), IpAddr::V4(to)) = (source, to) else {
            return vrrp::Cover::Kernel;
        };
        if config.version == Version::V2 || config.v3_checksum_as_v2 {
            return vrrp::Cover::Message;
        }
        let group = match &config.destination {
            Destination::Unicast(unicast) if self.is_old(unicast) => old_group(unicast),
            Destination::Unicast(_) | Destination::Multicast(_) => None,
        };
        vrrp::Cover::Addresses {
            source,
            destination: group.unwrap_or(to),
        }
    }

    /// True when checksums of unicast adverts are those of old.
    pub(super) fn is_old(&self, unicast: &Unicast) -> bool {
        self.old_checksum || unicast.old_checksum == OldChecksum::Always
    }

    /// Takes a number that is later than all others. One that is as late as our own counts too,
    /// once: two masters that speak at the same time would never hear each other (keepalived's go
    /// on until their timers drift apart).
    pub(super) fn accept_ah(&mut self, sequence: u32) -> bool {
        let accepted = sequence > self.ah_sequence || self.ah_own == Some(sequence);
        if accepted {
            (self.ah_sequence, self.ah_own) = (sequence, None);
        }
        accepted
    }

    /// Becoming master anew, numbers that have come to their end begin anew.
    pub(super) fn begin_anew(&mut self) {
        if self.ah_sequence == u32::MAX {
            self.ah_sequence = 0;
        }
    }

    fn trailer(
        &mut self,
        config: &config::Instance,
        advert: &vrrp::Advert,
        saying: &Saying<'_>,
    ) -> Vec<u8> {
        let Some(hmac) = config
            .hmac
            .as_ref()
            .filter(|hmac| hmac.mode != HmacMode::ReceiveOnly)
        else {
            return Vec::new();
        };
        let Some(secret) = key(hmac, hmac.active) else {
            return Vec::new();
        };
        let sequence = self.next_signed(hmac, saying.time);
        let scope = Scope {
            version: version_number(config),
            vrid: config.vrid.number(),
            source: saying.source,
        };
        // The signature reads the checksum as zero.
        let message = advert.emit(vrrp::Cover::Kernel);
        Trailer::sign(&scope, &message, hmac.active, secret, sequence)
    }

    /// Never the same twice, and of the clock's time as long as that goes forward.
    fn next_signed(&mut self, hmac: &Hmac, time: Duration) -> Sequence {
        let clock = Sequence::at(time);
        let next = match self.signed {
            None => clock,
            // The clock was set back by so much that the peers would find us too far ahead.
            Some(last) if hmac.replay == ReplayGuard::Time && is_beyond(last, time, hmac) => clock,
            Some(last) if clock.is_after(last) => clock,
            Some(last) => last.next(),
        };
        self.signed = Some(next);
        next
    }

    fn with_headers(&self, config: &config::Instance, message: &[u8], leg: Leg) -> Vec<u8> {
        let carrier = carrier(config);
        let ah_length = if carrier == Carrier::Ah {
            ah::LENGTH
        } else {
            0
        };
        let length = ip::LENGTH + ah_length + message.len();
        let header = ip::Header {
            total_length: u16::try_from(length).expect("255 addresses fit in a packet"),
            identification: self.identification,
            ttl: leg.ttl,
            protocol: carrier.protocol(),
            source: leg.source,
            destination: leg.to,
        };
        let mut writer = Writer::new();
        header.emit(&mut writer);
        if carrier == Carrier::Ah {
            // The index is the source this packet really has, whatever it was before.
            ah::Header::emit(leg.source, self.ah_sequence, &mut writer);
        }
        writer.bytes(message);
        if let Authentication::Ah(password) = &config.authentication {
            ah::sign(&mut writer, password, hops(config));
        }
        writer.finish()
    }
}

/// From whom to whom one copy goes.
#[derive(Clone, Copy)]
struct Leg {
    source: Ipv4Addr,
    to: Ipv4Addr,
    ttl: u8,
}

/// What follows the IP header of an instance's adverts.
pub(super) fn carrier(config: &config::Instance) -> Carrier {
    match config.authentication {
        Authentication::Ah(_) => Carrier::Ah,
        Authentication::None | Authentication::Pass(_) => Carrier::Vrrp,
    }
}

/// Version, interval and authentication as they stand in a packet.
fn format(config: &config::Instance) -> vrrp::Format {
    match config.version {
        Version::V2 => vrrp::Format::V2 {
            interval: vrrp::whole_seconds(config.advert_interval),
            auth: (config.family == Family::V4).then(|| auth_of(&config.authentication)),
        },
        Version::V3 => vrrp::Format::V3 {
            interval: vrrp::hundredths(config.advert_interval),
        },
    }
}

/// The configured authentication as it stands in a packet.
pub(super) fn auth_of(authentication: &Authentication) -> vrrp::Auth {
    match authentication {
        Authentication::None => vrrp::Auth::None,
        Authentication::Ah(_) => vrrp::Auth::Ah,
        Authentication::Pass(password) => vrrp::Auth::Simple(*password),
    }
}

pub(super) fn version_number(config: &config::Instance) -> u8 {
    match config.version {
        Version::V2 => vrrp::VERSION_2,
        Version::V3 => vrrp::VERSION_3,
    }
}

pub(super) fn hops(config: &config::Instance) -> ah::Hops {
    match config.destination {
        Destination::Multicast(_) => ah::Hops::Signed,
        Destination::Unicast(_) => ah::Hops::Free,
    }
}

/// What old versions took for the destination of unicast adverts when they computed the checksum.
pub(super) fn old_group(unicast: &Unicast) -> Option<Ipv4Addr> {
    match unicast.group {
        IpAddr::V4(group) => Some(group),
        IpAddr::V6(_) => None,
    }
}

/// The octets of a configured key.
pub(super) fn key(hmac: &Hmac, id: u8) -> Option<&[u8]> {
    let known = hmac.keys.iter().find(|key| key.id == id);
    known.map(HmacKey::octets)
}

/// True when a number is farther ahead of the clock than the window allows.
fn is_beyond(number: Sequence, time: Duration, hmac: &Hmac) -> bool {
    let window = i64::try_from(hmac.window.as_secs()).unwrap_or(i64::MAX);
    number.seconds_after(time) > window
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_ah_counts_once_and_that_of_our_own_advert_once_more() {
        let mut dialect = Dialect::default();
        assert!(dialect.accept_ah(5) && !dialect.accept_ah(5) && !dialect.accept_ah(4));
        (dialect.ah_sequence, dialect.ah_own) = (6, Some(6));
        assert!(!dialect.accept_ah(5));
        assert!(dialect.accept_ah(6) && !dialect.accept_ah(6));
        (dialect.ah_sequence, dialect.ah_own) = (7, Some(7));
        assert!(dialect.accept_ah(8) && !dialect.accept_ah(7));
    }
}
