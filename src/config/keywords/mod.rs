//! The tables of the language: which keyword stands where, what it takes, who reads it.
//!
//! A table is the only place that knows a keyword. Reading, "did you mean", the check for a
//! missing argument and the manual page all come from it. A reader puts what it finds into a
//! draft; what contradicts what, and what is left out, is settled after the whole file is read
//! (`resolve`), so that the order of a file does not matter.

pub(crate) mod address;
pub(crate) mod bfd;
pub(crate) mod check;
pub(crate) mod checker;
mod encap;
pub(crate) mod field;
mod forwarding;
pub(crate) mod garp;
pub(crate) mod global;
pub(crate) mod group;
pub(crate) mod http;
pub(crate) mod line;
pub(crate) mod notify;
mod reach;
pub(crate) mod root;
pub(crate) mod route;
pub(crate) mod rule;
mod seen;
pub(crate) mod server;
mod ssl;
pub(crate) mod statics;
pub(crate) mod sync;
pub(crate) mod timing;
pub(crate) mod track;
pub(crate) mod vrrp;

use std::borrow::Borrow;

use super::confusable::strange_characters;
use super::diag::{Class, Problem};
use super::report::Report;
use super::suggest::nearest;
use super::tree::Statement;

use field::Field;
use seen::Seen;

/// The keywords of one block, read into a draft of type `T`.
pub(crate) struct Table<T: 'static> {
    /// The keyword that opens the block; empty for the file itself.
    pub(crate) name: &'static str,
    pub(crate) keywords: &'static [Keyword<T>],
}

/// One keyword of a table.
pub(crate) struct Keyword<T: 'static> {
    pub(crate) entry: Entry,
    pub(crate) read: Read<T>,
}

/// Puts a statement into a draft. All arguments the keyword needs are there.
pub(crate) enum Read<T: 'static> {
    Statement(ReadStatement<T>),
    Field(Field<T>),
}

pub(crate) type ReadStatement<T> = fn(&mut T, &Statement, &mut Report<'_>);

/// What everybody may know about a keyword.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// As in the manual: `INT 1..255`; what stands in brackets may be left out.
    pub(crate) arguments: &'static str,
    /// How many arguments cannot be left out, and how many there may be.
    needs: usize,
    takes: usize,
    pub(crate) doc: &'static str,
    pub(crate) shape: Shape,
    pub(crate) standing: Standing,
    /// Its reader itself judges words too many and a second statement.
    pub(crate) judges_itself: bool,
    /// A statement without the argument it needs is ignored and not fatal.
    pub(crate) may_be_bare: bool,
    /// Of several statements the first counts, the others are reported.
    pub(crate) first_counts: bool,
    /// A second statement is an error to keepalived, although the last one counts.
    pub(crate) once_only: bool,
    /// Another keyword says the same and is the one that is printed.
    pub(crate) other_name: bool,
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
    /// Read, checked and kept in the configuration; why nothing acts on it yet.
    Stored(&'static str),
    /// Read and forgotten, for the reason given in the doc.
    NoEffect,
}

/// A table without its draft: what the tree, the suggestions and the manual need.
pub(crate) trait Scope: Sync {
    fn name(&self) -> &'static str;
    fn entries(&self) -> Vec<Entry>;

    fn find(&self, keyword: &str) -> Option<&Entry>;
}

impl<T> Scope for Table<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn entries(&self) -> Vec<Entry> {
        self.keywords.iter().map(|keyword| keyword.entry).collect()
    }

    fn find(&self, keyword: &str) -> Option<&Entry> {
        let mut here = self.keywords.iter().map(|keyword| &keyword.entry);
        here.find(|entry| entry.name == keyword)
    }
}

