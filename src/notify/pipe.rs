//! Pipes: which there are, which lines they get, and the lines that their reader has not taken yet.

use std::collections::VecDeque;

use crate::config::{Config, Fifo, Script};

use super::news::News;

/// The three pipes of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pipe {
    /// `notify_fifo`: all news.
    All,
    /// `vrrp_notify_fifo`.
    Vrrp,
    /// `lvs_notify_fifo`.
    Lvs,
}

/// Lines for a reader that is slow, or not there. What does not fit is counted.
#[derive(Debug, Default)]
pub struct Backlog {
    lines: VecDeque<String>,
    lost: u64,
}

impl Pipe {
    pub const ALL: [Self; 3] = [Self::All, Self::Vrrp, Self::Lvs];

    /// How keepalived calls it in its log.
    pub fn title(self) -> &'static str {
        match self {
            Self::All => "notify fifo",
            Self::Vrrp => "vrrp notify fifo",
            Self::Lvs => "lvs notify fifo",
        }
    }

    pub(super) fn takes(self, news: &News) -> bool {
        match (self, news) {
            (Self::All, _) | (Self::Vrrp, News::Router(_)) | (Self::Lvs, News::Director(_)) => true,
            (Self::Vrrp, News::Director(_)) | (Self::Lvs, News::Router(_)) => false,
        }
    }

    pub(super) fn of(self, config: &Config) -> &Fifo {
        let fifos = &config.global.fifos;
        match self {
            Self::All => &fifos.all,
            Self::Vrrp => &fifos.vrrp,
            Self::Lvs => &fifos.lvs,
        }
    }
}

/// What reads a pipe, called with the pipe's path.
pub(super) fn reader(fifo: &Fifo) -> Option<Script> {
    let mut script = fifo.reader.clone()?;
    script.argv.push(fifo.path.clone()?);
    Some(script)
}

impl Backlog {
    /// Keeps a line. Where there is no room the oldest is lost, for the latest state is the one
    /// that counts; true when it is the first in a row.
    pub fn add(&mut self, line: String) -> bool {
        let is_full = self.lines.len() >= LINES_MAX;
        if is_full {
            self.lines.pop_front();
            self.lost += 1;
        }
        self.lines.push_back(line);
        is_full && self.lost == 1
    }

    pub fn next(&self) -> Option<&str> {
        self.lines.front().map(String::as_str)
    }

    /// The next line is written.
    pub fn written(&mut self) {
        self.lines.pop_front();
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many lines were lost since the last call.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

/// Beside the 64 KiB that the kernel keeps.
const LINES_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_keeps_the_latest_lines_and_counts_the_others() {
        let mut backlog = Backlog::default();
        for number in 0..LINES_MAX {
            assert!(!backlog.add(number.to_string()));
        }
        assert!(backlog.add("x".to_owned()), "the first loss is told");
        assert!(!backlog.add("y".to_owned()));
        assert_eq!(backlog.next(), Some("2"));
        assert_eq!((backlog.take_lost(), backlog.take_lost()), (2, 0));
        for _ in 0..LINES_MAX - 1 {
            backlog.written();
        }
        assert_eq!(backlog.next(), Some("y"));
        backlog.written();
        assert!(backlog.is_empty());
    }
}
