//! What a reader of keywords is given: the machine, the text, the list of problems; and one
//! reader for each kind of value, which reports what it does not like and answers None.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Host;
use super::confusable::strange_characters;
use super::diag::{Class, Diagnostics, Problem};
use super::lossless;
use super::names::Names;
use super::script::{Script, ScriptUser};
use super::source::{Source, Span};
use super::tree::{Statement, Word};
use super::value::{self, Wrong};

/// The state of one reading.
pub(crate) struct Report<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) names: Names,
    /// Interfaces that are not there: whether that matters is known when all is read.
    missing: Vec<(String, Problem)>,
    first_script: Option<Span>,
    /// Where programs are named first for whom they are written to run as.
    programs: HashMap<(String, Option<ScriptUser>), Span>,
    /// The first script that does not say whom it runs as.
    first_without_user: Option<Span>,
    users: HashMap<String, bool>,
    groups: HashMap<String, bool>,
    source: &'a Source,
    diagnostics: Diagnostics,
    fatal: bool,
    /// Lints that need no second place.
    told: Vec<&'static str>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(host: &'a dyn Host, source: &'a Source) -> Self {
        Self {
            host,
            names: Names::default(),
            missing: Vec::new(),
            first_script: None,
            programs: HashMap::new(),
            first_without_user: None,
            users: HashMap::new(),
            groups: HashMap::new(),
            source,
            diagnostics: Diagnostics::default(),
            fatal: false,
            told: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, problem: Problem) {
        let fatal = [Class::Argument, Class::Include, Class::Endless];
        self.fatal |= fatal.into_iter().any(|class| problem.is(class));
        self.diagnostics.add(problem, self.source);
    }

    /// Adds a lint of a kind that a file has in hundreds of places or in none: the first place is
    /// enough, and what is wrong elsewhere stays in sight.
    pub(crate) fn once(&mut self, kind: &'static str, problem: impl FnOnce() -> Problem) {
        if !self.told.contains(&kind) {
            self.told.push(kind);
            self.add(problem());
        }
    }

    /// Adds a problem that leaves nothing to run.
    pub(crate) fn fatal(&mut self, problem: Problem) {
        self.fatal = true;
        self.add(problem);
    }

    /// The same, where what is wrong may have been said at its own place already.
    pub(crate) fn fatal_unless_told(&mut self, told: bool, problem: impl FnOnce() -> Problem) {
        self.fatal = true;
        if !told {
            self.add(problem());
        }
    }

    /// Nobody will read what else is found; it need not be explained.
    pub(crate) fn is_full(&self) -> bool {
        self.diagnostics.is_full()
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.fatal
    }

    pub(crate) fn into_diagnostics(self) -> Diagnostics {
        let mut diagnostics = self.diagnostics;
        diagnostics.sort();
        diagnostics
    }

    /// Notes a script that is to run, and whether something says whom as.
    pub(crate) fn script(&mut self, script: &Script, span: Span, has_user: bool) {
        self.first_script.get_or_insert(span);
        if let Some(program) = script.argv.first() {
            let key = (program.clone(), script.user.clone());
            self.programs.entry(key).or_insert(span);
        }
        if !has_user {
            self.first_without_user.get_or_insert(span);
        }
    }

    /// Where a program is named first as one that `user` runs.
    pub(crate) fn program(&self, name: &str, user: Option<&ScriptUser>) -> Span {
        let key = (name.to_owned(), user.cloned());
        self.programs.get(&key).copied().unwrap_or_default()
    }

    pub(crate) fn first_without_user(&self) -> Option<Span> {
        self.first_without_user
    }

    pub(crate) fn user_exists(&mut self, name: &str) -> bool {
        remembered(&mut self.users, name, |name| self.host.user_exists(name))
    }

    pub(crate) fn group_exists(&mut self, name: &str) -> bool {
        remembered(&mut self.groups, name, |name| self.host.group_exists(name))
    }

    pub(crate) fn first_script(&self) -> Option<Span> {
        self.first_script
    }

    /// What the file says there, quotes and all.
    pub(crate) fn text(&self, span: Span) -> &'a str {
        let text = self.source.text().get(span.start..span.end);
        text.unwrap_or_default()
    }

    /// Says that a whole block is lost to a fault in its first line.
    pub(crate) fn skipped(&mut self, statement: &Statement) {
        let message = format!("this block of `{}` is skipped", statement.keyword());
        self.add(Problem::error(statement.head(), message));
    }

    /// Reports a word that is not what its keyword wants.
    pub(crate) fn reject(&mut self, word: &Word, wanted: &str) {
        let message = format!("`{}` is not {wanted}", word.text);
        let problem = Problem::error(word.span, message);
        self.add(problem.maybe_help(strange_characters(&word.text)));
    }

    /// A number that must be nothing but digits.
    pub(crate) fn strict(&mut self, word: &Word, range: RangeInclusive<i64>) -> Option<i64> {
        match value::integer(&word.text, &range) {
            Ok(number) => Some(number),
            Err(_) => {
                self.reject(word, &between(&range));
                None
            }
        }
    }

    /// A number whose trailing junk keepalived forgives, with a complaint.
    pub(crate) fn lenient(&mut self, word: &Word, range: RangeInclusive<i64>) -> Option<i64> {
        match value::integer(&word.text, &range) {
            Ok(number) => Some(number),
            Err(Wrong::Trailing(number)) => {
                let message = format!("`{}` is not a number", word.text);
                let help = format!("{number} is used");
                self.add(Problem::error(word.span, message).help(help));
                Some(number)
            }
            Err(Wrong::Value) => {
                self.reject(word, &between(&range));
                None
            }
        }
    }

    /// Seconds with up to six decimals.
    pub(crate) fn seconds(&mut self, word: &Word, range: RangeInclusive<f64>) -> Option<Duration> {
        let duration = |end: f64| Duration::try_from_secs_f64(end).unwrap_or(Duration::MAX);
        self.duration(word, &(duration(*range.start())..=duration(*range.end())))
    }

    /// The same, within durations.
    pub(crate) fn duration(
        &mut self,
        word: &Word,
        range: &RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let Some(read) = value::seconds(&word.text) else {
            let message = format!("`{}` is not a number of seconds", word.text);
            let unit = word.text.starts_with(|first: char| first.is_ascii_digit());
            let help = match strange_characters(&word.text) {
                None if unit => Some("write the number without a unit".to_owned()),
                help => help,
            };
            self.add(Problem::error(word.span, message).maybe_help(help));
            return None;
        };
        if read.rounded {
            let message = format!("`{}` has more than six decimals, it is rounded", word.text);
            self.add(Problem::error(word.span, message));
        }
        if !range.contains(&read.duration) {
            let least = value::print_seconds(*range.start());
            let wanted = match *range.end() {
                Duration::MAX => format!("{least} seconds or more"),
                most => format!("from {least} to {} seconds", value::print_seconds(most)),
            };
            self.reject(word, &wanted);
            return None;
        }
        Some(read.duration)
    }

    /// `true on yes`, `false off no`; a keyword without it means true.
    pub(crate) fn truth(&mut self, word: Option<&Word>) -> Option<bool> {
        let Some(word) = word else {
            return Some(true);
        };
        let read = value::truth(&word.text);
        if read.is_none() {
            self.reject(word, "true, on, yes, false, off or no");
        }
        read
    }

    /// An address as keepalived reads those of servers: cut at `/` and `-`.
    pub(crate) fn address(&mut self, word: &Word) -> Option<IpAddr> {
        let read = value::address(&word.text);
        if read.is_none() {
            self.no_address(word);
        }
        read
    }

    fn no_address(&mut self, word: &Word) {
        match word.text.parse::<SocketAddr>() {
            Ok(both) => {
                let message = format!("`{}` is not an IP address", word.text);
                let help = format!("write `{} {}`", both.ip(), both.port());
                self.add(Problem::error(word.span, message).help(help));
            }
            Err(_) => self.reject(word, "an IP address"),
        }
    }

    /// A port that may be left out: zeros mean none.
    pub(crate) fn optional_port(&mut self, word: Option<&Word>) -> Option<u16> {
        let Some(word) = word else {
            return Some(0);
        };
        let zeros = !word.text.is_empty() && word.text.bytes().all(|byte| byte == b'0');
        if zeros { Some(0) } else { self.port(word) }
    }

    pub(crate) fn port(&mut self, word: &Word) -> Option<u16> {
        let number = self.strict(word, 1..=65535)?;
        u16::try_from(number).ok()
    }

    /// The name of an interface that exists. One that does not makes the whole file unusable,
    /// unless [`Self::settle_interfaces`] knows better.
    pub(crate) fn interface(&mut self, word: &Word) -> Option<String> {
        let name = self.interface_name(word)?;
        if !self.host.interface_exists(&name) {
            let message = format!("there is no interface `{name}`");
            let mut problem = Problem::error(word.span, message);
            if let Some((device, _)) = name.split_once(':') {
                problem = problem.help(format!(
                    "write `{device}` here, and the label behind the address: `label {name}`"
                ));
            }
            self.missing(&name, problem);
        }
        Some(name)
    }

    /// Keeps what to say when the interface really has to be there.
    pub(crate) fn missing(&mut self, name: &str, problem: Problem) {
        self.missing.push((name.to_owned(), problem));
    }

    /// Reports the interfaces that should be there, once all of the file is read.
    pub(crate) fn settle_interfaces(&mut self, may_be_missing: impl Fn(&str) -> bool) {
        for (name, problem) in std::mem::take(&mut self.missing) {
            if !may_be_missing(&name) {
                self.fatal(problem);
            }
        }
    }

    /// The name of an interface that need not exist.
    pub(crate) fn interface_name(&mut self, word: &Word) -> Option<String> {
        let length = lossless::encode(&word.text).len();
        if length == 0 || length > INTERFACE_NAME_MAX || word.text.contains('/') {
            self.reject(word, "the name of an interface");
            return None;
        }
        Some(word.text.to_string())
    }
}

/// A thousand servers may name one user, and to find it the machine reads a file.
fn remembered(
    known: &mut HashMap<String, bool>,
    name: &str,
    ask: impl FnOnce(&str) -> bool,
) -> bool {
    if let Some(exists) = known.get(name) {
        return *exists;
    }
    let exists = ask(name);
    known.insert(name.to_owned(), exists);
    exists
}

/// IFNAMSIZ of the kernel, without the final NUL.
const INTERFACE_NAME_MAX: usize = 15;

fn between(range: &RangeInclusive<i64>) -> String {
    let (least, most) = (range.start(), range.end());
    if *most == i64::MAX {
        format!("a number from {least} on")
    } else {
        format!("a number from {least} to {most}")
    }
}