/// Every table, for suggestions across blocks and for the manual.
pub(crate) static SCOPES: &[&dyn Scope] = &[
    &root::ROOT,
    &global::GLOBAL,
    &vrrp::INSTANCE,
    &vrrp::auth::AUTHENTICATION,
    &vrrp::auth::HMAC,
    &sync::SYNC_GROUP,
    &track::SCRIPT,
    &track::PROCESS,
    &track::FILE,
    &bfd::INSTANCE,
    &statics::TRACK_GROUP,
    &statics::GARP_GROUP,
    &check::VIRTUAL_SERVER,
    &server::REAL_SERVER,
    &checker::TCP_CHECK,
    &checker::PING_CHECK,
    &http::HTTP_GET,
    &http::SSL_GET,
    &http::URL,
    &checker::SMTP_CHECK,
    &checker::SMTP_HOST,
    &checker::DNS_CHECK,
    &checker::MISC_CHECK,
    &checker::UDP_CHECK,
    &checker::FILE_CHECK,
    &checker::BFD_CHECK,
    &ssl::SSL,
];

impl<T> Clone for Keyword<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Keyword<T> {}

impl<T> Clone for Read<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Read<T> {}

/// Two lists of keywords as one: several blocks share some.
pub(crate) const fn joined<T, const A: usize, const B: usize, const BOTH: usize>(
    first: [Keyword<T>; A],
    second: [Keyword<T>; B],
) -> [Keyword<T>; BOTH] {
    assert!(A > 0 && A + B == BOTH, "the lengths add up");
    let mut both = [first[0]; BOTH];
    let mut at = 0;
    while at < BOTH {
        both[at] = if at < A { first[at] } else { second[at - A] };
        at += 1;
    }
    both
}

impl<T> Keyword<T> {
    pub(crate) const fn line(
        name: &'static str,
        arguments: &'static str,
        doc: &'static str,
        read: ReadStatement<T>,
    ) -> Self {
        let entry = Entry {
            name,
            arguments,
            needs: count(arguments, false),
            takes: count(arguments, true),
            doc,
            shape: Shape::Line,
            standing: Standing::Works,
            judges_itself: false,
            may_be_bare: false,
            first_counts: false,
            once_only: false,
            other_name: false,
        };
        let read = Read::Statement(read);
        Self { entry, read }
    }

    pub(crate) const fn values(
        name: &'static str,
        arguments: &'static str,
        doc: &'static str,
        read: ReadStatement<T>,
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
        read: ReadStatement<T>,
    ) -> Self {
        let mut keyword = Self::line(name, arguments, doc, read);
        keyword.entry.shape = Shape::Block(scope);
        keyword
    }

    /// Leaves words too many and a second statement to the reader.
    pub(crate) const fn judging_itself(mut self) -> Self {
        self.entry.judges_itself = true;
        self
    }

    /// Without the argument it needs it is ignored and not fatal.
    pub(crate) const fn may_be_bare(mut self) -> Self {
        self.entry.may_be_bare = true;
        self
    }

    /// A second statement is reported and ignored.
    pub(crate) const fn first_counts(mut self) -> Self {
        self.entry.first_counts = true;
        self
    }

    /// A second statement is an error, although it counts.
    pub(crate) const fn once_only(mut self) -> Self {
        self.entry.once_only = true;
        self
    }

    /// Nothing acts on it yet, for this reason.
    pub(crate) const fn stored(self, why: &'static str) -> Self {
        self.standing(Standing::Stored(why))
    }

    pub(crate) const fn standing(mut self, standing: Standing) -> Self {
        self.entry.standing = standing;
        self
    }
}

/// The words of a list of arguments that stand for one, all or those before the first that may be
/// left out. A range is none itself: `1..255` tells what an argument may be.
const fn count(arguments: &str, all: bool) -> usize {
    let bytes = arguments.as_bytes();
    let (mut words, mut next) = (0, 0);
    while next < bytes.len() {
        if bytes[next] == b'[' && !all {
            return words;
        }
        let (start, mut range) = (next, false);
        while next < bytes.len() && bytes[next] != b' ' {
            range |= next > start && bytes[next] == b'.' && bytes[next - 1] == b'.';
            next += 1;
        }
        if next > start && !range {
            words += 1;
        }
        next += 1;
    }
    words
}

