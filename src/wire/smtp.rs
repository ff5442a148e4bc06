//! Replies of mail servers as they arrive, and what they are told (RFC 5321).
//!
//! A reply has one line or several: `220-first`, then `220 last`. All of them count as one, and its
//! code is that of its last line.

use std::fmt;

/// The reply that is being read.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    /// The line being read, as far as it is of interest.
    line: Vec<u8>,
    /// Octets of this line.
    length: usize,
    /// Lines of this reply so far.
    lines: usize,
}

/// Why a reply is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A line does not begin with three digits.
    NotSmtp,
    /// A line or the number of lines exceeds its limit.
    EndlessReply,
}

impl Replies {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets up to the end of the next reply; gives its code and what stands behind it.
    pub fn read<'a>(&mut self, mut octets: &'a [u8]) -> Result<Option<(u16, &'a [u8])>, Malformed> {
        while !octets.is_empty() {
            let end = octets.iter().position(|&octet| octet == b'\n');
            let (part, rest) = octets.split_at(end.map_or(octets.len(), |at| at + 1));
            octets = rest;
            self.gather(part)?;
            if end.is_none() {
                break;
            }
            if let Some(code) = self.end_line()? {
                return Ok(Some((code, octets)));
            }
        }
        Ok(None)
    }

    fn gather(&mut self, part: &[u8]) -> Result<(), Malformed> {
        self.length += part.len();
        if self.length > LINE_MAX {
            return Err(Malformed::EndlessReply);
        }
        let room = LINE_KEPT.saturating_sub(self.line.len());
        self.line
            .extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
        // Known by its first octets, and not only when a line of anything has ended.
        let digits = self.line.iter().take(3);
        let mut strange = digits.filter(|octet| !octet.is_ascii_digit());
        strange.next().map_or(Ok(()), |_| Err(Malformed::NotSmtp))
    }

    /// The code, when this line is the last of its reply.
    fn end_line(&mut self) -> Result<Option<u16>, Malformed> {
        let line = std::mem::take(&mut self.line);
        self.length = 0;
        let (digits, rest) = line.split_first_chunk::<3>().ok_or(Malformed::NotSmtp)?;
        let code = digits.iter().fold(0, |code, digit| {
            code * 10 + u16::from(digit.wrapping_sub(b'0'))
        });
        match rest.first() {
            Some(b'-') => {
                self.lines += 1;
                if self.lines >= LINES_MAX {
                    return Err(Malformed::EndlessReply);
                }
                Ok(None)
            }
            Some(b' ' | b'\r' | b'\n') | None => {
                self.lines = 0;
                Ok(Some(code))
            }
            Some(_) => Err(Malformed::NotSmtp),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSmtp => "the server does not speak SMTP",
            Self::EndlessReply => "endless reply",
        })
    }
}

/// RFC 5321 4.5.3.1.5 allows 512; some servers are proud of more.
const LINE_MAX: usize = 4096;
/// The code and the octet behind it.
const LINE_KEPT: usize = 4;
/// Greetings have a few lines, the answer to EHLO some twenty.
const LINES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_several_lines_is_one_however_it_is_cut() {
        let text = b"220-mail.example.org\r\n220-no spam\r\n220 ready\r\n250 x\r\n";
        for cut in 0..text.len() {
            let (before, after) = text.split_at(cut);
            let mut replies = Replies::new();
            let mut codes = Vec::new();
            for mut part in [before, after] {
                while let Some((code, rest)) = replies.read(part).unwrap() {
                    codes.push(code);
                    part = rest;
                }
            }
            assert_eq!(codes, [220, 250], "cut at {cut}");
        }
    }

    #[test]
    fn a_bare_code_is_a_reply() {
        for text in ["220\r\n", "220\n", "220 \r\n"] {
            let (code, rest) = Replies::new().read(text.as_bytes()).unwrap().unwrap();
            assert_eq!((code, rest), (220, &b""[..]), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_smtp_is_refused_at_once() {
        for text in [
            "HTTP/1.1 400\r\n",
            "22",
            "2200 x\r\n",
            "22\r\n",
            "\r\n",
            "220x\r\n",
        ] {
            let result = Replies::new().read(text.as_bytes());
            let expected = if text == "22" {
                Ok(None)
            } else {
                Err(Malformed::NotSmtp)
            };
            assert_eq!(result, expected, "{text:?}");
        }
    }

    #[test]
    fn replies_without_end_are_given_up() {
        let mut replies = Replies::new();
        let long = std::iter::repeat_with(|| replies.read(b"220-again\r\n")).take(1000);
        assert_eq!(
            long.filter_map(Result::err).next(),
            Some(Malformed::EndlessReply)
        );
        let mut replies = Replies::new();
        replies.read(b"220 ").unwrap();
        assert_eq!(
            replies.read(&[b'x'; LINE_MAX]),
            Err(Malformed::EndlessReply)
        );
    }
}
