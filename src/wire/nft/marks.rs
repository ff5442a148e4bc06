//! Firewall marks for virtual servers: packets to an address and port are marked on their way in,
//! and IPVS has one service for each mark.
//!
//! The table is keepalived's: a chain at the input hook, and for each protocol a map from ranges of
//! addresses with a port to marks.

use std::net::IpAddr;

use super::expression::{
    self, DESTINATION_PORT, FIRST, FIRST_BEHIND_FOUR, Meta, SECOND, V4_DESTINATION, V6_DESTINATION,
    Verdict,
};
use super::parts::{
    IN, NF_INET_LOCAL_IN, Set, Type, V4_ADDRESS, V6_ADDRESS, chain, of_network, rule,
};
use super::{
    Batch, NFT_MSG_DELSETELEM, NFT_MSG_DELTABLE, NFT_MSG_NEWSETELEM, NFT_MSG_NEWTABLE,
    NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_TABLE, Table,
};
use crate::addr::Family;
use crate::wire::netlink::FLAG_CREATE;

/// What is asked of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Makes the table and takes it away, unseen by any packet: whether this kernel can.
    Try(Table, Rules),
    /// The table anew, in place of one that a crash may have left behind.
    Install {
        table: Table,
        rules: Rules,
        elements: Vec<Element>,
    },
    /// Maps and rules of further protocols.
    Extend(Table, Rules),
    Add(Table, Vec<Element>),
    Remove(Table, Vec<Element>),
    /// Nothing, but ENOENT when the table or one of these maps is not there.
    Look(Table, Vec<Protocol>),
    /// Whether it is there or not.
    Uninstall(Table),
}

/// Which rules the table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Of the chain, among those of other tables.
    pub priority: i32,
    /// Every rule counts its packets, and so does every element.
    pub counters: bool,
    pub protocols: Vec<Protocol>,
}

/// A protocol with ports, by its number in the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    Tcp = 6,
    Udp = 17,
    Sctp = 132,
}

/// Whose packets get a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    pub protocol: Protocol,
    /// Two addresses of one family; both are part of it.
    pub first: IpAddr,
    pub last: IpAddr,
    pub port: u16,
    pub mark: u32,
}

impl Protocol {
    fn map(self) -> &'static str {
        match self {
            Self::Tcp => "tcp_map",
            Self::Udp => "udp_map",
            Self::Sctp => "sctp_map",
        }
    }
}

impl Element {
    pub fn family(&self) -> Family {
        Family::of(self.first)
    }

    /// An address and a port, in words of four octets.
    fn key(&self, address: IpAddr) -> Vec<u8> {
        let mut octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        octets.extend(self.port.to_be_bytes());
        octets.extend([0; 2]);
        octets
    }
}

impl Request {
    pub fn table(&self) -> &Table {
        match self {
            Self::Install { table, .. }
            | Self::Try(table, _)
            | Self::Extend(table, _)
            | Self::Add(table, _)
            | Self::Remove(table, _)
            | Self::Look(table, _)
            | Self::Uninstall(table) => table,
        }
    }

    /// The batch, in one datagram. Only its last message is acknowledged; all that fail are told.
    pub fn emit(&self, sequence: u32) -> Vec<u8> {
        let mut batch = Batch::new(self.table(), sequence);
        match self {
            Self::Try(_, rules) => {
                batch.clear();
                batch.table(NFT_MSG_NEWTABLE, FLAG_CREATE);
                install(rules, &mut batch);
                batch.table(NFT_MSG_DELTABLE, 0);
            }
            Self::Install {
                rules, elements, ..
            } => {
                batch.clear();
                batch.table(NFT_MSG_NEWTABLE, FLAG_CREATE);
                install(rules, &mut batch);
                change(elements, &mut batch, NFT_MSG_NEWSETELEM, FLAG_CREATE);
            }
            Self::Extend(_, rules) => extend(rules, &mut batch),
            Self::Add(_, elements) => {
                change(elements, &mut batch, NFT_MSG_NEWSETELEM, FLAG_CREATE);
            }
            Self::Remove(_, elements) => change(elements, &mut batch, NFT_MSG_DELSETELEM, 0),
            Self::Look(_, protocols) => {
                for &protocol in protocols {
                    entries(&[], protocol, &mut batch, NFT_MSG_NEWSETELEM, 0);
                }
            }
            Self::Uninstall(_) => batch.clear(),
        }
        batch.finish()
    }
}

fn install(rules: &Rules, batch: &mut Batch<'_>) {
    chain(batch, IN, Some((NF_INET_LOCAL_IN, rules.priority)));
    extend(rules, batch);
}

fn extend(rules: &Rules, batch: &mut Batch<'_>) {
    let (key, fields, destination, behind) = match batch.table.family {
        Family::V4 => (V4_KEY, [4, 2], V4_DESTINATION, FIRST_BEHIND_FOUR),
        Family::V6 => (V6_KEY, [16, 2], V6_DESTINATION, SECOND),
    };
    for &protocol in &rules.protocols {
        Set {
            name: protocol.map(),
            key,
            data: Some(MARK),
            flags: 0,
            fields: &fields,
            counters: rules.counters,
        }
        .write(batch);
        rule(batch, rules.counters, IN, Verdict::Return, |packet| {
            packet
                .meta(Meta::Protocol, FIRST)
                .equals(FIRST, &[protocol as u8])
                .load(destination, FIRST)
                .load(DESTINATION_PORT, behind)
                .translate(protocol.map(), FIRST)
                .set_meta(Meta::Mark, FIRST);
        });
    }
}

fn change(elements: &[Element], batch: &mut Batch<'_>, kind: u16, flags: u16) {
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        let elements = elements.iter().copied();
        let here: Vec<Element> = elements.filter(|one| one.protocol == protocol).collect();
        for some in here.chunks(super::ELEMENTS_PER_MESSAGE) {
            entries(some, protocol, batch, kind, flags);
        }
    }
}

fn entries(elements: &[Element], protocol: Protocol, batch: &mut Batch<'_>, kind: u16, flags: u16) {
    let table = batch.table;
    batch.message(kind, flags, |draft| {
        draft.text(NFTA_SET_ELEM_LIST_TABLE, &table.name);
        draft.text(NFTA_SET_ELEM_LIST_SET, protocol.map());
        draft.nested(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
            for element in elements {
                list.nested(expression::NFTA_LIST_ELEM, |entry| {
                    let [first, last] = [element.first, element.last].map(|ip| element.key(ip));
                    expression::value(entry, NFTA_SET_ELEM_KEY, &first);
                    expression::value(entry, NFTA_SET_ELEM_KEY_END, &last);
                    if kind == NFT_MSG_NEWSETELEM {
                        let mark = element.mark.to_ne_bytes();
                        expression::value(entry, NFTA_SET_ELEM_DATA, &mark);
                    }
                });
            }
        });
    });
}

const PORT: Type = of_network(13, 4);

const V4_KEY: Type = with_port(V4_ADDRESS);
const V6_KEY: Type = with_port(V6_ADDRESS);

/// Six bits for each part of a concatenation.
const fn with_port(address: Type) -> Type {
    of_network(
        address.number << 6 | PORT.number,
        address.length + PORT.length,
    )
}

const MARK: Type = Type {
    number: 19,
    length: 4,
    host_order: true,
};

const NFTA_SET_ELEM_KEY_END: u16 = 0xa;
