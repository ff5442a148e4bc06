//! What is wrong with a configuration: where, how badly, what was probably meant.
//!
//! A [`Problem`] points into the joined text and is what the rest of the room makes; a
//! [`Diagnostic`] has its place worked out and outlives the text. Only errors count for the exit
//! code; warnings are lints and keywords that do not work yet, which must not break a
//! `keepalived -t` in somebody's script.

use std::fmt::Write as _;

use super::lossless::visible;
use super::source::{Source, Span, Spot};
use super::width::columns;

/// Every problem of one reading, in the order found.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// Found beyond what is kept.
    dropped: usize,
    seen: Vec<Class>,
}

/// One problem, complete in itself.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    pub class: Class,
    pub message: String,
    /// None when it is about the file as a whole.
    pub place: Option<Place>,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that matter: what it contradicts, the definitions it comes from, the lines
    /// that include its file.
    pub notes: Vec<Note>,
}

/// What is to be seen at another place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub message: String,
    /// Without the text of its line where that tells nothing.
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Counts for the exit code.
    Error,
    /// Does not.
    Warning,
}

/// What an error does to the exit code of `-t`, in keepalived's grouping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The file is missing, unreadable, or not a configuration file.
    File,
    /// Anything else that is wrong in the text.
    Text,
    /// A brace is missing, or one is too many: where blocks end is a guess.
    Braces,
    /// A statement lacks an argument it cannot do without.
    Argument,
    /// A file that must be included is not there.
    Include,
    /// The text grows beyond all bounds.
    Endless,
    /// Scripts run that nobody vouches for.
    Security,
}

/// File, line and column, with the text of the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// In characters; zero points between two.
    pub length: usize,
    pub text: String,
}

/// A problem before its place is worked out.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    severity: Severity,
    class: Class,
    message: String,
    at: At,
    help: Option<String>,
    note: Option<(String, At)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    File,
    Span(Span),
    Spot(Spot),
}

impl From<Span> for At {
    fn from(span: Span) -> Self {
        Self::Span(span)
    }
}

impl From<Spot> for At {
    fn from(spot: Spot) -> Self {
        Self::Spot(spot)
    }
}

/// A broken file has one cause and a thousand effects; nobody reads more than the first page.
const KEPT_MAX: usize = 200;

/// Columns of a source line that are shown; longer ones are cut around the caret.
const SHOWN_MAX: usize = 120;

impl Problem {
    pub(crate) fn error(at: impl Into<At>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, at.into(), message.into())
    }

    pub(crate) fn warning(at: impl Into<At>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, at.into(), message.into())
    }

    /// About a file that could not be read at all.
    pub(crate) fn file(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, At::File, message.into()).class(Class::File)
    }

    fn new(severity: Severity, at: At, message: String) -> Self {
        Self {
            severity,
            class: Class::Text,
            message,
            at,
            help: None,
            note: None,
        }
    }

    /// True for an error of that class.
    pub(crate) fn is(&self, class: Class) -> bool {
        self.severity == Severity::Error && self.class == class
    }

    #[must_use]
    pub(crate) fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds help where there is some.
    #[must_use]
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    #[must_use]
    pub(crate) fn note(mut self, at: impl Into<At>, message: impl Into<String>) -> Self {
        self.note = Some((message.into(), at.into()));
        self
    }
}

impl At {
    /// The place, and how its words came to stand there.
    fn locate(self, source: &Source) -> (Option<Place>, Vec<Note>) {
        let (place, ways) = match self {
            Self::File => return (None, Vec::new()),
            Self::Span(span) => source.locate(span),
            Self::Spot(spot) => source.locate_spot(spot),
        };
        (Some(place), ways)
    }
}

impl Diagnostics {
    pub(crate) fn add(&mut self, problem: Problem, source: &Source) {
        if problem.severity == Severity::Error && !self.seen.contains(&problem.class) {
            self.seen.push(problem.class);
        }
        if self.is_full() {
            self.dropped += 1;
            return;
        }
        let mut notes = Vec::new();
        if let Some((message, at)) = problem.note {
            let place = at.locate(source).0.unwrap_or_default();
            notes.push(Note { message, place });
        }
        let (place, ways) = problem.at.locate(source);
        notes.extend(ways);
        self.list.push(Diagnostic {
            severity: problem.severity,
            class: problem.class,
            message: problem.message,
            place,
            help: problem.help,
            notes,
        });
    }

    /// In the order of the file; problems of the file as a whole come first.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by(|one, other| {
            let order = |diagnostic: &Diagnostic| {
                let place = diagnostic.place.as_ref();
                place.map(|place| (place.file.clone(), place.line, place.column))
            };
            order(one).cmp(&order(other))
        });
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Further problems are only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() == KEPT_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn has_errors(&self) -> bool {
        !self.seen.is_empty()
    }

    /// Whether there are as many `{` as `}`, each in its place.
    pub fn is_balanced(&self) -> bool {
        !self.seen.contains(&Class::Braces)
    }

    /// What `-t` exits with: keepalived's codes, except that a missing file is not fine.
    pub fn exit_code(&self) -> u8 {
        let seen = |class| self.seen.contains(&class);
        if seen(Class::Include) {
            6
        } else if seen(Class::Argument) {
            2
        } else if seen(Class::Security) {
            6
        } else if seen(Class::Text) || seen(Class::Braces) || seen(Class::Endless) {
            5
        } else if self.has_errors() {
            4
        } else {
            0
        }
    }

    /// What the daemon exits with when there is no configuration to run.
    pub fn refusal_code(&self) -> u8 {
        let seen = |class| self.seen.contains(&class);
        if seen(Class::File) || seen(Class::Include) {
            6
        } else {
            2
        }
    }

    /// Everything, for people: source lines with carets, an empty line between problems.
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        for diagnostic in &self.list {
            diagnostic.render(colour, &mut out);
            out.push('\n');
        }
        if self.dropped > 0 {
            let _ = writeln!(out, "and {} more\n", self.dropped);
        }
        out
    }
}

