//! A query of one question, and as much of its answer as a check wants to know (RFC 1035 4.1).

use super::cursor::{Reader, Writer};

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    pub id: u16,
    /// With or without a dot at its end; `.` is the root.
    pub name: &'a [u8],
    /// The number of the record type (IANA).
    pub record: u16,
}

/// What an answer says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    pub id: u16,
    /// 0 is no error, 3 is "no such name".
    pub code: u8,
    /// What was asked, and all that follows; None: it does not repeat the question.
    question: Option<&'a [u8]>,
}

impl Query<'_> {
    /// Labels that are too long for their count are cut: the reader of the configuration lets
    /// none through.
    pub fn emit(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        // One question, nothing else.
        writer.u16(self.id).u16(RECURSION_DESIRED).u16(1).zeros(6);
        for label in self.name.split(|&octet| octet == b'.') {
            let label = label.get(..label.len().min(LABEL_MAX)).unwrap_or_default();
            if let Ok(length @ 1..) = u8::try_from(label.len()) {
                writer.u8(length).bytes(label);
            }
        }
        writer.u8(0).u16(self.record).u16(CLASS_IN);
        writer.finish()
    }
}

impl<'a> Answer<'a> {
    /// None when it is no answer at all.
    pub fn parse(octets: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(octets);
        let (id, flags, questions) = (reader.u16()?, reader.u16()?, reader.u16()?);
        reader.take(OTHER_COUNTS)?;
        let code = u8::try_from(flags & CODE).ok()?;
        (flags & RESPONSE != 0).then_some(Self {
            id,
            code,
            question: (questions > 0).then(|| reader.rest()),
        })
    }

    /// Whether it may be the answer to this query. Who refuses may leave the question out.
    pub fn answers(&self, query: &Query<'_>) -> bool {
        let asked = query.emit();
        let asked = asked.get(HEADER..).unwrap_or_default();
        let same = |there: &[u8]| {
            let there = there.get(..asked.len());
            there.is_some_and(|there| there.eq_ignore_ascii_case(asked))
        };
        self.id == query.id && self.question.is_none_or(same)
    }
}

const RESPONSE: u16 = 0x8000;
const RECURSION_DESIRED: u16 = 0x0100;
const CODE: u16 = 0x000f;
const CLASS_IN: u16 = 1;
/// Octets of the counters behind that of questions.
const OTHER_COUNTS: usize = 6;
/// Octets before the question.
const HEADER: usize = 12;
/// RFC 1035 2.3.4.
const LABEL_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_what_keepalived_sends() {
        let query = Query {
            id: 0x1234,
            name: b"www.example.org",
            record: 1,
        };
        let expected = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
            \x03www\x07example\x03org\x00\x00\x01\x00\x01";
        assert_eq!(query.emit(), expected);
        let dotted = Query {
            name: b"www.example.org.",
            ..query
        };
        assert_eq!(dotted.emit(), expected);
        let root = Query {
            id: 0,
            name: b".",
            record: 6,
        };
        assert_eq!(root.emit()[12..], *b"\x00\x00\x06\x00\x01");
    }

    #[test]
    fn only_an_answer_is_one() {
        let answer = b"\x12\x34\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00";
        let parsed = Answer::parse(answer).unwrap();
        assert_eq!((parsed.id, parsed.code), (0x1234, 3));
        for length in 0..answer.len() {
            assert_eq!(Answer::parse(&answer[..length]), None);
        }
        assert_eq!(
            Answer::parse(&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
            None
        );
    }
    #[test]
    fn an_answer_belongs_to_its_query() {
        let query = Query {
            id: 0x1234,
            name: b"www.example.org",
            record: 1,
        };
        let mut answer = query.emit();
        answer[2] |= 0x80;
        answer.extend_from_slice(b"\xc0\x0c and an address");
        let belongs = |answer: &[u8]| Answer::parse(answer).unwrap().answers(&query);
        assert!(belongs(&answer));
        let upper = answer.to_ascii_uppercase();
        assert!(belongs(&upper), "names have no case");
        // The number, the name, the type; and a question that breaks off.
        for at in [1, HEADER + 1, HEADER + 18] {
            let mut other = answer.clone();
            other[at] ^= 1;
            assert!(!belongs(&other), "octet {at}");
        }
        assert!(!belongs(&answer[..HEADER + 20]));
        let mut without = answer[..HEADER].to_vec();
        without[5] = 0;
        assert!(belongs(&without), "an error without the question");
    }
}
