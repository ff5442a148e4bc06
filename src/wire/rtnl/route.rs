//! Routes: RTM_NEWROUTE and RTM_DELROUTE, with every attribute keepalived's routes can have.

use std::net::IpAddr;

use super::encapsulation::{Encapsulation, write_encapsulation};
use super::{AF_INET, AF_INET6, RTM_DELROUTE, RTM_NEWROUTE, family_of};
use crate::addr::{Cidr, Family, IfIndex};
use crate::wire::cursor::{Reader, Writer};
use crate::wire::netlink::{
    Attributes, Draft, FLAG_ACK, FLAG_APPEND, FLAG_CREATE, FLAG_EXCL, FLAG_REPLACE,
};

/// A route as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub destination: Cidr,
    pub table: u32,
    /// RTN_*.
    pub kind: u8,
    /// RTPROT_*.
    pub protocol: u8,
    /// None: global when it is added, any when it is removed.
    pub scope: Option<u8>,
    pub tos: u8,
    /// RTA_PRIORITY.
    pub metric: Option<u32>,
    /// RTA_PREFSRC: what packets on it are sent from.
    pub source: Option<IpAddr>,
    /// RTA_SRC: only packets of these senders; IPv6.
    pub from: Option<Cidr>,
    /// Where it leads when `hops` is empty. Its weight does not count.
    pub hop: Hop,
    /// The ways of a route that has several.
    pub hops: Vec<Hop>,
    pub metrics: Vec<RouteMetric>,
    /// RFC 4191: low 3, medium 0, high 1; IPv6.
    pub preference: Option<u8>,
    /// Seconds; IPv6.
    pub expires: Option<u32>,
    pub ttl_propagate: Option<bool>,
    pub create: Create,
}

/// One way of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// May be of the other family.
    pub gateway: Option<IpAddr>,
    pub link: Option<IfIndex>,
    /// 1 to 256; 0 counts as 1.
    pub weight: u16,
    /// The gateway is reached although no address says so.
    pub onlink: bool,
    /// The one it comes from and the one it goes to, 16 bits each; IPv4.
    pub realms: Option<u32>,
    pub encapsulation: Option<Encapsulation>,
}

/// One of RTA_METRICS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMetric {
    /// RTAX_*.
    pub kind: u16,
    pub value: MetricValue,
    /// The kernel does not learn better.
    pub locked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricValue {
    Number(u32),
    /// The name of a congestion control algorithm.
    Name(String),
}

/// What happens when there is a route to the same place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// In front of it; EEXIST only when it is the very same.
    #[default]
    Prepend,
    /// Behind it.
    Append,
    /// EEXIST.
    Exclusive,
    /// In its place.
    Replace,
}

/// What a notice tells of a route: enough to know one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteKey {
    pub destination: Cidr,
    pub table: u32,
    pub kind: u8,
    pub protocol: u8,
    pub tos: u8,
    pub metric: u32,
    pub gateway: Option<IpAddr>,
    pub link: Option<IfIndex>,
}

impl Route {
    pub fn family(&self) -> Family {
        self.destination.family()
    }

    /// Whether a notice is about this route.
    pub fn has_key(&self, key: &RouteKey) -> bool {
        let agrees = self.hops.is_empty();
        let fits = |ours: bool| ours || !agrees;
        self.destination == key.destination
            && self.table == key.table
            && self.kind == key.kind
            && self.protocol == key.protocol
            && self.tos == key.tos
            && self.effective_metric() == key.metric
            && fits(
                self.hop
                    .gateway
                    .is_none_or(|ours| key.gateway.is_none_or(|it| it == ours)),
            )
            && fits(
                self.hop
                    .link
                    .is_none_or(|ours| key.link.is_none_or(|it| it == ours)),
            )
    }

    /// Whether adding this one with [`Create::Replace`] puts it in the place of the other.
    pub fn replaces(&self, other: &Self) -> bool {
        self.destination == other.destination
            && self.table == other.table
            && self.tos == other.tos
            && self.effective_metric() == other.effective_metric()
            && self.from == other.from
    }

