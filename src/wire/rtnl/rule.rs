//! Rules of policy routing: RTM_NEWRULE and RTM_DELRULE.

use std::net::IpAddr;

use super::{AF_INET, AF_INET6, AF_UNSPEC, RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE};
use crate::addr::{Cidr, Family};
use crate::wire::cursor::{Reader, Writer};
use crate::wire::netlink::{Attributes, Draft, FLAG_ACK, FLAG_CREATE, FLAG_DUMP, FLAG_EXCL};

/// A rule. None is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub family: Family,
    /// Lower ones come first.
    pub preference: u32,
    pub from: Option<Cidr>,
    pub to: Option<Cidr>,
    /// Packets that do not fit.
    pub invert: bool,
    pub tos: u8,
    pub action: Action,
    pub mark: Option<u32>,
    /// The bits of the mark that count; None: all.
    pub mark_mask: Option<u32>,
    pub from_interface: Option<String>,
    pub to_interface: Option<String>,
    pub tunnel: Option<u64>,
    /// Both ends included, here and below. Linux 4.10.
    pub users: Option<(u32, u32)>,
    /// RTPROT_*. Linux 4.17.
    pub protocol: u8,
    pub ip_protocol: Option<u8>,
    pub source_ports: Option<(u16, u16)>,
    pub destination_ports: Option<(u16, u16)>,
    /// Routes with so few bits or fewer do not count.
    pub suppress_prefix: Option<u32>,
    /// Routes to interfaces of this group do not count.
    pub suppress_group: Option<u32>,
    /// The one it comes from and the one it goes to, 16 bits each; IPv4.
    pub realms: Option<u32>,
}

/// What happens to a packet that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Table(u32),
    /// The table of the device's VRF. Linux 4.8.
    L3mdev,
    /// To the rule of that preference.
    Goto(u32),
    Nop,
    Blackhole,
    Unreachable,
    Prohibit,
}

impl Rule {
    /// Whether both are one rule to the kernel, or so nearly that one was meant.
    pub fn is_same(&self, other: &Self) -> bool {
        self.family == other.family
            && self.preference == other.preference
            && self.from == other.from
            && self.to == other.to
            && self.invert == other.invert
            && self.tos == other.tos
            && self.action == other.action
            && self.mark.unwrap_or(0) == other.mark.unwrap_or(0)
            && self.from_interface == other.from_interface
            && self.to_interface == other.to_interface
            && self.ip_protocol.unwrap_or(0) == other.ip_protocol.unwrap_or(0)
            && self.source_ports == other.source_ports
            && self.destination_ports == other.destination_ports
            && self
                .users
                .is_none_or(|ours| other.users.is_none_or(|it| it == ours))
            && self.tunnel.unwrap_or(0) == other.tunnel.unwrap_or(0)
    }

    /// EEXIST: there is such a rule. Linux before 4.9 makes a second one instead.
    pub(super) fn emit_add(&self, sequence: u32) -> Vec<u8> {
        self.emit(RTM_NEWRULE, FLAG_CREATE | FLAG_EXCL, sequence)
    }

    pub(super) fn emit_remove(&self, sequence: u32) -> Vec<u8> {
        self.emit(RTM_DELRULE, 0, sequence)
    }

    fn emit(&self, kind: u16, flags: u16, sequence: u32) -> Vec<u8> {
        let mut draft = Draft::new(kind, FLAG_ACK | flags, sequence, &self.fixed());
        draft.u32(FRA_PRIORITY, self.preference);
        for (kind, network) in [(FRA_SRC, self.from), (FRA_DST, self.to)] {
            if let Some(network) = network.filter(|network| network.prefix() > 0) {
                draft.address(kind, network.address());
            }
        }
        for (kind, number) in [
            (FRA_FWMARK, self.mark),
            (FRA_FWMASK, self.mark_mask),
            (FRA_SUPPRESS_PREFIX, self.suppress_prefix),
            (FRA_SUPPRESS_GROUP, self.suppress_group),
            (FRA_FLOW, self.realms),
        ] {
            if let Some(number) = number {
                draft.u32(kind, number);
            }
        }
        match self.action {
            Action::Table(table) if table > u32::from(u8::MAX) => draft.u32(FRA_TABLE, table),
            Action::Goto(target) => draft.u32(FRA_GOTO, target),
            Action::L3mdev => draft.attribute(FRA_L3MDEV, &[1]),
            Action::Table(_)
            | Action::Nop
            | Action::Blackhole
            | Action::Unreachable
            | Action::Prohibit => &mut draft,
        };
        for (kind, name) in [
            (FRA_IIFNAME, &self.from_interface),
            (FRA_OIFNAME, &self.to_interface),
        ] {
            if let Some(name) = name {
                draft.text(kind, name);
            }
        }
        self.write_selectors(&mut draft);
        draft.attribute(FRA_PROTOCOL, &[self.protocol]);
        draft.finish()
    }

