//! Commands as arguments: `notify_master "/etc/x.sh 'two words'" user group`.
//!
//! Such a line is split twice, by rules of its own. The first time quotes of both kinds make the
//! command one word, behind which stand a user and a group; the second time the command becomes
//! the words its program gets, and escapes are resolved. A command whose program or user is not
//! there is left out. Whether the program may be trusted is not known here.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use super::NoProgram;
use super::diag::Problem;
use super::lossless;
use super::report::Report;
use super::tree::{Statement, Word};

/// A program with its arguments, and whom it runs as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Script {
    /// The program and its arguments; never empty. A program without `/` is looked up in PATH.
    pub argv: Vec<String>,
    /// None: `script_user`.
    pub user: Option<ScriptUser>,
}

/// `USER [[:]GROUP]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScriptUser {
    pub name: String,
    /// None: the primary group of the user.
    pub group: Option<String>,
    /// A `:` before the group: the supplementary groups of the user as well.
    pub supplementary: bool,
}

/// Why a line cannot be split into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsplit {
    /// A quote of this kind is not closed.
    Quote(char),
    /// It ends in a backslash.
    Backslash,
}

/// `KEYWORD COMMAND [USER [[:]GROUP]]`; None when there is no command, which is reported.
pub(crate) fn script(statement: &Statement, report: &mut Report<'_>) -> Option<Script> {
    let words = lines_words(statement, report)?;
    let mut script = command_of(&words, statement, report)?;
    let rest = words.get(2..).unwrap_or_default();
    let (user, further) = rest.split_at(rest.len().min(2));
    let strange = |word: &String| word.starts_with('-') || word.contains('/');
    if !further.is_empty() || user.iter().any(strange) {
        let message = "behind the command stand a user and a group";
        let help = "put a command and its arguments into one pair of quotes";
        report.add(Problem::warning(statement.span(), message).help(help));
    }
    if let Some(quoted) = user.iter().find(|word| word.contains('"')) {
        let message = format!("`{quoted}` is neither a user nor a group, the line is ignored");
        report.add(Problem::error(statement.span(), message));
        return None;
    }
    let mut user = user.iter();
    if let Some(name) = user.next() {
        let user = ScriptUser::new(name, user.next().map(String::as_str));
        if let Some(unknown) = user.unknown(report) {
            let message = format!("there is no {unknown}, the script is left out");
            report.add(Problem::warning(statement.span(), message));
            return None;
        }
        script.user = Some(user);
    }
    report.script(&script, statement.span(), script.user.is_some());
    Some(script)
}

/// `KEYWORD COMMAND`, where the user has a keyword of its own.
pub(crate) fn command(statement: &Statement, report: &mut Report<'_>) -> Option<Script> {
    let words = lines_words(statement, report)?;
    if words.len() > 2 {
        let message = "only the first word is the command, the rest of the line is ignored";
        let help = "put a command and its arguments into one pair of quotes";
        report.add(Problem::warning(statement.span(), message).help(help));
    }
    let script = command_of(&words, statement, report)?;
    // Its user has a keyword of its own.
    report.script(&script, statement.span(), true);
    Some(script)
}

/// The user and the group of a line of ordinary words: `user`, `script_user`, a FIFO.
pub(crate) fn user(words: &[Word]) -> Option<ScriptUser> {
    let group = words.get(1).map(|word| word.text.as_str());
    Some(ScriptUser::new(&words.first()?.text, group))
}

/// The one argument of a line, with its escapes resolved: how `regex` is read.
pub(crate) fn escaped(statement: &Statement, report: &mut Report<'_>) -> Option<String> {
    let raw = report.text(statement.span()).to_owned();
    let words = split(&raw, true).map_err(|error| unsplit(error, statement, report));
    let mut words = words.ok()?.into_iter().skip(1);
    let first = words.next();
    if first.is_none() || words.next().is_some() {
        let message = format!("`{}` takes one argument", statement.keyword());
        let help = "put it into quotes if it holds blanks";
        report.add(Problem::error(statement.span(), message).help(help));
        return None;
    }
    first
}

/// The words of a line as quotes of both kinds divide it, its keyword first.
fn lines_words(statement: &Statement, report: &mut Report<'_>) -> Option<Vec<String>> {
    let raw = report.text(statement.span()).to_owned();
    let words = split(&raw, false).map_err(|error| unsplit(error, statement, report));
    words.ok()
}

