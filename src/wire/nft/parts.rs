//! What tables are made of: chains, sets and maps, rules.

use super::expression::{Expressions, NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_LIST_ELEM, Verdict};
use super::{Batch, be32};
use crate::wire::cursor::Writer;
use crate::wire::netlink::{Draft, FLAG_APPEND, FLAG_CREATE};

/// A base chain with its hook and priority, or one that only others lead to.
pub(super) fn chain(batch: &mut Batch<'_>, name: &str, hook: Option<(u32, i32)>) {
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
pub(super) struct Type {
    pub(super) number: u32,
    pub(super) length: u32,
    pub(super) host_order: bool,
}

pub(super) const fn of_network(number: u32, length: u32) -> Type {
    Type {
        number,
        length,
        host_order: false,
    }
}

pub(super) const V4_ADDRESS: Type = of_network(7, 4);
pub(super) const V6_ADDRESS: Type = of_network(8, 16);
pub(super) const INTERFACE: Type = Type {
    number: 20,
    length: 4,
    host_order: true,
};

/// A set, or with data a map.
pub(super) fn set(batch: &mut Batch<'_>, name: &str, key: Type, data: Option<Type>, flags: u32) {
    Set {
        name,
        key,
        data,
        flags,
        fields: &[],
        counters: false,
    }
    .write(batch);
}

/// A set with all that it may have.
pub(super) struct Set<'a> {
    pub(super) name: &'a str,
    pub(super) key: Type,
    /// It is a map.
    pub(super) data: Option<Type>,
    pub(super) flags: u32,
    /// The octets of each part of a key whose parts are ranges; Linux 5.6.
    pub(super) fields: &'a [u32],
    /// Every element counts its packets; Linux 5.7.
    pub(super) counters: bool,
}

impl Set<'_> {
    pub(super) fn write(&self, batch: &mut Batch<'_>) {
        batch.sets += 1;
        let (table, id, key) = (batch.table, batch.sets, self.key);
        let mut flags = self.flags;
        let mut notes = Writer::new();
        note_order(&mut notes, NFTNL_UDATA_SET_KEYBYTEORDER, key);
        if let Some(data) = self.data {
            flags |= NFT_SET_MAP;
            note_order(&mut notes, NFTNL_UDATA_SET_DATABYTEORDER, data);
        }
        if !self.fields.is_empty() {
            flags |= NFT_SET_INTERVAL | NFT_SET_CONCAT;
        }
        batch.message(NFT_MSG_NEWSET, FLAG_CREATE, |draft| {
            draft.text(NFTA_SET_TABLE, &table.name);
            draft.text(NFTA_SET_NAME, self.name);
            if flags != 0 {
                be32(draft, NFTA_SET_FLAGS, flags);
            }
            be32(draft, NFTA_SET_KEY_TYPE, key.number);
            be32(draft, NFTA_SET_KEY_LEN, key.length);
            if let Some(data) = self.data {
                be32(draft, NFTA_SET_DATA_TYPE, data.number);
                be32(draft, NFTA_SET_DATA_LEN, data.length);
            }
            be32(draft, NFTA_SET_ID, id);
            self.describe(draft);
            draft.attribute(NFTA_SET_USERDATA, notes.as_slice());
        });
    }

    fn describe(&self, draft: &mut Draft) {
        if !self.fields.is_empty() {
            draft.nested(NFTA_SET_DESC, |description| {
                description.nested(NFTA_SET_DESC_CONCAT, |list| {
                    for &length in self.fields {
                        list.nested(NFTA_LIST_ELEM, |field| {
                            be32(field, NFTA_SET_FIELD_LEN, length);
                        });
                    }
                });
            });
        }
        if self.counters {
            draft.nested(NFTA_SET_EXPR, |expression| {
                expression.text(NFTA_EXPR_NAME, "counter");
                expression.nested(NFTA_EXPR_DATA, |_| {});
            });
        }
    }
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
pub(super) fn rule(
    batch: &mut Batch<'_>,
    counters: bool,
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
            if counters {
                packet.count();
            }
            packet.end(verdict);
        });
    });
}

pub(super) const IN: &str = "in";

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
pub(super) const NF_INET_LOCAL_IN: u32 = 1;
pub(super) const NF_INET_LOCAL_OUT: u32 = 3;
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
const NFTA_SET_DESC: u16 = 0x9;
const NFTA_SET_ID: u16 = 0xa;
const NFTA_SET_USERDATA: u16 = 0xd;
const NFTA_SET_EXPR: u16 = 0x11;
const NFTA_SET_DESC_CONCAT: u16 = 0x2;
const NFTA_SET_FIELD_LEN: u16 = 0x1;
pub(super) const NFT_SET_CONSTANT: u32 = 0x2;
const NFT_SET_INTERVAL: u32 = 0x4;
const NFT_SET_MAP: u32 = 0x8;
const NFT_SET_CONCAT: u32 = 0x80;
const NFTNL_UDATA_SET_KEYBYTEORDER: u8 = 0;
const NFTNL_UDATA_SET_DATABYTEORDER: u8 = 1;
const BYTEORDER_HOST: u32 = 1;
const BYTEORDER_NETWORK: u32 = 2;
