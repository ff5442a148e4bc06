//! One text in which every stretch knows where it was written.
//!
//! The rest of the room sees only the joined text and spans in it; a span becomes a file, a line
//! and a column again in [`Source::locate`]. Most lines stand in the text exactly as in their
//! file. A line that definitions, conditions or sequences have changed is *made* of pieces, and
//! each piece remembers its line, its column and the definitions it came through. A problem in
//! such a line is shown where the line stands, with the outermost use under the caret; a note for
//! each definition on the way shows the offending words where they were written.

use std::rc::Rc;

use super::diag::{Note, Place};

/// All lines of a configuration, joined.
#[derive(Debug, Default)]
pub(crate) struct Source {
    files: Vec<File>,
    /// Words of statements are stretches of it, so it is shared once it is complete.
    text: Rc<String>,
    runs: Vec<Run>,
    /// The line of a file that the text ends with.
    last: Option<Position>,
    /// Pieces of the lines that were made.
    made: Vec<Vec<Piece>>,
    /// Lines of files that pieces come from.
    written: Vec<Written>,
    uses: Vec<Use>,
}

#[derive(Debug)]
struct File {
    name: String,
    /// The line that includes it; None for the file that was asked for.
    included: Option<Position>,
}

/// A line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) file: FileId,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// Where a line of the joined text starts, and where it came from. Lines that follow each other in
/// one file need only the first of them.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: usize,
    origin: Origin,
}

/// Finding a line in a run means to count from its start.
const RUN_MAX: usize = 1024;

#[derive(Clone, Copy, Debug)]
enum Origin {
    /// Stands in the text as in its file.
    Plain(Position),
    /// Index into the lists of pieces.
    Made(usize),
}

#[derive(Debug)]
struct Written {
    position: Position,
    text: String,
}

/// Definition `name` put in the place of its use.
#[derive(Debug)]
struct Use {
    name: String,
    /// What a sequence has put in.
    value: Option<String>,
    at: Spot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WrittenId(usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UseId(usize);

/// A stretch of a line as it stands in its file, and the use that brought it to where it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) line: WrittenId,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) through: Option<UseId>,
}

/// A stretch of a made line, up to the start of the next one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) spot: Spot,
    /// Letter by letter what the spot says; otherwise the spot is only where it came from.
    pub(crate) exact: bool,
}

/// A stretch of the joined text, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// From the start of this to the end of the other.
    pub(crate) fn to(self, other: Self) -> Self {
        Self {
            start: self.start,
            end: other.end,
        }
    }
}

impl Piece {
    /// The spot of this piece from an offset of the made line on.
    fn from(&self, offset: usize) -> Spot {
        let skipped = if self.exact { offset - self.start } else { 0 };
        let start = (self.spot.start + skipped).min(self.spot.end);
        Spot { start, ..self.spot }
    }

    /// The spot of this piece up to an offset of the made line.
    fn to(&self, offset: usize) -> Spot {
        let taken = offset.saturating_sub(self.start);
        let end = if self.exact {
            self.spot.end.min(self.spot.start + taken)
        } else {
            self.spot.end
        };
        Spot { end, ..self.spot }
    }
}

impl Source {
    pub(crate) fn open(&mut self, name: String, included: Option<Position>) -> FileId {
        self.files.push(File { name, included });
        FileId(self.files.len() - 1)
    }

    /// Appends a line as it stands in its file.
    pub(crate) fn push(&mut self, position: Position, text: &str) -> Span {
        let follows = self.last.is_some_and(|last| {
            let next = last.line + 1 == position.line && last.file == position.file;
            next && !position.line.is_multiple_of(RUN_MAX)
        });
        if !follows {
            self.start_run(Origin::Plain(position));
        }
        self.last = Some(position);
        self.append(text)
    }

    /// Appends a line made of pieces.
    pub(crate) fn push_made(&mut self, text: &str, pieces: Vec<Piece>) {
        self.made.push(pieces);
        self.start_run(Origin::Made(self.made.len() - 1));
        self.last = None;
        self.append(text);
    }

    fn start_run(&mut self, origin: Origin) {
        let start = self.text.len();
        self.runs.push(Run { start, origin });
    }

    fn append(&mut self, line: &str) -> Span {
        let text = Rc::make_mut(&mut self.text);
        let start = text.len();
        text.push_str(line);
        let end = text.len();
        text.push('\n');
        Span { start, end }
    }

    /// Keeps a line of a file for the pieces that come from it.
    pub(crate) fn keep(&mut self, position: Position, text: String) -> WrittenId {
        self.written.push(Written { position, text });
        WrittenId(self.written.len() - 1)
    }

    pub(crate) fn written(&self, line: WrittenId) -> &str {
        &self.written[line.0].text
    }

    /// Notes that a definition is put in the place of its use; with its value, where that stands
    /// nowhere as it is.
    pub(crate) fn note_use(&mut self, name: &str, value: Option<&str>, at: Spot) -> UseId {
        self.uses.push(Use {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            at,
        });
        UseId(self.uses.len() - 1)
    }

    /// Forgets the text, so that nothing is made of it; the places of problems stay.
    pub(crate) fn clear_text(&mut self) {
        self.text = Rc::default();
        self.runs.clear();
    }

    /// The joined text, each line ended by a newline.
    pub(crate) fn text(&self) -> &Rc<String> {
        &self.text
    }