    /// struct fib_rule_hdr: family, two prefix lengths, TOS, table, nothing, action, flags.
    fn fixed(&self) -> [u8; FIXED_LENGTH] {
        let (table, action) = match self.action {
            Action::Table(table) => (u8::try_from(table).unwrap_or(0), ACTION_TABLE),
            Action::L3mdev => (0, ACTION_TABLE),
            Action::Goto(_) => (0, ACTION_GOTO),
            Action::Nop => (0, ACTION_NOP),
            Action::Blackhole => (0, ACTION_BLACKHOLE),
            Action::Unreachable => (0, ACTION_UNREACHABLE),
            Action::Prohibit => (0, ACTION_PROHIBIT),
        };
        let mut fixed = Writer::new();
        fixed
            .u8(match self.family {
                Family::V4 => AF_INET,
                Family::V6 => AF_INET6,
            })
            .u8(self.to.map_or(0, Cidr::prefix))
            .u8(self.from.map_or(0, Cidr::prefix))
            .u8(self.tos)
            .u8(table)
            .zeros(2)
            .u8(action)
            .native_u32(if self.invert { INVERT } else { 0 });
        fixed
            .finish()
            .try_into()
            .expect("eight octets and a number")
    }

    fn write_selectors(&self, draft: &mut Draft) {
        if let Some(tunnel) = self.tunnel {
            draft.attribute(FRA_TUN_ID, &tunnel.to_be_bytes());
        }
        if let Some((from, to)) = self.users {
            let mut range = Writer::new();
            range.native_u32(from).native_u32(to);
            draft.attribute(FRA_UID_RANGE, range.as_slice());
        }
        if let Some(protocol) = self.ip_protocol {
            draft.attribute(FRA_IP_PROTO, &[protocol]);
        }
        for (kind, ports) in [
            (FRA_SPORT_RANGE, self.source_ports),
            (FRA_DPORT_RANGE, self.destination_ports),
        ] {
            if let Some((from, to)) = ports {
                let mut range = Writer::new();
                range.native_u16(from).native_u16(to);
                draft.attribute(kind, range.as_slice());
            }
        }
    }
}

/// Asks for every rule of both families; the answers are [`super::Notice::Rule`]s.
pub fn emit_rule_dump(sequence: u32) -> Vec<u8> {
    let fixed = [AF_UNSPEC; FIXED_LENGTH];
    Draft::new(RTM_GETRULE, FLAG_DUMP, sequence, &fixed).finish()
}

