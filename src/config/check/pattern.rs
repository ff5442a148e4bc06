//! `regex`: a pattern of PCRE, ready to search octets.
//!
//! Look-around and back-references work. Searching never goes back more often than
//! [`BACKTRACK_MAX`]; a pattern that wants to is an error of the search and not a pause of the
//! daemon.

use std::fmt::{self, Write as _};

use fancy_regex::{BytesMode, RegexBuilder};

use super::{Regex, RegexOption};
use crate::config::lossless;

/// A compiled [`Regex`].
pub struct Pattern(fancy_regex::Regex);

/// A search was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooCostly;

impl Pattern {
    /// The error is a sentence for the one who wrote the pattern.
    pub fn new(regex: &Regex) -> Result<Self, String> {
        let has = |option| regex.options.contains(&option);
        let mut builder = RegexBuilder::new(&flagged(regex));
        // Octets are no characters unless it is said that they are.
        builder.bytes_mode(if has(RegexOption::Utf) {
            BytesMode::UnicodeBytes
        } else {
            BytesMode::Ascii
        });
        builder.case_insensitive(has(RegexOption::Caseless));
        builder.multi_line(has(RegexOption::Multiline));
        builder.dot_matches_new_line(has(RegexOption::Dotall));
        builder.ignore_whitespace(has(RegexOption::Extended));
        builder.backtrack_limit(BACKTRACK_MAX);
        builder.delegate_size_limit(SIZE_MAX);
        builder.delegate_dfa_size_limit(CACHE_MAX);
        let compiled = builder.build().map_err(|error| one_line(&error))?;
        Ok(Self(compiled))
    }

    /// The first match that begins at `start` or behind it: where it begins and ends.
    pub fn find(&self, octets: &[u8], start: usize) -> Result<Option<(usize, usize)>, TooCostly> {
        if start > octets.len() {
            return Ok(None);
        }
        let found = self.0.find_from_pos(octets, start);
        let found = found.map_err(|_| TooCostly)?;
        Ok(found.map(|found| (found.start(), found.end())))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.0.as_str()).finish()
    }
}

/// The pattern with what the builder has no switch for. A `$` of PCRE also matches before a line
/// feed that ends the text, unless it is told not to.
fn flagged(regex: &Regex) -> String {
    let has = |option| regex.options.contains(&option);
    let mut text = String::new();
    if has(RegexOption::Ungreedy) {
        text.push_str("(?U)");
    }
    let only_the_end = has(RegexOption::Multiline) || has(RegexOption::DollarEndonly);
    let (mut escaped, mut class) = (false, false);
    for letter in regex.pattern.chars() {
        // An octet that is no character.
        if let Some(octet) = lossless::octet(letter) {
            // Its backslash, when it has one, stands there already.
            text.push_str(if escaped { "x" } else { r"\x" });
            write!(text, "{octet:02x}").expect("a string takes any text");
            escaped = false;
            continue;
        }
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '$' if !class && !only_the_end => {
                text.push_str(END);
                continue;
            }
            _ => {}
        }
        text.push(letter);
    }
    text
}

/// The engine draws pictures of several lines, with the pattern in them.
fn one_line(error: &fancy_regex::Error) -> String {
    let text = error.to_string();
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(MESSAGE_MAX).collect()
}

/// The pattern itself may be long.
const MESSAGE_MAX: usize = 200;

const END: &str = r"(?:\n?\z)";

/// A page of 64 kB has as many places to begin at; this is some ten milliseconds of work.
const BACKTRACK_MAX: usize = 200_000;
/// Octets of a compiled pattern, and of what a search remembers.
const SIZE_MAX: usize = 1 << 20;
const CACHE_MAX: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(pattern: &str, options: &[RegexOption]) -> Result<Pattern, String> {
        Pattern::new(&Regex {
            pattern: pattern.to_owned(),
            absent: false,
            options: options.to_vec(),
            least_offset: 0,
            most_offset: None,
            stack: None,
        })
    }

    #[track_caller]
    fn finds(text: &str, options: &[RegexOption], octets: &[u8]) -> bool {
        let pattern = pattern(text, options).unwrap();
        pattern.find(octets, 0).unwrap().is_some()
    }

    #[test]
    fn look_around_and_back_references_work_on_octets() {
        assert!(finds(r"(?<=id=)\d+(?!\d*x)", &[], b"\xff id=42 \xfe"));
        assert!(!finds(r"(?<!no )error", &[], b"no error"));
        assert!(finds(r"<(\w+)>.*</\1>", &[], b"<b>\xe9</b>"));
        assert!(!finds(r"<(\w+)>.*</\1>", &[], b"<b>x</i>"));
        assert!(finds("^a.b$", &[], b"a\xffb"), "a dot is an octet");
        assert!(!finds("^a.b$", &[RegexOption::Utf], b"a\xffb"));
        assert!(finds("^a.b$", &[RegexOption::Utf], "a\u{e9}b".as_bytes()));
    }

    #[test]
    fn a_dollar_matches_before_the_last_line_feed() {
        assert!(finds("^OK$", &[], b"OK\n"));
        assert!(!finds("^OK$", &[], b"OK\nmore"));
        assert!(!finds("^OK$", &[RegexOption::DollarEndonly], b"OK\n"));
        assert!(finds("^OK$", &[RegexOption::Multiline], b"no\nOK\nmore"));
        assert!(finds(r"\$[$]x", &[], b"$$x"));
    }

    #[test]
    fn options_say_how_it_is_read() {
        use RegexOption::{Caseless, Dotall, Extended};
        assert!(finds("hello", &[Caseless], b"HeLLo"));
        assert!(finds("a.b", &[Dotall], b"a\nb") && !finds("a.b", &[], b"a\nb"));
        assert!(finds("a b # c", &[Extended], b"ab"));
        assert_eq!(
            pattern("a+", &[RegexOption::Ungreedy])
                .unwrap()
                .find(b"aaa", 0),
            Ok(Some((0, 1)))
        );
    }

    #[test]
    fn a_search_that_never_ends_is_given_up() {
        let greedy = pattern(r"(a*)*\1b", &[]).unwrap();
        assert_eq!(greedy.find(&[b'a'; 5000], 0), Err(TooCostly));
        assert!(pattern("(", &[]).is_err());
        assert!(pattern("(?:a{1000}){1000}", &[]).is_err(), "too large");
    }
}
