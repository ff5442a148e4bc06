//! Why a packet is no advert for us: how that is told, counted, and by whom it was caused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::observe::{RefusedPackets, Statistics};
use crate::time::Instant;
use crate::wire::vrrp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    AhUnexpected,
    AhMissing,
    /// Shorter or longer than its address count says, in octets with the IP header.
    Length {
        received: usize,
        expected: usize,
    },
    /// RFC 3768 7.1: the TTL must be 255.
    Ttl(u8),
    Version {
        received: u8,
        ours: u8,
    },
    /// Without the trailer of `auth_hmac`.
    Unsigned,
    /// Not of a peer.
    Stranger,
    /// A trailer of another type.
    Malformed,
    /// Seconds between the clocks.
    Stale {
        skew: i64,
        window: i64,
    },
    UnknownKey(u8),
    /// The signature in the trailer is wrong.
    Forged,
    Replayed,
    /// An authentication type that RFC 2338 does not have.
    UnknownAuth(u8),
    /// Another authentication type than ours.
    AuthMismatch {
        received: u8,
        ours: u8,
    },
    Password,
    AhNext(u8),
    AhSignature,
    AhIndex {
        spi: Ipv4Addr,
        source: Ipv4Addr,
    },
    AhSequence {
        received: u32,
        ours: u32,
    },
    /// RFC 3768 7.1: the interval must be ours, in seconds.
    Interval {
        ours: u8,
        received: u16,
    },
    Kind(u8),
    /// The length in the IP header is not what arrived.
    TotalLength {
        received: usize,
        header: u16,
    },
    /// Of an advert of this version.
    Checksum(u8),
    Unicast,
    Multicast,
    /// We own the addresses and listen to nobody.
    Owner,
    /// The TTL of a peer is not in its range.
    Distance {
        ttl: u8,
        least: u8,
        most: u8,
    },
}

impl Refusal {
    /// Counts the refusal where keepalived counts it.
    pub(super) fn count(self, statistics: &mut Statistics) {
        let counter = match self {
            Self::Ttl(_) | Self::Distance { .. } => &mut statistics.ip_ttl_err,
            Self::Version { .. } => &mut statistics.vers_err,
            Self::Length { .. } | Self::TotalLength { .. } => &mut statistics.packet_len_err,
            Self::UnknownAuth(_) => &mut statistics.invalid_authtype,
            Self::AuthMismatch { .. } | Self::AhUnexpected | Self::AhMissing => {
                &mut statistics.authtype_mismatch
            }
            Self::Password | Self::AhSignature | Self::AhIndex { .. } | Self::AhSequence { .. } => {
                &mut statistics.auth_failure
            }
            Self::Interval { .. } => &mut statistics.advert_interval_err,
            Self::Kind(_) => &mut statistics.invalid_type_rcvd,
            Self::Checksum(_) => &mut statistics.chk_err,
            Self::Unicast | Self::Multicast => &mut statistics.addr_list_err,
            Self::Unsigned => &mut statistics.auth_ext_missing,
            Self::Malformed => &mut statistics.auth_ext_malformed,
            Self::Stale { .. } => &mut statistics.auth_ext_stale,
            Self::UnknownKey(_) => &mut statistics.auth_ext_unknown_key,
            Self::Forged => &mut statistics.auth_ext_invalid_hmac,
            Self::Replayed => &mut statistics.auth_ext_replay,
            // These have no number of keepalived's; they are in the table by peer.
            Self::Stranger | Self::AhNext(_) | Self::Owner => return,
        };
        *counter += 1;
    }

