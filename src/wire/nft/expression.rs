//! Expressions of a rule: what the kernel's little machine does with a packet, one after the other.
//! Each works on registers of sixteen octets; one that does not fit ends the rule.

use super::be32;
use crate::wire::netlink::Draft;

/// A register; 0 is the verdict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Register(pub(super) u32);

pub(super) const VERDICT: Register = Register(0);
pub(super) const FIRST: Register = Register(1);
pub(super) const SECOND: Register = Register(2);
/// The second four octets of the first register.
pub(super) const FIRST_BEHIND_FOUR: Register = Register(9);

/// Where in a packet something is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    header: u32,
    offset: u32,
    length: u32,
}

pub(super) const V4_PROTOCOL: Field = Field::of_network(9, 1);
pub(super) const V4_SOURCE: Field = Field::of_network(12, 4);
pub(super) const V4_DESTINATION: Field = Field::of_network(16, 4);
pub(super) const V6_NEXT_HEADER: Field = Field::of_network(6, 1);
pub(super) const V6_SOURCE: Field = Field::of_network(8, 16);
pub(super) const V6_DESTINATION: Field = Field::of_network(24, 16);
/// The first octet after the IP header.
pub(super) const ICMP_TYPE: Field = Field {
    header: NFT_PAYLOAD_TRANSPORT_HEADER,
    offset: 0,
    length: 1,
};

/// TCP, UDP and SCTP have it at the same place.
pub(super) const DESTINATION_PORT: Field = Field {
    header: NFT_PAYLOAD_TRANSPORT_HEADER,
    offset: 2,
    length: 2,
};

impl Field {
    const fn of_network(offset: u32, length: u32) -> Self {
        Self {
            header: NFT_PAYLOAD_NETWORK_HEADER,
            offset,
            length,
        }
    }
}

/// What is known of a packet beside its octets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meta {
    Mark = 3,
    InputInterface = 4,
    OutputInterface = 5,
    Protocol = 16,
    /// The kind of the interface it leaves through; Linux 5.6.
    OutputKind = 27,
}

/// How a rule ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict<'a> {
    Drop,
    Accept,
    /// The rest of the chain does not concern it.
    Return,
    /// Another chain, without coming back.
    Goto(&'a str),
}

/// A rule while it is written.
pub(super) struct Expressions<'a>(pub(super) &'a mut Draft);

impl Expressions<'_> {
    pub(super) fn load(&mut self, field: Field, into: Register) -> &mut Self {
        self.expression("payload", |data| {
            be32(data, NFTA_PAYLOAD_DREG, into.0);
            be32(data, NFTA_PAYLOAD_BASE, field.header);
            be32(data, NFTA_PAYLOAD_OFFSET, field.offset);
            be32(data, NFTA_PAYLOAD_LEN, field.length);
        })
    }

    pub(super) fn meta(&mut self, what: Meta, into: Register) -> &mut Self {
        self.expression("meta", |data| {
            be32(data, NFTA_META_DREG, into.0);
            be32(data, NFTA_META_KEY, what as u32);
        })
    }

    pub(super) fn set_meta(&mut self, what: Meta, from: Register) -> &mut Self {
        self.expression("meta", |data| {
            be32(data, NFTA_META_KEY, what as u32);
            be32(data, NFTA_META_SREG, from.0);
        })
    }

    /// Goes on when the register holds these octets.
    pub(super) fn equals(&mut self, register: Register, octets: &[u8]) -> &mut Self {
        self.expression("cmp", |data| {
            be32(data, NFTA_CMP_SREG, register.0);
            be32(data, NFTA_CMP_OP, NFT_CMP_EQ);
            value(data, NFTA_CMP_DATA, octets);
        })
    }

    /// Keeps the bits of the mask.
    pub(super) fn mask(&mut self, register: Register, mask: &[u8]) -> &mut Self {
        let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
        self.expression("bitwise", |data| {
            be32(data, NFTA_BITWISE_SREG, register.0);
            be32(data, NFTA_BITWISE_DREG, register.0);
            be32(data, NFTA_BITWISE_LEN, length);
            value(data, NFTA_BITWISE_MASK, mask);
            value(data, NFTA_BITWISE_XOR, &vec![0; mask.len()]);
        })
    }

    /// Goes on when the set has what is in the register.
    pub(super) fn is_in(&mut self, set: &str, register: Register) -> &mut Self {
        self.expression("lookup", |data| {
            be32(data, NFTA_LOOKUP_SREG, register.0);
            data.text(NFTA_LOOKUP_SET, set);
        })
    }

    /// Goes on with what the map has for what is in the register.
    pub(super) fn translate(&mut self, map: &str, register: Register) -> &mut Self {
        self.expression("lookup", |data| {
            be32(data, NFTA_LOOKUP_SREG, register.0);
            be32(data, NFTA_LOOKUP_DREG, register.0);
            data.text(NFTA_LOOKUP_SET, map);
        })
    }

    /// Sends a copy to an address through an interface; Linux 4.3.
    pub(super) fn duplicate(&mut self, address: Register, interface: Register) -> &mut Self {
        self.expression("dup", |data| {
            be32(data, NFTA_DUP_SREG_ADDR, address.0);
            be32(data, NFTA_DUP_SREG_DEV, interface.0);
        })
    }

    pub(super) fn count(&mut self) -> &mut Self {
        self.expression("counter", |data| {
            data.attribute(NFTA_COUNTER_BYTES, &[0; 8]);
            data.attribute(NFTA_COUNTER_PACKETS, &[0; 8]);
        })
    }

    pub(super) fn end(&mut self, verdict: Verdict<'_>) {
        let code = match verdict {
            Verdict::Drop => NF_DROP,
            Verdict::Accept => NF_ACCEPT,
            Verdict::Return => NFT_RETURN,
            Verdict::Goto(_) => NFT_GOTO,
        };
        self.expression("immediate", |data| {
            be32(data, NFTA_IMMEDIATE_DREG, VERDICT.0);
            data.nested(NFTA_IMMEDIATE_DATA, |data| {
                data.nested(NFTA_DATA_VERDICT, |data| {
                    be32(data, NFTA_VERDICT_CODE, code.cast_unsigned());
                    if let Verdict::Goto(chain) = verdict {
                        data.text(NFTA_VERDICT_CHAIN, chain);
                    }
                });
            });
        });
    }

    fn expression(&mut self, name: &str, write: impl FnOnce(&mut Draft)) -> &mut Self {
        self.0.nested(NFTA_LIST_ELEM, |element| {
            element.text(NFTA_EXPR_NAME, name);
            element.nested(NFTA_EXPR_DATA, write);
        });
        self
    }
}

