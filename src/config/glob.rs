//! File names with wildcards: alternatives in braces as the C shell has them, then `*`, `?` and
//! `[...]` in each part of a path, as glob(3). The directories are listed by the [`Host`].

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{Host, lossless};

/// What one alternative of a pattern has found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// In order.
    Files(Vec<PathBuf>),
    /// Nothing has a name like that.
    Nothing,
    /// There is no such directory to look in.
    NoDirectory(PathBuf),
    /// A directory cannot be looked into.
    Unreadable(PathBuf, io::ErrorKind),
    TooMany,
}

/// More matches are a mistake, and each costs an open.
const MATCHES_MAX: usize = 4096;

/// Braces multiply: without a bound a short line could ask for any number of files.
const ALTERNATIVES_MAX: usize = 256;

/// Alternatives of the braces in a pattern, from left to right; None for too many of them.
/// Braces without a partner, and `{}`, stand for themselves.
pub(crate) fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut waiting = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(pattern) = waiting.pop() {
        if waiting.len() + done.len() > ALTERNATIVES_MAX {
            return None;
        }
        let Some((open, close, commas)) = first_group(&pattern) else {
            done.push(pattern);
            continue;
        };
        let starts = std::iter::once(open).chain(commas.iter().copied());
        let ends = commas.iter().copied().chain([close]);
        let parts: Vec<_> = starts.zip(ends).collect();
        // The first one is worked on next.
        for (start, end) in parts.into_iter().rev() {
            let (before, after) = (&pattern[..open], &pattern[close + 1..]);
            waiting.push(format!("{before}{}{after}", &pattern[start + 1..end]));
        }
    }
    Some(done)
}

/// Where the first group of alternatives opens and closes, and its commas.
fn first_group(pattern: &str) -> Option<(usize, usize, Vec<usize>)> {
    let bytes = pattern.as_bytes();
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut found: Option<(usize, usize, Vec<usize>)> = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'{' => open.push((at, Vec::new())),
            b',' => {
                if let Some((_, commas)) = open.last_mut() {
                    commas.push(at);
                }
            }
            b'}' => {
                if let Some((start, commas)) = open.pop() {
                    let outer = found.as_ref().is_none_or(|(first, ..)| start < *first);
                    if outer && at > start + 1 {
                        found = Some((start, at, commas));
                    }
                    if open.is_empty() && found.is_some() {
                        return found;
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// True if a pattern can match more than one name.
pub(crate) fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// The files that a pattern without braces stands for. A pattern without wildcards is its own
/// match, whether there is such a file or not: whoever reads it will see.
pub(crate) fn find(host: &dyn Host, directory: &Path, pattern: &str) -> Found {
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let base = if pattern.starts_with('/') {
        PathBuf::from("/")
    } else {
        directory.to_owned()
    };
    let mut paths = vec![base];
    let mut searched = false;
    for part in parts {
        if is_wild(part) {
            paths = match search(host, &paths, part, searched) {
                Ok(paths) => paths,
                Err(found) => return found,
            };
            searched = true;
        } else {
            let name = OsString::from_vec(lossless::encode(&unescaped(part)));
            let known = |path: &PathBuf| {
                let names = host.list(path).unwrap_or_default();
                matches!(part, "." | "..") || names.contains(&name)
            };
            if searched {
                paths.retain(known);
            }
            for path in &mut paths {
                path.push(&name);
            }
        }
    }
    if paths.is_empty() {
        return Found::Nothing;
    }
    Found::Files(paths)
}

/// The names in some directories that a part of a pattern matches.
fn search(
    host: &dyn Host,
    directories: &[PathBuf],
    part: &str,
    searched: bool,
) -> Result<Vec<PathBuf>, Found> {
    let mut paths = Vec::new();
    for directory in directories {
        let mut names = match host.list(directory) {
            Ok(names) => names,
            // A name that a wildcard has found may well be that of a file.
            Err(_) if searched => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Found::NoDirectory(directory.clone()));
            }
            Err(error) => return Err(Found::Unreadable(directory.clone(), error.kind())),
        };
        names.retain(|name| matches(part, &lossless::decode(name.as_bytes())));
        if paths.len() + names.len() > MATCHES_MAX {
            return Err(Found::TooMany);
        }
        names.sort();
        paths.extend(names.into_iter().map(|name| directory.join(name)));
    }
    Ok(paths)
}

/// A backslash takes the meaning from the character behind it.
fn unescaped(part: &str) -> String {
    let mut characters = part.chars();
    let mut name = String::with_capacity(part.len());
    while let Some(character) = characters.next() {
        name.push(match character {
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        });
    }
    name
}

/// True if a name fits a pattern. A dot at its start must be in the pattern as it is.
fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') && !pattern.starts_with("\\.") {
        return false;
    }
    let (mut pattern, mut name) = (pattern, name);
    // Where to go on when what follows the last `*` does not fit: it swallows one more.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        if let Some(behind) = pattern.strip_prefix('*') {
            pattern = behind;
            retry = Some((behind, name));
            continue;
        }
        let mut rest = name.chars();
        let fits = match rest.next() {
            Some(character) => one(pattern, character),
            None if pattern.is_empty() => return true,
            None => return false,
        };
        match (fits, retry) {
            (Some(behind), _) => (pattern, name) = (behind, rest.as_str()),
            (None, Some((behind, from))) => {
                let mut swallowed = from.chars();
                swallowed.next();
                (pattern, name) = (behind, swallowed.as_str());
                retry = Some((behind, name));
            }
            (None, None) => return false,
        }
    }
}

