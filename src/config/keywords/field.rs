//! Keywords that fill one field: a row of a table reads them and prints them.
//!
//! The range of a number stands in the arguments text of its row, where the manual and the reader
//! both find it.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::confusable::lint_strange;
use crate::config::print::quoted;
use crate::config::report::Report;
use crate::config::script::{Script, script};
use crate::config::source::Span;
use crate::config::tree::{Statement, Word};
use crate::config::value;

use super::{Keyword, Read, Table};

/// Where a keyword puts what it reads.
pub(crate) enum Field<T: 'static> {
    /// The keyword alone sets it.
    Flag(fn(&mut T) -> &mut bool),
    /// The keyword alone sets it, and where it stands is kept. Nothing prints this.
    Marked(fn(&mut T) -> &mut Option<Span>),
    /// `[BOOL]`, false unless given.
    Truth(fn(&mut T) -> &mut bool),
    /// `[BOOL]`, where not to say anything is something else than false.
    MaybeTruth(fn(&mut T) -> &mut Option<bool>),
    /// `INT`; what follows the digits is forgiven.
    Number(fn(&mut T) -> &mut Option<u32>),
    /// `INT`, nothing but digits.
    Exact(fn(&mut T) -> &mut Option<u32>),
    /// `INT` that may be negative.
    Signed(fn(&mut T) -> &mut Option<i32>),
    /// `SEC`.
    Seconds(fn(&mut T) -> &mut Option<Duration>),
    /// `INT` that counts seconds.
    WholeSeconds(fn(&mut T) -> &mut Option<Duration>),
    /// `INT` that counts microseconds.
    Micros(fn(&mut T) -> &mut Option<Duration>),
    /// One word.
    Text(fn(&mut T) -> &mut Option<String>),
    /// A command with its user.
    Command(fn(&mut T) -> &mut Option<Script>),
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> Keyword<T> {
    pub(crate) const fn field(
        name: &'static str,
        arguments: &'static str,
        doc: &'static str,
        field: Field<T>,
    ) -> Self {
        let mut keyword = Self::line(name, arguments, doc, |_, _, _| {});
        keyword.read = Read::Field(field);
        keyword
    }

    pub(crate) const fn flag(
        name: &'static str,
        doc: &'static str,
        into: fn(&mut T) -> &mut bool,
    ) -> Self {
        Self::field(name, "", doc, Field::Flag(into))
    }

    pub(crate) const fn marked(
        name: &'static str,
        doc: &'static str,
        into: fn(&mut T) -> &mut Option<Span>,
    ) -> Self {
        Self::field(name, "", doc, Field::Marked(into))
    }

    pub(crate) const fn truth(
        name: &'static str,
        doc: &'static str,
        into: fn(&mut T) -> &mut bool,
    ) -> Self {
        Self::field(name, "[BOOL]", doc, Field::Truth(into))
    }

    /// A command; the first statement counts, and one without its command is ignored.
    pub(crate) const fn command(
        name: &'static str,
        doc: &'static str,
        into: fn(&mut T) -> &mut Option<Script>,
    ) -> Self {
        Self::field(name, "COMMAND [USER [[:]GROUP]]", doc, Field::Command(into)).first_counts()
    }

    /// A second name of a keyword: read like it and never printed.
    pub(crate) const fn other_name(mut self) -> Self {
        self.entry.other_name = true;
        self
    }
}

impl<T> Field<T> {
    /// Fills the field. What is wrong is reported and leaves it as it is.
    pub(crate) fn read(
        &self,
        arguments: &str,
        draft: &mut T,
        statement: &Statement,
        report: &mut Report<'_>,
    ) {
        match self {
            Self::Flag(into) => *into(draft) = true,
            Self::Marked(into) => *into(draft) = Some(statement.span()),
            Self::Truth(into) => {
                if let Some(truth) = report.truth(statement.argument(1)) {
                    *into(draft) = truth;
                }
            }
            Self::MaybeTruth(into) => {
                if let Some(truth) = report.truth(statement.argument(1)) {
                    *into(draft) = Some(truth);
                }
            }
            Self::Command(into) => {
                let script = script(statement, report);
                if script.is_some() {
                    *into(draft) = script;
                }
            }
            _ => {
                if let Some(word) = statement.argument(1) {
                    self.read_word(arguments, draft, word, report);
                }
            }
        }
    }

