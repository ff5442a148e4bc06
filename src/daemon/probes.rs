//! The sockets of probes: opened, written, read, closed. What is said on them is the core's.

use std::collections::BTreeMap;

use log::error;
use mio::Token;

use super::logging::CHECK;
use super::reactor::{Reactor, Ready, Source};
use crate::check::{Connect, Event, ProbeId, Transport};
use crate::errno::Errno;
use crate::sys::icmp::EchoProbe;
use crate::sys::outgoing::{StartError, Way};
use crate::sys::tcp::{Progress, TcpProbe};
use crate::sys::tls::{Client, Files, Peer, Session};
use crate::sys::udp::UdpProbe;
use crate::wire::tls::{Failure, Wish};

/// Every open one.
#[derive(Debug)]
pub(super) struct Probes {
    open: BTreeMap<ProbeId, Conversation>,
    /// What their sockets are to the reactor.
    source: fn(ProbeId) -> Source,
    tls: Client,
}

#[derive(Debug)]
struct Conversation {
    socket: Socket,
    token: Token,
    connected: bool,
    /// What there was no room for yet.
    unsent: Vec<u8>,
    /// Nothing more will be heard.
    ended: bool,
    secret: Option<Box<Secret>>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpProbe),
    Udp(UdpProbe),
    Echo(EchoProbe),
}

/// A conversation that others cannot hear.
#[derive(Debug)]
struct Secret {
    session: Session,
    /// It was told that the session is secured.
    told: bool,
    /// What was heard and not yet told.
    plain: Vec<u8>,
    goodbye: bool,
}

/// What a socket that is ready has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Connected,
    Secured(Peer),
    /// So many, in the buffer.
    Octets(usize),
    End,
    Insecure(Failure),
    Failed(Errno),
}

impl Heard {
    /// As an attempt is told it.
    pub(super) fn event(self, probe: ProbeId, buffer: &[u8]) -> Event<'_> {
        match self {
            Self::Connected => Event::Connected(probe),
            Self::Octets(count) => Event::Received {
                probe,
                bytes: buffer.get(..count).unwrap_or_default(),
            },
            Self::Secured(Peer { days_left }) => Event::Secured { probe, days_left },
            Self::Insecure(failure) => Event::Insecure { probe, failure },
            Self::End => Event::Closed(probe),
            Self::Failed(error) => Event::Failed {
                probe,
                error,
                started: true,
            },
        }
    }
}

impl Probes {
    pub(super) fn new(files: Files, source: fn(ProbeId) -> Source) -> Self {
        Self {
            open: BTreeMap::new(),
            source,
            tls: Client::new(files),
        }
    }

    /// New conversations use these files.
    pub(super) fn set_files(&mut self, files: Files) {
        self.tls = Client::new(files);
    }

    /// Opens one; gives what is known about it at once.
    pub(super) fn connect(
        &mut self,
        connect: &Connect,
        reactor: &mut Reactor,
    ) -> Option<Event<'static>> {
        let probe = connect.probe;
        let failed = |error, started| Event::Failed {
            probe,
            error,
            started,
        };
        let mut secret = match self.secret(connect) {
            Ok(secret) => secret,
            Err(failure) => return Some(Event::Insecure { probe, failure }),
        };
        let (socket, connected) = match Socket::open(connect) {
            Ok(opened) => opened,
            Err(StartError { errno, started }) => {
                if !started {
                    error!(
                        target: CHECK,
                        "Checker cannot start towards {}: {errno}", connect.to
                    );
                }
                return Some(failed(errno, started));
            }
        };
        let token = match socket.watch((self.source)(probe), reactor) {
            Ok(token) => token,
            Err(error) => return Some(failed(Errno::of(&error), false)),
        };
        // The first words of a session are ready before there is a connection.
        let unsent = secret.as_mut().map(|secret| secret.session.output());
        let conversation = Conversation {
            socket,
            token,
            connected: connected && secret.is_none(),
            unsent: unsent.unwrap_or_default(),
            ended: false,
            secret,
        };
        let ready = conversation.connected;
        self.open.insert(probe, conversation);
        ready.then_some(Event::Connected(probe))
    }

    fn secret(&mut self, connect: &Connect) -> Result<Option<Box<Secret>>, Failure> {
        let Transport::Tls(wish) = &connect.transport else {
            return Ok(None);
        };
        let session = self.tls.begin(wish, connect.to.ip())?;
        Ok(Some(Box::new(Secret::new(session, wish))))
    }

    /// Sends as much as there is room for, and the rest when there is more.
    pub(super) fn send(&mut self, probe: ProbeId, octets: &[u8]) -> Option<Event<'static>> {
        let conversation = self.open.get_mut(&probe)?;
        let error = conversation.say(octets).err()?;
        Some(Event::Failed {
            probe,
            error,
            started: true,
        })
    }

    /// The next thing that a ready socket has to tell; None when it has told all.
    pub(super) fn hear(
        &mut self,
        probe: ProbeId,
        ready: Ready,
        buffer: &mut [u8],
    ) -> Option<Heard> {
        let conversation = self.open.get_mut(&probe)?;
        if conversation.ended {
            return None;
        }
        let heard = conversation.hear(ready, buffer);
        let heard = heard.unwrap_or_else(|error| Some(Heard::Failed(error)));
        let last = matches!(
            heard,
            Some(Heard::End | Heard::Insecure(_) | Heard::Failed(_))
        );
        conversation.ended = last;
        heard
    }

    pub(super) fn close(&mut self, probe: ProbeId, reactor: &mut Reactor) {
        if let Some(mut conversation) = self.open.remove(&probe) {
            conversation.part();
            reactor.forget_closing(conversation.token);
        }
    }
}

