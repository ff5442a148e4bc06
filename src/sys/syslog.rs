//! The socket of the system's log (RFC 3164). Never waits for whoever reads it.
//!
//! What the socket has no room for is kept and sent later, up to a limit; what goes beyond is
//! counted, and the count is told once there is room again.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket,
};

use super::calendar::LocalTime;

/// How much a message matters (RFC 3164 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

/// The way to the system's log.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    facility: u8,
    connection: Option<Connection>,
    /// Messages that found no room, oldest first.
    waiting: VecDeque<Vec<u8>>,
    waiting_octets: usize,
    /// Messages that not even `waiting` had room for.
    dropped: u64,
}

impl Syslog {
    /// `path` is `/dev/log`, but for tests. Nothing is opened before the first message.
    pub fn new(path: &Path, facility: u8) -> Self {
        Self {
            path: path.to_path_buf(),
            facility,
            connection: None,
            waiting: VecDeque::new(),
            waiting_octets: 0,
            dropped: 0,
        }
    }

    /// Sends a message, or keeps it for later. The text is one line without control characters.
    pub fn log(&mut self, severity: Severity, ident: &str, text: &str) {
        self.connect_if_needed();
        self.flush();
        if self.waiting.is_empty() && self.dropped > 0 {
            let told = format!(
                "{} messages were lost: syslog did not take them",
                self.dropped
            );
            let told = self.message(Severity::Warning, ident, &told);
            if self.transmit(&told) == Outcome::Sent {
                self.dropped = 0;
            }
        }
        let message = self.message(severity, ident, text);
        if !self.waiting.is_empty() || self.transmit(&message) == Outcome::Later {
            self.keep(message);
        }
    }

    /// Sends what is waiting, as far as there is room.
    pub fn flush(&mut self) {
        while let Some(message) = self.waiting.pop_front() {
            if self.connection.is_none() || self.transmit(&message) == Outcome::Later {
                self.waiting.push_front(message);
                return;
            }
            self.waiting_octets -= message.len();
        }
    }

    /// Messages wait, and there is somebody to read them: `flush` is worth a call soon.
    pub fn is_behind(&self) -> bool {
        self.connection.is_some() && !self.waiting.is_empty()
    }

    /// Sends what is waiting before the program ends, and waits for room, but not for long.
    pub fn finish(&mut self) {
        for _ in 0..FINISH_ROUNDS {
            self.flush();
            let Some(connection) = self.connection.as_ref().filter(|_| self.is_behind()) else {
                return;
            };
            let mut room = [PollFd::new(connection.socket.as_fd(), PollFlags::POLLOUT)];
            // Whatever it says, the next flush finds out.
            let _ = poll(&mut room, PollTimeout::from(FINISH_ROUND_MS));
        }
    }

    /// `<30>Nov 21 09:42:03 Keepalived[42]: text`
    fn message(&self, severity: Severity, ident: &str, text: &str) -> Vec<u8> {
        let priority = u32::from(self.facility) << 3 | severity as u32;
        let stamp = LocalTime::now().syslog_stamp();
        let pid = nix::unistd::getpid();
        let mut message = format!("<{priority}>{stamp} {ident}[{pid}]: {text}");
        let mut end = message.len().min(MESSAGE_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.into_bytes()
    }

    fn keep(&mut self, message: Vec<u8>) {
        if self.waiting_octets + message.len() > WAITING_OCTETS_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.waiting_octets += message.len();
        self.waiting.push_back(message);
    }

    /// Sends one message, connecting anew when the log daemon was restarted.
    fn transmit(&mut self, message: &[u8]) -> Outcome {
        for _ in 0..2 {
            self.connect_if_needed();
            let Some(connection) = &self.connection else {
                return Outcome::Later;
            };
            match connection.send(message) {
                Ok(length) if length < message.len() => {
                    // Half a message is in a stream: only its end can be a border again.
                    self.connection = None;
                    return Outcome::Sent;
                }
                Ok(_) => return Outcome::Sent,
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM | Errno::EINTR) => {
                    return Outcome::Later;
                }
                Err(Errno::EMSGSIZE) => return self.transmit_cut(message),
                Err(_) => self.connection = None,
            }
        }
        Outcome::Later
    }

    /// The reader's socket takes no message as long as that one. Its beginning says the most.
    fn transmit_cut(&mut self, message: &[u8]) -> Outcome {
        let short = &message[..message.len().min(SHORT_MESSAGE_MAX)];
        match self.connection.as_ref().map(|to| to.send(short)) {
            Some(Err(Errno::EAGAIN)) => Outcome::Later,
            // Not even that: it never will, and the messages behind it shall not wait.
            Some(_) | None => Outcome::Sent,
        }
    }

    fn connect_if_needed(&mut self) {
        if self.connection.is_none() {
            self.connection = Connection::open(&self.path).ok();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Sent,
    Later,
}

/// A connected socket of the kind the log daemon listens on.
#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    stream: bool,
}

impl Connection {
    fn open(path: &Path) -> Result<Self, Errno> {
        let address = UnixAddr::new(path)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        for (kind, stream) in [(SockType::Datagram, false), (SockType::Stream, true)] {
            let socket = socket(AddressFamily::Unix, kind, flags, None)?;
            match connect(socket.as_raw_fd(), &address) {
                Ok(()) => return Ok(Self { socket, stream }),
                // Somebody listens, on a socket of the other kind.
                Err(Errno::EPROTOTYPE) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::EPROTOTYPE)
    }

    /// In a stream a zero octet ends a message, as the C library does it.
    fn send(&self, message: &[u8]) -> Result<usize, Errno> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        if !self.stream {
            return send(self.socket.as_raw_fd(), message, flags);
        }
        let mut framed = Vec::with_capacity(message.len() + 1);
        framed.extend_from_slice(message);
        framed.push(0);
        let length = send(self.socket.as_raw_fd(), &framed, flags)?;
        // Without its border the message does not count as whole.
        Ok(if length == framed.len() {
            message.len()
        } else {
            0
        })
    }
}

/// The usual limit of log daemons: what is longer they would cut themselves.
const MESSAGE_MAX: usize = 8192;
/// The limit of the RFC, which every reader takes.
const SHORT_MESSAGE_MAX: usize = 1024;
/// A start with hundreds of instances logs about this much before a slow reader wakes up.
const WAITING_OCTETS_MAX: usize = 64 * 1024;
/// At most a fifth of a second is spent at the end: an operator waits for it.
const FINISH_ROUNDS: usize = 20;
const FINISH_ROUND_MS: u8 = 10;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;
    use crate::sys::scratch::Scratch;

