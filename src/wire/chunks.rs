//! Where a body in chunks ends (RFC 9112 7.1). The chunks stay what they are: who makes a digest of
//! a body makes it of what is on the wire.
//!
//! ```text
//! 5;extension CR LF   a size in hexadecimal digits
//! hello CR LF         so many octets
//! 0 CR LF             the last one has none
//! name: value CR LF   fields, if there are any
//! CR LF
//! ```

/// A body in chunks as it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    place: Place,
    /// Octets of this chunk that have not come yet.
    left: u64,
}

/// What is wrong with one: a size is none, or there are more octets than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadChunk;

/// What the next octet belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    FirstDigit,
    Digits,
    /// Behind the digits, where nothing is of interest.
    Extension,
    Data,
    EndOfData,
    Fields {
        line_is_empty: bool,
    },
    Over,
}

impl Chunks {
    /// Takes octets up to the end of the body; gives how many belong to it.
    pub(super) fn read(&mut self, octets: &[u8]) -> Result<usize, BadChunk> {
        let mut taken = 0;
        while let Some(rest) = octets.get(taken..).filter(|rest| !rest.is_empty()) {
            taken += match self.place {
                Place::Over => break,
                Place::Data => self.data(rest.len()),
                _ => self.octet(rest[0]).map(|()| 1)?,
            };
        }
        Ok(taken)
    }

    pub(super) fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    fn data(&mut self, there: usize) -> usize {
        let part = usize::try_from(self.left).map_or(there, |left| left.min(there));
        self.left -= part as u64;
        if self.left == 0 {
            self.place = Place::EndOfData;
        }
        part
    }

    /// One octet of what is not data.
    fn octet(&mut self, octet: u8) -> Result<(), BadChunk> {
        self.place = match (self.place, octet) {
            (Place::FirstDigit | Place::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.digit(octet)?;
                Place::Digits
            }
            (Place::Digits | Place::Extension, b'\n') if self.left == 0 => Place::Fields {
                line_is_empty: true,
            },
            (Place::Digits | Place::Extension, b'\n') => Place::Data,
            (Place::Digits, b'\r' | b' ' | b'\t' | b';') | (Place::Extension, _) => {
                Place::Extension
            }
            (Place::EndOfData, b'\r') => Place::EndOfData,
            (Place::EndOfData, b'\n') => Place::FirstDigit,
            (Place::Fields { line_is_empty }, b'\n') if line_is_empty => Place::Over,
            (Place::Fields { .. }, b'\n') => Place::Fields {
                line_is_empty: true,
            },
            (Place::Fields { .. }, b'\r') => self.place,
            (Place::Fields { .. }, _) => Place::Fields {
                line_is_empty: false,
            },
            _ => return Err(BadChunk),
        };
        Ok(())
    }

    fn digit(&mut self, digit: u8) -> Result<(), BadChunk> {
        let digit = char::from(digit).to_digit(16).ok_or(BadChunk)?;
        let left = self.left.checked_mul(16).ok_or(BadChunk)?;
        self.left = left + u64::from(digit);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&[u8]]) -> Result<(usize, bool), BadChunk> {
        let mut chunks = Chunks::default();
        let taken: Result<usize, BadChunk> = parts.iter().map(|part| chunks.read(part)).sum();
        taken.map(|taken| (taken, chunks.is_over()))
    }

    #[test]
    fn a_body_ends_with_its_last_chunk_however_it_is_cut() {
        let text = b"5\r\nhello\r\n00A;x=\"y\"\r\n\r\n34567890\r\n0\r\nName: x\r\n\r\nand more";
        let whole = text.len() - "and more".len();
        for cut in 0..=text.len() {
            let (before, after) = text.split_at(cut);
            assert_eq!(read(&[before, after]), Ok((whole, true)), "cut at {cut}");
            assert_eq!(read(&[before]).unwrap().1, cut >= whole, "cut at {cut}");
        }
        assert_eq!(read(&[b"1 \nx\n0\n\n"]), Ok((8, true)));
    }

    #[test]
    fn a_size_that_is_none_is_refused() {
        for text in [
            "-5\r\n",
            "five\r\n",
            "\r\n",
            " 5\r\n",
            "5x\r\n",
            "10000000000000000\r\n",
            "3\r\nhello",
        ] {
            assert_eq!(read(&[text.as_bytes()]), Err(BadChunk), "{text:?}");
        }
        assert_eq!(read(&[b"ffffffffffffffff\r\nx"]), Ok((19, false)));
    }
}
