//! Lines to lines: definitions, conditions, sequences and includes.
//!
//! Every line goes the same way, as in keepalived: its comment is cut off; a condition keeps or
//! drops it; a definition is stored; a sequence queues its turns; uses of definitions are replaced
//! until there are none; an include opens files; and if a brace is followed by one of these, what
//! stands behind the brace starts again as a line of its own. What is left goes into the
//! [`Source`]. Nearly all lines of a real file are none of this and are copied as they are.
//!
//! Lines that lines lead to wait in a stack of frames, so that nothing here is recursive; and
//! everything that could grow without end has a limit, after which there is nothing to run.

mod define;
mod directive;
mod files;
mod frame;
pub(crate) mod manual;
mod sequence;
mod substitute;
mod text;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::rc::Rc;

use super::diag::{At, Class, Problem};
use super::include::Checks;
use super::source::{Position, Source, Spot, WrittenId};
use super::{Host, Reading, lossless};
use crate::rand::Rand;

use define::{Collecting, Definition};
use directive::Directive;
use frame::{FileFrame, Frame, leads_elsewhere};
use sequence::Turns;
use substitute::Outcome;
use text::{Scanner, Text, comment};

/// Reads a file with everything it includes.
pub(crate) fn expand(
    name: &str,
    bytes: &[u8],
    host: &dyn Host,
    reading: &Reading,
    problems: &mut Vec<Problem>,
) -> Source {
    let mut expander = Expander::new(host, reading, problems);
    let file = FileFrame::new(
        expander.source.open(name.to_owned(), None),
        PathBuf::from(name),
        Cow::Borrowed(bytes),
        Checks::default(),
    );
    expander.frames.push(Frame::File(file));
    expander.run();
    if expander.endless {
        expander.source.clear_text();
    }
    expander.source
}

/// The state of one reading.
struct Expander<'a> {
    host: &'a dyn Host,
    config_id: String,
    all_checks: bool,
    random: Rand,
    source: Source,
    problems: &'a mut Vec<Problem>,
    definitions: HashMap<String, Rc<Definition>>,
    /// The definition whose lines are still coming.
    collecting: Option<Collecting>,
    /// What is read next is the last one.
    frames: Vec<Frame<'a>>,
    /// Frames that the present line leads to, the last one to be read first.
    opened: Vec<Frame<'a>>,
    /// The directory of the file that is read.
    directory: PathBuf,
    /// What `include_check` says in the file that is read.
    checks: Checks,
    /// Files included so far.
    included: usize,
    /// Octets that definitions and sequences have made so far.
    made: usize,
    /// A limit was reached; what is read so far is worth nothing.
    endless: bool,
    /// Uses that were complained about: a line of a definition may come by many times.
    told: BTreeSet<(WrittenId, usize)>,
    /// Names that had no definition, with their problem: one may follow.
    undefined: Vec<(String, usize)>,
}

/// Where the lines of a text come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Directly from a file, where the next line of a definition can follow.
    File,
    /// From a definition or a sequence.
    Expansion,
}

/// What keepalived can hold of one line. Ours may be longer; its other users would be surprised.
const LINE_MAX: usize = 1023;

/// Lines that are or become longer are not meant to be expanded.
const EXPANDED_MAX: usize = 16 << 10;

/// No configuration is this long: beyond it the file is something else, a device or a log.
pub(crate) const FILE_MAX: usize = 16 << 20;

/// Lines that are read at a time.
const SHARE: usize = 512;

/// All files together.
const TEXT_MAX: usize = 64 << 20;

/// What definitions and sequences may make of a file: some hundred thousand lines, in less than a
/// second.
const MADE_MAX: usize = 48 << 20;

/// What a step of the expansion counts at least, so that steps that make nothing end as well.
const STEP: usize = 128;

/// Files within files, and definitions and sequences within each other. People need two or three.
const DEPTH_MAX: usize = 32;

/// Frames that wait: those of files, and for each definition and sequence up to two.
const FRAMES_MAX: usize = 4 * DEPTH_MAX;

impl<'a> Expander<'a> {
    fn new(host: &'a dyn Host, reading: &Reading, problems: &'a mut Vec<Problem>) -> Self {
        let config_id = reading.config_id.clone().unwrap_or_else(|| {
            let name = host.host_name();
            name.split('.').next().unwrap_or_default().to_owned()
        });
        Self {
            host,
            config_id,
            all_checks: reading.all_checks,
            random: Rand::new(reading.seed),
            source: Source::default(),
            problems,
            definitions: HashMap::new(),
            collecting: None,
            frames: Vec::new(),
            opened: Vec::new(),
            directory: PathBuf::new(),
            checks: Checks::default(),
            included: 0,
            made: 0,
            endless: false,
            told: BTreeSet::new(),
            undefined: Vec::new(),
        }
    }

