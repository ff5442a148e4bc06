//! The kernel's packet filter (nf_tables, Linux 3.13) over netlink: one table, written directly.
//!
//! What it does for VRRP: packets to and from addresses that a master has but does not accept are
//! dropped; membership reports of virtual routers' devices leave through the interface below, where
//! switches expect the hosts of a cable and not their virtual routers.
//!
//! What it does for virtual servers is in [`marks`].
//!
//! Changes come in batches: all of it or nothing.

mod expression;
pub mod marks;
mod parts;
mod rules;

use std::net::IpAddr;

use super::netlink::{Draft, FLAG_ACK, FLAG_CREATE, HEADER_LENGTH};
use crate::addr::{Family, IfIndex};

/// The table of one family, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub family: Family,
    pub name: String,
}

/// What is asked of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The table anew, in place of one that a crash may have left behind.
    Install {
        table: Table,
        rules: Rules,
        elements: Vec<Element>,
    },
    Add(Table, Vec<Element>),
    Remove(Table, Vec<Element>),
    /// Whether it is there or not.
    Uninstall(Table),
}

/// Which rules the table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Of the chains, among those of other tables.
    pub priority: i32,
    /// Every rule counts its packets.
    pub counters: bool,
    /// Reports of devices go out below them.
    pub reports: Option<Reports>,
    /// Packets to and from addresses are dropped.
    pub addresses: bool,
    /// Some of these are link-local: they are told apart by their interface.
    pub link_local: bool,
}

/// How reports are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reports {
    /// By the kind of their interface first; Linux 5.6.
    ByKind,
    /// By the number of their interface.
    ByNumber,
}

/// What the rules are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A device, and the interface below it.
    Device { device: IfIndex, base: IfIndex },
    /// An address that is not accepted, and the interface it is on.
    Address { address: IpAddr, link: IfIndex },
}

impl Element {
    /// Such an address means something on its interface only.
    pub fn is_link_local(&self) -> bool {
        match self {
            Self::Address {
                address: IpAddr::V6(address),
                ..
            } => address.is_unicast_link_local(),
            Self::Address { .. } | Self::Device { .. } => false,
        }
    }

    fn sets(&self, family: Family) -> &'static [&'static str] {
        match (self, family) {
            (Self::Device { .. }, Family::V4) => &[DEVICE_MAP],
            (Self::Device { .. }, Family::V6) => &[DEVICE_MAP, DEVICE_SET],
            (Self::Address { .. }, _) if self.is_link_local() => &[LINK_LOCAL_SET],
            (Self::Address { .. }, _) => &[ADDRESS_SET],
        }
    }

    fn key(&self) -> Vec<u8> {
        match *self {
            Self::Device { device, .. } => device.0.to_ne_bytes().to_vec(),
            Self::Address { address, link } => {
                let mut octets = match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                if self.is_link_local() {
                    octets.extend(link.0.to_ne_bytes());
                }
                octets
            }
        }
    }
}

impl Request {
    pub fn table(&self) -> &Table {
        match self {
            Self::Install { table, .. }
            | Self::Add(table, _)
            | Self::Remove(table, _)
            | Self::Uninstall(table) => table,
        }
    }

    /// The batch, in one datagram. Only its last message is acknowledged; all that fail are told.
    pub fn emit(&self, sequence: u32) -> Vec<u8> {
        let mut batch = Batch::new(self.table(), sequence);
        match self {
            Self::Install {
                rules, elements, ..
            } => {
                batch.clear();
                batch.table(NFT_MSG_NEWTABLE, FLAG_CREATE);
                rules::write(rules, &mut batch);
                batch.elements(elements, NFT_MSG_NEWSETELEM, FLAG_CREATE);
            }
            Self::Add(_, elements) => batch.elements(elements, NFT_MSG_NEWSETELEM, FLAG_CREATE),
            Self::Remove(_, elements) => batch.elements(elements, NFT_MSG_DELSETELEM, 0),
            Self::Uninstall(_) => batch.clear(),
        }
        batch.finish()
    }
}

/// Messages about one table, and the marks before and after them.
struct Batch<'a> {
    table: &'a Table,
    sequence: u32,
    octets: Vec<u8>,
    /// Where the last message begins.
    last: usize,
    /// Sets are known by number until the batch is through.
    sets: u32,
}

impl<'a> Batch<'a> {
    fn new(table: &'a Table, sequence: u32) -> Self {
        Self {
            table,
            sequence,
            octets: mark(NFNL_MSG_BATCH_BEGIN, sequence),
            last: 0,
            sets: 0,
        }
    }

