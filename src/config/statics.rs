//! What stands outside of instances and concerns interfaces: static addresses, routes and rules,
//! and how interfaces are watched and spared.

use std::time::Duration;

use super::route::Route;
use super::rule::Rule;
use super::vrrp::VirtualAddress;

/// Everything that is set at the start and stays.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Statics {
    /// `static_ipaddress`.
    pub addresses: Vec<StaticAddress>,
    /// `static_routes`.
    pub routes: Vec<Route>,
    /// `static_rules`.
    pub rules: Vec<Rule>,
    pub track_groups: Vec<TrackGroup>,
}

/// One line of `static_ipaddress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticAddress {
    /// Its device is always given.
    pub address: VirtualAddress,
    /// `track_group`: whose instances are in FAULT without the address.
    pub track_group: Option<String>,
}

/// `track_group NAME`: instances that need the static entries of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackGroup {
    pub name: String,
    pub members: Vec<String>,
}

/// Everything said of single interfaces.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Links {
    pub garp_groups: Vec<GarpGroup>,
    pub linkbeats: Vec<Linkbeat>,
    pub delays: Vec<UpDownDelay>,
}

/// `garp_group`: interfaces that share pauses between gratuitous ARPs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct GarpGroup {
    /// `garp_interval`, up to 4294.967295 s.
    pub garp_interval: Option<Duration>,
    /// `gna_interval`, up to 4294.967295 s.
    pub gna_interval: Option<Duration>,
    pub interfaces: Vec<String>,
}

/// One line of `linkbeat_interfaces`: the link is asked for instead of being told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linkbeat {
    pub interface: String,
    /// None: the first that works.
    pub method: Option<LinkbeatMethod>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkbeatMethod {
    Mii,
    Ethtool,
    Ioctl,
}

/// One line of `interface_up_down_delays`: a change must last so long to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpDownDelay {
    pub interface: String,
    /// Up to 255 s.
    pub down: Duration,
    /// Up to 255 s.
    pub up: Duration,
}
