//! `static_routes` and `virtual_routes`: routes as the kernel takes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::addr::{Cidr, Family};

/// One line. None is what the kernel does when nothing is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// 0.0.0.0/0 or ::/0 for `default`. Its family is that of the route.
    pub destination: Cidr,
    /// `unicast`, `blackhole` and the like: RTN_* of the kernel, 1 is unicast.
    pub kind: u8,
    /// `src`: what packets on it are sent from.
    pub source: Option<IpAddr>,
    /// `via`: may be of the other family.
    pub via: Option<IpAddr>,
    /// `or`: the second of two gateways, in an old form.
    pub or_via: Option<IpAddr>,
    /// `dev`.
    pub device: Option<String>,
    /// `vrf`: its table is that of the device.
    pub vrf: Option<String>,
    /// `scope`: 0 is global.
    pub scope: Option<u8>,
    /// `table`; None: main.
    pub table: Option<u32>,
    /// `metric`.
    pub metric: Option<u32>,
    /// `protocol`; 18 is keepalived.
    pub protocol: u8,
    /// `tos`.
    pub tos: Option<u8>,
    /// `from`: only packets of these senders; IPv6.
    pub from: Option<Cidr>,
    pub realms: Option<Realms>,
    /// `onlink`: the gateway is reached although no address says so.
    pub onlink: bool,
    /// `mtu`, `rtt` and the like, each once.
    pub metrics: Vec<Metric>,
    /// `congctl [lock] NAME`.
    pub congestion_control: Option<(String, bool)>,
    /// `features ecn`.
    pub ecn: bool,
    /// `pref`; IPv6.
    pub preference: Option<RoutePreference>,
    /// `expires`, seconds; IPv6.
    pub expires: Option<u32>,
    /// `ttl-propagate`.
    pub ttl_propagate: Option<bool>,
    pub encapsulation: Option<Encapsulation>,
    pub create: RouteCreate,
    pub nexthops: Vec<Nexthop>,
    /// False with `no_track`: losing the route does not matter to the instance.
    pub track: bool,
    /// `track_group`, of static routes.
    pub track_group: Option<String>,
}

/// `realms [FROM/]TO`; IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Realms {
    pub from: u16,
    pub to: u16,
}

/// One metric of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    pub kind: MetricKind,
    /// In the kernel's unit: `rtt` 1/8 ms, `rttvar` 1/4 ms, `rto_min` 1 ms.
    pub value: u32,
    /// `lock`: the kernel does not learn better.
    pub locked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    Mtu,
    AdvMss,
    Reordering,
    Cwnd,
    SsThresh,
    Rtt,
    RttVar,
    RtoMin,
    Window,
    InitCwnd,
    InitRwnd,
    HopLimit,
    QuickAck,
    FastopenNoCookie,
}

/// `pref` (RFC 4191), or a number of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutePreference {
    Low,
    Medium,
    High,
    Number(u8),
}

/// `add`, `append`, `prepend`: what happens when there is such a route already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RouteCreate {
    Add,
    Append,
    #[default]
    Prepend,
}

/// `encap`: packets are wrapped into others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encapsulation {
    /// Labels, from the outside in.
    Mpls(Vec<u32>),
    Ip {
        id: Option<u64>,
        destination: Option<Ipv4Addr>,
        source: Option<Ipv4Addr>,
        tos: Option<u8>,
        ttl: Option<u8>,
        flags: Option<u16>,
    },
    Ip6 {
        id: Option<u64>,
        destination: Option<Ipv6Addr>,
        source: Option<Ipv6Addr>,
        traffic_class: Option<u8>,
        hop_limit: Option<u8>,
        flags: Option<u16>,
    },
    /// The locator: the upper half of an address.
    Ila(u64),
}

/// One way of several.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Nexthop {
    pub via: Option<IpAddr>,
    pub device: Option<String>,
    /// `weight`, 1 to 256.
    pub weight: Option<u16>,
    pub onlink: bool,
    pub encapsulation: Option<Encapsulation>,
    pub realms: Option<Realms>,
}

/// RTN_UNICAST of the kernel.
pub const UNICAST: u8 = 1;

/// RTPROT_KEEPALIVED of the kernel.
pub const KEEPALIVED: u8 = 18;

impl Route {
    pub fn family(&self) -> Family {
        self.destination.family()
    }
}
