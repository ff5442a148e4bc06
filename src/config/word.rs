//! A statement's text to its words (keepalived 1.9: blanks, double quotes, no escapes in quotes).
//!
//! A file of a hundred thousand lines has twice as many words, so a word owns nothing: it is a
//! stretch of the one text that all of them share.

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use super::diag::Problem;
use super::source::Span;

/// A keyword or an argument.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    /// Without quotes, `\#` and `\!` resolved.
    pub(crate) text: Text,
    /// Quotes included.
    pub(crate) span: Span,
}

/// A stretch of a shared text; a `str` to those who use it.
#[derive(Clone)]
pub(crate) struct Text {
    all: Rc<String>,
    start: u32,
    end: u32,
}

/// The words of a statement, a stretch of the shared list of all words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    all: Rc<Vec<Word>>,
    start: u32,
    end: u32,
}

/// Half of a `usize`: there are hundreds of thousands, and no text comes near to 4 GB.
pub(crate) fn short(offset: usize) -> u32 {
    u32::try_from(offset).expect("a text is limited to some megabytes")
}

impl Word {
    /// One that says what stands there.
    pub(crate) fn plain(all: &Rc<String>, span: Span) -> Self {
        let text = Text::new(Rc::clone(all), span.start, span.end);
        Self { text, span }
    }
}

impl Text {
    fn new(all: Rc<String>, start: usize, end: usize) -> Self {
        Self {
            start: short(start),
            end: short(end),
            all,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        let (start, end) = (self.start as usize, self.end as usize);
        self.all.get(start..end).unwrap_or_default()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        let end = text.len();
        Self::new(Rc::new(text), 0, end)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Words {
    pub(crate) fn new(all: &Rc<Vec<Word>>, start: u32, end: u32) -> Self {
        Self {
            all: Rc::clone(all),
            start,
            end,
        }
    }

    pub(crate) fn as_slice(&self) -> &[Word] {
        let (start, end) = (self.start as usize, self.end as usize);
        self.all.get(start..end).unwrap_or_default()
    }
}

impl Deref for Words {
    type Target = [Word];

    fn deref(&self) -> &[Word] {
        self.as_slice()
    }
}

impl<'a> IntoIterator for &'a Words {
    type Item = &'a Word;
    type IntoIter = std::slice::Iter<'a, Word>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Appends the words of a statement that stands at `span`.
pub(crate) fn split(
    all: &Rc<String>,
    span: Span,
    words: &mut Vec<Word>,
    problems: &mut Vec<Problem>,
) {
    let bytes = all.as_bytes().get(..span.end).unwrap_or_default();
    let mut next = span.start;
    while let Some(&first) = bytes.get(next) {
        let start = next;
        if is_blank(first) {
            next += 1;
            continue;
        }
        if first != b'"' {
            let escaped;
            (next, escaped) = bare(bytes, start);
            words.push(word(all, Span { start, end: next }, escaped));
            continue;
        }
        let behind = bytes.get(start + 1..).unwrap_or_default();
        let Some(length) = behind.iter().position(|byte| *byte == b'"') else {
            let rest = Span {
                start,
                end: span.end,
            };
            problems.push(
                Problem::error(rest, "this quote is not closed on its line")
                    .help("the words before it are used"),
            );
            return;
        };
        next = start + length + 2;
        let text = Text::new(Rc::clone(all), start + 1, next - 1);
        let span = Span { start, end: next };
        words.push(Word { text, span });
    }
}

fn word(all: &Rc<String>, span: Span, escaped: bool) -> Word {
    let mut word = Word::plain(all, span);
    if escaped {
        word.text = Text::from(word.text.replace("\\#", "#").replace("\\!", "!"));
    }
    word
}

/// Where a word without quotes ends, and whether there is an escape in it.
fn bare(bytes: &[u8], start: usize) -> (usize, bool) {
    let mut escaped = false;
    let mut next = start;
    while let Some(&byte) = bytes.get(next) {
        match (byte, bytes.get(next + 1)) {
            (b'"', _) => break,
            (b'\\', Some(b'#' | b'!' | b'\\')) => {
                escaped = true;
                next += 1;
            }
            _ if is_blank(byte) => break,
            _ => {}
        }
        next += 1;
    }
    (next, escaped)
}

pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}
