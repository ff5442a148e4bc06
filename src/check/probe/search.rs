//! A pattern sought in a body of any length, in bounded memory.
//!
//! The body goes past in a window. A match that is longer than half of the window is not seen.

use std::rc::{Rc, Weak};

use crate::config::{Pattern, Probe, Regex, RegexOption, TooCostly};
use crate::hash::Map;

/// The patterns of a check's pages, in their order.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Patterns(Vec<Option<Rc<Pattern>>>);

/// Every pattern in use, compiled once for all checks that have it: it may need twenty kilobytes.
#[derive(Debug, Default)]
pub(in crate::check) struct Compiled(Map<Regex, Weak<Pattern>>);

impl Compiled {
    /// A pattern that cannot be compiled was reported and left out when the file was read.
    fn pattern(&mut self, regex: &Regex) -> Option<Rc<Pattern>> {
        if let Some(known) = self.0.get(regex).and_then(Weak::upgrade) {
            return Some(known);
        }
        let pattern = Rc::new(Pattern::new(regex).ok()?);
        self.0.insert(regex.clone(), Rc::downgrade(&pattern));
        Some(pattern)
    }

    /// Drops what no check has any more.
    pub(in crate::check) fn forget_unused(&mut self) {
        self.0.retain(|_, pattern| pattern.strong_count() > 0);
    }
}

impl Patterns {
    pub(in crate::check) fn of(probe: &Probe, compiled: &mut Compiled) -> Self {
        let Probe::Http(http) = probe else {
            return Self::default();
        };
        let regexes = http.urls.iter().map(|url| url.regex.as_ref());
        let patterns = regexes.map(|regex| compiled.pattern(regex?));
        Self(patterns.collect())
    }

    pub(super) fn page(&self, page: usize) -> Option<Rc<Pattern>> {
        self.0.get(page).cloned().flatten()
    }
}

/// A search under way.
#[derive(Debug)]
pub(super) struct Search {
    pattern: Rc<Pattern>,
    window: Vec<u8>,
    /// Octets that have left the window.
    gone: u64,
    /// Where a match may begin.
    least: u64,
    most: Option<u64>,
    /// A match begins in the first line or nowhere.
    first_line: bool,
    /// What came out of it, once that cannot change any more.
    found: Option<Result<bool, TooCostly>>,
}

impl Search {
    pub(super) fn new(pattern: Rc<Pattern>, regex: &Regex) -> Self {
        Self {
            pattern,
            window: Vec::new(),
            gone: 0,
            least: regex.least_offset,
            most: regex.most_offset,
            first_line: regex.options.contains(&RegexOption::Firstline),
            found: None,
        }
    }

    pub(super) fn feed(&mut self, mut octets: &[u8]) {
        while self.found.is_none() && !octets.is_empty() {
            let room = WINDOW - self.window.len();
            let (part, rest) = octets.split_at(octets.len().min(room));
            self.note_first_line(part);
            self.window.extend_from_slice(part);
            octets = rest;
            if self.window.len() == WINDOW {
                self.look(false);
                self.window.drain(..WINDOW / 2);
                self.gone += WINDOW as u64 / 2;
            }
        }
    }

    /// The body has ended: whether the pattern was in it.
    pub(super) fn finish(mut self) -> Result<bool, TooCostly> {
        if self.found.is_none() {
            self.look(true);
        }
        self.found.unwrap_or(Ok(false))
    }

    /// The end of the first line is the last place where a match may begin.
    fn note_first_line(&mut self, part: &[u8]) {
        if !self.first_line {
            return;
        }
        if let Some(at) = part.iter().position(|&octet| octet == b'\n') {
            let end = self.gone + (self.window.len() + at) as u64;
            self.most = Some(self.most.map_or(end, |most| most.min(end)));
            self.first_line = false;
        }
    }

    fn look(&mut self, ended: bool) {
        // Behind the first window its first octet is not the beginning of the body.
        let begin = u64::from(self.gone > 0).max(self.least.saturating_sub(self.gone));
        let begin = usize::try_from(begin).unwrap_or(usize::MAX);
        match self.pattern.find(&self.window, begin) {
            Err(error) => self.found = Some(Err(error)),
            Ok(None) => {}
            Ok(Some((start, end))) => {
                // A match that touches the end may be none when more comes.
                let settled = ended || end < self.window.len() || start < WINDOW / 2;
                let late = |most| self.gone + start as u64 > most;
                if settled {
                    self.found = Some(Ok(!self.most.is_some_and(late)));
                }
            }
        }
        if self.found.is_none() && self.most.is_some_and(|most| most < self.gone) {
            self.found = Some(Ok(false));
        }
    }
}

/// Octets of a body that are looked at together.
const WINDOW: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> Regex {
        Regex {
            pattern: pattern.to_owned(),
            absent: false,
            options: Vec::new(),
            least_offset: 0,
            most_offset: None,
            stack: None,
        }
    }

    fn found(pattern: &str, change: impl FnOnce(&mut Regex), parts: &[&[u8]]) -> bool {
        let mut regex = regex(pattern);
        change(&mut regex);
        let pattern = Rc::new(Pattern::new(&regex).unwrap());
        let mut search = Search::new(pattern, &regex);
        for part in parts {
            search.feed(part);
            assert!(search.window.capacity() <= 2 * WINDOW);
        }
        search.finish().unwrap()
    }

    #[test]
    fn a_pattern_is_compiled_once_and_kept_while_a_check_has_it() {
        let mut compiled = Compiled::default();
        let regex = regex("needle");
        let first = compiled.pattern(&regex).unwrap();
        let second = compiled.pattern(&regex).unwrap();
        assert!(Rc::ptr_eq(&first, &second));
        drop(first);
        compiled.forget_unused();
        assert_eq!(compiled.0.len(), 1);
        drop(second);
        compiled.forget_unused();
        assert!(compiled.0.is_empty());
    }

    #[test]
    fn a_match_is_found_wherever_the_body_is_cut() {
        let mut body = vec![b'.'; 300_000];
        for at in [0, 32_765, 65_533, 98_303, 131_070, 299_994] {
            body[at..at + 6].copy_from_slice(b"needle");
            assert!(found("needle", |_| {}, &[&body]), "at {at}");
            let halves = body.split_at(at + 3);
            assert!(found("needle", |_| {}, &[halves.0, halves.1]), "at {at}");
            body[at..at + 6].fill(b'.');
        }
        assert!(!found("needle", |_| {}, &[&body]));
    }

    #[test]
    fn only_the_ends_of_the_body_are_its_ends() {
        let body = [b'x'; 200_000];
        assert!(found("^x", |_| {}, &[&body]) && found("x$", |_| {}, &[&body]));
        let mut marked = body.to_vec();
        marked[100_000] = b'y';
        assert!(!found("^y", |_| {}, &[&marked]) && !found("y$", |_| {}, &[&marked]));
        assert!(found("^$", |_| {}, &[]));
    }

    #[test]
    fn offsets_count_from_the_beginning_of_the_body() {
        let body = [&[b'.'; 70_000][..], b"needle"].concat();
        assert!(found("needle", |r| r.least_offset = 70_000, &[&body]));
        assert!(!found("needle", |r| r.least_offset = 70_001, &[&body]));
        assert!(found("needle", |r| r.most_offset = Some(70_000), &[&body]));
        assert!(!found("needle", |r| r.most_offset = Some(69_999), &[&body]));
        let first = |r: &mut Regex| r.options = vec![RegexOption::Firstline];
        assert!(found("b", first, &[b"ab\nc"]));
        assert!(!found("c", first, &[b"ab\nc"]));
    }
}