    /// struct nfgenmsg, then what `write` adds.
    fn message(&mut self, kind: u16, flags: u16, write: impl FnOnce(&mut Draft)) {
        let family = match self.table.family {
            Family::V4 => NFPROTO_IPV4,
            Family::V6 => NFPROTO_IPV6,
        };
        let kind = (NFNL_SUBSYS_NFTABLES << 8) | kind;
        let mut draft = Draft::new(kind, flags, self.sequence, &[family, 0, 0, 0]);
        write(&mut draft);
        self.last = self.octets.len();
        self.octets.extend(draft.finish());
    }

    /// A table that is not there cannot be deleted: it is made first.
    fn clear(&mut self) {
        self.table(NFT_MSG_NEWTABLE, FLAG_CREATE);
        self.table(NFT_MSG_DELTABLE, 0);
    }

    fn table(&mut self, kind: u16, flags: u16) {
        let table = self.table;
        self.message(kind, flags, |draft| {
            draft.text(NFTA_TABLE_NAME, &table.name);
        });
    }

    fn elements(&mut self, elements: &[Element], kind: u16, flags: u16) {
        let family = self.table.family;
        for set in [DEVICE_MAP, DEVICE_SET, ADDRESS_SET, LINK_LOCAL_SET] {
            let of_set: Vec<_> = elements
                .iter()
                .filter(|element| element.sets(family).contains(&set))
                .collect();
            for some in of_set.chunks(ELEMENTS_PER_MESSAGE) {
                let of_map = |element: &Element| match element {
                    Element::Device { base, .. } if set == DEVICE_MAP => Some(*base),
                    Element::Device { .. } | Element::Address { .. } => None,
                };
                let entries = some.iter().map(|element| {
                    let data = of_map(element).map(|base| base.0.to_ne_bytes().to_vec());
                    (element.key(), data)
                });
                self.entries(set, entries.collect(), kind, flags);
            }
        }
    }

    /// Keys of a set, or keys with data of a map.
    fn entries(
        &mut self,
        set: &str,
        entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        kind: u16,
        flags: u16,
    ) {
        let table = self.table;
        self.message(kind, flags, |draft| {
            draft.text(NFTA_SET_ELEM_LIST_TABLE, &table.name);
            draft.text(NFTA_SET_ELEM_LIST_SET, set);
            draft.nested(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
                for (key, data) in entries {
                    list.nested(expression::NFTA_LIST_ELEM, |element| {
                        expression::value(element, NFTA_SET_ELEM_KEY, &key);
                        if let Some(data) = data {
                            expression::value(element, NFTA_SET_ELEM_DATA, &data);
                        }
                    });
                }
            });
        });
    }

    fn finish(mut self) -> Vec<u8> {
        // The flags follow the length and the kind.
        let at = self.last + 6;
        if let Some(flags) = self.octets.get_mut(at..at + 2) {
            flags.copy_from_slice(&(FLAG_ACK | flags_of(flags)).to_ne_bytes());
        }
        self.octets.extend(mark(NFNL_MSG_BATCH_END, self.sequence));
        self.octets
    }
}

fn flags_of(octets: &[u8]) -> u16 {
    <[u8; 2]>::try_from(octets).map_or(0, u16::from_ne_bytes)
}

/// The begin or the end of a batch; its subsystem is in network order.
fn mark(kind: u16, sequence: u32) -> Vec<u8> {
    let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
    let octets = Draft::new(kind, 0, sequence, &[AF_UNSPEC, 0, high, low]).finish();
    debug_assert_eq!(octets.len(), HEADER_LENGTH + 4, "a header and no attribute");
    octets
}

/// Numbers of nf_tables are in network order.
fn be32(draft: &mut Draft, kind: u16, value: u32) {
    draft.attribute(kind, &value.to_be_bytes());
}

const DEVICE_MAP: &str = "vmac_map";
const DEVICE_SET: &str = "vmac_set";
const ADDRESS_SET: &str = "vips";
const LINK_LOCAL_SET: &str = "vips_link_local";

/// An attribute has 64 KiB of room, an element takes some sixty octets at most.
const ELEMENTS_PER_MESSAGE: usize = 500;

const AF_UNSPEC: u8 = 0;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;

const NFT_MSG_NEWTABLE: u16 = 0;
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWSETELEM: u16 = 12;
const NFT_MSG_DELSETELEM: u16 = 14;

const NFTA_TABLE_NAME: u16 = 0x1;

const NFTA_SET_ELEM_KEY: u16 = 0x1;
const NFTA_SET_ELEM_DATA: u16 = 0x2;
const NFTA_SET_ELEM_LIST_TABLE: u16 = 0x1;
const NFTA_SET_ELEM_LIST_SET: u16 = 0x2;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 0x3;