    fn run(&mut self) {
        while let Some(mut frame) = self.frames.pop() {
            self.host.meanwhile();
            match self.step(&mut frame) {
                true => self.frames.push(frame),
                false => self.leave(frame),
            }
            self.frames.append(&mut self.opened);
            if self.endless {
                return;
            }
        }
        self.explain_undefined();
    }

    /// Reads on in a frame until it leads to others; false when it is at its end.
    fn step(&mut self, frame: &mut Frame<'a>) -> bool {
        match frame {
            Frame::File(file) => self.read_on(file),
            Frame::Files {
                matches,
                spot,
                checks,
            } => {
                let Some(next) = matches.next() else {
                    return false;
                };
                self.enter(&next, *spot, *checks);
                true
            }
            Frame::Body {
                definition,
                next,
                through,
            } => {
                let Definition::Lines(lines) = definition.as_ref() else {
                    return false;
                };
                let Some(line) = lines.get(*next) else {
                    return false;
                };
                *next += 1;
                let line = line.clone().through(*through);
                self.charge(line.len(), line.spot(&self.source, 0..line.len()));
                self.line(line, Origin::Expansion);
                true
            }
            Frame::Sequence {
                names,
                turns,
                rest,
                spot,
            } => {
                let Some(values) = turns.next() else {
                    return false;
                };
                for (name, value) in names.iter().zip(&values) {
                    self.define(name, Definition::Words(Text::generated(value, *spot)));
                }
                self.charge(
                    rest.len() + values.iter().map(String::len).sum::<usize>(),
                    *spot,
                );
                self.line(rest.clone(), Origin::Expansion);
                true
            }
            Frame::Rest(text, origin) => {
                self.line(std::mem::take(text), *origin);
                false
            }
        }
    }

    /// The lines of a file, up to one that leads elsewhere.
    fn read_on(&mut self, file: &mut FileFrame<'a>) -> bool {
        self.directory = file.path.parent().map(PathBuf::from).unwrap_or_default();
        let file_id = file.id;
        while let Some(line) = file.next() {
            if line.number.is_multiple_of(SHARE) {
                self.host.meanwhile();
            }
            let position = Position {
                file: file_id,
                line: line.number,
            };
            match str::from_utf8(line.bytes) {
                Ok(text) if line.everyday && self.collecting.is_none() => {
                    self.plain_line(position, text, text.len());
                }
                Ok(_) | Err(_) => self.file_line(position, line.bytes),
            }
            if !self.opened.is_empty() {
                return true;
            }
        }
        false
    }

    /// One that stays as it is; in its file it has so many octets.
    fn plain_line(&mut self, position: Position, text: &str, octets: usize) {
        let span = self.source.push(position, text);
        if octets > LINE_MAX {
            self.problems.push(too_long(octets, span));
        }
    }

    /// A physical line.
    fn file_line(&mut self, position: Position, bytes: &[u8]) {
        let ends = bytes.iter().rposition(|byte| *byte != b'\r');
        let bytes = &bytes[..ends.map_or(0, |last| last + 1)];
        if bytes.contains(&0) {
            let span = self.source.push(position, "");
            self.problems
                .push(Problem::error(span, "line with a NUL octet, ignored"));
            return;
        }
        let text = lossless::decode_line(bytes);
        if self.collecting.is_none() && is_plain(&text) {
            self.plain_line(position, &text, bytes.len());
            return;
        }
        if text.len() > EXPANDED_MAX {
            let span = self.source.push(position, "");
            let message = format!("a line of {} octets cannot be expanded", text.len());
            let help = format!("the limit is {EXPANDED_MAX}; the line is ignored");
            self.problems.push(Problem::error(span, message).help(help));
            return;
        }
        let line = self.source.keep(position, text.into_owned());
        let text = Text::written(self.source.written(line), line);
        // The same file may come by thousands of times.
        let spot = text.spot(&self.source, 0..text.len());
        self.charge(text.len() + STEP, spot);
        if bytes.len() > LINE_MAX {
            self.problems.push(too_long(bytes.len(), spot));
        }
        let has_comment = comment(text.as_str());
        let empty = text.as_str().trim_matches(text::is_blank).is_empty();
        let text = text.trimmed(has_comment);
        if self.collecting.is_some() {
            self.collect(text, empty);
        } else {
            self.line(text, Origin::File);
        }
    }

