//! `bfd_instance`: a session that notices within milliseconds that a neighbour is gone (RFC 5880).

use std::net::IpAddr;
use std::time::Duration;

use super::track::Weight;

/// One `bfd_instance`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bfd {
    /// At most 31 octets.
    pub name: String,
    /// `source_ip`; None: any.
    pub source: Option<IpAddr>,
    /// `neighbor_ip`.
    pub neighbour: IpAddr,
    /// `min_rx`, 1 ms to 4,294,967 ms: no packet need come sooner after another.
    pub min_rx: Duration,
    /// `min_tx`, 1 ms to 4,294,967 ms: ours come so often.
    pub min_tx: Duration,
    /// `idle_tx`, 1 s to 4,294,967 ms: and so often while it is not up.
    pub idle_tx: Duration,
    /// `multiplier`, 1 to 255: so many missed are too many.
    pub multiplier: u8,
    /// `passive`: the neighbour begins.
    pub passive: bool,
    /// `ttl` or `hoplimit`, 1 to 255.
    pub ttl: u8,
    /// `max_hops`, -1 to 255: how much less the TTL may be that arrives.
    pub max_hops: i16,
    /// `multihop`: port 4784 (RFC 5883).
    pub multihop: bool,
    /// `weight`: of `track_bfd` lines without one.
    pub weight: Weight,
    pub tells: BfdTells,
}

/// `vrrp` and `checker`: who hears of its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BfdTells {
    Both,
    Vrrp,
    Checker,
}
