//! Uses of definitions, and what is put in their place.
//!
//! One pass replaces every use in a line once; passes follow each other until one changes nothing,
//! so that a value may hold other uses, and parts of their names.

use std::rc::Rc;

use crate::config::diag::Problem;
use crate::config::lossless;
use crate::config::source::{Spot, UseId};
use crate::config::suggest::nearest;

use super::define::Definition;
use super::directive::{self, Reference};
use super::frame::Frame;
use super::text::{Scanner, Text, is_blank};
use super::{DEPTH_MAX, EXPANDED_MAX, Expander};

/// What has become of a line.
pub(super) enum Outcome {
    Same(Text),
    Changed(Text),
    /// Nothing is left of it: it stood for several lines, which will come one by one, or for more
    /// than a line can be.
    Gone,
}

/// What one pass has done.
enum Pass {
    Nothing,
    Changed(Text),
    /// The line was the use of a definition of several lines.
    Lines,
    TooLong,
}

/// What stands for a use.
enum Replacement {
    Words(Text),
    Lines(Rc<Definition>, UseId),
    /// Nothing: it stays as it is.
    None,
}

/// Names that need no definition.
const PREDEFINED: [&str; 6] = ["_PWD", "_INSTANCE", "_RANDOM", "_ENV", "_HASH", "_BANG"];

/// The largest number of `_RANDOM` unless told otherwise, that of the shell.
const RANDOM_MAX: u64 = 32767;

