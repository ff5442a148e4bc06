//! What programs print, for the log. Read on to the end in any case: nobody who is run by us hangs
//! on a full pipe, or dies of one that nobody reads.

use std::collections::BTreeMap;

use log::{Level, debug, log_enabled};
use mio::Token;

use super::reactor::{Reactor, Source};
use crate::errno::Errno;
use crate::sys::process::Output;

#[derive(Debug, Default)]
pub(super) struct Outputs {
    open: BTreeMap<u64, Open>,
    last: u64,
}

#[derive(Debug)]
struct Open {
    output: Output,
    token: Token,
    /// Who prints it.
    name: String,
    lines: Lines,
}

/// Octets as lines, as many as are worth it.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line, as far as it is of interest.
    line: Vec<u8>,
    told: usize,
}

impl Outputs {
    /// Whether there is somebody who would read it, and room for one more.
    pub(super) fn are_wanted(&self) -> bool {
        log_enabled!(Level::Debug) && self.open.len() < OPEN_MAX
    }

    pub(super) fn add(&mut self, name: &str, output: Output, reactor: &mut Reactor) {
        self.last += 1;
        match reactor.watch_readable(&output, Source::Output(self.last)) {
            Ok(token) => {
                let open = Open {
                    output,
                    token,
                    name: name.to_owned(),
                    lines: Lines::default(),
                };
                self.open.insert(self.last, open);
            }
            Err(error) => debug!("what {name} prints is not read: {error}"),
        }
    }

    pub(super) fn on_readable(&mut self, number: u64, reactor: &mut Reactor) {
        let Some(open) = self.open.get_mut(&number) else {
            return;
        };
        let mut buffer = [0; BUFFER];
        for _ in 0..READS_PER_TURN {
            match open.output.read(&mut buffer) {
                Ok(0) => return self.close(number, reactor),
                Ok(count) => open.lines.add(&buffer[..count], &open.name),
                Err(Errno::EAGAIN) => return,
                Err(_) => return self.close(number, reactor),
            }
        }
        reactor.again(open.token);
    }

    fn close(&mut self, number: u64, reactor: &mut Reactor) {
        if let Some(mut open) = self.open.remove(&number) {
            open.lines.end(&open.name);
            reactor.forget(&open.output, open.token);
        }
    }
}

impl Lines {
    fn add(&mut self, octets: &[u8], name: &str) {
        for part in octets.split_inclusive(|octet| *octet == b'\n') {
            if self.told > LINES_MAX {
                return;
            }
            let (text, ends) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                Some(_) | None => (part, false),
            };
            let room = LINE_MAX - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.tell(name);
            }
        }
    }

    fn end(&mut self, name: &str) {
        if !self.line.is_empty() {
            self.tell(name);
        }
    }

    fn tell(&mut self, name: &str) {
        let line = std::mem::take(&mut self.line);
        match self.told {
            LINES_MAX => debug!("{name} prints more than {LINES_MAX} lines"),
            0..LINES_MAX => debug!("{name}: {}", String::from_utf8_lossy(&line)),
            _ => return,
        }
        self.told += 1;
    }
}

/// Programs that leave others behind keep theirs open; what comes on top prints to nowhere.
const OPEN_MAX: usize = 64;
const BUFFER: usize = 4_096;
/// A program that floods gets its turn like everybody else.
const READS_PER_TURN: usize = 8;
const LINES_MAX: usize = 50;
const LINE_MAX: usize = 512;