    fn read_word(&self, arguments: &str, draft: &mut T, word: &Word, report: &mut Report<'_>) {
        let range = || whole_range(arguments);
        match self {
            Self::Number(into) => {
                let number = report.lenient(word, range());
                store(
                    into(draft),
                    number.and_then(|number| u32::try_from(number).ok()),
                );
            }
            Self::Exact(into) => {
                let number = report.strict(word, range());
                store(
                    into(draft),
                    number.and_then(|number| u32::try_from(number).ok()),
                );
            }
            Self::Signed(into) => {
                let number = report.lenient(word, range());
                store(
                    into(draft),
                    number.and_then(|number| i32::try_from(number).ok()),
                );
            }
            Self::WholeSeconds(into) => {
                let number = report.lenient(word, range());
                store(
                    into(draft),
                    number.map(i64::unsigned_abs).map(Duration::from_secs),
                );
            }
            Self::Micros(into) => {
                let number = report.lenient(word, range());
                store(
                    into(draft),
                    number.map(i64::unsigned_abs).map(Duration::from_micros),
                );
            }
            Self::Seconds(into) => {
                let seconds = report.duration(word, &seconds_range(arguments));
                store(into(draft), seconds);
            }
            Self::Text(into) => {
                lint_strange(word, report);
                *into(draft) = Some(word.text.to_string());
            }
            Self::Flag(_)
            | Self::Marked(_)
            | Self::Truth(_)
            | Self::MaybeTruth(_)
            | Self::Command(_) => {}
        }
    }

    /// The arguments that set the field to what it is; None when it is not set.
    fn print(&self, draft: &mut T) -> Option<String> {
        match self {
            Self::Flag(from) | Self::Truth(from) => from(draft).then(String::new),
            Self::Marked(_) => None,
            Self::MaybeTruth(from) => from(draft).map(|truth| truth.to_string()),
            Self::Number(from) | Self::Exact(from) => from(draft).map(|number| number.to_string()),
            Self::Signed(from) => from(draft).map(|number| number.to_string()),
            Self::Seconds(from) | Self::WholeSeconds(from) => from(draft).map(value::print_seconds),
            Self::Micros(from) => from(draft).map(|duration| duration.as_micros().to_string()),
            Self::Text(from) => from(draft).as_deref().map(|text| quoted(text).to_string()),
            Self::Command(from) => from(draft).as_ref().map(Script::to_string),
        }
    }
}

/// The largest number a field holds.
const NUMBER_MAX: i64 = u32::MAX as i64;

fn store<V>(into: &mut Option<V>, read: Option<V>) {
    if read.is_some() {
        *into = read;
    }
}

/// `INT -20..19` as numbers; without an end it is the largest a field holds.
fn whole_range(arguments: &str) -> RangeInclusive<i64> {
    let (least, most) = ends(arguments);
    let least = least.parse().unwrap_or(0);
    let most = most.parse().unwrap_or(NUMBER_MAX);
    least..=most
}

/// `SEC 0.01..255` as durations.
fn seconds_range(arguments: &str) -> RangeInclusive<Duration> {
    let (least, most) = ends(arguments);
    let duration = |text| value::seconds(text).map(|seconds| seconds.duration);
    duration(least).unwrap_or_default()..=duration(most).unwrap_or(Duration::MAX)
}

fn ends(arguments: &str) -> (&str, &str) {
    let mut words = arguments.split([' ', '[', ']']);
    let range = words.find_map(|word| word.split_once(".."));
    range.unwrap_or_default()
}

impl<T> Table<T> {
    /// The statements that fill a draft like this one, of the keywords that only fill a field.
    pub(crate) fn settings(&self, draft: &mut T) -> Vec<String> {
        let mut lines = Vec::new();
        for keyword in self.keywords {
            let name = keyword.entry.name;
            let Read::Field(field) = &keyword.read else {
                continue;
            };
            if keyword.entry.other_name {
                continue;
            }
            match field.print(draft) {
                Some(arguments) if arguments.is_empty() => lines.push(name.to_owned()),
                Some(arguments) => lines.push(format!("{name} {arguments}")),
                None => {}
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_field_stands_in_its_arguments() {
        assert_eq!(whole_range("INT -20..19"), -20..=19);
        assert_eq!(whole_range("[INT 1..]"), 1..=NUMBER_MAX);
        assert_eq!(whole_range("INT"), 0..=NUMBER_MAX);
        let seconds = seconds_range("SEC 0.01..255");
        assert_eq!(
            seconds,
            Duration::from_millis(10)..=Duration::from_secs(255)
        );
    }
}