pub(super) fn parse(payload: &[u8]) -> Option<Rule> {
    let mut reader = Reader::new(payload);
    let family = match reader.u8()? {
        AF_INET => Family::V4,
        AF_INET6 => Family::V6,
        _ => return None,
    };
    let to_length = reader.u8()?;
    let from_length = reader.u8()?;
    let tos = reader.u8()?;
    let table = reader.u8()?;
    reader.take(2)?;
    let action = reader.u8()?;
    let flags = reader.native_u32()?;
    let attributes = Attributes::new(reader.rest());
    let number = |kind| attributes.last_of(kind).and_then(|found| found.u32());
    let octet = |kind| {
        let found = attributes.last_of(kind)?;
        found.value.first().copied()
    };
    let text = |kind| attributes.last_of(kind).map(|found| found.text());
    let network = |kind, length| network(attributes, kind, length, family);
    let limit = |kind| number(kind).filter(|limit| *limit != NO_LIMIT);
    Some(Rule {
        family,
        preference: number(FRA_PRIORITY).unwrap_or(0),
        from: network(FRA_SRC, from_length)?,
        to: network(FRA_DST, to_length)?,
        invert: flags & INVERT != 0,
        tos,
        action: match action {
            ACTION_TABLE if octet(FRA_L3MDEV).unwrap_or(0) != 0 => Action::L3mdev,
            ACTION_TABLE => Action::Table(number(FRA_TABLE).unwrap_or_else(|| table.into())),
            ACTION_GOTO => Action::Goto(number(FRA_GOTO)?),
            ACTION_NOP => Action::Nop,
            ACTION_BLACKHOLE => Action::Blackhole,
            ACTION_UNREACHABLE => Action::Unreachable,
            ACTION_PROHIBIT => Action::Prohibit,
            _ => return None,
        },
        mark: number(FRA_FWMARK),
        mark_mask: number(FRA_FWMASK),
        from_interface: text(FRA_IIFNAME),
        to_interface: text(FRA_OIFNAME),
        tunnel: attributes
            .last_of(FRA_TUN_ID)
            .and_then(|found| found.value.try_into().ok())
            .map(u64::from_be_bytes),
        users: attributes.last_of(FRA_UID_RANGE).and_then(|found| {
            let mut reader = Reader::new(found.value);
            reader.native_u32().zip(reader.native_u32())
        }),
        protocol: octet(FRA_PROTOCOL).unwrap_or(0),
        ip_protocol: octet(FRA_IP_PROTO),
        source_ports: ports(attributes, FRA_SPORT_RANGE),
        destination_ports: ports(attributes, FRA_DPORT_RANGE),
        suppress_prefix: limit(FRA_SUPPRESS_PREFIX),
        suppress_group: limit(FRA_SUPPRESS_GROUP),
        realms: number(FRA_FLOW),
    })
}

/// None when what is there is nonsense.
fn network(
    attributes: Attributes<'_>,
    kind: u16,
    length: u8,
    family: Family,
) -> Option<Option<Cidr>> {
    let Some(found) = attributes.last_of(kind) else {
        return Some(None);
    };
    let address: IpAddr = found
        .address()
        .filter(|found| Family::of(*found) == family)?;
    Cidr::new(address, length).map(Some)
}

fn ports(attributes: Attributes<'_>, kind: u16) -> Option<(u16, u16)> {
    let mut reader = Reader::new(attributes.last_of(kind)?.value);
    reader.native_u16().zip(reader.native_u16())
}

/// sizeof(struct fib_rule_hdr).
const FIXED_LENGTH: usize = 12;

/// FR_ACT_*.
const ACTION_TABLE: u8 = 1;
const ACTION_GOTO: u8 = 2;
const ACTION_NOP: u8 = 3;
const ACTION_BLACKHOLE: u8 = 6;
const ACTION_UNREACHABLE: u8 = 7;
const ACTION_PROHIBIT: u8 = 8;
/// FIB_RULE_INVERT.
const INVERT: u32 = 0x2;
/// The kernel tells a limit that is not set as -1.
const NO_LIMIT: u32 = 0xffff_ffff;

const FRA_DST: u16 = 0x1;
const FRA_SRC: u16 = 0x2;
const FRA_IIFNAME: u16 = 0x3;
const FRA_GOTO: u16 = 0x4;
const FRA_PRIORITY: u16 = 0x6;
const FRA_FWMARK: u16 = 0xa;
const FRA_FLOW: u16 = 0xb;
const FRA_TUN_ID: u16 = 0xc;
const FRA_SUPPRESS_GROUP: u16 = 0xd;
const FRA_SUPPRESS_PREFIX: u16 = 0xe;
const FRA_TABLE: u16 = 0xf;
const FRA_FWMASK: u16 = 0x10;
const FRA_OIFNAME: u16 = 0x11;
const FRA_L3MDEV: u16 = 0x13;
const FRA_UID_RANGE: u16 = 0x14;
const FRA_PROTOCOL: u16 = 0x15;
const FRA_IP_PROTO: u16 = 0x16;
const FRA_SPORT_RANGE: u16 = 0x17;
const FRA_DPORT_RANGE: u16 = 0x18;