    /// A word for the table of who caused what.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::AhUnexpected | Self::AhMissing | Self::AuthMismatch { .. } => "other auth type",
            Self::UnknownAuth(_) => "unknown auth type",
            Self::Length { .. } | Self::TotalLength { .. } => "length",
            Self::Ttl(_) | Self::Distance { .. } => "TTL",
            Self::Version { .. } => "version",
            Self::Unsigned => "unsigned",
            Self::Stranger => "not a peer",
            Self::Malformed => "malformed trailer",
            Self::Stale { .. } => "stale",
            Self::UnknownKey(_) => "unknown key",
            Self::Forged | Self::AhSignature => "wrong signature",
            Self::Replayed | Self::AhSequence { .. } => "replayed",
            Self::Password => "wrong password",
            Self::AhNext(_) => "AH of another protocol",
            Self::AhIndex { .. } => "AH index",
            Self::Interval { .. } => "interval",
            Self::Kind(_) => "packet type",
            Self::Checksum(_) => "checksum",
            Self::Unicast => "unicast",
            Self::Multicast => "multicast",
            Self::Owner => "we own the addresses",
        }
    }

    /// True when the packet is of a virtual router that has our number and is not ours.
    pub(super) fn is_foreign(self) -> bool {
        matches!(
            self,
            Self::AuthMismatch { .. }
                | Self::AhSignature
                | Self::Forged
                | Self::Password
                | Self::Unsigned
                | Self::UnknownKey(_)
                | Self::Version { .. }
        )
    }

    /// What to say of it, in keepalived's words.
    pub(super) fn told_of(self, source: IpAddr) -> impl fmt::Display {
        ToldOf {
            refusal: self,
            source,
        }
    }
}

struct ToldOf {
    refusal: Refusal,
    source: IpAddr,
}

impl fmt::Display for ToldOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.source;
        match self.refusal {
            Refusal::AhUnexpected => {
                write!(f, "Received AH header but auth type not AH from {from}")
            }
            Refusal::AhMissing => write!(f, "No AH header but auth type is AH from {from}"),
            Refusal::Length { received, expected } => {
                let word = if received > expected { "long" } else { "short" };
                write!(
                    f,
                    "vrrp packet from {from} too {word}, length {received} and expect {expected}"
                )
            }
            Refusal::Ttl(ttl) => {
                let expected = vrrp::TTL;
                write!(
                    f,
                    "invalid TTL/HL from {from}. Received {ttl} and expect {expected}"
                )
            }
            Refusal::Version { received, ours } => write!(
                f,
                "wrong VRRP version from {from}. Received {received} and expect {ours}"
            ),
            Refusal::Stranger => {
                write!(f, "unicast source address {from} not a unicast peer")
            }
            Refusal::Interval { ours, received } => write!(
                f,
                "advertisement interval mismatch with {from} mine={ours} sec rcv'd={received} sec"
            ),
            Refusal::Kind(kind) => {
                write!(f, "Invalid packet type from {from}. {kind} and expect 1")
            }
            Refusal::TotalLength { received, header } => write!(
                f,
                "ip_tot_len mismatch against received length from {from}. {header} and received \
                 {received}"
            ),
            Refusal::Checksum(version) => {
                write!(f, "Invalid VRRPv{version} checksum from {from}")
            }
            Refusal::Unicast => write!(
                f,
                "Expected multicast packet but received unicast packet from {from}"
            ),
            Refusal::Multicast => write!(
                f,
                "Expected unicast packet but received multicast packet from {from}"
            ),
            Refusal::Owner => {
                write!(
                    f,
                    "Dropping packet(s) from {from} since we are address owner"
                )
            }
            Refusal::Distance { ttl, least, most } => {
                write!(f, "TTL/HL {ttl} from {from} not in range [{least}, {most}]")
            }
            _ => self.write_authentication(f),
        }
    }
}

impl ToldOf {
    fn write_authentication(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.source;
        match self.refusal {
            Refusal::Unsigned => write!(f, "missing authentication trailer from {from}"),
            Refusal::Malformed => write!(f, "malformed authentication trailer from {from}"),
            Refusal::Stale { skew, window } => write!(
                f,
                "stale authentication trailer from {from}, clock skew {skew} sec exceeds window \
                 {window} sec"
            ),
            Refusal::UnknownKey(key) => {
                write!(f, "unknown authentication key id {key} from {from}")
            }
            Refusal::Forged => write!(f, "invalid authentication HMAC from {from}"),
            Refusal::Replayed => write!(f, "replayed authentication trailer from {from}"),
            Refusal::UnknownAuth(kind) => write!(f, "Invalid auth type from {from}: {kind}"),
            Refusal::AuthMismatch { received, ours } => {
                write!(
                    f,
                    "received a {received} auth from {from}, expecting {ours}!"
                )
            }
            Refusal::Password => write!(f, "received an invalid passwd from {from}!"),
            Refusal::AhNext(next) => {
                write!(
                    f,
                    "IPSEC-AH : next header {next} from {from} and expect 112"
                )
            }
            Refusal::AhSignature => f.write_str(
                "IPSEC-AH : invalid IPSEC HMAC-MD5 value. Due to fields mutation or bad password !",
            ),
            Refusal::AhIndex { spi, source } => write!(
                f,
                "IPSEC AH : invalid IPSEC SPI value. {spi} and expect {source}"
            ),
            Refusal::AhSequence { received, ours } => write!(
                f,
                "IPSEC-AH : sequence number {received} already processed. Packet dropped. \
                 Local({ours})"
            ),
            // What is no matter of authentication is told above.
            _ => f.write_str(self.refusal.reason()),
        }
    }
}

