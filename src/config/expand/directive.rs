//! `grammar/expand.pest` to values: what a line begins with, and what a `$` in it begins.

use std::ops::Range;

use pest::Parser;
use pest::iterators::Pair;
use pest_derive::Parser;

#[derive(Parser)]
#[grammar = "../grammar/expand.pest"]
struct Grammar;

/// What a line begins with; the offset says where the rest begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Directive<'a> {
    Condition {
        id: &'a str,
        except: bool,
    },
    Definition {
        name: &'a str,
    },
    Sequence {
        name: &'a str,
        hex: bool,
        bounds: Range<usize>,
    },
    List {
        names: Vec<&'a str>,
        rows: Vec<Vec<&'a str>>,
    },
    Include {
        check: Option<&'a str>,
    },
    /// `~SEQ` or `~LST` with something wrong about it.
    Broken,
    /// `include` alone.
    IncludeNothing,
}

/// A use of a definition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: Vec<&'a str>,
    pub(super) length: usize,
}

/// What a line without blanks before it begins with, and where the rest of it begins.
pub(super) fn directive(text: &str) -> Option<(Directive<'_>, usize)> {
    match *text.as_bytes().first()? {
        b'@' => head(Rule::condition, text),
        b'$' if text.starts_with("${") => None,
        b'$' => head(Rule::definition, text),
        b'~' => head(Rule::sequence, text)
            .or_else(|| head(Rule::list, text))
            .or_else(|| {
                let repeats = text.starts_with("~SEQ") || text.starts_with("~LST");
                repeats.then_some((Directive::Broken, text.len()))
            }),
        b'i' => head(Rule::include, text).or_else(|| {
            let nothing = matches!(
                text.strip_prefix("include"),
                Some("" | "r" | "m" | "w" | "b" | "a")
            );
            nothing.then_some((Directive::IncludeNothing, text.len()))
        }),
        _ => None,
    }
}

fn head(rule: Rule, text: &str) -> Option<(Directive<'_>, usize)> {
    let pair = Grammar::parse(rule, text).ok()?.next()?;
    let end = pair.as_span().end();
    let inner = pair.into_inner();
    let one = |wanted| inner.clone().find(|pair| pair.as_rule() == wanted);
    let word = |wanted| one(wanted).map_or("", |pair| pair.as_str());
    let found = match rule {
        Rule::condition => Directive::Condition {
            id: word(Rule::id),
            except: one(Rule::except).is_some(),
        },
        Rule::definition => Directive::Definition {
            name: word(Rule::name),
        },
        Rule::sequence => {
            let bounds = one(Rule::bounds)?.as_span();
            Directive::Sequence {
                name: word(Rule::name),
                hex: one(Rule::hex).is_some(),
                bounds: bounds.start()..bounds.end(),
            }
        }
        Rule::list => Directive::List {
            names: match one(Rule::group) {
                Some(group) => words(group),
                None => vec![word(Rule::name)],
            },
            rows: inner
                .filter(|pair| pair.as_rule() == Rule::row)
                .map(words)
                .collect(),
        },
        _ => Directive::Include {
            check: one(Rule::check).map(|check| check.as_str()),
        },
    };
    Some((found, end))
}

fn words(pair: Pair<'_, Rule>) -> Vec<&str> {
    pair.into_inner().map(|pair| pair.as_str()).collect()
}

/// Nobody has longer names.
const REFERENCE_MAX: usize = 256;

/// The use that a text with a `$` at its start begins with.
pub(super) fn reference(text: &str) -> Option<Reference<'_>> {
    let pair = Grammar::parse(Rule::reference, near(text)?).ok()?.next()?;
    let length = pair.as_str().len();
    let inner = pair.into_inner().next()?;
    let mut words = inner.into_inner().map(|pair| pair.as_str());
    Some(Reference {
        name: words.next()?,
        arguments: words.collect(),
        length,
    })
}

/// As much of a text as its use can be, with the character behind it. The parser's failures cost
/// as much as their text is long, and a line may be full of them.
fn near(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let window = &bytes[..bytes.len().min(REFERENCE_MAX)];
    let end = match window.get(1)? {
        b'{' => window.iter().position(|byte| *byte == b'}')?,
        _ => {
            let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let behind = window.iter().skip(1).position(|byte| !in_name(byte));
            match behind {
                Some(at) => at + 1,
                None if window.len() == bytes.len() => window.len(),
                None => return None,
            }
        }
    };
    let end = (end + 1..text.len()).find(|at| text.is_char_boundary(*at));
    Some(&text[..end.unwrap_or(text.len())])
}

/// The name of what is no use, but could be meant as one.
pub(super) fn nearly(text: &str) -> Option<&str> {
    let pair = Grammar::parse(Rule::nearly, near(text)?).ok()?.next()?;
    pair.into_inner().next().map(|name| name.as_str())
}

/// One to three numbers in the notation of C, separated by commas.
pub(super) fn numbers(text: &str) -> Option<Vec<i64>> {
    let pair = Grammar::parse(Rule::numbers, text).ok()?.next()?;
    let words = pair
        .into_inner()
        .filter(|pair| pair.as_rule() == Rule::number);
    words.map(|pair| number(pair.as_str())).collect()
}

