//! Into the background: a child in a session of its own, and a parent that waits for the child to
//! say that it is ready, so that `service keepalived start` tells the truth.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};

use crate::errno::Errno;

/// Which of the two processes returns from [`fork_off`].
#[derive(Debug)]
pub enum Side {
    /// The daemon. It calls [`Ready::tell`] once it can do its work.
    Daemon(Ready),
    /// The process that was called; it has nothing left to do but to exit with this code.
    Caller(u8),
}

/// The daemon's end of the pipe to the caller. Dropping it without a word tells nothing: then the
/// caller sees how the daemon ends.
#[derive(Debug)]
pub struct Ready(File);

impl Ready {
    /// The caller exits with 0.
    pub fn tell(mut self) {
        // The caller may have lost patience already.
        let _ = self.0.write_all(&[1]);
    }
}

/// Forks, and lets the daemon go on in a session of its own, in the root directory. Its standard
/// descriptors stay until [`detach`], so that an error of the start can be seen. The caller waits
/// for at most `patience`.
///
/// Only for a process with one thread: the others would be missing in the child.
pub fn fork_off(patience: Duration) -> Result<Side, Errno> {
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    // SAFETY: the process has one thread, as the contract of this function says, so the child is a
    // whole copy in which every call is allowed.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            drop(writer);
            Ok(Side::Caller(await_child(
                child,
                &File::from(reader),
                patience,
            )))
        }
        ForkResult::Child => {
            drop(reader);
            setsid()?;
            chdir("/")?;
            Ok(Side::Daemon(Ready(File::from(writer))))
        }
    }
}

/// Points the standard descriptors to nowhere: the terminal is not ours any more.
pub fn detach() -> Result<(), Errno> {
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|error| Errno::of(&error))?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}

/// Which permissions files that we make do not get.
pub fn set_umask(mask: u32) {
    umask(Mode::from_bits_truncate(mask));
}

/// keepalived's default: what it writes is for root to read.
pub const DEFAULT_UMASK: u32 = 0o177;

/// Waits for the daemon's word, or its end, whichever comes first.
fn await_child(child: Pid, mut word: &File, patience: Duration) -> u8 {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(word.as_fd(), PollFlags::POLLIN)], timeout) {
            Err(nix::errno::Errno::EINTR) => {}
            // It still works on its start, and it did not fail: the log will tell the rest.
            Ok(0) => return 0,
            Ok(_) | Err(_) => break,
        }
    }
    match word.read(&mut [0]) {
        Ok(1) => 0,
        Ok(_) | Err(_) => exit_code(child),
    }
}

/// The code of a daemon that ended before it was ready.
fn exit_code(child: Pid) -> u8 {
    for _ in 0..LAST_BREATH_ROUNDS {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => return u8::try_from(code).unwrap_or(EXIT_FAILED),
            Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::EINTR) => {
                std::thread::sleep(LAST_BREATH_ROUND);
            }
            Ok(_) | Err(_) => return EXIT_FAILED,
        }
    }
    EXIT_FAILED
}

/// Killed by a signal, or nobody knows.
const EXIT_FAILED: u8 = 1;
/// Between closing its pipe and being gone a process needs milliseconds; this is two seconds.
const LAST_BREATH_ROUNDS: u32 = 200;
const LAST_BREATH_ROUND: Duration = Duration::from_millis(10);
