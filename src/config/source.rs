//! Files to one text in which every line knows where it came from.
//!
//! The rest of the room sees only the joined text and spans in it; a span becomes a file, a line
//! and a column again in [`Source::place`]. Definitions and includes will come in here, between
//! the lines of a file and the joined text: they make lines out of lines and keep the origins.

use super::diag::{Place, Problem};
use super::lossless;

/// All lines of a configuration, joined.
#[derive(Debug, Default)]
pub(crate) struct Source {
    files: Vec<String>,
    text: String,
    lines: Vec<Line>,
}

/// Where a line of the joined text starts, and where it came from.
#[derive(Clone, Copy, Debug)]
struct Line {
    start: usize,
    origin: Origin,
}

/// A line of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Index into the list of files.
    file: usize,
    /// Counted from 1.
    line: usize,
}

/// A stretch of the joined text, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What keepalived can hold of one line. Ours may be longer; its other users would be surprised.
const LINE_MAX: usize = 1023;

/// No configuration is this long: beyond it the file is something else, a device or a log.
pub(crate) const FILE_MAX: usize = 16 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Span {
    /// From the start of this to the end of the other.
    pub(crate) fn to(self, other: Self) -> Self {
        Self {
            start: self.start,
            end: other.end,
        }
    }
}

impl Source {
    /// Appends the lines of a file. Lines that cannot be used stay as empty ones, so that every
    /// other line keeps its number.
    pub(crate) fn add_file(&mut self, name: &str, bytes: &[u8], problems: &mut Vec<Problem>) {
        let file = self.files.len();
        self.files.push(name.to_owned());
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let origin = Origin {
                file,
                line: index + 1,
            };
            self.add_line(origin, line, problems);
        }
    }

    fn add_line(&mut self, origin: Origin, bytes: &[u8], problems: &mut Vec<Problem>) {
        let ends = bytes.iter().rposition(|byte| *byte != b'\r');
        let bytes = bytes
            .get(..ends.map_or(0, |last| last + 1))
            .unwrap_or(bytes);
        let start = self.text.len();
        self.lines.push(Line { start, origin });
        if bytes.contains(&0) {
            let span = Span { start, end: start };
            problems.push(Problem::error(span, "line with a NUL octet, ignored"));
        } else {
            self.text.push_str(&lossless::decode(bytes));
            if bytes.len() > LINE_MAX {
                let end = self.text.len();
                let message = format!("line of {} octets, the limit is {LINE_MAX}", bytes.len());
                problems.push(
                    Problem::error(Span { start, end }, message)
                        .help("it is read in full here, but not by every keepalived"),
                );
            }
        }
        self.text.push('\n');
    }

    /// The joined text, each line ended by a newline.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// File, line and column of a span, with the line's text. A span over several lines is cut
    /// at the end of its first.
    pub(crate) fn place(&self, span: Span) -> Place {
        let number = self.lines.partition_point(|line| line.start <= span.start);
        let Some(line) = number
            .checked_sub(1)
            .and_then(|index| self.lines.get(index))
        else {
            return Place::default();
        };
        let rest = self.text.get(line.start..).unwrap_or_default();
        let text = rest.split('\n').next().unwrap_or_default();
        let until = |offset: usize| {
            let inside = text.get(..offset.saturating_sub(line.start).min(text.len()));
            inside.unwrap_or_default().chars().count()
        };
        let start = until(span.start);
        Place {
            file: self
                .files
                .get(line.origin.file)
                .cloned()
                .unwrap_or_default(),
            line: line.origin.line,
            column: start + 1,
            length: until(span.end).saturating_sub(start),
            text: text.to_owned(),
        }
    }
}

/// Octets of a text in an encoding with NULs in it: nothing of such a file could be used.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bytes: &[u8]) -> (Source, Vec<Problem>) {
        let mut source = Source::default();
        let mut problems = Vec::new();
        source.add_file("test.conf", bytes, &mut problems);
        (source, problems)
    }

    #[test]
    fn a_byte_order_mark_and_carriage_returns_are_not_part_of_the_text() {
        let (source, problems) = source(b"\xef\xbb\xbfa b\r\nc\r\r\n\r\nd");
        assert_eq!(source.text(), "a b\nc\n\nd\n");
        assert!(problems.is_empty());
    }

    #[test]
    fn a_span_is_found_again_in_its_file() {
        let (source, _) = source("first\n  第二 line\nthird".as_bytes());
        let start = source.text().find("line").unwrap();
        let end = start + 4;
        let place = source.place(Span { start, end });
        assert_eq!((place.line, place.column, place.length), (2, 6, 4));
        assert_eq!(place.text, "  第二 line");
        let end = source.text().len();
        let place = source.place(Span { start, end });
        assert_eq!((place.line, place.length), (2, 4));
    }

    #[test]
    fn a_line_with_nul_is_dropped_and_a_long_one_kept_both_reported() {
        let long = format!("router_id {}", "x".repeat(2000));
        let (source, problems) = source(format!("a\0b\n{long}\n").as_bytes());
        assert_eq!(source.text(), format!("\n{long}\n"));
        assert_eq!(problems.len(), 2);
    }
}