    const DAEMON: u8 = 3;

    fn received(listener: &UnixDatagram) -> String {
        let mut buffer = vec![0; 2 * MESSAGE_MAX];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_message_has_priority_time_ident_and_pid() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let listener = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path, DAEMON);
        syslog.log(
            Severity::Info,
            "Keepalived_vrrp",
            "(VI_1) Entering MASTER STATE",
        );
        let message = received(&listener);
        let text = format!(
            " Keepalived_vrrp[{}]: (VI_1) Entering MASTER STATE",
            std::process::id()
        );
        assert!(
            message.starts_with("<30>") && message.ends_with(&text),
            "{message}"
        );
        assert_eq!(message.len(), "<30>Nov 21 09:42:03".len() + text.len());
    }

    /// The reader takes nothing: no call waits, memory stays bounded, and once it reads again the
    /// kept messages come in order and then the count of the lost ones.
    #[test]
    fn a_full_socket_never_makes_the_writer_wait() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let listener = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path, DAEMON);
        for number in 0..5_000 {
            syslog.log(Severity::Info, "Keepalived", &format!("number {number:04}"));
        }
        assert!(syslog.is_behind());
        assert!(syslog.dropped > 0 && syslog.waiting_octets <= WAITING_OCTETS_MAX);
        let kept = 5_000 - syslog.dropped;

        for number in 0..kept {
            let message = received(&listener);
            assert!(
                message.ends_with(&format!("number {number:04}")),
                "{message}"
            );
            syslog.flush();
        }
        assert!(!syslog.is_behind());
        syslog.log(Severity::Info, "Keepalived", "alive");
        let lost = format!(
            "{} messages were lost: syslog did not take them",
            5_000 - kept
        );
        assert!(received(&listener).ends_with(&lost));
        assert!(received(&listener).ends_with(": alive"));
    }

    #[test]
    fn messages_survive_a_log_daemon_that_starts_late_or_again() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let mut syslog = Syslog::new(&path, DAEMON);
        syslog.log(Severity::Info, "Keepalived", "first");
        assert!(!syslog.is_behind(), "nobody is there to wait for");

        let listener = UnixDatagram::bind(&path).unwrap();
        syslog.log(Severity::Info, "Keepalived", "second");
        assert!(received(&listener).ends_with(": first"));
        assert!(received(&listener).ends_with(": second"));

        drop(listener);
        std::fs::remove_file(&path).unwrap();
        let listener = UnixDatagram::bind(&path).unwrap();
        syslog.log(Severity::Error, "Keepalived", "third");
        let message = received(&listener);
        assert!(
            message.starts_with("<27>") && message.ends_with(": third"),
            "{message}"
        );
    }

    #[test]
    fn a_stream_socket_serves_as_well() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let listener = UnixListener::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path, DAEMON);
        syslog.log(Severity::Info, "Keepalived", "one");
        syslog.log(Severity::Info, "Keepalived", "two");
        drop(syslog);
        let mut text = String::new();
        listener
            .accept()
            .unwrap()
            .0
            .read_to_string(&mut text)
            .unwrap();
        let ends: Vec<_> = text
            .split_terminator('\0')
            .map(|m| &m[m.len() - 5..])
            .collect();
        assert_eq!(ends, [": one", ": two"]);
    }

    /// Its queue of connections is full, and nobody accepts one.
    #[test]
    fn a_stream_socket_that_does_not_read_never_makes_the_writer_wait() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let _listener = UnixListener::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path, DAEMON);
        for _ in 0..5_000 {
            syslog.log(Severity::Info, "Keepalived", &"x".repeat(500));
        }
        assert!(syslog.dropped > 0);
        syslog.finish();
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_between_characters() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let listener = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path, DAEMON);
        syslog.log(
            Severity::Info,
            "Keepalived",
            &"\u{4e2d}".repeat(MESSAGE_MAX),
        );
        let message = received(&listener);
        assert!(message.len() > MESSAGE_MAX - 3 && message.len() <= MESSAGE_MAX);
        assert!(message.ends_with('\u{4e2d}'));
    }

    #[test]
    fn the_end_of_the_program_waits_for_a_slow_reader_but_not_for_a_dead_one() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let listener = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path, DAEMON);
        for number in 0..1_000 {
            syslog.log(Severity::Info, "Keepalived", &format!("number {number}"));
        }
        assert!(syslog.is_behind());
        syslog.finish();
        assert!(syslog.is_behind(), "nobody read anything, and it came back");

        let reader = std::thread::spawn(move || {
            let mut last = received(&listener);
            while !last.ends_with("number 999") {
                last = received(&listener);
            }
        });
        while syslog.is_behind() {
            syslog.finish();
        }
        reader.join().unwrap();
    }
}
