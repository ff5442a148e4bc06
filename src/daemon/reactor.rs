//! Poll, the ready list and the "again" list. Descriptors are edge-triggered: who stops reading
//! before the kernel says "would block" asks to be called again.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::slots::Slots;
use crate::check::ProbeId;
use crate::notify::Pipe;
use crate::vrrp::{SocketId, Trace};

/// Who owns a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Alarm,
    Signals,
    /// The netlink monitor.
    Monitor,
    Vrrp(SocketId),
    /// Frames of a router that uses a number of ours.
    Lookout(Trace),
    /// The addresses of this machine, for the check core.
    Addresses,
    Probe(ProbeId),
    /// A tracker's, which has numbers of its own.
    Reach(ProbeId),
    /// A pipe for news.
    Pipe(Pipe),
    /// The line to the mail server.
    Mail,
    /// What a program prints.
    Output(u64),
    /// Directories of tracked files.
    Files,
    /// The process connector.
    Processes,
}

/// What a descriptor is ready for, as far as the kernel has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// There is something to be heard: octets, their end or an error.
    pub(super) readable: bool,
    /// There is room to write, and no error.
    pub(super) writable: bool,
}

impl Ready {
    /// Of who asked to be called again: to be found out.
    const AGAIN: Self = Self {
        readable: true,
        writable: false,
    };

    fn of(event: &mio::event::Event) -> Self {
        let broken = event.is_error() || event.is_write_closed();
        Self {
            readable: event.is_readable() || event.is_read_closed() || broken,
            writable: event.is_writable() && !broken,
        }
    }
}

#[derive(Debug)]
pub(super) struct Reactor {
    poll: Poll,
    events: Events,
    slots: Slots<Source>,
    ready: VecDeque<(Token, Ready)>,
    again: Vec<Token>,
}

impl Reactor {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_PER_TURN),
            slots: Slots::new(),
            ready: VecDeque::new(),
            again: Vec::new(),
        })
    }

    pub(super) fn watch_readable(
        &mut self,
        descriptor: &impl AsRawFd,
        source: Source,
    ) -> io::Result<Token> {
        self.watch(descriptor.as_raw_fd(), source, Interest::READABLE)
    }

    pub(super) fn watch_writable(
        &mut self,
        descriptor: &impl AsRawFd,
        source: Source,
    ) -> io::Result<Token> {
        self.watch(descriptor.as_raw_fd(), source, Interest::WRITABLE)
    }

    pub(super) fn watch_both_ways(
        &mut self,
        descriptor: &impl AsRawFd,
        source: Source,
    ) -> io::Result<Token> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.watch(descriptor.as_raw_fd(), source, both)
    }

    fn watch(
        &mut self,
        descriptor: RawFd,
        source: Source,
        interest: Interest,
    ) -> io::Result<Token> {
        let token = self.slots.insert(source);
        let registered = self
            .poll
            .registry()
            .register(&mut SourceFd(&descriptor), token, interest);
        if let Err(error) = registered {
            self.slots.remove(token);
            return Err(error);
        }
        Ok(token)
    }

    /// Must come before the descriptor is closed.
    pub(super) fn forget(&mut self, descriptor: &impl AsRawFd, token: Token) {
        self.slots.remove(token);
        // It can only fail for a descriptor that is not registered.
        let _ = self
            .poll
            .registry()
            .deregister(&mut SourceFd(&descriptor.as_raw_fd()));
    }

    /// For a descriptor that is closed in the next moment, which tells the kernel as well.
    pub(super) fn forget_closing(&mut self, token: Token) {
        self.slots.remove(token);
    }

    /// Sleeps until a descriptor is ready, or patience ends; does not sleep when somebody asked to
    /// be called again. Timers need no time-out here: one of the descriptors is a timerfd.
    pub(super) fn wait(&mut self, patience: Option<Duration>) -> io::Result<()> {
        let limit = if self.again.is_empty() {
            patience
        } else {
            Some(Duration::ZERO)
        };
        match self.poll.poll(&mut self.events, limit) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            Err(error) => return Err(error),
        }
        // A descriptor has one event at most, but may have asked to be called again as well.
        let again = self.again.drain(..).map(|token| (token, Ready::AGAIN));
        self.ready.extend(again);
        let again = self.ready.len();
        for event in &self.events {
            let token = event.token();
            let mut asked = self.ready.iter().take(again);
            if !asked.any(|&(one, _)| one == token) {
                self.ready.push_back((token, Ready::of(event)));
            }
        }
        Ok(())
    }

    /// The next source that is ready; those that were closed meanwhile are left out.
    pub(super) fn next(&mut self) -> Option<(Token, Source, Ready)> {
        loop {
            let (token, ready) = self.ready.pop_front()?;
            if let Some(source) = self.slots.get(token) {
                return Some((token, *source, ready));
            }
        }
    }

    /// Calls this source again in the next turn: it stopped reading at its budget.
    pub(super) fn again(&mut self, token: Token) {
        self.again.push(token);
    }
}

/// More events wait in the kernel until the next turn.
const EVENTS_PER_TURN: usize = 256;