/// What an instance has refused: when each kind was told last, and who sent how much of what.
#[derive(Debug, Default)]
pub(super) struct Refused {
    told: BTreeMap<&'static str, Told>,
    by_sender: BTreeMap<IpAddr, BTreeMap<&'static str, u64>>,
    /// Of senders for whom there was no place any more.
    others: BTreeMap<&'static str, u64>,
    /// Who was told of as using our number for something else.
    strangers: BTreeSet<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    at: Instant,
    /// How many of the kind came since.
    suppressed: u64,
}

impl Refused {
    /// Counts a refusal. Some when it is to be told: then with the number of those of its kind
    /// that were not told since the last one.
    pub(super) fn add(&mut self, refusal: Refusal, source: IpAddr, now: Instant) -> Option<u64> {
        let reason = refusal.reason();
        let known = self.by_sender.contains_key(&source);
        let counts = if known || self.by_sender.len() < SENDERS_MAX {
            self.by_sender.entry(source).or_default()
        } else {
            &mut self.others
        };
        *counts.entry(reason).or_default() += 1;
        let Some(told) = self.told.get_mut(reason) else {
            let told = Told {
                at: now,
                suppressed: 0,
            };
            self.told.insert(reason, told);
            return Some(0);
        };
        if now.since(told.at) < TELL_AGAIN_AFTER {
            told.suppressed += 1;
            return None;
        }
        told.at = now;
        Some(std::mem::take(&mut told.suppressed))
    }

    /// True once for each sender that uses our number for something else.
    pub(super) fn is_new_stranger(&mut self, source: IpAddr) -> bool {
        self.strangers.len() < SENDERS_MAX && self.strangers.insert(source)
    }

    /// A new master, or we are: what is said is said to a new situation.
    pub(super) fn begin_anew(&mut self) {
        self.told.clear();
    }

    pub(super) fn observe(&self) -> Vec<RefusedPackets> {
        let known = self
            .by_sender
            .iter()
            .map(|(from, counts)| (Some(*from), counts));
        let all = known.chain([(None, &self.others)]);
        let rows = all.flat_map(|(from, counts)| {
            let row = move |(reason, count): (&&'static str, &u64)| RefusedPackets {
                from,
                reason,
                count: *count,
            };
            counts.iter().map(row)
        });
        rows.collect()
    }
}

/// A network with more strangers than this is under attack, and a table of them helps nobody.
const SENDERS_MAX: usize = 32;
/// A router that is set up wrong speaks ten times a second, for months.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_once_and_later_with_the_number_of_those_in_between() {
        let mut refused = Refused::default();
        let from = IpAddr::from([10, 0, 0, 9]);
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        assert_eq!(refused.add(Refusal::Password, from, at(0)), Some(0));
        assert_eq!(refused.add(Refusal::Ttl(1), from, at(0)), Some(0));
        for second in 1..600 {
            assert_eq!(refused.add(Refusal::Password, from, at(second)), None);
        }
        assert_eq!(refused.add(Refusal::Password, from, at(600)), Some(599));
        refused.begin_anew();
        assert_eq!(refused.add(Refusal::Password, from, at(601)), Some(0));
    }

    #[test]
    fn senders_are_counted_apart_until_there_are_too_many() {
        let mut refused = Refused::default();
        for third in 0..=255 {
            let from = IpAddr::from([10, 0, third, 1]);
            refused.add(Refusal::Password, from, Instant::ZERO);
        }
        let rows = refused.observe();
        assert_eq!(rows.len(), SENDERS_MAX + 1);
        let others = rows.last().unwrap();
        assert_eq!((others.from, others.count), (None, 256 - 32));
    }
}
