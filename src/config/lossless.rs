//! Bytes as text and back, without loss: a configuration may be in any encoding.
//!
//! What is UTF-8 is itself. Every other octet becomes one character of the last 128 of Unicode's
//! private planes, U+10FF80 to U+10FFFF, whose low eight bits are the octet. Those characters,
//! should a file really hold them, are stored as their own four octets in the same way, so that
//! [`encode`] gives back exactly what [`decode`] was given. Whoever sends a value to the world
//! (a mail, a script, a log) encodes it; whoever shows it to people calls [`visible`].

use std::borrow::Cow;

/// The character that stands for octet 0; only octets from 0x80 on are ever stored.
const BASE: u32 = 0x10_ff00;

/// Octets to text.
pub fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if octet(character).is_some() {
                let mut buffer = [0; 4];
                let octets = character.encode_utf8(&mut buffer).as_bytes();
                text.extend(octets.iter().copied().map(stored));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(stored));
    }
    text
}

/// The same, without a copy of what is plain ASCII.
pub fn decode_line(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) if bytes.is_ascii() => Cow::Borrowed(text),
        Ok(_) | Err(_) => Cow::Owned(decode(bytes)),
    }
}

/// Text to the octets it was read from.
pub fn encode(text: &str) -> Vec<u8> {
    if text.is_ascii() {
        return text.as_bytes().to_vec();
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match octet(character) {
            Some(octet) => bytes.push(octet),
            None => bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// A value of a configuration as the octets it was read from: for whoever sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Octets(pub Vec<u8>);

impl Octets {
    pub fn of(text: &str) -> Self {
        Self(encode(text))
    }
}

/// The text for a terminal or a log: foreign octets and control characters are replaced one by
/// one, so that columns stay and nothing in a file can drive a terminal. Tabs stay.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|character| {
            let harmless = character == '\t' || !character.is_control();
            if harmless && octet(character).is_none() {
                character
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}

/// The octet a character stands for; None for a character that is itself.
pub fn octet(character: char) -> Option<u8> {
    let octet = u32::from(character).checked_sub(BASE)?;
    u8::try_from(octet).ok().filter(|octet| *octet >= 0x80)
}

fn stored(octet: u8) -> char {
    char::from_u32(BASE + u32::from(octet)).expect("every sum is below U+110000")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::Rand;

    #[test]
    fn any_bytes_come_back_as_they_were() {
        let gbk: &[u8] = b"router_id \xb1\xb1\xbe\xa9";
        assert_eq!(encode(&decode(gbk)), gbk);
        let last = "\u{10ffff}\u{10ff80}\u{10ff7f}".as_bytes();
        assert_eq!(encode(&decode(last)), last);
        let mut rng = Rand::new(7);
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..rng.below(40))
                .map(|_| rng.next_u64().to_be_bytes()[0])
                .collect();
            assert_eq!(encode(&decode(&bytes)), bytes);
        }
    }

    #[test]
    fn nothing_in_a_file_can_drive_a_terminal() {
        assert_eq!(visible("a\tb\u{1b}[31m"), "a\tb\u{fffd}[31m");
        assert_eq!(visible(&decode(b"\xb1\xb1")), "\u{fffd}\u{fffd}");
    }
}
