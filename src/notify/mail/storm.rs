//! Too many letters: when a minute has seen its share, the rest of it becomes one.

use std::time::Duration;

use log::warn;

use super::letter::Letter;
use crate::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Storm {
    /// Letters in a minute; 0 for any number.
    limit: u32,
    /// The end of the minute.
    ends: Option<Instant>,
    count: u32,
    held: Held,
}

/// What was not written on its own.
#[derive(Debug, Default)]
struct Held {
    lines: Vec<String>,
    /// Those that there was no room for.
    more: usize,
    /// Of the last one.
    date: String,
}

/// What was held back, as one letter tells it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) date: String,
    pub(super) count: usize,
    pub(super) lines: String,
}

impl Storm {
    pub(super) fn limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// The letter, unless it is one too many for its minute; then it is kept for the digest.
    pub(super) fn pass(&mut self, now: Instant, letter: Letter) -> Option<Letter> {
        // A minute in which something was held back ends with its digest.
        let is_over = self.ends.is_none_or(|ends| ends <= now);
        if is_over && self.held.is_empty() {
            self.ends = Some(now + MINUTE);
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        if self.limit == 0 || self.count <= self.limit {
            return Some(letter);
        }
        if self.held.is_empty() {
            warn!(
                "more than {} mails in a minute: the rest of it will be one mail",
                self.limit
            );
        }
        self.held.add(letter);
        None
    }

    /// When there is a digest to be sent.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ends.filter(|_| !self.held.is_empty())
    }

    pub(super) fn take_digest(&mut self) -> Option<Digest> {
        if self.held.is_empty() {
            return None;
        }
        self.ends = None;
        let Held {
            mut lines,
            more,
            date,
        } = std::mem::take(&mut self.held);
        let count = lines.len() + more;
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        Some(Digest {
            date,
            count,
            lines: lines.join("\n"),
        })
    }
}

impl Held {
    fn add(&mut self, letter: Letter) {
        if self.lines.len() < LINES_MAX {
            self.lines
                .push(format!("{} {}", letter.date, letter.subject));
        } else {
            self.more += 1;
        }
        self.date = letter.date;
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// Of a digest, some fifty thousand octets: every mail server takes that.
const LINES_MAX: usize = 500;
