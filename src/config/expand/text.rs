//! A line on its way through the expansion: what it says now, and where each part was written.

use std::ops::Range;

use crate::config::source::{Piece, Source, Spot, UseId, WrittenId};

#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    string: String,
    /// In order, without gaps, from the start of the string on.
    pieces: Vec<Piece>,
}

impl Text {
    /// A line as it stands in its file.
    pub(super) fn written(string: &str, line: WrittenId) -> Self {
        let spot = Spot {
            line,
            start: 0,
            end: string.len(),
            through: None,
        };
        Self {
            string: string.to_owned(),
            pieces: vec![Piece {
                start: 0,
                spot,
                exact: true,
            }],
        }
    }

    /// Words that stand nowhere as they are; `spot` is what made them.
    pub(super) fn generated(string: &str, spot: Spot) -> Self {
        let mut text = Self::default();
        text.push_generated(string, spot);
        text
    }

    pub(super) fn as_str(&self) -> &str {
        &self.string
    }

    pub(super) fn len(&self) -> usize {
        self.string.len()
    }

    /// Stands nowhere as it is.
    pub(super) fn is_generated(&self) -> bool {
        self.pieces.iter().any(|piece| !piece.exact)
    }

    pub(super) fn into_parts(self) -> (String, Vec<Piece>) {
        (self.string, self.pieces)
    }

    /// A part of the line; the offsets stand between characters.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        let mut part = Self::default();
        part.push(self, range);
        part
    }

    pub(super) fn push(&mut self, other: &Self, range: Range<usize>) {
        let offset = self.string.len();
        self.string.push_str(&other.string[range.clone()]);
        let first = other
            .pieces
            .partition_point(|piece| piece.start <= range.start);
        for (index, piece) in other
            .pieces
            .iter()
            .enumerate()
            .skip(first.saturating_sub(1))
        {
            if piece.start >= range.end && piece.start > range.start {
                break;
            }
            let skipped = range.start.saturating_sub(piece.start);
            let next = other
                .pieces
                .get(index + 1)
                .map_or(other.len(), |next| next.start);
            let cut = next.saturating_sub(range.end.max(piece.start));
            let mut spot = piece.spot;
            if piece.exact {
                spot.start += skipped;
                spot.end = spot.end.saturating_sub(cut).max(spot.start);
            }
            self.pieces.push(Piece {
                start: offset + piece.start.saturating_sub(range.start),
                spot,
                exact: piece.exact,
            });
        }
    }

    pub(super) fn push_generated(&mut self, string: &str, spot: Spot) {
        self.pieces.push(Piece {
            start: self.string.len(),
            spot,
            exact: false,
        });
        self.string.push_str(string);
    }

    /// The same words, brought to another place by a use.
    pub(super) fn through(mut self, one: UseId) -> Self {
        for piece in &mut self.pieces {
            piece.spot.through = Some(one);
        }
        self
    }

    /// Where a part of the line was written.
    pub(super) fn spot(&self, source: &Source, range: Range<usize>) -> Spot {
        source
            .spot(&self.pieces, range.start, range.end)
            .expect("every text is made of pieces")
    }

    /// Without blanks around, and without what stands behind them.
    pub(super) fn trimmed(&self, end: usize) -> Self {
        let kept = self.string[..end].trim_end_matches(is_blank);
        let start = kept.len() - kept.trim_start_matches(is_blank).len();
        self.part(start..kept.len())
    }
}

pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\x0b' | '\x0c')
}

/// Walks over a line and knows what is inside double quotes and what is escaped, by the same rules
/// as the grammar of words.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    pub(super) quoted: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            quoted: false,
        }
    }

    /// Goes on from an offset; what lies between is taken as words without quotes.
    pub(super) fn skip_to(&mut self, offset: usize) {
        self.at = offset;
    }
}

impl Iterator for Scanner<'_> {
    /// The offset and the octet; neither escapes nor quotes are shown.
    type Item = (usize, u8);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = self.at;
            let byte = *self.bytes.get(at)?;
            self.at += 1;
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\\' if !self.quoted && self.escapes() => self.at += 1,
                _ => return Some((at, byte)),
            }
        }
    }
}

impl Scanner<'_> {
    fn escapes(&self) -> bool {
        matches!(self.bytes.get(self.at), Some(b'#' | b'!' | b'\\'))
    }
}

/// Where the comment of a line begins; its length if it has none.
pub(super) fn comment(text: &str) -> usize {
    let mut scanner = Scanner::new(text);
    while let Some((at, byte)) = scanner.next() {
        if matches!(byte, b'#' | b'!') && !scanner.quoted {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_begins_outside_quotes_and_escapes() {
        for (text, expected) in [
            ("a # b", "a "),
            ("a!b", "a"),
            ("a \\# b", "a \\# b"),
            ("a \\\\# b", "a \\\\"),
            ("\"a # b\" ! c", "\"a # b\" "),
            ("'a # b'", "'a "),
            ("\"a # b", "\"a # b"),
            ("", ""),
        ] {
            assert_eq!(&text[..comment(text)], expected);
        }
    }
}