    /// A line without blanks around it and without its comment.
    fn line(&mut self, text: Text, origin: Origin) {
        let text = match self.condition(&text) {
            Some((true, rest)) => rest,
            Some((false, rest)) => {
                self.drop_line(&rest, origin);
                return;
            }
            None => text,
        };
        match directive::directive(text.as_str()) {
            Some((Directive::Definition { name }, rest)) => {
                self.definition(name, text.part(rest..text.len()), origin);
            }
            Some((
                found @ (Directive::Sequence { .. } | Directive::List { .. } | Directive::Broken),
                rest,
            )) => self.repetition(&text, &found, rest),
            Some((Directive::Include { .. } | Directive::IncludeNothing, _)) => {
                self.substituted(text.clone());
            }
            // A second condition on a line is an unknown keyword, as in keepalived.
            Some((Directive::Condition { .. }, _)) | None => self.statement(&text, origin),
        }
    }

    /// Whether a line that begins with a condition is for us, and the rest of it.
    fn condition(&self, text: &Text) -> Option<(bool, Text)> {
        match directive::directive(text.as_str())? {
            (Directive::Condition { id, except }, rest) => {
                let holds = (id == self.config_id) != except;
                Some((holds, text.part(rest..text.len())))
            }
            _ => None,
        }
    }

    /// `~SEQ` and `~LST`.
    fn repetition(&mut self, text: &Text, found: &Directive<'_>, rest: usize) {
        let head = text.as_str()[..rest].trim_end_matches(text::is_blank).len();
        let spot = text.spot(&self.source, 0..head);
        let (names, turns) = match found {
            Directive::Sequence { name, hex, bounds } => {
                (vec![*name], self.bounds(text.part(bounds.clone()), *hex))
            }
            Directive::List { names, rows } => (names.clone(), Turns::rows(names.len(), rows)),
            _ => (Vec::new(), Err(String::from("this is no sequence"))),
        };
        match turns {
            Ok(_) if self.is_deep() => self.too_deep(spot),
            Ok(turns) => self.opened.push(Frame::Sequence {
                names: names.into_iter().map(str::to_owned).collect(),
                turns,
                rest: text.part(rest..text.len()),
                spot,
            }),
            Err(why) => {
                let help = match found {
                    Directive::Sequence { .. } => "write `~SEQ(NAME, FIRST, LAST) line`",
                    Directive::List { .. } => "write `~LST(NAME, A, B) line`",
                    _ => "write `~SEQ(NAME, FIRST, LAST) line` or `~LST(NAME, A, B) line`",
                };
                let help = format!("{help}; this line is dropped");
                self.problems.push(Problem::error(spot, why).help(help));
            }
        }
    }

    /// The numbers of a sequence, which may be definitions.
    fn bounds(&mut self, text: Text, hex: bool) -> Result<Turns, String> {
        let before = self.opened.len();
        let written = text.as_str().to_owned();
        let text = match self.substitute(text) {
            Outcome::Same(text) | Outcome::Changed(text) => Some(text),
            Outcome::Gone => None,
        };
        let several_lines = self.opened.len() > before;
        self.opened.truncate(before);
        let text = text.filter(|_| !several_lines);
        let bounds = text.as_ref().map_or(written.as_str(), Text::as_str);
        let bounds = bounds.trim_matches(text::is_blank);
        let numbers = directive::numbers(bounds);
        let numbers = numbers.ok_or_else(|| format!("`{bounds}` is not one to three numbers"))?;
        Turns::numbers(&numbers, hex)
    }

    /// A line that begins with nothing special; but what follows a brace may.
    fn statement(&mut self, text: &Text, origin: Origin) {
        let Some(at) = behind_brace(text.as_str()) else {
            self.substituted(text.clone());
            return;
        };
        let rest = text.part(at..text.len());
        self.opened.push(Frame::Rest(rest, origin));
        self.substituted(text.trimmed(at));
    }

    /// The same, with its definitions put in.
    fn substituted(&mut self, text: Text) {
        let text = match self.substitute(text) {
            Outcome::Gone => return,
            Outcome::Same(text) => text,
            Outcome::Changed(text) => {
                let text = text.trimmed(comment(text.as_str()));
                if text.len() > LINE_MAX {
                    let spot = text.spot(&self.source, 0..text.len());
                    self.problems.push(too_long(text.len(), spot));
                }
                text
            }
        };
        match directive::directive(text.as_str()) {
            Some((Directive::Include { check }, rest)) => {
                let pattern = text.part(rest..text.len());
                self.include(&pattern, Checks::of_letter(check));
                return;
            }
            Some((Directive::IncludeNothing, end)) => {
                let spot = text.spot(&self.source, 0..end);
                let message = format!("`{}` without the name of a file", text.as_str());
                self.problems.push(Problem::error(spot, message));
                return;
            }
            Some(_) | None => {}
        }
        let Some(at) = behind_brace(text.as_str()) else {
            self.emit(text);
            return;
        };
        let rest = text.part(at..text.len());
        self.opened.push(Frame::Rest(rest, Origin::Expansion));
        self.emit(text.trimmed(at));
    }