fn command_of(words: &[String], statement: &Statement, report: &mut Report<'_>) -> Option<Script> {
    let command = words.get(1).map(String::as_str).unwrap_or_default();
    let argv = split(command, true).map_err(|error| unsplit(error, statement, report));
    let argv = argv.ok()?;
    if argv.first().is_none_or(String::is_empty) {
        let message = format!("`{}` names no command", statement.keyword());
        report.add(Problem::error(statement.span(), message));
        return None;
    }
    let script = Script { argv, user: None };
    if let Err(why) = script.runs(report) {
        let message = format!("`{}` cannot run: {why}", script.argv[0]);
        report.add(Problem::warning(statement.span(), message).help("the script is left out"));
        return None;
    }
    Some(script)
}

fn unsplit(error: Unsplit, statement: &Statement, report: &mut Report<'_>) {
    let message = match error {
        Unsplit::Quote(quote) => format!("a {quote} of this command is not closed, ignored"),
        Unsplit::Backslash => "the command ends in a backslash, ignored".to_owned(),
    };
    report.add(Problem::error(statement.span(), message));
}

/// Divides a text at blanks outside of quotes. Quotes are removed and what they touch is one
/// word. A backslash and what follows it either stay as they are or are resolved.
fn split(text: &str, escapes: bool) -> Result<Vec<String>, Unsplit> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if escapes => word
                .get_or_insert_default()
                .extend(escape(&mut letters).ok_or(Unsplit::Backslash)?),
            '\\' => {
                let word = word.get_or_insert_default();
                word.push(b'\\');
                word.extend(octets(letters.next().ok_or(Unsplit::Backslash)?));
            }
            '"' | '\'' if quote == Some(letter) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' if quote.is_none() => {
                words.extend(word.take());
            }
            _ => word.get_or_insert_default().extend(octets(letter)),
        }
    }
    if let Some(quote) = quote {
        return Err(Unsplit::Quote(quote));
    }
    words.extend(word);
    Ok(words.iter().map(|word| lossless::decode(word)).collect())
}

