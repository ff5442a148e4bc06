//! Which packets are adverts for us (RFC 3768 7.1). Counts and names what is refused, decides
//! nothing about who is master.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::observe::Statistics;
use crate::config::{self, Authentication};
use crate::wire::{ip, vrrp};

/// A packet with our VRID, not looked at yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) header: ip::Header,
    pub(super) packet: vrrp::Packet<'a>,
    /// Octets that arrived, IP header included.
    pub(super) length: usize,
}

/// A valid advert: well-formed, for us, authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advert {
    pub(super) source: IpAddr,
    pub(super) priority: u8,
}

/// Why a packet is no advert for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    /// RFC 3768 7.1: the TTL must be 255.
    Ttl(u8),
    Version(u8),
    /// Shorter or longer than its address count says, in octets with the IP header.
    Length {
        received: usize,
        expected: usize,
    },
    /// An authentication type that RFC 2338 does not have.
    UnknownAuth(u8),
    /// Another authentication type than ours.
    AuthMismatch {
        received: u8,
        ours: u8,
    },
    Password,
    /// RFC 3768 7.1: the interval must be ours, in seconds.
    Interval {
        ours: u64,
        received: u8,
    },
    Kind(u8),
    /// The length in the IP header is not what arrived.
    TotalLength {
        received: usize,
        header: u16,
    },
    Checksum,
    Unicast,
}

/// A valid advert may still list other addresses than ours. It counts all the same: a change of
/// addresses rolled out over two routers must not make two masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressList {
    Same,
    OtherCount { ours: usize, received: u8 },
    Missing(Ipv4Addr),
}

impl Received<'_> {
    /// The checks of RFC 3768 7.1 and RFC 2338. Version stands before length: a packet of another
    /// version has another length, and the operator wants to hear of the version.
    pub(super) fn check(&self, ours: &config::Instance) -> Result<Advert, Refusal> {
        let packet = self.packet;
        if self.header.ttl != vrrp::TTL {
            return Err(Refusal::Ttl(self.header.ttl));
        }
        if packet.version() != vrrp::VERSION_2 {
            return Err(Refusal::Version(packet.version()));
        }
        let expected = ip::LENGTH + packet.expected_length();
        if !is_as_long_as(self.length, expected) {
            return Err(Refusal::Length {
                received: self.length,
                expected,
            });
        }
        self.authenticate(auth_of(&ours.authentication))?;
        let interval = ours.advert_interval.as_secs();
        if u64::from(packet.interval()) != interval {
            return Err(Refusal::Interval {
                ours: interval,
                received: packet.interval(),
            });
        }
        if packet.kind() != vrrp::ADVERTISEMENT {
            return Err(Refusal::Kind(packet.kind()));
        }
        if !is_as_long_as(self.length, usize::from(self.header.total_length)) {
            let header = self.header.total_length;
            return Err(Refusal::TotalLength {
                received: self.length,
                header,
            });
        }
        if !packet.checksum_holds() {
            return Err(Refusal::Checksum);
        }
        if !self.header.destination.is_multicast() {
            return Err(Refusal::Unicast);
        }
        Ok(Advert {
            source: self.source(),
            priority: packet.priority(),
        })
    }

    pub(super) fn source(&self) -> IpAddr {
        IpAddr::V4(self.header.source)
    }

    fn authenticate(&self, ours: vrrp::Auth) -> Result<(), Refusal> {
        let received = self.packet.auth_type();
        if received > AUTH_TYPE_MAX {
            return Err(Refusal::UnknownAuth(received));
        }
        if received != ours.number() {
            return Err(Refusal::AuthMismatch {
                received,
                ours: ours.number(),
            });
        }
        match (ours, self.packet.auth_data()) {
            (vrrp::Auth::Simple(ours), Some(theirs)) if !is_equal(ours, theirs) => {
                Err(Refusal::Password)
            }
            _ => Ok(()),
        }
    }

    /// Compares the advert's addresses with ours, in any order.
    pub(super) fn address_list(&self, ours: &[Ipv4Addr]) -> AddressList {
        let received = self.packet.address_count();
        if usize::from(received) != ours.len() {
            return AddressList::OtherCount {
                ours: ours.len(),
                received,
            };
        }
        let theirs: std::collections::BTreeSet<_> = self.packet.addresses().collect();
        let missing = ours.iter().find(|address| !theirs.contains(address));
        missing.map_or(AddressList::Same, |address| AddressList::Missing(*address))
    }
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

/// The configured authentication as it stands in a packet.
pub(super) fn auth_of(authentication: &Authentication) -> vrrp::Auth {
    match authentication {
        // An instance with AH is not started.
        Authentication::None | Authentication::Ah(_) => vrrp::Auth::None,
        Authentication::Pass(password) => vrrp::Auth::Simple(*password),
    }
}

impl Refusal {
    /// Counts the refusal where keepalived counts it.
    pub(super) fn count(self, statistics: &mut Statistics) {
        let counter = match self {
            Self::Ttl(_) => &mut statistics.ip_ttl_err,
            Self::Version(_) => &mut statistics.vers_err,
            Self::Length { .. } | Self::TotalLength { .. } => &mut statistics.packet_len_err,
            Self::UnknownAuth(_) => &mut statistics.invalid_authtype,
            Self::AuthMismatch { .. } => &mut statistics.authtype_mismatch,
            Self::Password => &mut statistics.auth_failure,
            Self::Interval { .. } => &mut statistics.advert_interval_err,
            Self::Kind(_) => &mut statistics.invalid_type_rcvd,
            Self::Checksum => &mut statistics.chk_err,
            Self::Unicast => &mut statistics.addr_list_err,
        };
        *counter += 1;
    }

    /// The kind of refusal, for telling of each only once.
    pub(super) fn kind(self) -> std::mem::Discriminant<Self> {
        std::mem::discriminant(&self)
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
            Refusal::Ttl(ttl) => {
                write!(
                    f,
                    "invalid TTL/HL from {from}. Received {ttl} and expect {}",
                    vrrp::TTL
                )
            }
            Refusal::Version(version) => {
                write!(
                    f,
                    "wrong VRRP version from {from}. Received {version} and expect 2"
                )
            }
            Refusal::Length { received, expected } => {
                let word = if received > expected { "long" } else { "short" };
                write!(
                    f,
                    "vrrp packet from {from} too {word}, length {received} and expect {expected}"
                )
            }
            Refusal::UnknownAuth(kind) => write!(f, "Invalid auth type from {from}: {kind}"),
            Refusal::AuthMismatch { received, ours } => {
                write!(
                    f,
                    "received a {received} auth from {from}, expecting {ours}!"
                )
            }
            Refusal::Password => write!(f, "received an invalid passwd from {from}!"),
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
            Refusal::Checksum => write!(f, "Invalid VRRPv2 checksum from {from}"),
            Refusal::Unicast => {
                write!(
                    f,
                    "Expected multicast packet but received unicast packet from {from}"
                )
            }
        }
    }
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