impl<T> Table<T> {
    /// Reads all statements of a block into a draft; those that are given away are dropped one by
    /// one.
    pub(crate) fn read<S: Borrow<Statement>>(
        &self,
        draft: &mut T,
        statements: impl IntoIterator<Item = S>,
        report: &mut Report<'_>,
    ) {
        let mut seen = Seen::default();
        for statement in statements {
            let statement = statement.borrow();
            if statement.words.is_empty() {
                continue;
            }
            let keyword = statement.keyword();
            let Some(known) = self
                .keywords
                .iter()
                .find(|known| known.entry.name == keyword)
            else {
                unknown(self, statement, report);
                continue;
            };
            if !fits(&known.entry, statement, report) {
                continue;
            }
            if matches!(known.entry.shape, Shape::Block(_)) {
                report.host.meanwhile();
            }
            if matches!(known.entry.shape, Shape::Values) {
                extra_before_block(&known.entry, statement, report);
            }
            if matches!(known.entry.shape, Shape::Line) {
                if !again(&mut seen, &known.entry, statement, report) {
                    continue;
                }
                let command = matches!(known.read, Read::Field(Field::Command(_)));
                if !command && !known.entry.judges_itself {
                    self.too_many(&known.entry, statement, report);
                }
            }
            match &known.read {
                Read::Statement(read) => read(draft, statement, report),
                Read::Field(field) => field.read(known.entry.arguments, draft, statement, report),
            }
        }
    }

    /// keepalived says nothing about the rest of a line, but nobody writes it for nothing.
    fn too_many(&self, entry: &Entry, statement: &Statement, report: &mut Report<'_>) {
        let extra = statement.arguments().get(entry.takes..).unwrap_or_default();
        let (Some(first), Some(last)) = (extra.first(), extra.last()) else {
            return;
        };
        let message = format!(
            "`{}` ends here, the rest of the line is ignored",
            entry.name
        );
        let problem = Problem::warning(first.span.to(last.span), message);
        let keyword = self.find(&first.text).map(|entry| entry.name);
        report.add(
            problem.maybe_help(
                keyword.map(|keyword| format!("write `{keyword}` on a line of its own")),
            ),
        );
    }
}

/// Reports words between a keyword and the block of its values.
fn extra_before_block(entry: &Entry, statement: &Statement, report: &mut Report<'_>) {
    let extra = statement.arguments().get(entry.takes..).unwrap_or_default();
    if let (Some(first), Some(last)) = (extra.first(), extra.last()) {
        let message = format!("`{}` takes no words here, they are ignored", entry.name);
        report.add(Problem::error(first.span.to(last.span), message));
    }
}

/// Reports a keyword that a block does not have, and what was probably meant by it.
fn unknown(scope: &dyn Scope, statement: &Statement, report: &mut Report<'_>) {
    let keyword = statement.keyword();
    if report.is_full() {
        return report.add(Problem::error(statement.head(), "unknown keyword"));
    }
    let place = match scope.name() {
        "" => String::new(),
        name => format!(" in `{name}`"),
    };
    let skipped = match statement.block {
        Some(_) => ", its block is skipped",
        None => "",
    };
    let here = scope.entries();
    let meant = nearest(keyword, here.iter().map(|entry| entry.name));
    let meant = here.iter().find(|entry| Some(entry.name) == meant);
    let help = match (strange_characters(keyword), meant) {
        _ if keyword.starts_with('$') => {
            Some("a definition is `$NAME=text`, without a blank before the `=`".to_owned())
        }
        _ if keyword.starts_with('@') => Some("a line can have one condition".to_owned()),
        (Some(strange), _) => Some(strange),
        (None, Some(entry)) => {
            let standing = standing_of(entry);
            Some(format!("did you mean `{}`?{standing}", entry.name))
        }
        (None, None) => elsewhere(scope, keyword),
    };
    let message = format!("unknown keyword `{keyword}`{place}{skipped}");
    report.add(Problem::error(statement.head(), message).maybe_help(help));
    if let (Some(meant), Some(block)) = (meant, &statement.block) {
        check_names(meant.shape, &block.statements, report);
    }
}

/// Reports the unknown keywords of a skipped block, so that one run finds all of them.
fn check_names(shape: Shape, statements: &[Statement], report: &mut Report<'_>) {
    let Shape::Block(scope) = shape else {
        return;
    };
    for statement in statements {
        match (scope.find(statement.keyword()), &statement.block) {
            (Some(entry), Some(block)) => check_names(entry.shape, &block.statements, report),
            (Some(_), None) => {}
            (None, _) if statement.words.is_empty() => {}
            (None, _) => unknown(scope, statement, report),
        }
    }
}

