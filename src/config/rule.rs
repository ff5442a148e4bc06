//! `static_rules` and `virtual_rules`: which table routes which packets.

use crate::addr::{Cidr, Family};

use super::route::Realms;

/// One line. None is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub family: Family,
    /// `from`.
    pub from: Option<Cidr>,
    /// `to`.
    pub to: Option<Cidr>,
    /// `not`: packets that do not fit.
    pub invert: bool,
    pub action: RuleAction,
    /// `preference`; lower ones come first.
    pub preference: u32,
    /// `tos`.
    pub tos: Option<u8>,
    /// `fwmark MARK[/MASK]`.
    pub mark: Option<Mark>,
    /// `iif` or `dev`.
    pub from_interface: Option<String>,
    /// `oif`.
    pub to_interface: Option<String>,
    /// `tunnel-id`.
    pub tunnel: Option<u64>,
    /// `uidrange`, both ends included.
    pub users: Option<(u32, u32)>,
    /// `protocol`: who made the rule; 18 is keepalived.
    pub protocol: u8,
    /// `ipproto`.
    pub ip_protocol: Option<u8>,
    /// `sport`, both ends included.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`, both ends included.
    pub destination_ports: Option<(u16, u16)>,
    /// False with `no_track`: losing the rule does not matter to the instance.
    pub track: bool,
    /// `track_group`, of static rules.
    pub track_group: Option<String>,
}

/// What happens to a packet that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    Table(TableLookup),
    /// The table of the device's VRF.
    L3mdev,
    /// To the rule of that preference.
    Goto(u32),
    Nop,
    Blackhole,
    Unreachable,
    Prohibit,
}

/// `table`, and which of its routes do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLookup {
    /// Never 0.
    pub table: u32,
    /// `suppress_prefixlength`: routes with so few bits or fewer.
    pub suppress_prefix: Option<u32>,
    /// `suppress_ifgroup`: routes to interfaces of the group.
    pub suppress_group: Option<u32>,
    /// `realms`; IPv4.
    pub realms: Option<Realms>,
}

/// A firewall mark and the bits of it that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub mark: u32,
    pub mask: Option<u32>,
}
