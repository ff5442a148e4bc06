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
        self.plain == other.plain && self.bytes == other.bytes
    }

    /// The next line with its number, without its newline.
    pub(super) fn next(&mut self) -> Option<(usize, &[u8])> {
        let rest = self.bytes.get(self.at..self.end)?;
        let length = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..length.unwrap_or(rest.len())];
        self.at += line.len() + 1;
        self.line += 1;
        Some((self.line, line))
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
            while let Some((number, line)) = file.next() {
                lines.push(line.to_vec());
                assert_eq!(number, lines.len());
            }
            assert_eq!(lines, expected);
        }
    }
}
