//! `include` and its variants: which failure is fatal, and which files a pattern stands for.

use std::path::{Path, PathBuf};

use super::Host;
use super::glob::{self, Found};

/// Which failures of an include leave nothing to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checks {
    /// What was found must be a configuration file that can be read.
    pub(crate) read: bool,
    /// A name without wildcards must be that of a file.
    pub(crate) matches: bool,
    /// A pattern with wildcards must find something.
    pub(crate) wildcard: bool,
    /// Every alternative of a brace must find something.
    pub(crate) brace: bool,
}

/// A file to include.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) path: PathBuf,
    /// That it is not there is fatal.
    pub(crate) must_exist: bool,
}

/// Why an include did not give what it could have given.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) fatal: bool,
}

impl Checks {
    pub(crate) const ALL: Self = Self {
        read: true,
        matches: true,
        wildcard: true,
        brace: true,
    };

    /// Those of the letter behind `include`.
    pub(crate) fn of_letter(letter: Option<&str>) -> Self {
        let none = Self::default();
        let read = Self { read: true, ..none };
        match letter {
            Some("r") => read,
            Some("m") => Self {
                matches: true,
                ..read
            },
            Some("w") => Self {
                matches: true,
                wildcard: true,
                ..read
            },
            Some("b") => Self {
                brace: true,
                ..read
            },
            Some(_) => Self::ALL,
            None => none,
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            read: self.read || other.read,
            matches: self.matches || other.matches,
            wildcard: self.wildcard || other.wildcard,
            brace: self.brace || other.brace,
        }
    }

    /// What `include_check` and its words make of the checks so far. Words that mean nothing are
    /// passed over.
    pub(crate) fn changed<'a>(self, words: impl Iterator<Item = &'a str>) -> Self {
        let mut checks = self;
        let mut first = true;
        for word in words {
            let (sign, name) = match word.strip_prefix(['+', '-']) {
                Some(name) => (word.chars().next(), name),
                None => (None, word),
            };
            if sign.is_none() && first {
                checks = Self {
                    read: true,
                    ..Self::default()
                };
            }
            let wanted = sign != Some('-');
            match name {
                "read" => checks.read = wanted,
                "match" => checks.matches = wanted,
                "wildcard_match" => checks.wildcard = wanted,
                "brace_match" => checks.brace = wanted,
                _ => {}
            }
            first = false;
        }
        if first { Self::ALL } else { checks }
    }
}

/// The files of a pattern, in order, and what could not be found.
pub(crate) fn find(
    host: &dyn Host,
    directory: &Path,
    pattern: &str,
    checks: Checks,
) -> (Vec<Match>, Vec<Failure>) {
    let Some(alternatives) = glob::alternatives(pattern) else {
        let message = String::from("too many alternatives in braces");
        let fatal = checks.read;
        return (Vec::new(), vec![Failure { message, fatal }]);
    };
    let one_of_many = alternatives.len() > 1 && checks.brace;
    let mut files = Vec::new();
    let mut failures = Vec::new();
    for alternative in alternatives {
        let wild = glob::is_wild(&alternative);
        let (message, check) = match glob::find(host, directory, &alternative) {
            Found::Files(paths) => {
                files.extend(paths.into_iter().map(|path| Match {
                    path,
                    must_exist: one_of_many || if wild { checks.read } else { checks.matches },
                }));
                continue;
            }
            Found::Nothing => (format!("nothing matches {alternative}"), checks.wildcard),
            Found::NoDirectory(path) => (
                format!("there is no directory {}", path.display()),
                checks.matches || checks.wildcard,
            ),
            Found::Unreadable(path, error) => (
                format!("cannot look into {}: {error}", path.display()),
                checks.read,
            ),
            Found::TooMany => (format!("too many files match {alternative}"), checks.read),
        };
        let fatal = check || one_of_many;
        failures.push(Failure { message, fatal });
    }
    (files, failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_include_check_replace_add_and_take_away() {
        let none = Checks::default();
        let change = |from: Checks, words: &str| from.changed(words.split_whitespace());
        assert_eq!(change(none, ""), Checks::ALL);
        assert_eq!(change(Checks::ALL, "match"), Checks::of_letter(Some("m")));
        assert_eq!(change(none, "+match +read"), Checks::of_letter(Some("m")));
        let less = Checks {
            brace: false,
            ..Checks::ALL
        };
        assert_eq!(change(Checks::ALL, "-brace_match"), less);
        assert_eq!(
            change(none, "read brace_match"),
            Checks::of_letter(Some("b"))
        );
    }
}