    /// IPv6 knows no metric of 0: it is 1024 then (IP6_RT_PRIO_USER).
    fn effective_metric(&self) -> u32 {
        match (self.family(), self.metric.unwrap_or(0)) {
            (Family::V6, 0) => 1024,
            (_, metric) => metric,
        }
    }

    pub(super) fn emit_add(&self, create: Create, sequence: u32) -> Vec<u8> {
        let flags = match create {
            Create::Prepend => FLAG_CREATE,
            Create::Append => FLAG_CREATE | FLAG_APPEND,
            Create::Exclusive => FLAG_CREATE | FLAG_EXCL,
            Create::Replace => FLAG_CREATE | FLAG_REPLACE,
        };
        self.emit(
            RTM_NEWROUTE,
            flags,
            self.scope.unwrap_or(SCOPE_GLOBAL),
            sequence,
        )
    }

    pub(super) fn emit_remove(&self, sequence: u32) -> Vec<u8> {
        self.emit(
            RTM_DELROUTE,
            0,
            self.scope.unwrap_or(SCOPE_NOWHERE),
            sequence,
        )
    }

    fn emit(&self, kind: u16, flags: u16, scope: u8, sequence: u32) -> Vec<u8> {
        let fixed = self.fixed(scope);
        let mut draft = Draft::new(kind, FLAG_ACK | flags, sequence, &fixed);
        if self.destination.prefix() > 0 {
            draft.address(RTA_DST, self.destination.address());
        }
        if let Some(from) = self.from {
            draft.address(RTA_SRC, from.address());
        }
        if self.table > u32::from(u8::MAX) {
            draft.u32(RTA_TABLE, self.table);
        }
        if let Some(metric) = self.metric {
            draft.u32(RTA_PRIORITY, metric);
        }
        if let Some(source) = self.source {
            draft.address(RTA_PREFSRC, source);
        }
        if self.hops.is_empty() {
            if let Some(link) = self.hop.link {
                draft.u32(RTA_OIF, link.0);
            }
            self.hop.write(self.family(), &mut draft);
        }
        self.write_metrics(&mut draft);
        if let Some(preference) = self.preference {
            draft.attribute(RTA_PREF, &[preference]);
        }
        if let Some(seconds) = self.expires {
            draft.u32(RTA_EXPIRES, seconds);
        }
        if let Some(propagate) = self.ttl_propagate {
            draft.attribute(RTA_TTL_PROPAGATE, &[u8::from(propagate)]);
        }
        if !self.hops.is_empty() {
            draft.container(RTA_MULTIPATH, |draft| {
                for hop in &self.hops {
                    draft.record(&hop.fixed(), |draft| hop.write(self.family(), draft));
                }
            });
        }
        draft.finish()
    }

    /// struct rtmsg: family, two prefix lengths, TOS, table, protocol, scope, kind, flags.
    fn fixed(&self, scope: u8) -> [u8; FIXED_LENGTH] {
        let table = u8::try_from(self.table).unwrap_or(TABLE_ELSEWHERE);
        let flags = if self.hops.is_empty() && self.hop.onlink {
            ONLINK
        } else {
            0
        };
        let mut fixed = Writer::new();
        fixed
            .u8(family_of(self.destination.address()))
            .u8(self.destination.prefix())
            .u8(self.from.map_or(0, Cidr::prefix))
            .u8(self.tos)
            .u8(table)
            .u8(self.protocol)
            .u8(scope)
            .u8(self.kind)
            .native_u32(flags.into());
        fixed
            .finish()
            .try_into()
            .expect("eight octets and a number")
    }

    fn write_metrics(&self, draft: &mut Draft) {
        if self.metrics.is_empty() {
            return;
        }
        let locked = self.metrics.iter().filter(|metric| metric.locked);
        let locks = locked.fold(0, |locks, metric| locks | 1_u32 << (metric.kind & 0x1f));
        draft.container(RTA_METRICS, |draft| {
            for metric in &self.metrics {
                match &metric.value {
                    MetricValue::Number(number) => draft.u32(metric.kind, *number),
                    MetricValue::Name(name) => draft.attribute(metric.kind, name.as_bytes()),
                };
            }
            if locks != 0 {
                draft.u32(RTAX_LOCK, locks);
            }
        });
    }
}

