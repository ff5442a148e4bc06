//! Netlink (RFC 3549): message headers, attributes, acknowledgements.
//!
//! Knows nothing of the families; those are in [`super::rtnl`] and [`super::ipvs`]. Reading is
//! total: what does not fit its own length ends the walk. All numbers are in the machine's own
//! order.
//!
//! ```text
//!  0       4       6       8              12             16
//!  +-------+-------+-------+---------------+--------------+---------
//!  | length        | kind  | flags         | sequence     | port    payload, padded to 4
//!  +-------+-------+-------+---------------+--------------+---------
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cursor::{Reader, Writer};
use crate::errno::Errno;

/// NLMSG_ERROR: an error number, 0 for an acknowledgement.
pub const KIND_ERROR: u16 = 0x2;
/// NLMSG_DONE: the end of a dump.
pub const KIND_DONE: u16 = 0x3;

/// NLM_F_REQUEST.
pub const FLAG_REQUEST: u16 = 0x1;
/// NLM_F_ACK: the kernel answers even when all is well.
pub const FLAG_ACK: u16 = 0x4;
/// NLM_F_EXCL: not when it is there already.
pub const FLAG_EXCL: u16 = 0x200;
/// NLM_F_CREATE: make it when it is not there.
pub const FLAG_CREATE: u16 = 0x400;
/// NLM_F_DUMP_INTR (Linux 3.1): the table changed while it was dumped.
pub const FLAG_DUMP_INTERRUPTED: u16 = 0x10;
/// NLM_F_DUMP: the whole table is wanted.
pub const FLAG_DUMP: u16 = 0x300;
/// NLM_F_REPLACE: in the place of what is there.
pub const FLAG_REPLACE: u16 = 0x100;
/// NLM_F_APPEND: behind what is there.
pub const FLAG_APPEND: u16 = 0x800;

/// What the header of a message says besides its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    /// Whose request this answers or was caused by; 0 is the kernel's own doing.
    pub port: u32,
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub header: Header,
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// What an NLMSG_ERROR or NLMSG_DONE says; None for other messages and cut ones.
    pub fn outcome(&self) -> Option<Result<(), Errno>> {
        let code = match self.header.kind {
            KIND_ERROR => Reader::new(self.payload).native_u32()?,
            // Old kernels end a dump without a code.
            KIND_DONE => Reader::new(self.payload).native_u32().unwrap_or(0),
            _ => return None,
        };
        match code.cast_signed() {
            0 => Some(Ok(())),
            // The kernel sends the number negated.
            code => Some(Err(Errno::new(code.saturating_neg()))),
        }
    }
}

/// The messages of one datagram, in order. A length that cannot be true ends the walk.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a>(Reader<'a>);

impl<'a> Messages<'a> {
    pub fn new(datagram: &'a [u8]) -> Self {
        Self(Reader::new(datagram))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let mut reader = self.0;
        let length = length_of(reader.native_u32()?)?;
        let header = Header {
            kind: reader.native_u16()?,
            flags: reader.native_u16()?,
            sequence: reader.native_u32()?,
            port: reader.native_u32()?,
        };
        let payload = reader.take(length.checked_sub(HEADER_LENGTH)?)?;
        self.0 = after_padding(reader, length);
        Some(Message { header, payload })
    }
}

/// One attribute: its number without the flag bits, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    pub kind: u16,
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// A number in the machine's own order; None when it is shorter.
    pub fn u16(&self) -> Option<u16> {
        Reader::new(self.value).native_u16()
    }

    /// A number in the machine's own order; None when it is shorter.
    pub fn u32(&self) -> Option<u32> {
        Reader::new(self.value).native_u32()
    }

    /// A text up to its NUL. Names are octets to the kernel; what is not UTF-8 is marked.
    pub fn text(&self) -> String {
        let text = self.value.split(|octet| *octet == 0).next();
        String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
    }

    /// An address of either family, told by its length.
    pub fn address(&self) -> Option<IpAddr> {
        match self.value.len() {
            4 => Reader::new(self.value)
                .array()
                .map(|octets: [u8; 4]| Ipv4Addr::from(octets).into()),
            16 => Reader::new(self.value)
                .array()
                .map(|octets: [u8; 16]| Ipv6Addr::from(octets).into()),
            _ => None,
        }
    }

    /// What is nested in it.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }
}

/// Attributes in order. A length that cannot be true ends the walk.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(Reader<'a>);

