//! The tables of the language: which keyword stands where, what it takes, who reads it.
//!
//! A table is the only place that knows a keyword. Reading, "did you mean", the check for a
//! missing argument and the manual page all come from it. A reader puts what it finds into a
//! draft; what contradicts what, and what is left out, is settled after the whole file is read
//! (`resolve`), so that the order of a file does not matter.

pub(crate) mod address;
pub(crate) mod check;
pub(crate) mod global;
pub(crate) mod later;
pub(crate) mod root;
pub(crate) mod vrrp;

use std::collections::HashMap;

use super::diag::{Class, Problem};
use super::lossless::octet;
use super::report::Report;
use super::source::Span;
use super::suggest::nearest;
use super::tree::{Statement, Word};

use later::Later;

/// The keywords of one block, read into a draft of type `T`.
pub(crate) struct Table<T: 'static> {
    /// The keyword that opens the block; empty for the file itself.
    pub(crate) name: &'static str,
    pub(crate) keywords: &'static [Keyword<T>],
    /// Keywords keepalived has and this program does not have yet.
    pub(crate) later: &'static [Later],
}

/// One keyword of a table.
pub(crate) struct Keyword<T: 'static> {
    pub(crate) entry: Entry,
    pub(crate) read: Read<T>,
}

/// Puts a statement into a draft. All arguments the keyword needs are there.
pub(crate) type Read<T> = fn(&mut T, &Statement, &mut Report<'_>);

/// What everybody may know about a keyword.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// As in the manual: `INT 1..255`; what stands in brackets may be left out.
    pub(crate) arguments: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) shape: Shape,
    pub(crate) standing: Standing,
}

#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// A line.
    Line,
    /// A block whose lines are values and not keywords.
    Values,
    /// A block of keywords.
    Block(&'static dyn Scope),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Works,
    /// As `Works`, and a statement without its argument is ignored and not fatal.
    WorksWithArgument,
    /// Read and forgotten, for the reason given in the doc.
    NoEffect,
    /// Known, not there yet.
    Later,
}

/// A table without its draft: what the tree, the suggestions and the manual need.
pub(crate) trait Scope: Sync {
    fn name(&self) -> &'static str;
    fn entries(&self) -> Vec<Entry>;

    fn find(&self, keyword: &str) -> Option<Entry> {
        let entries = self.entries();
        entries.into_iter().find(|entry| entry.name == keyword)
    }
}

impl<T> Scope for Table<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn entries(&self) -> Vec<Entry> {
        let works = self.keywords.iter().map(|keyword| keyword.entry);
        works.chain(self.later.iter().map(Later::entry)).collect()
    }

    fn find(&self, keyword: &str) -> Option<Entry> {
        let here = self.keywords.iter().map(|keyword| keyword.entry);
        here.chain(self.later.iter().map(Later::entry))
            .find(|entry| entry.name == keyword)
    }
}

/// Every table, for suggestions across blocks and for the manual.
pub(crate) fn scopes() -> [&'static dyn Scope; 7] {
    [
        &root::ROOT,
        &global::GLOBAL,
        &vrrp::INSTANCE,
        &vrrp::AUTHENTICATION,
        &check::VIRTUAL_SERVER,
        &check::REAL_SERVER,
        &check::TCP_CHECK,
    ]
}

impl<T> Keyword<T> {
    pub(crate) const fn line(
        name: &'static str,
        arguments: &'static str,
        doc: &'static str,
        read: Read<T>,
    ) -> Self {
        let entry = Entry {
            name,
            arguments,
            doc,
            shape: Shape::Line,
            standing: Standing::Works,
        };
        Self { entry, read }
    }

    pub(crate) const fn values(
        name: &'static str,
        arguments: &'static str,
        doc: &'static str,
        read: Read<T>,
    ) -> Self {
        let mut keyword = Self::line(name, arguments, doc, read);
        keyword.entry.shape = Shape::Values;
        keyword
    }

    pub(crate) const fn block(
        name: &'static str,
        arguments: &'static str,
        doc: &'static str,
        scope: &'static dyn Scope,
        read: Read<T>,
    ) -> Self {
        let mut keyword = Self::line(name, arguments, doc, read);
        keyword.entry.shape = Shape::Block(scope);
        keyword
    }

    pub(crate) const fn standing(mut self, standing: Standing) -> Self {
        self.entry.standing = standing;
        self
    }
}

impl Entry {
    /// How many arguments cannot be left out.
    fn needs(&self) -> usize {
        let words = self.arguments.split(' ');
        words
            .take_while(|word| !word.is_empty() && !word.starts_with('['))
            .filter(|word| *word != "…" && !word.contains(".."))
            .count()
    }
}

impl<T> Table<T> {
    /// Reads all statements of a block into a draft.
    pub(crate) fn read(&self, draft: &mut T, statements: &[Statement], report: &mut Report<'_>) {
        let mut seen: HashMap<&'static str, Span> = HashMap::new();
        for statement in statements {
            if statement.words.is_empty() {
                continue;
            }
            let keyword = statement.keyword();
            if let Some(later) = self.later.iter().find(|later| later.name == keyword) {
                later.report(statement, report);
                continue;
            }
            let Some(known) = self
                .keywords
                .iter()
                .find(|known| known.entry.name == keyword)
            else {
                self.unknown(statement, report);
                continue;
            };
            if !fits(known.entry, statement, report) {
                continue;
            }
            if matches!(known.entry.shape, Shape::Line) {
                again(&mut seen, known.entry, statement, report);
            }
            (known.read)(draft, statement, report);
        }
    }