/// `0x1f`, `017` or `15`, with a sign or without.
fn number(word: &str) -> Option<i64> {
    let digits = word.trim_start_matches(['+', '-']);
    let magnitude = if let Some(digits) = digits.strip_prefix("0x") {
        i64::from_str_radix(digits, 16)
    } else if let Some(digits) = digits.strip_prefix('0').filter(|rest| !rest.is_empty()) {
        i64::from_str_radix(digits, 8)
    } else {
        digits.parse()
    };
    let magnitude = magnitude.ok()?;
    Some(if word.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_wants_a_blank_or_the_end_behind_its_id() {
        let condition = |id, except| Directive::Condition { id, except };
        for (text, expected, rest) in [
            ("@a b", condition("a", false), "b"),
            ("@^a-1.x \t b c", condition("a-1.x", true), "b c"),
            ("@a", condition("a", false), ""),
            ("@ a", condition("", false), "a"),
            ("@!a b", condition("!a", false), "b"),
        ] {
            let (found, end) = directive(text).unwrap();
            assert_eq!((found, &text[end..]), (expected, rest), "{text}");
        }
    }

    #[test]
    fn a_definition_has_its_equals_sign_at_its_name() {
        for (text, name, rest) in [
            ("$A=1", "A", "1"),
            ("$_b2=  x y", "_b2", "x y"),
            ("$A=", "A", ""),
        ] {
            let (found, end) = directive(text).unwrap();
            assert_eq!(
                (found, &text[end..]),
                (Directive::Definition { name }, rest)
            );
        }
        for text in ["$A =1", "$1=2", "$A", "$=1", "$A-b=1", "A=1"] {
            assert_eq!(directive(text), None, "{text}");
        }
    }

    #[test]
    fn a_use_ends_at_its_brace_or_before_what_cannot_be_a_name() {
        for (text, name, length) in [
            ("${A}b", "A", 4),
            ("$A b", "A", 2),
            ("$A,", "A", 2),
            ("$A)", "A", 2),
            ("$A", "A", 2),
        ] {
            let found = reference(text).unwrap();
            assert_eq!((found.name, found.length), (name, length), "{text}");
        }
        for text in [
            "$A-x", "$A.x", "$A]", "$A\"", "${A", "${A }", "${ A}", "$", "${}", "${1}",
        ] {
            assert_eq!(reference(text), None, "{text}");
        }
        for length in [REFERENCE_MAX - 2, REFERENCE_MAX - 1, REFERENCE_MAX, 1000] {
            let name = "A".repeat(length);
            let found = reference(&format!("${name}")).map(|found| found.name.len());
            assert_eq!(found, (length < REFERENCE_MAX).then_some(length));
            assert_eq!(reference(&format!("${name}路")), None);
        }
        let random = reference("${_RANDOM 1  6} x").unwrap();
        assert_eq!((random.arguments, random.length), (vec!["1", "6"], 15));
        assert_eq!(nearly("$A-x"), Some("A"));
    }

    #[test]
    fn numbers_are_those_of_c() {
        assert_eq!(numbers(" 1 , 0x1F, -017 "), Some(vec![1, 31, -15]));
        assert_eq!(numbers("0"), Some(vec![0]));
        for text in [
            "",
            "1,",
            "1,2,3,4",
            "08",
            "0x",
            "1 2",
            "a",
            "99999999999999999999",
        ] {
            assert_eq!(numbers(text), None, "{text}");
        }
    }

    #[test]
    fn lists_have_one_name_or_a_group() {
        let (found, end) = directive("~LST( a , b,c,, d ) x").unwrap();
        let rows = vec![vec!["b"], vec!["c"], vec![""], vec!["d"]];
        let names = vec!["a"];
        assert_eq!((found, end), (Directive::List { names, rows }, 20));
        let (found, _) = directive("~LST({a, b}, {1,2}, {3}) x").unwrap();
        let rows = vec![vec!["1", "2"], vec!["3"]];
        let names = vec!["a", "b"];
        assert_eq!(found, Directive::List { names, rows });
        for text in [
            "~SEQ(a)",
            "~SEQ",
            "~LST(a, b c)",
            "~LST({a b}, c)",
            "~SEQx(a, 1",
        ] {
            assert_eq!(directive(text).unwrap().0, Directive::Broken, "{text}");
        }
        assert_eq!(directive("~other"), None);
    }

    #[test]
    fn an_include_is_a_word_of_its_own() {
        for (text, check, rest) in [
            ("include a b", None, "a b"),
            ("includem\t*.c", Some("m"), "*.c"),
        ] {
            let (found, end) = directive(text).unwrap();
            assert_eq!((found, &text[end..]), (Directive::Include { check }, rest));
        }
        assert_eq!(directive("includer").unwrap().0, Directive::IncludeNothing);
        assert_eq!(directive("include_check all"), None);
        assert_eq!(directive("interface eth0"), None);
    }
}