impl<'a> Attributes<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    /// The last attribute of that number: the kernel, too, lets the last one win.
    pub fn last_of(self, kind: u16) -> Option<Attribute<'a>> {
        self.filter(|attribute| attribute.kind == kind).last()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let mut reader = self.0;
        let length = usize::from(reader.native_u16()?);
        let kind = reader.native_u16()? & ATTRIBUTE_KIND_MASK;
        let value = reader.take(length.checked_sub(ATTRIBUTE_HEADER_LENGTH)?)?;
        self.0 = after_padding(reader, length);
        Some(Attribute { kind, value })
    }
}

/// A message while it is written; lengths and padding take care of themselves.
#[derive(Debug)]
pub struct Draft(Writer);

impl Draft {
    /// A request: its header, and the fixed part of its family.
    pub fn new(kind: u16, flags: u16, sequence: u32, fixed: &[u8]) -> Self {
        let mut writer = Writer::new();
        writer
            .native_u32(0) // The length, known at the end.
            .native_u16(kind)
            .native_u16(FLAG_REQUEST | flags)
            .native_u32(sequence)
            .native_u32(0) // The kernel knows the port of its own sockets.
            .bytes(fixed);
        let mut draft = Self(writer);
        draft.pad();
        draft
    }

    /// One attribute. Its length has 16 bits: a longer value is cut, and the kernel refuses it.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let value = value.get(..ATTRIBUTE_VALUE_MAX).unwrap_or(value);
        let length = u16::try_from(ATTRIBUTE_HEADER_LENGTH + value.len())
            .expect("a value of at most ATTRIBUTE_VALUE_MAX octets");
        self.0.native_u16(length).native_u16(kind).bytes(value);
        self.pad();
        self
    }

    /// A number in the machine's own order.
    pub fn u16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// A number in the machine's own order.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// A text with its NUL.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut octets = value.as_bytes().to_vec();
        octets.push(0);
        self.attribute(kind, &octets)
    }

    /// Four or sixteen octets.
    pub fn address(&mut self, kind: u16, value: IpAddr) -> &mut Self {
        match value {
            IpAddr::V4(address) => self.attribute(kind, &address.octets()),
            IpAddr::V6(address) => self.attribute(kind, &address.octets()),
        }
    }

    /// An attribute that holds attributes.
    pub fn nested(&mut self, kind: u16, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.container(kind | ATTRIBUTE_NESTED, write)
    }

    /// The same without the mark, as in the older families.
    pub fn container(&mut self, kind: u16, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.record(&kind.to_ne_bytes(), write)
    }

    /// What begins with its own length in 16 bits, then `fixed`, and holds attributes.
    pub fn record(&mut self, fixed: &[u8], write: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.0.len();
        self.0.native_u16(0).bytes(fixed);
        write(self);
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0.patch(start, &length.to_ne_bytes());
        self
    }

    /// The finished datagram.
    pub fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.patch(0, &length.to_ne_bytes());
        self.0.finish()
    }

    fn pad(&mut self) {
        let length = self.0.len();
        self.0.zeros(length.next_multiple_of(ALIGNMENT) - length);
    }
}

/// Octets of a message header.
pub const HEADER_LENGTH: usize = 16;
const ATTRIBUTE_HEADER_LENGTH: usize = 4;
const ATTRIBUTE_VALUE_MAX: usize = 0xffff - ATTRIBUTE_HEADER_LENGTH;
/// NLA_F_NESTED.
const ATTRIBUTE_NESTED: u16 = 0x8000;
/// What is left without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
const ATTRIBUTE_KIND_MASK: u16 = 0x3fff;
const ALIGNMENT: usize = 4;

fn length_of(octets: u32) -> Option<usize> {
    usize::try_from(octets).ok()
}