    /// A line is done. Two keywords of `global_defs` have a meaning for those that follow.
    fn emit(&mut self, text: Text) {
        let mut words = text
            .as_str()
            .split(text::is_blank)
            .filter(|word| !word.is_empty());
        match words.next() {
            Some("include_check") => self.checks = self.checks.changed(words),
            Some("random_seed") => {
                if let Some(seed) = words.next().and_then(|word| word.parse().ok()) {
                    self.random = Rand::new(seed);
                }
            }
            Some(_) => {}
            None => return,
        }
        let (text, pieces) = text.into_parts();
        self.source.push_made(&text, pieces);
    }

    /// A frame is at its end.
    fn leave(&mut self, frame: Frame<'_>) {
        if let Frame::File(file) = frame {
            self.collected();
            self.checks = file.outer_checks;
        }
    }

    fn is_deep(&self) -> bool {
        self.frames.len() + self.opened.len() > FRAMES_MAX
    }

    fn too_deep(&mut self, spot: Spot) {
        let message = "definitions and sequences nested too deeply";
        self.problems
            .push(Problem::error(spot, message).help("this one is skipped"));
    }

    /// Counts what an expansion makes; beyond the limit there is nothing to run.
    fn charge(&mut self, octets: usize, spot: Spot) {
        self.made += octets + STEP;
        if self.made > MADE_MAX && !self.endless {
            self.endless = true;
            let message = format!("definitions and sequences make more than {MADE_MAX} octets");
            self.problems
                .push(Problem::error(spot, message).class(Class::Endless));
        }
    }
}

/// Nothing in this line makes other lines of it.
fn is_plain(text: &str) -> bool {
    let makes_lines = |rest: &str| leads_elsewhere(rest.as_bytes());
    let start = text.trim_start_matches(text::is_blank);
    if start.starts_with(['#', '!']) {
        return true;
    }
    let mut braces = text.match_indices(['{', '}']);
    !makes_lines(start)
        && !text.contains('$')
        && !braces.any(|(at, _)| makes_lines(text[at + 1..].trim_start_matches(text::is_blank)))
}

/// Where a line begins behind a brace that must be looked at on its own.
fn behind_brace(text: &str) -> Option<usize> {
    let mut scanner = Scanner::new(text);
    while let Some((at, byte)) = scanner.next() {
        match byte {
            b'$' => {
                let length = directive::reference(&text[at..]).map_or(1, |found| found.length);
                scanner.skip_to(at + length);
            }
            b'{' | b'}' if !scanner.quoted => {
                let rest = text[at + 1..].trim_start_matches(text::is_blank);
                if directive::directive(rest).is_some() {
                    return Some(text.len() - rest.len());
                }
            }
            _ => {}
        }
    }
    None
}

fn too_long(octets: usize, at: impl Into<At>) -> Problem {
    let message = format!("line of {octets} octets, the limit is {LINE_MAX}");
    Problem::error(at, message).help("it is read in full here, but not by every keepalived")
}

#[cfg(test)]
mod tests {
    use super::frame::first_line;
    use super::*;

    /// Lines that are copied after one look at each octet are among those that may be.
    #[test]
    fn an_everyday_line_is_a_plain_one() {
        let mut rand = Rand::new(7);
        let parts = [
            "{",
            "}",
            " ",
            "\t",
            "@",
            "~",
            "$",
            "include",
            "in",
            "random_seed",
            "r",
            "#",
            "!",
            "\"",
            "\\",
            "\r",
            "x",
            "重",
            "\u{b}",
            "\0",
        ];
        let count = u64::try_from(parts.len()).unwrap();
        let mut everyday_lines = 0;
        for _ in 0..100_000 {
            let mut line = String::new();
            for _ in 0..rand.below(6) {
                line += parts[usize::try_from(rand.below(count)).unwrap()];
            }
            let (length, everyday) = first_line(format!("{line}\nnext").as_bytes());
            assert_eq!(length, line.len());
            if everyday {
                everyday_lines += 1;
                assert!(is_plain(&line), "{line:?}");
                assert!(
                    line.bytes()
                        .all(|octet| octet.is_ascii_graphic() || b" \t".contains(&octet))
                );
            }
        }
        assert!(everyday_lines > 10_000, "{everyday_lines}");
    }
}
