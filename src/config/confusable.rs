//! Characters that an input method leaves where a plain one was meant: full-width quotes, blanks,
//! digits and punctuation, in Unicode and in GBK. keepalived takes them as part of the word, so
//! they are part of it here too; what can be done is to name them.

use super::diag::Problem;
use super::lossless::octet;
use super::report::Report;
use super::tree::Word;

/// Names what an input method put into a word where a plain character was meant.
pub(crate) fn strange_characters(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    // In a sentence full-width punctuation is where it belongs; quotes and blanks never are.
    let sentence = !text.chars().all(plain_or_strange);
    let found = text.chars().find_map(|character| {
        let plain = meant_by(character)?;
        let always = character.is_whitespace() || "“”„＂‘’＇\u{200b}\u{feff}".contains(character);
        (always || !sentence).then_some((character, plain))
    });
    let (strange, plain) = found.or_else(|| foreign(text))?;
    let code = u32::from(strange);
    Some(if octet(strange).is_some() {
        format!("the word has a full-width character (GBK) where {plain} was meant")
    } else if strange.is_whitespace() || "\u{200b}\u{feff}".contains(strange) {
        format!("the blank U+{code:04X} is part of the word; write {plain}")
    } else {
        format!("the full-width `{strange}` (U+{code:04X}) is part of the word; write {plain}")
    })
}

/// The plain character that is mistaken for this one.
fn meant_by(character: char) -> Option<String> {
    let plain = match character {
        '“' | '”' | '„' => "\"",
        '‘' | '’' => "'",
        '\u{3000}' | '\u{a0}' | '\u{2002}' | '\u{2003}' | '\u{2009}' => "a plain blank",
        '\u{200b}' | '\u{feff}' => "nothing there",
        '。' => ".",
        '、' => ",",
        '–' | '—' => "-",
        // The full-width forms of ASCII, in its order.
        '！'..='～' => {
            let ascii = u32::from(character) - u32::from('！') + u32::from('!');
            return char::from_u32(ascii).map(String::from);
        }
        _ => return None,
    };
    Some(plain.to_owned())
}

fn plain_or_strange(character: char) -> bool {
    character.is_ascii() || meant_by(character).is_some() || octet(character).is_some()
}

/// The same in GBK: full-width blanks, quotes and forms of ASCII by their two octets.
fn foreign(text: &str) -> Option<(char, String)> {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let Some(lead) = octet(character) else {
            continue;
        };
        let trail = characters.next().and_then(octet);
        let plain = match (lead, trail) {
            (0xa1, Some(0xa1)) => "a plain blank".to_owned(),
            (0xa1, Some(0xae | 0xaf)) => "'".to_owned(),
            (0xa1, Some(0xb0 | 0xb1)) => "\"".to_owned(),
            (0xa3, Some(trail)) => char::from(trail & 0x7f).to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::lossless::decode;

    #[test]
    fn what_looks_plain_and_is_not_gets_a_name() {
        for (text, named) in [
            ("“1111”", "U+201C"),
            ("priority　100", "U+3000"),
            ("priority\u{a0}100", "U+00A0"),
            ("１００", "write 1"),
            ("a，b", "write ,"),
            ("“北京”", "U+201C"),
        ] {
            let help = strange_characters(text).unwrap();
            assert!(help.contains(named), "{text}: {help}");
        }
        for (octets, named) in [
            (&b"\xa1\xb01111\xa1\xb1"[..], "\""),
            (b"priority\xa1\xa1100", "a plain blank"),
            (b"\xa3\xb5\xa3\xb1", "5"),
        ] {
            let help = strange_characters(&decode(octets)).unwrap();
            assert!(help.contains(named), "{help}");
        }
    }

    #[test]
    fn words_and_sentences_of_other_languages_are_left_alone() {
        for text in [
            "eth0",
            "\"a b\"",
            "北京",
            "些配置，这里就不需要设置了。",
            "Zürich",
            "Москва",
        ] {
            assert_eq!(strange_characters(text), None, "{text}");
        }
        assert_eq!(strange_characters(&decode(b"\xb1\xb1\xbe\xa9")), None);
    }
}