impl Expander<'_> {
    /// Replaces uses of definitions until there are none.
    pub(super) fn substitute(&mut self, text: Text) -> Outcome {
        let mut text = text;
        let before = self.opened.len();
        // A chain of definitions longer than this is cut where it gets too deep.
        for pass in 0..=DEPTH_MAX {
            match self.pass(&text) {
                Pass::Changed(changed) => text = changed,
                Pass::Nothing if pass == 0 => return Outcome::Same(text),
                Pass::Nothing => break,
                Pass::Lines => return Outcome::Gone,
                Pass::TooLong => {
                    self.opened.truncate(before);
                    return Outcome::Gone;
                }
            }
        }
        Outcome::Changed(text)
    }

    fn pass(&mut self, text: &Text) -> Pass {
        let string = text.as_str();
        let mut out = Text::default();
        let mut copied = 0;
        let mut scanner = Scanner::new(string);
        while let Some((at, byte)) = scanner.next() {
            if byte != b'$' {
                continue;
            }
            let Some(found) = directive::reference(&string[at..]) else {
                self.hint(text, at);
                continue;
            };
            let end = at + found.length;
            let spot = text.spot(&self.source, at..end);
            let last = !scanner.quoted && string[end..].trim_matches(is_blank).is_empty();
            match self.replacement(&found, spot, last) {
                Replacement::None => continue,
                Replacement::Words(words) => {
                    out.push(text, copied..at);
                    push_words(&mut out, &words, scanner.quoted);
                }
                Replacement::Lines(definition, through) => {
                    let alone =
                        out.len() == 0 && string[copied..at].trim_matches(is_blank).is_empty();
                    let next = usize::from(!alone);
                    out.push(text, copied..at);
                    if let (false, Definition::Lines(lines)) = (alone, definition.as_ref()) {
                        let first = lines[0].clone().through(through);
                        out.push(&first, 0..first.len());
                    }
                    self.opened.push(Frame::Body {
                        definition,
                        next,
                        through,
                    });
                    if alone {
                        return Pass::Lines;
                    }
                }
            }
            copied = end;
            scanner.skip_to(end);
            self.charge(out.len(), spot);
            if out.len() > EXPANDED_MAX || self.endless {
                let message = format!("the line grows beyond {EXPANDED_MAX} octets here");
                self.tell(spot, Problem::error(spot, message).help("it is dropped"));
                return Pass::TooLong;
            }
        }
        if copied == 0 {
            return Pass::Nothing;
        }
        out.push(text, copied..text.len());
        Pass::Changed(out)
    }

    /// What a use stands for; `last` says that nothing follows it on its line.
    fn replacement(&mut self, found: &Reference<'_>, spot: Spot, last: bool) -> Replacement {
        let name = found.name;
        let defined = self
            .definitions
            .get(name)
            .filter(|_| found.arguments.is_empty());
        let Some(definition) = defined.cloned() else {
            return self.predefined_or_none(found, spot);
        };
        let depth = self.source.definitions(spot).count();
        if depth >= DEPTH_MAX {
            return self.left(found, spot, "definitions used within each other too deeply");
        }
        if self.source.definitions(spot).any(|outer| outer == name) {
            return match PREDEFINED.contains(&name) {
                true => self.without_definition(found, spot),
                false => self.left(found, spot, &format!("`${name}` is defined by itself")),
            };
        }
        match definition.as_ref() {
            Definition::Words(words) => {
                let value = words.is_generated().then_some(words.as_str());
                let through = self.source.note_use(name, value, spot);
                Replacement::Words(words.clone().through(through))
            }
            Definition::Lines(_) if !last => {
                let message = format!("`${name}` stands for several lines, nothing may follow it");
                self.left(found, spot, &message)
            }
            Definition::Lines(_) if self.is_deep() => {
                self.too_deep(spot);
                self.without_definition(found, spot)
            }
            Definition::Lines(_) => {
                let through = self.source.note_use(name, None, spot);
                Replacement::Lines(definition, through)
            }
        }
    }

    /// Reports why a definition cannot stand for a use.
    fn left(&mut self, found: &Reference<'_>, spot: Spot, message: &str) -> Replacement {
        let help = match PREDEFINED.contains(&found.name) {
            true => "it has the meaning that needs no definition",
            false => "it is left as it is",
        };
        self.tell(spot, Problem::error(spot, message).help(help));
        self.without_definition(found, spot)
    }

    /// What stands for a use if not its definition. A name that needs none has that meaning: left
    /// as it is, it would get it when the configuration is printed and read again.
    fn without_definition(&mut self, found: &Reference<'_>, spot: Spot) -> Replacement {
        match PREDEFINED.contains(&found.name) {
            true => self.predefined_or_none(found, spot),
            false => Replacement::None,
        }
    }

    fn predefined_or_none(&mut self, found: &Reference<'_>, spot: Spot) -> Replacement {
        match self.predefined(found, spot) {
            Some(Ok(value)) => Replacement::Words(Text::generated(&value, spot)),
            Some(Err(why)) => {
                let message = format!("`{}`: {why}", found.name);
                self.tell(
                    spot,
                    Problem::error(spot, message).help("it is left as it is"),
                );
                Replacement::None
            }
            None => {
                self.undefined(found, spot);
                Replacement::None
            }
        }
    }

    /// The value of a name that needs no definition, or what is wrong with its use.
    fn predefined(&mut self, found: &Reference<'_>, spot: Spot) -> Option<Result<String, String>> {
        let arguments = found.arguments.as_slice();
        Some(match (found.name, arguments) {
            ("_PWD", []) => {
                let mut path = self.host.working_directory();
                if !self.directory.as_os_str().is_empty() {
                    path.push(&self.directory);
                }
                Ok(literal(&lossless::decode(
                    path.as_os_str().as_encoded_bytes(),
                )))
            }
            ("_INSTANCE", []) => Ok(literal(&self.config_id)),
            ("_HASH", []) => Ok(literal("#")),
            ("_BANG", []) => Ok(literal("!")),
            ("_RANDOM", _) => self.draw(arguments, spot),
            ("_ENV", [variable]) if is_variable(variable) => {
                let value = self.host.variable(variable).unwrap_or_default();
                Ok(literal(&lossless::decode(value.as_encoded_bytes())))
            }
            ("_ENV", _) => Err(String::from("the name of one variable is needed")),
            (name, [_, ..]) if PREDEFINED.contains(&name) => {
                Err(String::from("there is nothing to say behind this name"))
            }
            _ => return None,
        })
    }

    /// A random number from the first argument to the second.
    fn draw(&mut self, arguments: &[&str], spot: Spot) -> Result<String, String> {
        let number = |word: &str| {
            let number = word.parse::<u64>();
            number.map_err(|_| format!("`{word}` is not a number"))
        };
        let (least, most) = match arguments {
            [] => (0, RANDOM_MAX),
            [least] => (number(least)?, RANDOM_MAX),
            [least, most] => (number(least)?, number(most)?),
            _ => return Err(String::from("more than two numbers")),
        };
        if least > most {
            let message = format!("{least} is more than {most}");
            let help = format!("{least} is used");
            self.tell(spot, Problem::error(spot, message).help(help));
            return Ok(least.to_string());
        }
        let drawn = self.random.below((most - least).saturating_add(1));
        Ok((least + drawn).to_string())
    }

    /// A use of a name that nobody has defined so far.
    fn undefined(&mut self, found: &Reference<'_>, spot: Spot) {
        let name = found.name;
        let message = format!("`${name}` is not defined, it is left as it is");
        let names = self.definitions.keys().map(String::as_str);
        let mut names: Vec<&str> = names.chain(PREDEFINED).collect();
        names.sort_unstable();
        let help = match nearest(name, names.into_iter()) {
            Some(near) if near == name => String::from("nothing may stand behind this name"),
            Some(near) => format!("did you mean `${near}`?"),
            None => format!("define it above, with `${name}=...`"),
        };
        if self.tell(spot, Problem::warning(spot, message).help(help)) {
            self.undefined
                .push((name.to_owned(), self.problems.len() - 1));
        }
    }

    /// Names that were defined after all, only too late.
    pub(super) fn explain_undefined(&mut self) {
        for (name, index) in std::mem::take(&mut self.undefined) {
            if self.definitions.contains_key(&name) {
                let help = "its definition stands further down; it must come first";
                self.problems[index] = self.problems[index].clone().help(help);
            }
        }
    }

    /// A `$` that begins no use; if a definition has that name, it was perhaps meant as one.
    fn hint(&mut self, text: &Text, at: usize) {
        let Some(name) = directive::nearly(&text.as_str()[at..]) else {
            return;
        };
        if self.definitions.contains_key(name) {
            let spot = text.spot(&self.source, at..at + 1 + name.len());
            let message = format!("`${name}` is not replaced before this character");
            let help = format!("write `${{{name}}}` if the definition is meant");
            self.tell(spot, Problem::warning(spot, message).help(help));
        }
    }

    /// Reports something about a use, once. True the first time.
    fn tell(&mut self, spot: Spot, problem: Problem) -> bool {
        let first = self.told.insert((spot.line, spot.start));
        if first {
            self.problems.push(problem);
        }
        first
    }
}

/// Appends what a definition stands for. In quotes a backslash would not take the meaning from a
/// comment character, and is not needed.
fn push_words(out: &mut Text, words: &Text, quoted: bool) {
    let mut copied = 0;
    if quoted {
        for (at, _) in words.as_str().match_indices('\\') {
            if words.as_str()[at + 1..].starts_with(['#', '!']) {
                out.push(words, copied..at);
                copied = at + 1;
            }
        }
    }
    out.push(words, copied..words.len());
}

/// Words from outside, in one line, in which nothing begins a comment.
fn literal(words: &str) -> String {
    let escaped = words.replace('#', "\\#").replace('!', "\\!");
    escaped.replace(['\n', '\0'], " ")
}

fn is_variable(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(fits)
}
