//! The rules of the table: those of keepalived, in its order.

use super::expression::{
    Expressions, FIRST, ICMP_TYPE, Meta, SECOND, V4_DESTINATION, V4_PROTOCOL, V4_SOURCE,
    V6_DESTINATION, V6_NEXT_HEADER, V6_SOURCE, Verdict,
};
use super::parts::{
    IN, INTERFACE, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT, NFT_SET_CONSTANT, Type, V4_ADDRESS,
    V6_ADDRESS, chain, of_network, rule, set,
};
use super::{
    ADDRESS_SET, Batch, DEVICE_MAP, DEVICE_SET, LINK_LOCAL_SET, NFT_MSG_NEWSETELEM, Reports, Rules,
};
use crate::addr::Family;
use crate::wire::netlink::FLAG_CREATE;

pub(super) fn write(rules: &Rules, batch: &mut Batch<'_>) {
    let family = batch.table.family;
    chain(batch, OUT, Some((NF_INET_LOCAL_OUT, rules.priority)));
    if let Some(reports) = rules.reports {
        set(batch, DEVICE_MAP, INTERFACE, Some(INTERFACE), 0);
        match family {
            Family::V4 => igmp(rules, reports, batch),
            Family::V6 => {
                set(batch, DEVICE_SET, INTERFACE, None, 0);
                mld(rules, reports, batch);
                router_solicitations(rules, reports, batch);
            }
        }
    }
    if rules.addresses {
        chain(batch, IN, Some((NF_INET_LOCAL_IN, rules.priority)));
        match family {
            Family::V4 => v4_addresses(rules, batch),
            Family::V6 => v6_addresses(rules, batch),
        }
    }
}

/// Reports of IPv4 groups (RFC 3376) are sent again through the interface below, and not here.
fn igmp(rules: &Rules, reports: Reports, batch: &mut Batch<'_>) {
    rule(batch, rules.counters, OUT, Verdict::Drop, |packet| {
        packet
            .load(V4_PROTOCOL, FIRST)
            .equals(FIRST, &[PROTOCOL_IGMP])
            .load(V4_DESTINATION, FIRST);
        by_kind(reports, packet);
        packet
            .meta(Meta::OutputInterface, SECOND)
            .translate(DEVICE_MAP, SECOND)
            .duplicate(FIRST, SECOND);
    });
}

/// The same of IPv6 groups (RFC 3810).
fn mld(rules: &Rules, reports: Reports, batch: &mut Batch<'_>) {
    rule(batch, rules.counters, OUT, Verdict::Drop, |packet| {
        icmp_is(packet, MLD2_REPORT);
        packet.load(V6_DESTINATION, FIRST);
        by_kind(reports, packet);
        packet
            .meta(Meta::OutputInterface, SECOND)
            .translate(DEVICE_MAP, SECOND)
            .duplicate(FIRST, SECOND);
    });
}

/// A virtual router asks no router for anything.
fn router_solicitations(rules: &Rules, reports: Reports, batch: &mut Batch<'_>) {
    rule(batch, rules.counters, OUT, Verdict::Drop, |packet| {
        icmp_is(packet, ROUTER_SOLICITATION);
        by_kind(reports, packet);
        packet
            .meta(Meta::OutputInterface, SECOND)
            .is_in(DEVICE_SET, SECOND);
    });
}

fn v4_addresses(rules: &Rules, batch: &mut Batch<'_>) {
    set(batch, ADDRESS_SET, V4_ADDRESS, None, 0);
    for (chain, field) in [(IN, V4_DESTINATION), (OUT, V4_SOURCE)] {
        rule(batch, rules.counters, chain, Verdict::Drop, |packet| {
            packet.load(field, FIRST).is_in(ADDRESS_SET, FIRST);
        });
    }
}

/// Neighbours may still find the address; link-local ones are looked up with their interface.
fn v6_addresses(rules: &Rules, batch: &mut Batch<'_>) {
    chain(batch, IN_LINK_LOCAL, None);
    chain(batch, OUT_LINK_LOCAL, None);
    set(batch, ADDRESS_SET, V6_ADDRESS, None, 0);
    set(batch, DISCOVERY_SET, ICMP6_TYPE, None, NFT_SET_CONSTANT);
    let discovery = [NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT];
    let entries = discovery.map(|kind| (vec![kind], None)).to_vec();
    batch.entries(DISCOVERY_SET, entries, NFT_MSG_NEWSETELEM, FLAG_CREATE);
    let directions = [
        (IN, IN_LINK_LOCAL, V6_DESTINATION, Meta::InputInterface),
        (OUT, OUT_LINK_LOCAL, V6_SOURCE, Meta::OutputInterface),
    ];
    for (chain, link_local, field, _) in directions {
        rule(batch, rules.counters, chain, Verdict::Accept, |packet| {
            packet
                .load(V6_NEXT_HEADER, FIRST)
                .equals(FIRST, &[PROTOCOL_ICMP6])
                .load(ICMP_TYPE, FIRST)
                .is_in(DISCOVERY_SET, FIRST);
        });
        rule(
            batch,
            rules.counters,
            chain,
            Verdict::Goto(link_local),
            |packet| {
                let (mut mask, mut network) = ([0; 16], [0; 16]);
                mask[..2].copy_from_slice(&[0xff, 0xc0]);
                network[..2].copy_from_slice(&[0xfe, 0x80]);
                packet
                    .load(field, FIRST)
                    .mask(FIRST, &mask)
                    .equals(FIRST, &network);
            },
        );
    }
    for (chain, _, field, _) in directions {
        rule(batch, rules.counters, chain, Verdict::Drop, |packet| {
            packet.load(field, FIRST).is_in(ADDRESS_SET, FIRST);
        });
    }
    if rules.link_local {
        set(batch, LINK_LOCAL_SET, ADDRESS_AND_INTERFACE, None, 0);
        for (_, chain, field, interface) in directions {
            rule(batch, rules.counters, chain, Verdict::Drop, |packet| {
                packet
                    .load(field, FIRST)
                    .meta(interface, SECOND)
                    .is_in(LINK_LOCAL_SET, FIRST);
            });
        }
    }
}

fn icmp_is(packet: &mut Expressions<'_>, kind: u8) {
    packet
        .meta(Meta::Protocol, FIRST)
        .equals(FIRST, &[PROTOCOL_ICMP6])
        .load(ICMP_TYPE, FIRST)
        .equals(FIRST, &[kind]);
}

/// Saves the look-up for nearly everything; the map knows macvlans only.
fn by_kind(reports: Reports, packet: &mut Expressions<'_>) {
    if reports == Reports::ByKind {
        let mut kind = [0; 16];
        kind[..7].copy_from_slice(b"macvlan");
        packet.meta(Meta::OutputKind, SECOND).equals(SECOND, &kind);
    }
}

const OUT: &str = "out";
const IN_LINK_LOCAL: &str = "in_link_local";
const OUT_LINK_LOCAL: &str = "out_link_local";
const DISCOVERY_SET: &str = "neighbor-discovery";

const PROTOCOL_IGMP: u8 = 2;
const PROTOCOL_ICMP6: u8 = 58;
const ROUTER_SOLICITATION: u8 = 133;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const MLD2_REPORT: u8 = 143;

const ICMP6_TYPE: Type = of_network(29, 1);
/// Six bits for each part of a concatenation.
const ADDRESS_AND_INTERFACE: Type = Type {
    number: V6_ADDRESS.number << 6 | INTERFACE.number,
    length: V6_ADDRESS.length + INTERFACE.length,
    host_order: true,
};