/// The reader after the padding that follows `length` octets; the last message may come without.
fn after_padding(mut reader: Reader<'_>, length: usize) -> Reader<'_> {
    let padding = (ALIGNMENT - length % ALIGNMENT) % ALIGNMENT;
    if reader.take(padding).is_none() {
        reader = Reader::new(&[]);
    }
    reader
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::Rand;

    fn example() -> Vec<u8> {
        let mut draft = Draft::new(0x14, FLAG_ACK, 7, &[2, 32, 0, 0, 9, 0, 0, 0]);
        draft.text(3, "eth0").nested(1, |inner| {
            inner.u16(4, 0x50).u32(5, 0xdead_beef);
        });
        draft.finish()
    }

    #[test]
    fn a_message_is_its_header_its_fixed_part_and_padded_attributes() {
        #[rustfmt::skip]
        let expected = [
            0x38, 0, 0, 0, 0x14, 0, 0x05, 0, 7, 0, 0, 0, 0, 0, 0, 0,
            2, 32, 0, 0, 9, 0, 0, 0,
            9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0,
            20, 0, 1, 0x80,
            6, 0, 4, 0, 0x50, 0, 0, 0,
            8, 0, 5, 0, 0xef, 0xbe, 0xad, 0xde,
        ];
        assert_eq!(example(), expected);
    }

    #[test]
    fn what_was_written_reads_back() {
        let bytes = example();
        let message = Messages::new(&bytes).next().unwrap();
        assert_eq!(message.header.kind, 0x14);
        assert_eq!(message.header.flags, FLAG_REQUEST | FLAG_ACK);
        assert_eq!(message.header.sequence, 7);
        let mut reader = Reader::new(message.payload);
        assert_eq!(reader.take(8).unwrap().len(), 8);
        let attributes = Attributes::new(reader.rest());
        assert_eq!(attributes.last_of(3).unwrap().text(), "eth0");
        let nested = attributes.last_of(1).unwrap().nested();
        assert_eq!(nested.last_of(4).unwrap().u16(), Some(0x50));
        assert_eq!(nested.last_of(5).unwrap().u32(), Some(0xdead_beef));
        assert_eq!(nested.last_of(6), None);
    }

    #[test]
    fn a_datagram_may_hold_several_messages_and_the_last_may_lack_its_padding() {
        let mut datagram = example();
        let mut last = Draft::new(KIND_DONE, 0, 8, &[0, 0, 0, 0]).finish();
        datagram.append(&mut last);
        let kinds: Vec<u16> = Messages::new(&datagram)
            .map(|message| message.header.kind)
            .collect();
        assert_eq!(kinds, [0x14, KIND_DONE]);
        let unpadded = [5, 0, 1, 0, 0xaa];
        assert_eq!(Attributes::new(&unpadded).count(), 1);
    }

    #[test]
    fn an_acknowledgement_is_told_from_an_error() {
        let outcome = |kind, payload: &[u8]| {
            let bytes = Draft::new(kind, 0, 1, payload).finish();
            Messages::new(&bytes).next().unwrap().outcome()
        };
        assert_eq!(outcome(KIND_ERROR, &[0; 4]), Some(Ok(())));
        assert_eq!(
            outcome(KIND_ERROR, &(-17_i32).to_ne_bytes()),
            Some(Err(Errno::EEXIST))
        );
        assert_eq!(outcome(KIND_ERROR, &[]), None);
        assert_eq!(outcome(KIND_DONE, &[]), Some(Ok(())));
        assert_eq!(outcome(0x14, &[0; 4]), None);
        // The most negative number has no positive counterpart; it must not panic.
        assert!(outcome(KIND_ERROR, &i32::MIN.to_ne_bytes()).is_some());
    }

    #[test]
    fn lengths_that_cannot_be_true_end_the_walk() {
        for length in [0_u32, 15, 17, u32::MAX] {
            let mut bytes = Draft::new(0x14, 0, 1, &[]).finish();
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(Messages::new(&bytes).count(), 0, "{length}");
        }
        for length in [0_u16, 3, 9, u16::MAX] {
            let mut bytes = [0, 0, 1, 0, 1, 2, 3, 4];
            bytes[..2].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(Attributes::new(&bytes).count(), 0, "{length}");
        }
    }

    #[test]
    fn a_value_too_long_for_its_length_field_is_cut() {
        let mut draft = Draft::new(0x14, 0, 1, &[]);
        draft.attribute(1, &vec![0x61; 0x2_0000]);
        let bytes = draft.finish();
        let message = Messages::new(&bytes).next().unwrap();
        let attribute = Attributes::new(message.payload).next().unwrap();
        assert_eq!(attribute.value.len(), ATTRIBUTE_VALUE_MAX);
    }

    #[test]
    fn random_bytes_are_walked_to_an_end_within_their_length() {
        let mut rand = Rand::new(0x6e65_746c);
        for _ in 0..20_000 {
            let mut bytes = example();
            for _ in 0..=rand.below(6) {
                let at = usize::try_from(rand.below(bytes.len() as u64)).unwrap();
                bytes[at] = u8::try_from(rand.below(256)).unwrap();
            }
            bytes.truncate(usize::try_from(rand.below(bytes.len() as u64 + 1)).unwrap());
            let mut seen = 0;
            for message in Messages::new(&bytes) {
                seen += HEADER_LENGTH + message.payload.len();
                let inside: usize = Attributes::new(message.payload)
                    .map(|attribute| ATTRIBUTE_HEADER_LENGTH + attribute.value.len())
                    .sum();
                assert!(inside <= message.payload.len());
            }
            assert!(seen <= bytes.len());
        }
    }
}
