//! The journal of a running daemon (`--log-events`): everything that its cores are told and what
//! they want done, as text; and the way back, text told to new cores, which must want the same.
//! It reads and writes no file.
//!
//! ```text
//! keepalived events 1
//! 86400.250000000 vrrp begins release_all=no tell_of_addresses=no
//! 86400.250000000 vrrp uptime 86400.250000000
//! 86400.251000000 vrrp reload
//!     vrrp_instance VI_1 {
//!     ...
//! > Open { socket: SocketId(1), ... }
//! 86401.252000000 vrrp packet socket=1 v4=45c0002800010000ff70...
//! 86404.861000000 vrrp time
//! > Advertise socket=1 to=224.0.0.18 from=10.0.0.2 ttl=255 packet=45c000...
//! ```
//!
//! A line that begins with a number is an input: when, to which core, what. Indented lines belong
//! to it. `>` is an effect that came of it. What the kernel or a device answers to an effect names
//! it by its text. A file may hold several journals, each with its first line.

mod check;
mod replay;
mod text;
mod vrrp;

use std::fmt::Write as _;

use crate::time::Instant;

pub use replay::{Replayed, replay};

/// Lines on their way to the file.
#[derive(Debug)]
pub struct Journal {
    text: String,
}

/// How every journal begins.
const TITLE: &str = "keepalived events 1";
/// What belongs to the line above.
const INDENT: &str = "    ";
/// An effect.
const EFFECT: &str = "> ";

impl Default for Journal {
    fn default() -> Self {
        Self {
            text: format!("{TITLE}\n"),
        }
    }
}

impl Journal {
    /// What was written since the last call.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Octets that nobody has taken.
    pub fn waiting(&self) -> usize {
        self.text.len()
    }

    /// The core comes into being.
    pub fn vrrp_begins(&mut self, now: Instant, release_all: bool, tell_of_addresses: bool) {
        let [release_all, tell_of_addresses] = [release_all, tell_of_addresses].map(text::flag);
        let words =
            format!("begins release_all={release_all} tell_of_addresses={tell_of_addresses}");
        self.input(now, VRRP, &words);
    }

    pub fn vrrp_event(&mut self, now: Instant, event: &crate::vrrp::Event<'_>) {
        let (words, block) = vrrp::write(event);
        self.input(now, VRRP, &words);
        self.block(&block);
    }

    pub fn vrrp_time(&mut self, now: Instant) {
        self.input(now, VRRP, TIME);
    }

    pub fn vrrp_effects(&mut self, effects: &[crate::vrrp::Effect]) {
        effects
            .iter()
            .map(vrrp::effect)
            .for_each(|words| self.effect(&words));
    }

    /// The core comes into being.
    pub fn check_begins(&mut self, now: Instant, seed: u64, tls: bool) {
        let words = format!("begins seed={seed} tls={}", text::flag(tls));
        self.input(now, CHECK, &words);
    }

    pub fn check_event(&mut self, now: Instant, event: &crate::check::Event<'_>) {
        let (words, block) = check::write(event);
        self.input(now, CHECK, &words);
        self.block(&block);
    }

    pub fn check_time(&mut self, now: Instant) {
        self.input(now, CHECK, TIME);
    }

    pub fn check_effects(&mut self, effects: &[crate::check::Effect]) {
        effects
            .iter()
            .map(check::effect)
            .for_each(|words| self.effect(&words));
    }

    fn input(&mut self, now: Instant, core: &str, words: &str) {
        let nanos = now.as_nanos();
        let (seconds, nanos) = (nanos / SECOND, nanos % SECOND);
        // A string takes everything; the same below.
        let _ = writeln!(self.text, "{seconds}.{nanos:09} {core} {words}");
    }

    fn block(&mut self, block: &str) {
        for line in block.lines() {
            let _ = writeln!(self.text, "{INDENT}{line}");
        }
    }

    fn effect(&mut self, words: &str) {
        let _ = writeln!(self.text, "{EFFECT}{words}");
    }
}

/// The names of the cores.
const VRRP: &str = "vrrp";
const CHECK: &str = "check";
/// `on_time`.
const TIME: &str = "time";
/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;
