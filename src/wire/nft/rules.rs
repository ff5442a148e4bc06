//! The rules of the table: those of keepalived, in its order.

use super::expression::{
    Expressions, FIRST, ICMP_TYPE, Meta, SECOND, V4_DESTINATION, V4_PROTOCOL, V4_SOURCE,
    V6_DESTINATION, V6_NEXT_HEADER, V6_SOURCE, Verdict,
};
use super::{
    ADDRESS_SET, Batch, DEVICE_MAP, DEVICE_SET, LINK_LOCAL_SET, NFT_MSG_NEWSETELEM, Reports, Rules,
    be32,
};
use crate::addr::Family;
use crate::wire::cursor::Writer;
use crate::wire::netlink::{FLAG_APPEND, FLAG_CREATE};

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
    rule(rules, batch, OUT, Verdict::Drop, |packet| {
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
    rule(rules, batch, OUT, Verdict::Drop, |packet| {
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
    rule(rules, batch, OUT, Verdict::Drop, |packet| {
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
        rule(rules, batch, chain, Verdict::Drop, |packet| {
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
        rule(rules, batch, chain, Verdict::Accept, |packet| {
            packet
                .load(V6_NEXT_HEADER, FIRST)
                .equals(FIRST, &[PROTOCOL_ICMP6])
                .load(ICMP_TYPE, FIRST)
                .is_in(DISCOVERY_SET, FIRST);
        });
        rule(rules, batch, chain, Verdict::Goto(link_local), |packet| {
            let (mut mask, mut network) = ([0; 16], [0; 16]);
            mask[..2].copy_from_slice(&[0xff, 0xc0]);
            network[..2].copy_from_slice(&[0xfe, 0x80]);
            packet
                .load(field, FIRST)
                .mask(FIRST, &mask)
                .equals(FIRST, &network);
        });
    }
    for (chain, _, field, _) in directions {
        rule(rules, batch, chain, Verdict::Drop, |packet| {
            packet.load(field, FIRST).is_in(ADDRESS_SET, FIRST);
        });
    }
    if rules.link_local {
        set(batch, LINK_LOCAL_SET, ADDRESS_AND_INTERFACE, None, 0);
        for (_, chain, field, interface) in directions {
            rule(rules, batch, chain, Verdict::Drop, |packet| {
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

/// A base chain with its hook and priority, or one that only others lead to.
fn chain(batch: &mut Batch<'_>, name: &str, hook: Option<(u32, i32)>) {
    let table = batch.table;
    batch.message(NFT_MSG_NEWCHAIN, FLAG_CREATE, |draft| {
        draft.text(NFTA_CHAIN_TABLE, &table.name);
        draft.text(NFTA_CHAIN_NAME, name);
        if let Some((hook, priority)) = hook {
            draft.nested(NFTA_CHAIN_HOOK, |data| {
                be32(data, NFTA_HOOK_HOOKNUM, hook);
                be32(data, NFTA_HOOK_PRIORITY, priority.cast_unsigned());
            });
            be32(draft, NFTA_CHAIN_POLICY, NF_ACCEPT);
            draft.text(NFTA_CHAIN_TYPE, "filter");
        }
    });
}

/// A type as nft(8) numbers it, its length in octets, and whether the machine's order is meant: the
/// kernel only keeps that, so that nft prints what we mean.
#[derive(Clone, Copy)]
struct Type {
    number: u32,
    length: u32,
    host_order: bool,
}

const fn of_network(number: u32, length: u32) -> Type {
    Type {
        number,
        length,
        host_order: false,
    }
}

const V4_ADDRESS: Type = of_network(7, 4);
const V6_ADDRESS: Type = of_network(8, 16);
const ICMP6_TYPE: Type = of_network(29, 1);
const INTERFACE: Type = Type {
    number: 20,
    length: 4,
    host_order: true,
};
/// Six bits for each part of a concatenation.
const ADDRESS_AND_INTERFACE: Type = Type {
    number: V6_ADDRESS.number << 6 | INTERFACE.number,
    length: V6_ADDRESS.length + INTERFACE.length,
    host_order: true,
};

/// A set, or with data a map.
fn set(batch: &mut Batch<'_>, name: &str, key: Type, data: Option<Type>, flags: u32) {
    batch.sets += 1;
    let (table, id) = (batch.table, batch.sets);
    let mut flags = flags;
    let mut notes = Writer::new();
    note_order(&mut notes, NFTNL_UDATA_SET_KEYBYTEORDER, key);
    if let Some(data) = data {
        flags |= NFT_SET_MAP;
        note_order(&mut notes, NFTNL_UDATA_SET_DATABYTEORDER, data);
    }
    batch.message(NFT_MSG_NEWSET, FLAG_CREATE, |draft| {
        draft.text(NFTA_SET_TABLE, &table.name);
        draft.text(NFTA_SET_NAME, name);
        if flags != 0 {
            be32(draft, NFTA_SET_FLAGS, flags);
        }
        be32(draft, NFTA_SET_KEY_TYPE, key.number);
        be32(draft, NFTA_SET_KEY_LEN, key.length);
        if let Some(data) = data {
            be32(draft, NFTA_SET_DATA_TYPE, data.number);
            be32(draft, NFTA_SET_DATA_LEN, data.length);
        }
        be32(draft, NFTA_SET_ID, id);
        draft.attribute(NFTA_SET_USERDATA, notes.as_slice());
    });
}

fn note_order(notes: &mut Writer, what: u8, of: Type) {
    let order = if of.host_order {
        BYTEORDER_HOST
    } else {
        BYTEORDER_NETWORK
    };
    notes.u8(what).u8(4).native_u32(order);
}

/// A rule at the end of a chain.
fn rule(
    rules: &Rules,
    batch: &mut Batch<'_>,
    chain: &str,
    verdict: Verdict<'_>,
    matches: impl FnOnce(&mut Expressions<'_>),
) {
    let table = batch.table;
    batch.message(NFT_MSG_NEWRULE, FLAG_CREATE | FLAG_APPEND, |draft| {
        draft.text(NFTA_RULE_TABLE, &table.name);
        draft.text(NFTA_RULE_CHAIN, chain);
        draft.nested(NFTA_RULE_EXPRESSIONS, |list| {
            let mut packet = Expressions(list);
            matches(&mut packet);
            if rules.counters {
                packet.count();
            }
            packet.end(verdict);
        });
    });
}

const IN: &str = "in";
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

const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_NEWRULE: u16 = 6;
const NFT_MSG_NEWSET: u16 = 9;

const NFTA_CHAIN_TABLE: u16 = 0x1;
const NFTA_CHAIN_NAME: u16 = 0x3;
const NFTA_CHAIN_HOOK: u16 = 0x4;
const NFTA_CHAIN_POLICY: u16 = 0x5;
const NFTA_CHAIN_TYPE: u16 = 0x7;
const NFTA_HOOK_HOOKNUM: u16 = 0x1;
const NFTA_HOOK_PRIORITY: u16 = 0x2;
const NF_INET_LOCAL_IN: u32 = 1;
const NF_INET_LOCAL_OUT: u32 = 3;
const NF_ACCEPT: u32 = 1;

const NFTA_RULE_TABLE: u16 = 0x1;
const NFTA_RULE_CHAIN: u16 = 0x2;
const NFTA_RULE_EXPRESSIONS: u16 = 0x4;

const NFTA_SET_TABLE: u16 = 0x1;
const NFTA_SET_NAME: u16 = 0x2;
const NFTA_SET_FLAGS: u16 = 0x3;
const NFTA_SET_KEY_TYPE: u16 = 0x4;
const NFTA_SET_KEY_LEN: u16 = 0x5;
const NFTA_SET_DATA_TYPE: u16 = 0x6;
const NFTA_SET_DATA_LEN: u16 = 0x7;
const NFTA_SET_ID: u16 = 0xa;
const NFTA_SET_USERDATA: u16 = 0xd;
const NFT_SET_CONSTANT: u32 = 0x2;
const NFT_SET_MAP: u32 = 0x8;
const NFTNL_UDATA_SET_KEYBYTEORDER: u8 = 0;
const NFTNL_UDATA_SET_DATABYTEORDER: u8 = 1;
const BYTEORDER_HOST: u32 = 1;
const BYTEORDER_NETWORK: u32 = 2;