impl Conversation {
    fn hear(&mut self, ready: Ready, buffer: &mut [u8]) -> Result<Option<Heard>, Errno> {
        if !self.connected {
            // While a connection is made there is no room to write.
            self.connected = ready.writable || self.socket.finish()?;
            return Ok(self.connected.then_some(Heard::Connected));
        }
        self.flush()?;
        match &self.secret {
            Some(_) => self.hear_secret(buffer),
            // What comes from now on is another event.
            None if !ready.readable => Ok(None),
            None => self.socket.hear(buffer),
        }
    }

    /// What was already understood comes first.
    fn hear_secret(&mut self, buffer: &mut [u8]) -> Result<Option<Heard>, Errno> {
        loop {
            let Some(secret) = &mut self.secret else {
                return Ok(None);
            };
            if let Some(heard) = secret.next(buffer) {
                return Ok(Some(heard));
            }
            let outcome = match self.socket.hear(buffer)? {
                Some(Heard::Octets(count)) => {
                    let octets = buffer.get(..count).unwrap_or_default();
                    secret.session.take(octets, &mut secret.plain)
                }
                other => return Ok(other),
            };
            if let Err(failure) = outcome {
                // The other side is told why, if it listens.
                let _ = self.push_secret();
                return Ok(Some(Heard::Insecure(failure)));
            }
            self.push_secret()?;
        }
    }

    fn say(&mut self, octets: &[u8]) -> Result<(), Errno> {
        match &mut self.secret {
            Some(secret) => {
                secret.session.say(octets);
                self.push_secret()
            }
            None => {
                self.unsent.extend_from_slice(octets);
                self.flush()
            }
        }
    }

    fn push_secret(&mut self) -> Result<(), Errno> {
        if let Some(secret) = &mut self.secret {
            self.unsent.extend(secret.session.output());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Errno> {
        while !self.unsent.is_empty() {
            let sent = self.socket.send(&self.unsent)?;
            if sent == 0 {
                break;
            }
            self.unsent.drain(..sent);
        }
        Ok(())
    }

    /// Says goodbye where that is wanted. Nobody waits for an answer.
    fn part(&mut self) {
        if let Some(secret) = self.secret.as_mut().filter(|secret| secret.goodbye) {
            secret.session.goodbye();
            let _ = self.push_secret();
        }
    }
}

impl Secret {
    fn new(session: Session, wish: &Wish) -> Self {
        Self {
            session,
            told: false,
            plain: Vec::new(),
            goodbye: wish.goodbye,
        }
    }

    fn next(&mut self, buffer: &mut [u8]) -> Option<Heard> {
        if !self.told {
            let peer = self.session.peer()?;
            self.told = true;
            return Some(Heard::Secured(peer));
        }
        if !self.plain.is_empty() {
            let count = self.plain.len().min(buffer.len());
            let (now, _) = self.plain.split_at(count);
            buffer.get_mut(..count)?.copy_from_slice(now);
            self.plain.drain(..count);
            return Some(Heard::Octets(count));
        }
        self.session.is_over().then_some(Heard::End)
    }
}

impl Socket {
    /// And whether it is connected already.
    fn open(connect: &Connect) -> Result<(Self, bool), StartError> {
        let way = Way {
            to: connect.to,
            from: connect.from,
            device: connect.device.as_deref(),
            mark: connect.mark,
        };
        Ok(match connect.transport {
            Transport::Tcp | Transport::Tls(_) => {
                let (socket, progress) = TcpProbe::start(&way)?;
                (Self::Tcp(socket), progress == Progress::Connected)
            }
            Transport::Datagrams => (Self::Udp(UdpProbe::start(&way)?), true),
            Transport::Echoes => (Self::Echo(EchoProbe::start(&way)?), true),
        })
    }

    fn watch(&self, source: Source, reactor: &mut Reactor) -> std::io::Result<Token> {
        match self {
            Self::Tcp(socket) => reactor.watch_both_ways(socket, source),
            Self::Udp(socket) => reactor.watch_readable(socket, source),
            Self::Echo(socket) => reactor.watch_readable(socket, source),
        }
    }

    /// Whether a connection is there.
    fn finish(&self) -> Result<bool, Errno> {
        match self {
            Self::Tcp(socket) => Ok(socket.finish()? == Progress::Connected),
            Self::Udp(_) | Self::Echo(_) => Ok(true),
        }
    }

    fn send(&mut self, octets: &[u8]) -> Result<usize, Errno> {
        match self {
            Self::Tcp(socket) => socket.send(octets),
            Self::Udp(socket) => socket.send(octets),
            Self::Echo(socket) => socket.send(octets),
        }
    }

    /// Only a connection has an end.
    fn hear(&self, buffer: &mut [u8]) -> Result<Option<Heard>, Errno> {
        let received = match self {
            Self::Tcp(socket) => match socket.receive(buffer)? {
                Some(0) => return Ok(Some(Heard::End)),
                received => received,
            },
            Self::Udp(socket) => socket.receive(buffer)?,
            Self::Echo(socket) => socket.receive(buffer)?,
        };
        Ok(received.map(Heard::Octets))
    }
}

impl std::os::fd::AsRawFd for Socket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        match self {
            Self::Tcp(socket) => socket.as_raw_fd(),
            Self::Udp(socket) => socket.as_raw_fd(),
            Self::Echo(socket) => socket.as_raw_fd(),
        }
    }
}