/// The block another keyword belongs to.
fn elsewhere(here: &dyn Scope, keyword: &str) -> Option<String> {
    let others: Vec<(&str, Entry)> = SCOPES
        .iter()
        .filter(|scope| scope.name() != here.name())
        .flat_map(|scope| {
            scope
                .entries()
                .into_iter()
                .map(|entry| (scope.name(), entry))
        })
        .collect();
    let name = nearest(keyword, others.iter().map(|(_, entry)| entry.name))?;
    let (scope, entry) = others.iter().find(|(_, entry)| entry.name == name)?;
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

fn standing_of(entry: &Entry) -> &'static str {
    match entry.standing {
        Standing::Works => "",
        Standing::Stored(_) => " (without effect yet)",
        Standing::NoEffect => " (old, harmless, without effect)",
    }
}

/// Block or no block, and all the arguments that are needed.
fn fits(entry: &Entry, statement: &Statement, report: &mut Report<'_>) -> bool {
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
    let needs = entry.needs;
    if given < needs {
        let message = format!("`{name}` lacks an argument: {name} {}", entry.arguments);
        let problem = Problem::error(statement.span(), message);
        let needed = matches!(entry.standing, Standing::Works | Standing::Stored(_));
        report.add(if needed && !entry.may_be_bare {
            problem.class(Class::Argument)
        } else {
            problem
        });
        return false;
    }
    true
}

/// The last of two equal statements wins, of some keywords the first; that may not be what was
/// meant. True when this one counts.
fn again(seen: &mut Seen, entry: &Entry, statement: &Statement, report: &mut Report<'_>) -> bool {
    if entry.judges_itself && !entry.first_counts && !entry.once_only {
        return true;
    }
    let Some(first) = seen.insert(entry.name, statement.span()) else {
        return true;
    };
    let problem = if entry.first_counts {
        let message = format!("`{}` is given twice, the first counts", entry.name);
        Problem::error(statement.span(), message)
    } else {
        let message = format!("`{}` is given twice, the later one counts", entry.name);
        if entry.once_only {
            Problem::error(statement.span(), message)
        } else {
            Problem::warning(statement.span(), message)
        }
    };
    report.add(problem.note(first, "first given here"));
    !entry.first_counts
}

/// What a value was probably meant to be.
pub(crate) fn suggestion(word: &str, known: &[&'static str]) -> Option<String> {
    strange_characters(word).or_else(|| {
        let meant = nearest(word, known.iter().copied())?;
        Some(format!("did you mean `{meant}`?"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::config::{AnyHost, Reading, expand, tree};

    #[test]
    fn ranges_and_what_may_be_left_out_are_told_from_arguments() {
        let counts = |arguments| (count(arguments, false), count(arguments, true));
        assert_eq!(counts(""), (0, 0));
        assert_eq!(counts("[BOOL]"), (0, 1));
        assert_eq!(counts("INT 1..255"), (1, 1));
        assert_eq!(counts("INT 0.."), (1, 1));
        assert_eq!(counts("NAME INT 1..255 [INT 0..9] [WORD]"), (2, 4));
    }

    type Written = BTreeSet<(&'static str, &'static str)>;

    fn note(scope: &'static dyn Scope, statements: &[Statement], seen: &mut Written) {
        for statement in statements {
            let Some(entry) = scope.find(statement.keyword()) else {
                continue;
            };
            seen.insert((scope.name(), entry.name));
            if let (Shape::Block(inner), Some(block)) = (entry.shape, &statement.block) {
                note(inner, &block.statements, seen);
            }
        }
    }

    #[test]
    fn every_keyword_occurs_in_a_configuration_of_the_tests() {
        let mut seen = Written::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "conf") {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let reading = Reading::default();
            let source = expand::expand("k.conf", &bytes, &AnyHost, &reading, &mut Vec::new());
            let statements = tree::parse(source.text(), &root::ROOT, &AnyHost, &mut Vec::new());
            note(&root::ROOT, &statements, &mut seen);
        }
        for scope in SCOPES {
            for entry in scope.entries() {
                let known = seen.contains(&(scope.name(), entry.name));
                assert!(known, "`{}` of `{}`", entry.name, scope.name());
            }
        }
    }
}
