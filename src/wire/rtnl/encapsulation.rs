//! Light-weight tunnels: how a route wraps packets into others (RTA_ENCAP, Linux 4.3).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::wire::cursor::Writer;
use crate::wire::netlink::Draft;

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

pub(super) fn write_encapsulation(encapsulation: &Encapsulation, draft: &mut Draft) {
    let kind = match encapsulation {
        Encapsulation::Mpls(_) => ENCAP_MPLS,
        Encapsulation::Ip { .. } => ENCAP_IP,
        Encapsulation::Ip6 { .. } => ENCAP_IP6,
        Encapsulation::Ila(_) => ENCAP_ILA,
    };
    draft.u16(RTA_ENCAP_TYPE, kind);
    draft.container(RTA_ENCAP, |draft| match encapsulation {
        Encapsulation::Mpls(labels) => {
            draft.attribute(MPLS_DST, &label_stack(labels));
        }
        Encapsulation::Ila(locator) => {
            draft.attribute(ILA_LOCATOR, &locator.to_be_bytes());
        }
        Encapsulation::Ip {
            id,
            destination,
            source,
            tos,
            ttl,
            flags,
        } => {
            wide(draft, *id);
            octets(
                draft,
                TUNNEL_DST,
                destination.map(|address| address.octets()),
            );
            octets(draft, TUNNEL_SRC, source.map(|address| address.octets()));
            octets(draft, IP_TTL, ttl.map(|ttl| [ttl]));
            octets(draft, IP_TOS, tos.map(|tos| [tos]));
            octets(draft, TUNNEL_FLAGS, flags.map(u16::to_be_bytes));
        }
        Encapsulation::Ip6 {
            id,
            destination,
            source,
            traffic_class,
            hop_limit,
            flags,
        } => {
            wide(draft, *id);
            octets(
                draft,
                TUNNEL_DST,
                destination.map(|address| address.octets()),
            );
            octets(draft, TUNNEL_SRC, source.map(|address| address.octets()));
            octets(draft, IP6_HOP_LIMIT, hop_limit.map(|limit| [limit]));
            octets(draft, IP6_CLASS, traffic_class.map(|class| [class]));
            octets(draft, TUNNEL_FLAGS, flags.map(u16::to_be_bytes));
        }
    });
}

fn wide(draft: &mut Draft, id: Option<u64>) {
    octets(draft, TUNNEL_ID, id.map(u64::to_be_bytes));
}

fn octets<const N: usize>(draft: &mut Draft, kind: u16, value: Option<[u8; N]>) {
    if let Some(value) = value {
        draft.attribute(kind, &value);
    }
}

/// RFC 3032 2.1: twenty bits of label, three of class, one that marks the last, eight of TTL.
fn label_stack(labels: &[u32]) -> Vec<u8> {
    let mut stack = Writer::new();
    for (at, label) in labels.iter().enumerate() {
        let last = u32::from(at + 1 == labels.len());
        stack.u32(label << 12 | last << 8);
    }
    stack.finish()
}

const RTA_ENCAP_TYPE: u16 = 0x15;
const RTA_ENCAP: u16 = 0x16;

const ENCAP_MPLS: u16 = 1;
const ENCAP_IP: u16 = 2;
const ENCAP_ILA: u16 = 3;
const ENCAP_IP6: u16 = 4;

const MPLS_DST: u16 = 1;
const ILA_LOCATOR: u16 = 1;
/// LWTUNNEL_IP_* and LWTUNNEL_IP6_* have these numbers in common.
const TUNNEL_ID: u16 = 1;
const TUNNEL_DST: u16 = 2;
const TUNNEL_SRC: u16 = 3;
const TUNNEL_FLAGS: u16 = 6;
const IP_TTL: u16 = 4;
const IP_TOS: u16 = 5;
const IP6_HOP_LIMIT: u16 = 4;
const IP6_CLASS: u16 = 5;