/// Octets as the value of an attribute.
pub(super) fn value(draft: &mut Draft, kind: u16, octets: &[u8]) {
    draft.nested(kind, |data| {
        data.attribute(NFTA_DATA_VALUE, octets);
    });
}

pub(super) const NFTA_LIST_ELEM: u16 = 0x1;
pub(super) const NFTA_EXPR_NAME: u16 = 0x1;
pub(super) const NFTA_EXPR_DATA: u16 = 0x2;
const NFTA_DATA_VALUE: u16 = 0x1;
const NFTA_DATA_VERDICT: u16 = 0x2;
const NFTA_VERDICT_CODE: u16 = 0x1;
const NFTA_VERDICT_CHAIN: u16 = 0x2;

const NFTA_PAYLOAD_DREG: u16 = 0x1;
const NFTA_PAYLOAD_BASE: u16 = 0x2;
const NFTA_PAYLOAD_OFFSET: u16 = 0x3;
const NFTA_PAYLOAD_LEN: u16 = 0x4;
const NFT_PAYLOAD_NETWORK_HEADER: u32 = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER: u32 = 2;

const NFTA_META_DREG: u16 = 0x1;
const NFTA_META_KEY: u16 = 0x2;
const NFTA_META_SREG: u16 = 0x3;

const NFTA_CMP_SREG: u16 = 0x1;
const NFTA_CMP_OP: u16 = 0x2;
const NFTA_CMP_DATA: u16 = 0x3;
const NFT_CMP_EQ: u32 = 0;

const NFTA_BITWISE_SREG: u16 = 0x1;
const NFTA_BITWISE_DREG: u16 = 0x2;
const NFTA_BITWISE_LEN: u16 = 0x3;
const NFTA_BITWISE_MASK: u16 = 0x4;
const NFTA_BITWISE_XOR: u16 = 0x5;

const NFTA_LOOKUP_SET: u16 = 0x1;
const NFTA_LOOKUP_SREG: u16 = 0x2;
const NFTA_LOOKUP_DREG: u16 = 0x3;

const NFTA_DUP_SREG_ADDR: u16 = 0x1;
const NFTA_DUP_SREG_DEV: u16 = 0x2;

const NFTA_COUNTER_BYTES: u16 = 0x1;
const NFTA_COUNTER_PACKETS: u16 = 0x2;

const NFTA_IMMEDIATE_DREG: u16 = 0x1;
const NFTA_IMMEDIATE_DATA: u16 = 0x2;

const NF_DROP: i32 = 0;
const NF_ACCEPT: i32 = 1;
const NFT_GOTO: i32 = -4;
const NFT_RETURN: i32 = -5;