impl Diagnostic {
    /// One line for a log, as keepalived writes it.
    pub fn line(&self) -> String {
        let mut out = String::new();
        if let Some(place) = &self.place {
            let _ = write!(out, "({}: Line {}) ", place.file, place.line);
        }
        out.push_str(&self.message);
        if let Some(help) = &self.help {
            let _ = write!(out, " ({help})");
        }
        for note in &self.notes {
            let Place { file, line, .. } = &note.place;
            let _ = match &self.place {
                Some(place) if place.file == *file => {
                    write!(out, " ({}: line {line})", note.message)
                }
                Some(_) | None => write!(out, " ({}: {file} line {line})", note.message),
            };
        }
        visible(&out)
    }

    fn render(&self, colour: bool, out: &mut String) {
        let (word, paint) = match self.severity {
            Severity::Error => ("error", "\x1b[1;31m"),
            Severity::Warning => ("warning", "\x1b[1;33m"),
        };
        let (paint, plain) = if colour { (paint, "\x1b[0m") } else { ("", "") };
        let _ = writeln!(out, "{paint}{word}{plain}: {}", visible(&self.message));
        if let Some(place) = &self.place {
            place.render(paint, plain, out);
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "  help: {}", visible(help));
        }
        for note in &self.notes {
            note.render(out);
        }
    }
}

impl Note {
    fn render(&self, out: &mut String) {
        let _ = writeln!(out, "  note: {}", visible(&self.message));
        if self.place.text.is_empty() {
            let Place { file, line, .. } = &self.place;
            let _ = writeln!(out, "   --> {}:{line}", visible(file));
        } else {
            self.place.render("", "", out);
        }
    }
}

impl Place {
    fn render(&self, paint: &str, plain: &str, out: &mut String) {
        let number = self.line.to_string();
        let gap = " ".repeat(number.len());
        let (text, column) = self.window();
        let file = visible(&self.file);
        let _ = writeln!(out, "{gap}--> {file}:{}:{}", self.line, self.column);
        let _ = writeln!(out, "{gap} |");
        let _ = writeln!(out, "{number} | {}", visible(&text));
        // Tabs are repeated, so that the caret stands right whatever a tab is worth.
        let pad: String = text
            .chars()
            .take(column)
            .flat_map(|character| {
                let blank = if character == '\t' { '\t' } else { ' ' };
                std::iter::repeat_n(blank, columns(character))
            })
            .collect();
        let marked = text.chars().skip(column).take(self.length);
        let carets = marked.map(columns).sum::<usize>().max(1);
        let _ = writeln!(out, "{gap} | {pad}{paint}{}{plain}", "^".repeat(carets));
    }

    /// The part of the line that is shown, and where in it the caret starts.
    fn window(&self) -> (String, usize) {
        let column = self.column.saturating_sub(1);
        let length = self.text.chars().count();
        if length <= SHOWN_MAX {
            return (self.text.clone(), column);
        }
        let start = column.saturating_sub(SHOWN_MAX / 3);
        let shown: String = self.text.chars().skip(start).take(SHOWN_MAX).collect();
        let before = if start > 0 { "…" } else { "" };
        let after = if start + SHOWN_MAX < length {
            "…"
        } else {
            ""
        };
        let column = column - start + before.chars().count();
        (format!("{before}{shown}{after}"), column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Position;

    fn rendered(text: &str, word: &str) -> String {
        let mut source = Source::default();
        let file = source.open(String::from("k.conf"), None);
        let line = source.push(Position { file, line: 1 }, text);
        let start = line.start + text.find(word).unwrap();
        let end = start + word.len();
        let mut diagnostics = Diagnostics::default();
        diagnostics.add(Problem::error(Span { start, end }, "wrong"), &source);
        diagnostics.render(false)
    }

    #[test]
    fn the_caret_stands_under_the_word_behind_wide_characters_and_tabs() {
        assert_eq!(
            rendered("\t\"路由\" num", "num"),
            "error: wrong\n --> k.conf:1:7\n  |\n1 | \t\"路由\" num\n  | \t       ^^^\n\n"
        );
        assert_eq!(
            rendered("state 主", "主"),
            "error: wrong\n --> k.conf:1:7\n  |\n1 | state 主\n  |       ^^\n\n"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}here{}", "x".repeat(500), "y".repeat(500));
        let shown = rendered(&text, "here");
        assert!(
            shown.lines().all(|line| line.chars().count() < 130),
            "{shown}"
        );
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[3].find("here"),
            lines[4].find("^").map(|at| at + "…".len() - 1)
        );
    }

    #[test]
    fn the_list_is_bounded_and_the_exit_code_still_right() {
        let mut diagnostics = Diagnostics::default();
        let source = Source::default();
        for _ in 0..1000 {
            diagnostics.add(Problem::warning(Span::default(), "odd"), &source);
        }
        assert_eq!(diagnostics.exit_code(), 0);
        diagnostics.add(Problem::error(Span::default(), "wrong"), &source);
        assert_eq!(diagnostics.exit_code(), 5);
        assert_eq!(diagnostics.iter().count(), KEPT_MAX);
        assert!(diagnostics.render(false).contains("and 801 more"));
    }
}
