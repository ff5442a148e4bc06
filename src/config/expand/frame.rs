//! What lines come from: files, definitions of several lines, sequences, the rest of a line.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::vec::IntoIter;

use crate::config::include::{Checks, Match};
use crate::config::source::{FileId, Spot, UseId};

use super::Origin;
use super::define::Definition;
use super::sequence::Turns;
use super::text::Text;

/// A source of lines that is not yet at its end.
#[derive(Debug)]
pub(super) enum Frame<'a> {
    File(FileFrame<'a>),
    /// Files that an include has found.
    Files {
        matches: IntoIter<Match>,
        spot: Spot,
        checks: Checks,
    },
    /// The lines of a definition from the next one on.
    Body {
        definition: Rc<Definition>,
        next: usize,
        through: UseId,
    },
    /// A line for each turn.
    Sequence {
        names: Vec<String>,
        turns: Turns,
        rest: Text,
        /// The head of the sequence.
        spot: Spot,
    },
    /// What stands behind a brace.
    Rest(Text, Origin),
}

#[derive(Debug)]
pub(super) struct FileFrame<'a> {
    pub(super) id: FileId,
    pub(super) path: PathBuf,
    /// The path without detours.
    plain: PathBuf,
    bytes: Cow<'a, [u8]>,
    /// Where the next line starts; behind the end when there is none.
    at: usize,
    end: usize,
    /// Counted from 1.
    line: usize,
    /// What is in force again when this file is at its end.
    pub(super) outer_checks: Checks,
}

/// A line of a file, without its newline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) bytes: &'a [u8],
    /// It has nothing in it that expands, ends or hides anything: it is copied as it is.
    pub(super) everyday: bool,
}

/// What an octet may be to a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Newline,
    Blank,
    /// Behind it something may start again.
    Brace,
    /// The first letter of a condition, a sequence, an include or a seed, where one can stand.
    Starts,
    /// A use of a definition, or no printable ASCII.
    Odd,
    Other,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Odd; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        kinds[byte] = Kind::Other;
        byte += 1;
    }
    kinds[b'\n' as usize] = Kind::Newline;
    kinds[b'\t' as usize] = Kind::Blank;
    kinds[b' ' as usize] = Kind::Blank;
    kinds[b'{' as usize] = Kind::Brace;
    kinds[b'}' as usize] = Kind::Brace;
    kinds[b'@' as usize] = Kind::Starts;
    kinds[b'~' as usize] = Kind::Starts;
    kinds[b'i' as usize] = Kind::Starts;
    kinds[b'r' as usize] = Kind::Starts;
    kinds[b'$' as usize] = Kind::Odd;
    kinds
};

/// Whether a line that begins so may make other lines.
pub(super) fn leads_elsewhere(start: &[u8]) -> bool {
    let begins = |word: &[u8]| start.starts_with(word);
    begins(b"@") || begins(b"~") || begins(b"include") || begins(b"random_seed")
}

/// How long the first line is, and whether it surely is an everyday one.
pub(super) fn first_line(text: &[u8]) -> (usize, bool) {
    let (mut starting, mut everyday) = (true, true);
    for (at, &byte) in text.iter().enumerate() {
        match KINDS[usize::from(byte)] {
            Kind::Other => starting = false,
            Kind::Blank => {}
            Kind::Brace => starting = true,
            Kind::Starts => {
                everyday &= !(starting && leads_elsewhere(&text[at..]));
                starting = false;
            }
            Kind::Odd => everyday = false,
            Kind::Newline => return (at, everyday),
        }
    }
    (text.len(), everyday)
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<'a> FileFrame<'a> {
    pub(super) fn new(id: FileId, path: PathBuf, bytes: Cow<'a, [u8]>, checks: Checks) -> Self {
        let at = if bytes.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        // What follows the last newline is a line only if there is something.
        let end = bytes.len() - usize::from(bytes[at..].ends_with(b"\n"));
        Self {
            id,
            plain: plain(&path),
            path,
            bytes,
            at,
            end,
            line: 0,
            outer_checks: checks,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The same file. Paths with `..` in them may mean another one than they seem to, behind a
    /// symbolic link; then it has other words, too.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        // Both are made of their parts: to compare those again would take ten times as long.
        self.plain.as_os_str() == other.plain.as_os_str() && self.bytes == other.bytes
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Option<Line<'_>> {
        let rest = self.bytes.get(self.at..self.end)?;
        let (length, everyday) = first_line(rest);
        self.at += length + 1;
        self.line += 1;
        Some(Line {
            number: self.line,
            bytes: &rest[..length],
            everyday,
        })
    }
}

/// A path without `.` and without the parts that `..` takes back.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Source;

    #[test]
    fn lines_end_at_newlines_and_the_last_one_at_the_end() {
        for (bytes, expected) in [
            (&b"a\nb"[..], &[&b"a"[..], b"b"][..]),
            (b"a\nb\n", &[b"a", b"b"]),
            (b"\xef\xbb\xbfa\n\n\n", &[b"a", b"", b""]),
            (b"", &[b""]),
            (b"\n", &[b""]),
        ] {
            let id = Source::default().open(String::new(), None);
            let bytes = Cow::Borrowed(bytes);
            let mut file = FileFrame::new(id, PathBuf::new(), bytes, Checks::default());
            let mut lines = Vec::new();
            while let Some(line) = file.next() {
                lines.push(line.bytes.to_vec());
                assert_eq!(line.number, lines.len());
            }
            assert_eq!(lines, expected);
        }
    }
}