    /// The line of a file that a spot has come to.
    pub(crate) fn outermost(&self, spot: Spot) -> Position {
        let mut spot = spot;
        while let Some(at) = self.outwards(spot) {
            spot = at;
        }
        self.written[spot.line.0].position
    }

    fn file_name(&self, file: FileId) -> &str {
        &self.files[file.0].name
    }

    /// The definitions a spot came through, from the innermost outwards.
    pub(crate) fn definitions(&self, spot: Spot) -> impl Iterator<Item = &str> {
        let mut through = spot.through;
        std::iter::from_fn(move || {
            let one = &self.uses[through?.0];
            through = one.at.through;
            Some(one.name.as_str())
        })
    }

    /// File, line and column of a span, and how its words came to stand there. A span over
    /// several lines is cut at the end of its first.
    pub(crate) fn locate(&self, span: Span) -> (Place, Vec<Note>) {
        let number = self.runs.partition_point(|run| run.start <= span.start);
        let Some(run) = number.checked_sub(1).and_then(|index| self.runs.get(index)) else {
            return Default::default();
        };
        let before = self.text.get(run.start..span.start).unwrap_or_default();
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1) + run.start;
        let rest = self.text.get(line_start..).unwrap_or_default();
        let text = rest.split('\n').next().unwrap_or_default();
        let start = (span.start - line_start).min(text.len());
        let end = span.end.saturating_sub(line_start).min(text.len());
        match run.origin {
            Origin::Plain(Position { file, line }) => {
                let line = line + lines;
                (
                    self.place(Position { file, line }, text, start, end),
                    self.includes(file),
                )
            }
            Origin::Made(index) => self
                .spot(&self.made[index], start, end)
                .map(|spot| self.locate_spot(spot))
                .unwrap_or_default(),
        }
    }

    /// Where a stretch of a made line was written. One that begins and ends in different
    /// definitions is that part of the innermost line in which both are used.
    pub(crate) fn spot(&self, pieces: &[Piece], start: usize, end: usize) -> Option<Spot> {
        let after = pieces.partition_point(|piece| piece.start <= start);
        let first = pieces.get(after.checked_sub(1)?)?;
        let after = pieces.partition_point(|piece| piece.start < end);
        let last = after.checked_sub(1).and_then(|index| pieces.get(index));
        let (begins, ends) = (first.from(start), last.unwrap_or(first).to(end));
        let mut outer = Some(begins);
        while let Some(one) = outer {
            let mut others = Some(ends);
            while let Some(other) = others {
                let together = (one.line, one.through) == (other.line, other.through);
                if together && one.start <= other.end {
                    let end = other.end;
                    return Some(Spot { end, ..one });
                }
                others = self.outwards(other);
            }
            outer = self.outwards(one);
        }
        Some(begins)
    }

    /// The use that brought a spot to where it is.
    fn outwards(&self, spot: Spot) -> Option<Spot> {
        spot.through.map(|through| self.uses[through.0].at)
    }

    /// The same for a spot: the outermost use, and a note for every definition further in.
    pub(crate) fn locate_spot(&self, spot: Spot) -> (Place, Vec<Note>) {
        let mut notes = Vec::new();
        let mut spot = spot;
        while let Some(one) = spot.through.map(|through| &self.uses[through.0]) {
            let message = match &one.value {
                Some(value) => format!("in expansion of ${}, now {value}, from here", one.name),
                None => format!("in expansion of ${}, defined here", one.name),
            };
            let place = self.spot_place(spot);
            notes.push(Note { message, place });
            spot = one.at;
        }
        notes.reverse();
        notes.truncate(NOTES_MAX);
        notes.extend(self.includes(self.written[spot.line.0].position.file));
        (self.spot_place(spot), notes)
    }

    fn spot_place(&self, spot: Spot) -> Place {
        let written = &self.written[spot.line.0];
        self.place(written.position, &written.text, spot.start, spot.end)
    }

    fn place(&self, position: Position, text: &str, start: usize, end: usize) -> Place {
        let until = |offset: usize| text.get(..offset).unwrap_or(text).chars().count();
        let before = until(start);
        Place {
            file: self.file_name(position.file).to_owned(),
            line: position.line,
            column: before + 1,
            length: until(end).saturating_sub(before),
            text: text.to_owned(),
        }
    }

    /// The lines that include a file, from the innermost outwards.
    fn includes(&self, file: FileId) -> Vec<Note> {
        let mut included = self.files[file.0].included;
        let mut notes = Vec::new();
        while let Some(position) = included {
            let file = &self.files[position.file.0];
            notes.push(Note {
                message: String::from("included here"),
                place: Place {
                    file: file.name.clone(),
                    line: position.line,
                    ..Place::default()
                },
            });
            included = file.included;
        }
        notes.truncate(NOTES_MAX);
        notes
    }
}

/// Of a long chain of definitions or includes the first ones tell enough.
const NOTES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_found_again_in_its_file() {
        let mut source = Source::default();
        let file = source.open(String::from("test.conf"), None);
        for (index, text) in ["first", "  第二 line", "third"].into_iter().enumerate() {
            let line = index + 1;
            source.push(Position { file, line }, text);
        }
        let start = source.text().find("line").unwrap();
        let end = start + 4;
        let (place, notes) = source.locate(Span { start, end });
        assert_eq!((place.line, place.column, place.length), (2, 6, 4));
        assert_eq!(place.text, "  第二 line");
        assert!(notes.is_empty());
        let end = source.text().len();
        let (place, _) = source.locate(Span { start, end });
        assert_eq!((place.line, place.length), (2, 4));
    }
}