    fn unknown(&self, statement: &Statement, report: &mut Report<'_>) {
        let keyword = statement.keyword();
        let place = match self.name {
            "" => String::new(),
            name => format!(" in `{name}`"),
        };
        let help = strange_characters(keyword).or_else(|| self.meant(keyword));
        let skipped = match statement.block {
            Some(_) => ", its block is skipped",
            None => "",
        };
        let message = format!("unknown keyword `{keyword}`{place}{skipped}");
        report.add(Problem::error(statement.head(), message).maybe_help(help));
    }

    /// What an unknown keyword was probably meant to be.
    fn meant(&self, keyword: &str) -> Option<String> {
        let here = self.entries();
        if let Some(name) = nearest(keyword, here.iter().map(|entry| entry.name)) {
            let entry = here.iter().find(|entry| entry.name == name)?;
            return Some(format!("did you mean `{name}`?{}", standing_of(entry)));
        }
        let elsewhere: Vec<_> = scopes()
            .into_iter()
            .filter(|scope| scope.name() != self.name)
            .flat_map(|scope| {
                let entries = scope.entries().into_iter();
                entries.map(move |entry| (scope.name(), entry))
            })
            .collect();
        let name = nearest(keyword, elsewhere.iter().map(|(_, entry)| entry.name))?;
        let (scope, entry) = elsewhere.iter().find(|(_, entry)| entry.name == name)?;
        let place = match *scope {
            "" => "stands outside of all blocks".to_owned(),
            scope => format!("belongs in `{scope}`"),
        };
        Some(if name == keyword {
            format!("it {place}")
        } else {
            format!("did you mean `{name}`? It {place}{}", standing_of(entry))
        })
    }
}

fn standing_of(entry: &Entry) -> &'static str {
    match entry.standing {
        Standing::Works | Standing::WorksWithArgument => "",
        Standing::NoEffect => " (old, harmless, without effect)",
        Standing::Later => " (not supported yet)",
    }
}

/// Block or no block, and all the arguments that are needed.
fn fits(entry: Entry, statement: &Statement, report: &mut Report<'_>) -> bool {
    let name = entry.name;
    let takes_block = !matches!(entry.shape, Shape::Line);
    if takes_block && statement.block.is_none() {
        let message = format!("`{name}` has no block");
        let help = format!("write `{name} {{`, its lines, and `}}`");
        report.add(Problem::error(statement.head(), message).help(help));
        return false;
    }
    if !takes_block && statement.block.is_some() {
        let message = format!("`{name}` takes no block, it is skipped");
        report.add(Problem::error(statement.head(), message));
    }
    let given = statement.arguments().len();
    let needs = entry.needs();
    if given < needs {
        let message = format!("`{name}` lacks an argument: {name} {}", entry.arguments);
        let problem = Problem::error(statement.span(), message);
        report.add(match entry.standing {
            Standing::Works => problem.class(Class::Argument),
            Standing::WorksWithArgument | Standing::NoEffect | Standing::Later => problem,
        });
        return false;
    }
    true
}

/// The last of two equal statements wins; that may not be what was meant.
fn again(
    seen: &mut HashMap<&'static str, Span>,
    entry: Entry,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    if let Some(first) = seen.insert(entry.name, statement.span()) {
        let message = format!("`{}` is given twice, the later one counts", entry.name);
        let problem = Problem::warning(statement.span(), message);
        report.add(problem.note(first, "first given here"));
    }
}

/// Names what an input method put into a word where a plain character was meant.
pub(crate) fn strange_characters(text: &str) -> Option<String> {
    let (strange, plain) = text
        .chars()
        .find_map(|character| {
            let plain = match character {
                '“' | '”' | '„' | '＂' => "\"",
                '‘' | '’' | '＇' => "'",
                '\u{3000}' | '\u{a0}' | '\u{2002}' | '\u{2003}' | '\u{2009}' => "a plain space",
                '\u{200b}' | '\u{feff}' => "nothing",
                '。' | '．' => ".",
                '、' | '，' => ",",
                '–' | '—' => "-",
                '！'..='～' => "the plain character",
                _ => return None,
            };
            Some((character, plain))
        })
        .or_else(|| foreign(text))?;
    let code = u32::from(strange);
    Some(if octet(strange).is_some() {
        format!("octets that are not UTF-8 are part of the word; {plain} was probably meant")
    } else if strange.is_whitespace() || "\u{200b}\u{feff}".contains(strange) {
        format!("the blank U+{code:04X} is part of the word; write {plain}")
    } else {
        format!("the full-width `{strange}` (U+{code:04X}) is part of the word; write {plain}")
    })
}

/// The same in GBK: full-width quotes, blank and braces by their two octets.
fn foreign(text: &str) -> Option<(char, &'static str)> {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let Some(lead) = octet(character) else {
            continue;
        };
        let trail = characters.next().and_then(octet);
        let plain = match (lead, trail) {
            (0xa1, Some(0xa1)) => "a plain space",
            (0xa1, Some(0xae | 0xaf)) => "'",
            (0xa1, Some(0xb0 | 0xb1)) => "\"",
            (0xa3, Some(_)) => "a plain character",
            _ => continue,
        };
        return Some((character, plain));
    }
    None
}

/// A lint for a value that is used with such characters in it.
pub(crate) fn lint_strange(word: &Word, report: &mut Report<'_>) {
    if let Some(help) = strange_characters(&word.text) {
        let message = "this value holds characters that are easily mistaken";
        report.add(Problem::warning(word.span, message).help(help));
    }
}

/// What a value was probably meant to be.
pub(crate) fn suggestion(word: &str, known: &[&'static str]) -> Option<String> {
    strange_characters(word).or_else(|| {
        let meant = nearest(word, known.iter().copied())?;
        Some(format!("did you mean `{meant}`?"))
    })
}
