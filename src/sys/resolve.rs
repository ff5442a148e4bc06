//! Names to addresses without waiting: a child asks the resolver of the C library, which may take
//! its time, and writes what it hears into a pipe.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::unistd::ForkResult;

use super::process::{self, Pid};
use crate::child::Kill;
use crate::errno::Errno;

/// A question under way; its answer is there when the child has ended.
#[derive(Debug)]
pub struct Question {
    pid: Pid,
    answer: OwnedFd,
}

impl Question {
    /// To be called in a process with one thread only: the child goes on in this program.
    pub fn ask(host: &str) -> Result<Self, Errno> {
        let [answer, told] = process::pipe()?;
        // SAFETY: with one thread nobody holds a lock while the memory is copied, so the child
        // may do whatever the parent may.
        match unsafe { nix::unistd::fork() }? {
            ForkResult::Parent { child } => Ok(Self {
                pid: process::lead_group(child),
                answer,
            }),
            ForkResult::Child => {
                process::become_helper(told.as_raw_fd(), PATIENCE);
                let text = addresses(host);
                let _ = File::from(told).write_all(text.as_bytes());
                // SAFETY: ends the child at once, without what the parent wants done at its end.
                unsafe { libc::_exit(0) }
            }
        }
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Nobody wants to know any more.
    pub fn withdraw(self) {
        self.pid.kill(Kill::Force);
    }

    /// The addresses; none when the name has none or the child was killed. To be asked when the
    /// child has ended.
    pub fn answer(self) -> Vec<IpAddr> {
        let mut text = Vec::new();
        // An error is the end: nobody writes any more.
        let _ = File::from(self.answer)
            .take(ANSWER_MAX)
            .read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

fn addresses(host: &str) -> String {
    let found = (host, 0).to_socket_addrs();
    let mut lines: Vec<String> = Vec::new();
    for address in found.into_iter().flatten() {
        let line = format!("{}\n", address.ip());
        if !lines.contains(&line) && lines.len() < ADDRESSES_MAX {
            lines.push(line);
        }
    }
    lines.concat()
}

/// Seconds that the resolver may take.
const PATIENCE: u32 = 30;
const ADDRESSES_MAX: usize = 32;
/// Longer than as many addresses; a pipe takes it at once.
const ANSWER_MAX: u64 = 2_048;