/// What is left of a pattern behind what fits one character; None if it does not fit.
fn one(pattern: &str, character: char) -> Option<&str> {
    let mut rest = pattern.chars();
    match rest.next()? {
        '?' => Some(rest.as_str()),
        '[' => match set(rest.as_str(), character) {
            Some((fits, behind)) => fits.then_some(behind),
            // Never closed, hence itself.
            None => (character == '[').then_some(rest.as_str()),
        },
        '\\' => (rest.next().unwrap_or('\\') == character).then_some(rest.as_str()),
        other => (other == character).then_some(rest.as_str()),
    }
}

/// Whether a set, behind its `[`, contains a character, and the pattern behind its `]`; None for
/// one that is not closed.
fn set(pattern: &str, character: char) -> Option<(bool, &str)> {
    let inside = pattern.strip_prefix(['!', '^']);
    let (negated, mut rest) = (inside.is_some(), inside.unwrap_or(pattern));
    let (mut fits, mut first) = (false, true);
    loop {
        let mut characters = rest.chars();
        let low = match characters.next()? {
            ']' if !first => return Some((fits != negated, characters.as_str())),
            '[' if rest.starts_with("[:") => {
                let (name, behind) = rest[2..].split_once(":]")?;
                fits |= class(name, character);
                rest = behind;
                first = false;
                continue;
            }
            '\\' => characters.next()?,
            other => other,
        };
        rest = characters.as_str();
        let high = match rest.strip_prefix('-') {
            Some(behind) if !behind.starts_with(']') => {
                let mut characters = behind.chars();
                let high = characters.next()?;
                rest = characters.as_str();
                high
            }
            Some(_) | None => low,
        };
        fits |= (low..=high).contains(&character);
        first = false;
    }
}

fn class(name: &str, character: char) -> bool {
    match name {
        "alpha" => character.is_ascii_alphabetic(),
        "digit" => character.is_ascii_digit(),
        "alnum" => character.is_ascii_alphanumeric(),
        "upper" => character.is_ascii_uppercase(),
        "lower" => character.is_ascii_lowercase(),
        "punct" => character.is_ascii_punctuation(),
        "xdigit" => character.is_ascii_hexdigit(),
        "space" => character.is_ascii_whitespace(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::Rand;

    #[test]
    fn braces_give_their_alternatives_from_left_to_right() {
        for (pattern, expected) in [
            ("a", &["a"][..]),
            ("{b,a}.c", &["b.c", "a.c"]),
            ("{a,b}{1,2}", &["a1", "a2", "b1", "b2"]),
            ("x{a,{b,c}d}y", &["xay", "xbdy", "xcdy"]),
            ("{,a}b", &["b", "ab"]),
            ("{a", &["{a"]),
            ("a}", &["a}"]),
            ("{}", &["{}"]),
            ("{a{b,c}", &["{ab", "{ac"]),
            ("\\{a,b}", &["\\{a,b}"]),
        ] {
            assert_eq!(alternatives(pattern).unwrap(), expected, "{pattern}");
        }
        assert_eq!(alternatives(&"{a,b}".repeat(40)), None);
    }

    #[test]
    fn a_name_fits_its_pattern_and_no_other() {
        for (pattern, name, fits) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".a.conf", false),
            (".*", ".a", true),
            ("*.conf", "a.conf~", false),
            ("?", "路", true),
            ("??", "a", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]a]", "]", true),
            ("[[:digit:]]*", "1a", true),
            ("[[:digit:]]*", "a1", false),
            ("[a", "[a", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn any_pattern_comes_to_an_end_soon() {
        assert!(!matches(&"*a".repeat(100), &"a".repeat(99)));
        let mut rng = Rand::new(3);
        let mut word = |letters: &[char]| -> String {
            let length = rng.below(24);
            let one = |_| letters[usize::try_from(rng.below(letters.len() as u64)).unwrap()];
            (0..length).map(one).collect()
        };
        for _ in 0..20_000 {
            let pattern = word(&[
                'a', 'b', '*', '?', '[', ']', '!', '-', ':', '\\', '{', '}', ',',
            ]);
            let name = word(&['a', 'b', '.']);
            matches(&pattern, &name);
            let _ = alternatives(&pattern);
        }
    }
}