impl Hop {
    /// Everything but the interface.
    fn write(&self, family: Family, draft: &mut Draft) {
        match self.gateway {
            Some(gateway) if Family::of(gateway) == family => {
                draft.address(RTA_GATEWAY, gateway);
            }
            // struct rtvia: a family, then an address of it.
            Some(gateway) => {
                let mut via = Writer::new();
                via.native_u16(family_of(gateway).into());
                match gateway {
                    IpAddr::V4(v4) => via.bytes(&v4.octets()),
                    IpAddr::V6(v6) => via.bytes(&v6.octets()),
                };
                draft.attribute(RTA_VIA, via.as_slice());
            }
            None => {}
        }
        if let Some(realms) = self.realms {
            draft.u32(RTA_FLOW, realms);
        }
        if let Some(encapsulation) = &self.encapsulation {
            write_encapsulation(encapsulation, draft);
        }
    }

    /// struct rtnexthop after its length: flags, weight less one, interface.
    fn fixed(&self) -> [u8; 6] {
        let weight = u8::try_from(self.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        let flags = if self.onlink { ONLINK } else { 0 };
        let mut fixed = Writer::new();
        fixed
            .u8(flags)
            .u8(weight)
            .native_u32(self.link.map_or(0, |link| link.0));
        fixed.finish().try_into().expect("two octets and a number")
    }
}

pub(super) fn parse(payload: &[u8]) -> Option<RouteKey> {
    let mut reader = Reader::new(payload);
    let family = reader.u8()?;
    let length = reader.u8()?;
    reader.take(1)?;
    let tos = reader.u8()?;
    let table = reader.u8()?;
    let protocol = reader.u8()?;
    reader.take(1)?;
    let kind = reader.u8()?;
    reader.take(4)?;
    let attributes = Attributes::new(reader.rest());
    let number = |kind| attributes.last_of(kind).and_then(|found| found.u32());
    let address = |kind| attributes.last_of(kind).and_then(|found| found.address());
    let everything = match family {
        AF_INET => IpAddr::from([0; 4]),
        AF_INET6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let destination = address(RTA_DST).unwrap_or(everything);
    Some(RouteKey {
        destination: Cidr::new(destination, length).filter(|_| family == family_of(destination))?,
        table: number(RTA_TABLE).unwrap_or_else(|| table.into()),
        kind,
        protocol,
        tos,
        metric: number(RTA_PRIORITY).unwrap_or(0),
        gateway: address(RTA_GATEWAY),
        link: number(RTA_OIF).map(IfIndex),
    })
}

/// RT_TABLE_MAIN.
pub const TABLE_MAIN: u32 = 254;
/// RT_TABLE_UNSPEC, as iproute2 has it: the number is in an attribute.
const TABLE_ELSEWHERE: u8 = 0;
const SCOPE_GLOBAL: u8 = 0;
const SCOPE_NOWHERE: u8 = 255;
/// RTNH_F_ONLINK.
const ONLINK: u8 = 0x4;

/// sizeof(struct rtmsg).
const FIXED_LENGTH: usize = 12;

const RTA_DST: u16 = 0x1;
const RTA_SRC: u16 = 0x2;
const RTA_OIF: u16 = 0x4;
const RTA_GATEWAY: u16 = 0x5;
const RTA_PRIORITY: u16 = 0x6;
const RTA_PREFSRC: u16 = 0x7;
const RTA_METRICS: u16 = 0x8;
const RTA_MULTIPATH: u16 = 0x9;
const RTA_FLOW: u16 = 0xb;
const RTA_TABLE: u16 = 0xf;
const RTA_VIA: u16 = 0x12;
const RTA_PREF: u16 = 0x14;
const RTA_EXPIRES: u16 = 0x17;
const RTA_TTL_PROPAGATE: u16 = 0x1a;

const RTAX_LOCK: u16 = 0x1;
