//! Signals as something to read.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use libc::{c_int, sigset_t};

use super::socket::check;
use crate::errno::Errno;

/// What others may want of the daemon by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Hup,
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
    /// SIGUSR1: write the state to a file.
    Usr1,
    /// SIGUSR2: write the statistics to a file.
    Usr2,
    /// SIGCHLD: a child has ended, or several.
    Chld,
    /// SIGXCPU: too much processor time without a rest under real-time scheduling.
    Xcpu,
    /// 36, SIGRTMIN+2 of glibc: write the state as JSON.
    Json,
    /// 63, SIGRTMAX-1: write the statistics and start them anew.
    ClearStatistics,
}

impl Signal {
    /// The kernel's number.
    pub const fn number(self) -> i32 {
        match self {
            Self::Hup => libc::SIGHUP,
            Self::Term => libc::SIGTERM,
            Self::Int => libc::SIGINT,
            Self::Usr1 => libc::SIGUSR1,
            Self::Usr2 => libc::SIGUSR2,
            Self::Chld => libc::SIGCHLD,
            Self::Xcpu => libc::SIGXCPU,
            // Literal: SIGRTMIN is 34 with glibc and 35 with musl, and tools mean glibc's.
            Self::Json => 36,
            Self::ClearStatistics => 63,
        }
    }

    pub const ALL: [Self; 9] = [
        Self::Hup,
        Self::Term,
        Self::Int,
        Self::Usr1,
        Self::Usr2,
        Self::Chld,
        Self::Xcpu,
        Self::Json,
        Self::ClearStatistics,
    ];
}

/// A signalfd (Linux 2.6.27) with all signals of [`Signal`].
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// From here on the signals wait to be read. To be called before there is a second thread:
    /// one that was started earlier would still die of them.
    pub fn open() -> Result<Self, Errno> {
        let set = set_of_all();
        // SAFETY: SIG_IGN and SIG_DFL are no functions; the set is initialized and only read.
        let descriptor = unsafe {
            // A peer that closes its connection is an error of a call, not a reason to die.
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            // Where a starter left it ignored, children would vanish without a status.
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            // Nor is a signal that nobody means for us: its default would be an end without a
            // goodbye. 32 and 33 belong to the C library, which refuses them (musl: and 34).
            for number in (1..=SIGNAL_MAX).filter(|number| is_stray(*number)) {
                libc::signal(number, libc::SIG_IGN);
            }
            check(libc::sigprocmask(
                libc::SIG_BLOCK,
                &raw const set,
                ptr::null_mut(),
            ))?;
            let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
            check(libc::signalfd(-1, &raw const set, flags))?
        };
        // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// The next signal; None when none waits. Several of one kind may have become one.
    pub fn recv(&self) -> Result<Option<Signal>, Errno> {
        let mut information = [0; INFORMATION_LENGTH];
        match nix::unistd::read(&self.0, &mut information) {
            Ok(_) => {}
            Err(nix::errno::Errno::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // struct signalfd_siginfo begins with the number.
        let [a, b, c, d, ..] = information;
        let number = c_int::from_ne_bytes([a, b, c, d]);
        Ok(Signal::ALL
            .into_iter()
            .find(|signal| signal.number() == number))
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Means nothing to us, and would end us. What tells of a fault in the program still does, and who
/// sits at the terminal may stop us for a while.
fn is_stray(number: c_int) -> bool {
    let is_ours = Signal::ALL.iter().any(|signal| signal.number() == number);
    let ends_us = matches!(
        number,
        libc::SIGQUIT
            | libc::SIGALRM
            | libc::SIGSTKFLT
            | libc::SIGXFSZ
            | libc::SIGVTALRM
            | libc::SIGPROF
            | libc::SIGIO
            | libc::SIGPWR
    );
    !is_ours && (ends_us || number >= REAL_TIME_MIN)
}

fn set_of_all() -> sigset_t {
    // SAFETY: sigset_t is made of integers, for which all zeros are a value, the empty set.
    let mut set: sigset_t = unsafe { std::mem::zeroed() };
    for signal in Signal::ALL {
        // SAFETY: the pointer is that of a live set.
        unsafe { libc::sigaddset(&raw mut set, signal.number()) };
    }
    set
}

/// Where the kernel's real-time signals begin, less the two of the C library.
const REAL_TIME_MIN: c_int = 34;
/// The kernel's last signal on x86-64; a C library's SIGRTMAX may be lower.
pub(super) const SIGNAL_MAX: c_int = 64;
/// sizeof(struct signalfd_siginfo).
const INFORMATION_LENGTH: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_read_also_those_of_real_time() {
        let signals = Signals::open().expect("signals can be blocked");
        assert_eq!(signals.recv(), Ok(None));
        for signal in Signal::ALL {
            // To this thread alone: the other threads of a test program block nothing.
            // SAFETY: no pointers are passed.
            assert_eq!(unsafe { libc::raise(signal.number()) }, 0);
            assert_eq!(signals.recv(), Ok(Some(signal)));
            assert_eq!(signals.recv(), Ok(None));
        }
    }

    #[test]
    fn the_numbers_of_real_time_are_those_of_the_kernel() {
        assert_eq!(Signal::Json.number(), 36);
        assert_eq!(Signal::ClearStatistics.number(), 63);
    }

    #[test]
    fn a_broken_pipe_kills_nobody() {
        let _signals = Signals::open().expect("signals can be blocked");
        // SAFETY: no pointers are passed.
        assert_eq!(unsafe { libc::raise(libc::SIGPIPE) }, 0);
    }

    #[test]
    fn a_signal_that_means_nothing_kills_nobody() {
        let signals = Signals::open().expect("signals can be blocked");
        // Those that a C library keeps for itself cannot be ignored: 34 is musl's.
        for number in [libc::SIGALRM, libc::SIGIO, libc::SIGPWR, libc::SIGXFSZ]
            .into_iter()
            .chain((35..=SIGNAL_MAX).filter(|number| is_stray(*number)))
        {
            // SAFETY: no pointers are passed.
            assert_eq!(unsafe { libc::raise(number) }, 0);
            assert_eq!(signals.recv(), Ok(None), "{number}");
        }
    }
}