/// What the letters behind a backslash mean; None at the end of the text.
fn escape(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Vec<u8>> {
    const ESCAPE: u8 = 0x1b;
    let letter = letters.next()?;
    let octet = match letter {
        'a' => 0x07,
        'b' => 0x08,
        'E' => ESCAPE,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '0'..='7' => digits(letter, 2, 8, letters),
        'x' => match letters.next_if(char::is_ascii_hexdigit) {
            Some(first) => digits(first, 1, 16, letters),
            None => b'x',
        },
        'c' => {
            let control = letters.next()?;
            return Some(match u8::try_from(control) {
                Ok(ascii) => vec![ascii & 0x1f],
                Err(_) => octets(control),
            });
        }
        itself => return Some(octets(itself)),
    };
    Some(vec![octet])
}

/// A number from its first digit on, with up to `more` digits behind it, modulo 256.
fn digits(
    first: char,
    more: usize,
    radix: u32,
    letters: &mut std::iter::Peekable<std::str::Chars<'_>>,
) -> u8 {
    let mut number = first.to_digit(radix).unwrap_or(0);
    for _ in 0..more {
        let Some(next) = letters.next_if(|letter| letter.is_digit(radix)) else {
            break;
        };
        number = number * radix + next.to_digit(radix).unwrap_or(0);
    }
    u8::try_from(number & 0xff).unwrap_or_default()
}

fn octets(letter: char) -> Vec<u8> {
    lossless::encode(letter.encode_utf8(&mut [0; 4]))
}

impl Script {
    fn runs(&self, report: &Report<'_>) -> Result<(), NoProgram> {
        let Some(program) = self.argv.first() else {
            return Ok(());
        };
        // A shell reads the file whose name follows.
        if program.starts_with("</") {
            return Ok(());
        }
        let program = lossless::encode(program);
        report.host.program(OsStr::from_bytes(&program))
    }
}

impl ScriptUser {
    /// Whom a script runs as: its own user, else the default one; `supplementary` when the groups
    /// of everybody count, whatever a line says.
    pub fn of_script(
        own: Option<&Self>,
        default: Option<&Self>,
        supplementary: bool,
    ) -> Option<Self> {
        let user = own.or(default).cloned()?;
        Some(Self {
            supplementary: user.supplementary || supplementary,
            ..user
        })
    }

    /// What of it is not there: a user or a group.
    pub(crate) fn unknown(&self, report: &mut Report<'_>) -> Option<String> {
        if !report.user_exists(&self.name) {
            return Some(format!("user `{}`", self.name));
        }
        let group = self.group.as_ref()?;
        (!report.group_exists(group)).then(|| format!("group `{group}`"))
    }

    fn new(name: &str, group: Option<&str>) -> Self {
        let bare = group.map(|group| group.strip_prefix(':').unwrap_or(group));
        Self {
            name: name.to_owned(),
            group: bare.filter(|group| !group.is_empty()).map(str::to_owned),
            supplementary: group.is_some_and(|group| group.starts_with(':')),
        }
    }
}

impl fmt::Display for Script {
    /// As an argument of a keyword: reading it again gives the same script.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.argv.iter().map(|word| escaped_word(word)).collect();
        write!(f, "\"{}\"", words.join(" "))?;
        match &self.user {
            Some(user) => write!(f, " {user}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ScriptUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.supplementary { ":" } else { "" };
        let group = self.group.as_deref().unwrap_or_default();
        write!(f, "\"{}\"", self.name)?;
        if self.supplementary || self.group.is_some() {
            write!(f, " \"{colon}{group}\"")?;
        }
        Ok(())
    }
}

/// A word for the inside of quotes: whatever means something anywhere is an octal escape.
pub(super) fn escaped_word(word: &str) -> String {
    if word.is_empty() {
        return "''".to_owned();
    }
    let mut escaped = String::with_capacity(word.len());
    for letter in word.chars() {
        let plain = letter.is_ascii_alphanumeric() || "/.,_-+=:@%<>".contains(letter);
        if plain {
            escaped.push(letter);
        } else {
            for octet in octets(letter) {
                escaped.push_str(&format!("\\{octet:03o}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::Rand;

    fn words(text: &str, escapes: bool) -> Vec<String> {
        split(text, escapes).unwrap()
    }

    #[test]
    fn quotes_of_both_kinds_join_what_they_touch() {
        assert_eq!(words("a b\tc", false), ["a", "b", "c"]);
        assert_eq!(words("ab\" c d \"e", false), ["ab c d e"]);
        assert_eq!(words("'a \"b\" c' \"\" ''", false), ["a \"b\" c", "", ""]);
        assert_eq!(
            words("k \"/x/y.sh 'arg 1' two\" u g", false),
            ["k", "/x/y.sh 'arg 1' two", "u", "g"]
        );
        assert_eq!(split("a 'b", false), Err(Unsplit::Quote('\'')));
    }

    #[test]
    fn escapes_are_kept_by_the_first_split_and_resolved_by_the_second() {
        assert_eq!(words(r"a\ b \n", false), [r"a\ b", r"\n"]);
        assert_eq!(
            words(r"a\ b \x41\102\7\cA\q", true),
            ["a b", "AB\u{7}\u{1}q"]
        );
        assert_eq!(words(r"\xg \xe4 '\t'", true), ["xg", "\u{10ffe4}", "\t"]);
        assert_eq!(split("a\\", true), Err(Unsplit::Backslash));
        // Nor does a name of a user.
        assert_eq!(split("a\\", false), Err(Unsplit::Backslash));
    }

    #[test]
    fn a_printed_command_splits_into_the_words_it_was_made_of() {
        let mut rng = Rand::new(3);
        for _ in 0..2000 {
            let argv: Vec<String> = (0..=rng.below(3))
                .map(|_| {
                    let length = rng.below(6);
                    let octets: Vec<u8> = (0..length)
                        .map(|_| rng.next_u64().to_be_bytes()[0])
                        .collect();
                    lossless::decode(&octets)
                })
                .collect();
            let script = Script {
                argv: argv.clone(),
                user: None,
            };
            let line = words(&script.to_string(), false);
            assert_eq!(line.len(), 1, "{argv:?}");
            assert_eq!(words(&line[0], true), argv);
        }
    }

    #[test]
    fn a_group_may_bring_the_supplementary_ones() {
        for (group, name, supplementary) in [
            (None, None, false),
            (Some("g"), Some("g"), false),
            (Some(":g"), Some("g"), true),
            (Some(":"), None, true),
        ] {
            let user = ScriptUser::new("u", group);
            assert_eq!(user.group.as_deref(), name);
            assert_eq!(user.supplementary, supplementary);
        }
    }
}
