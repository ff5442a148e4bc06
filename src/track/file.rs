//! `track_file`: a file that holds one number.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use log::{info, warn};

use super::{Condition, Context, Effect, Object, Timer};
use crate::config::Config;

/// All files that somebody watches, by path; one path may have several names.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: BTreeMap<String, File>,
}

#[derive(Debug, Default)]
struct File {
    names: Vec<String>,
    /// None until it was looked at.
    value: Option<i64>,
    /// Its directory is not there, which was told.
    is_unwatched: bool,
}

impl Files {
    pub(super) fn reload(&mut self, config: &Config, used: &BTreeSet<&str>, cx: &mut Context<'_>) {
        let mut old = std::mem::take(&mut self.files);
        let files = config.files.iter();
        for config in files.filter(|file| used.contains(file.name.as_str())) {
            let path = &config.path;
            if !self.files.contains_key(path) {
                let mut file = old.remove(path).unwrap_or_default();
                file.names.clear();
                self.files.insert(path.clone(), file);
            }
            let Some(file) = self.files.get_mut(path) else {
                continue;
            };
            file.names.push(config.name.clone());
            // What is watched already is not made again: it would lose its value.
            if let Some(value) = file.value {
                let object = Object::File(config.name.clone());
                cx.tell(object, Condition::Value(value));
                continue;
            }
            if let Some(initial) = config.initial {
                cx.out.push(Effect::MakeFile {
                    path: path.clone(),
                    value: initial.value,
                    overwrite: initial.overwrite,
                });
            }
        }
        for path in old.into_keys() {
            cx.out.push(Effect::ForgetFile { path });
        }
        let new = self.files.iter().filter(|(_, file)| file.value.is_none());
        for (path, _) in new {
            let path = path.clone();
            cx.out.push(Effect::WatchFile { path });
        }
    }

    pub(super) fn on_content(&mut self, path: &str, content: Option<&[u8]>, cx: &mut Context<'_>) {
        let Some(file) = self.files.get_mut(path) else {
            return;
        };
        file.is_unwatched = false;
        let value = match number(content.unwrap_or_default()) {
            Ok(value) => value,
            Err(text) => {
                warn!("Invalid number {text} read from {path} - ignoring");
                file.value.unwrap_or(0)
            }
        };
        file.set(value, cx);
    }

    pub(super) fn on_unwatched(&mut self, path: &str, cx: &mut Context<'_>) {
        let Some(file) = self.files.get_mut(path) else {
            return;
        };
        if !file.is_unwatched {
            file.is_unwatched = true;
            info!("tracked file {path}: its directory is not there, looking for it every second");
        }
        file.set(0, cx);
        cx.timers.set(Timer::Files, cx.now + AGAIN);
    }

    pub(super) fn watch_again(&self, cx: &mut Context<'_>) {
        for (path, _) in self.files.iter().filter(|(_, file)| file.is_unwatched) {
            let path = path.clone();
            cx.out.push(Effect::WatchFile { path });
        }
    }
}

impl File {
    fn set(&mut self, value: i64, cx: &mut Context<'_>) {
        if self.value == Some(value) {
            return;
        }
        self.value = Some(value);
        for name in &self.names {
            cx.tell(Object::File(name.clone()), Condition::Value(value));
        }
    }
}

/// The number at the beginning, as C would read it: 0x and 0 in front change the base. What is no
/// number is 0; what does not fit into 32 bits is an error, with its text.
fn number(content: &[u8]) -> Result<i64, String> {
    let text = &content[..content.len().min(LENGTH_MAX)];
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] | rest => (false, rest),
    };
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', first, ..] if first.is_ascii_hexdigit() => (16, &digits[2..]),
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let mut value = 0_i64;
    let is_digit = |octet: &&u8| char::from(**octet).is_digit(base);
    for digit in digits.iter().take_while(is_digit) {
        let digit = char::from(*digit).to_digit(base).unwrap_or(0);
        let next = value.saturating_mul(i64::from(base));
        value = next.saturating_add(i64::from(digit));
    }
    let value = if negative { -value } else { value };
    if i32::try_from(value).is_err() {
        return Err(String::from_utf8_lossy(text).trim_end().to_owned());
    }
    Ok(value)
}

/// What keepalived looks at.
const LENGTH_MAX: usize = 127;
const AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_c_reads_it() {
        for (text, value) in [
            ("", 0),
            ("12\n", 12),
            ("  -7 x", -7),
            ("+3", 3),
            ("0x1f", 31),
            ("010", 8),
            ("09", 0),
            ("0x", 0),
            ("none", 0),
            ("-", 0),
            ("2147483647", 2_147_483_647),
            ("-2147483648", -2_147_483_648),
        ] {
            assert_eq!(number(text.as_bytes()), Ok(value), "{text:?}");
        }
        assert_eq!(number(b"2147483648\n"), Err("2147483648".to_owned()));
        assert!(number(b"-99999999999999999999999").is_err());
        // Whatever comes after the first octets does not count.
        let long = [b"5".as_slice(), &[b' '; 200], b"6"].concat();
        assert_eq!(number(&long), Ok(5));
        assert_eq!(number(&[0xff; 300]), Ok(0));
    }
}
