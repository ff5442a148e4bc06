//! The post office: letters wait here and go out over one connection, one after the other. A
//! server that does not answer is tried again, ever less often, until a letter is an hour old.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use log::{debug, info, warn};

use super::dialogue::{Dialogue, Refusal, Turn};
use super::letter::{Envelope, Letter};
use super::{Line, Order};
use crate::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Post {
    /// None: nobody is written to.
    settings: Option<Settings>,
    waiting: VecDeque<Waiting>,
    session: Session,
    /// Until when the present step may take, or when the next attempt is made.
    due: Option<Instant>,
    /// Attempts in a row that came to nothing.
    failures: u32,
    /// Letters that there was no room for.
    lost: u64,
    stopping: bool,
}

/// Where mails go and what is on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    /// For each step.
    pub(super) patience: Duration,
    pub(super) envelope: Envelope,
}

#[derive(Debug)]
struct Waiting {
    letter: Letter,
    since: Instant,
}

/// Where the delivery stands.
#[derive(Debug, Default)]
enum Session {
    #[default]
    Idle,
    /// It did not work; another attempt is made later.
    Resting,
    Resolving,
    Connecting {
        to: SocketAddr,
        /// Tried when that one does not answer.
        others: VecDeque<SocketAddr>,
    },
    Talking {
        to: SocketAddr,
        dialogue: Box<Dialogue>,
    },
}

impl Post {
    pub(super) fn reload(
        &mut self,
        now: Instant,
        settings: Option<Settings>,
        out: &mut Vec<Order>,
    ) {
        if settings == self.settings {
            return;
        }
        self.settings = settings;
        self.failures = 0;
        if self.settings.is_none() && !self.waiting.is_empty() {
            warn!(
                "{} mails not sent: nobody is to have them any more",
                self.waiting.len()
            );
            self.waiting.clear();
        }
        // What was begun with the server of before is begun again.
        self.hang_up(out);
        self.start(now, out);
    }

    pub(super) fn post(&mut self, now: Instant, letter: Letter, out: &mut Vec<Order>) {
        if self.settings.is_none() {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.lost += 1;
            warn!("too many mails wait - {} not sent so far", self.lost);
            return;
        }
        self.waiting.push_back(Waiting { letter, since: now });
        self.start(now, out);
    }

    /// When there is something to do without anything happening.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Whether nothing is under way, or will be.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && matches!(self.session, Session::Idle)
    }

    /// The daemon stops: nothing is put off any longer.
    pub(super) fn stop(&mut self, now: Instant, out: &mut Vec<Order>) {
        self.stopping = true;
        if matches!(self.session, Session::Resting) {
            self.session = Session::Idle;
            self.start(now, out);
        }
    }

    /// The last moment is over.
    pub(super) fn end(&mut self, out: &mut Vec<Order>) {
        if !self.waiting.is_empty() {
            warn!("{} mails not sent before the end", self.waiting.len());
        }
        self.waiting.clear();
        self.hang_up(out);
    }

    pub(super) fn on_time(&mut self, now: Instant, out: &mut Vec<Order>) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.due = None;
        match &self.session {
            Session::Idle => {}
            Session::Resting => {
                self.session = Session::Idle;
                self.start(now, out);
            }
            Session::Resolving => {
                info!("Timeout resolving SMTP server {}.", self.host());
                self.rest(now, out);
            }
            Session::Connecting { to, .. } => {
                info!("Timeout connecting SMTP server {}.", shown(*to));
                self.try_next(now, out);
            }
            Session::Talking { to, dialogue } if !dialogue.has_quit() => {
                info!("Timeout reading data to remote SMTP server {}.", shown(*to));
                self.rest(now, out);
            }
            // All that counts was said and answered.
            Session::Talking { .. } => self.finish(now, out),
        }
    }

    pub(super) fn on_line(&mut self, now: Instant, line: Line<'_>, out: &mut Vec<Order>) {
        match (&mut self.session, line) {
            (Session::Resolving, Line::Resolved(addresses)) => {
                self.resolved(now, addresses, out);
            }
            (Session::Connecting { to, .. }, Line::Connected) => {
                debug!("Remote SMTP server {} connected.", shown(*to));
                let dialogue = Box::new(Dialogue::new());
                self.session = Session::Talking { to: *to, dialogue };
                self.wait(now);
            }
            (Session::Connecting { to, .. }, Line::Failed(error)) => {
                info!("SMTP connection ERROR to {}: {error}", shown(*to));
                self.try_next(now, out);
            }
            (Session::Talking { .. }, Line::Received(octets)) => self.listen(now, octets, out),
            (Session::Talking { dialogue, .. }, Line::Closed | Line::Failed(_))
                if dialogue.has_quit() =>
            {
                self.finish(now, out);
            }
            (Session::Talking { to, .. }, Line::Closed) => {
                info!(
                    "Remote SMTP server {} has closed the connection.",
                    shown(*to)
                );
                self.rest(now, out);
            }
            (Session::Talking { to, .. }, Line::Failed(error)) => {
                let to = shown(*to);
                info!("Error reading data from remote SMTP server {to}: {error}");
                self.rest(now, out);
            }
            // A late word on a conversation that is over.
            (_, _) => {}
        }
    }

    /// Begins to deliver, if there is something to deliver and nothing under way.
    fn start(&mut self, now: Instant, out: &mut Vec<Order>) {
        if self.waiting.is_empty() || !matches!(self.session, Session::Idle) {
            return;
        }
        let host = self.host().to_owned();
        self.session = Session::Resolving;
        match host.parse() {
            Ok(address) => self.resolved(now, &[address], out),
            Err(_) => {
                self.wait(now);
                out.push(Order::Resolve { host });
            }
        }
    }

    fn resolved(&mut self, now: Instant, addresses: &[IpAddr], out: &mut Vec<Order>) {
        let port = self.settings.as_ref().map_or(0, |settings| settings.port);
        let addresses = addresses.iter().take(ADDRESSES_MAX);
        let addresses = addresses.map(|address| SocketAddr::new(*address, port));
        let mut others: VecDeque<SocketAddr> = addresses.collect();
        let Some(to) = others.pop_front() else {
            info!("SMTP server {} has no address", self.host());
            return self.rest(now, out);
        };
        self.session = Session::Connecting { to, others };
        out.push(Order::Dial { to });
        self.wait(now);
    }

    /// Tries the next address of the server.
    fn try_next(&mut self, now: Instant, out: &mut Vec<Order>) {
        let Session::Connecting { to, others } = &mut self.session else {
            return;
        };
        let Some(next) = others.pop_front() else {
            return self.rest(now, out);
        };
        *to = next;
        out.push(Order::HangUp);
        out.push(Order::Dial { to: next });
        self.wait(now);
    }

    /// Says what is to be said to what was heard.
    fn listen(&mut self, now: Instant, mut octets: &[u8], out: &mut Vec<Order>) {
        let Some(settings) = self.settings.clone() else {
            return;
        };
        while let Session::Talking { to, dialogue } = &mut self.session {
            let letter = self.waiting.front().map(|waiting| &waiting.letter);
            let to = shown(*to);
            match dialogue.hear(octets, &settings.envelope, letter) {
                Ok(None) => return,
                Ok(Some((turn, rest))) => {
                    octets = rest;
                    self.wait(now);
                    self.take(now, turn, &to, &settings.envelope, out);
                }
                Err(malformed) => {
                    info!("Error reading data from remote SMTP server {to}: {malformed}");
                    return self.rest(now, out);
                }
            }
        }
    }

    fn take(
        &mut self,
        now: Instant,
        turn: Turn,
        to: &str,
        envelope: &Envelope,
        out: &mut Vec<Order>,
    ) {
        match turn {
            Turn::Say(octets) => out.push(Order::Say(octets)),
            Turn::Without(refusal, octets) => {
                refusal.tell(to);
                out.push(Order::Say(octets));
            }
            Turn::Delivered => {
                info!("SMTP alert successfully sent.");
                self.failures = 0;
                self.waiting.pop_front();
                self.go_on(envelope, out);
            }
            Turn::Refused(refusal) => {
                refusal.tell(to);
                if refusal.of_the_letter {
                    self.waiting.pop_front();
                    self.say_goodbye(out);
                } else {
                    self.say_goodbye(out);
                    self.rest(now, out);
                }
            }
            Turn::End => self.finish(now, out),
        }
    }

    /// One connection for a burst.
    fn go_on(&mut self, envelope: &Envelope, out: &mut Vec<Order>) {
        if self.waiting.is_empty() {
            return self.say_goodbye(out);
        }
        if let Session::Talking { dialogue, .. } = &mut self.session {
            out.push(Order::Say(dialogue.begin(envelope)));
        }
    }

    fn say_goodbye(&mut self, out: &mut Vec<Order>) {
        if let Session::Talking { dialogue, .. } = &mut self.session {
            out.push(Order::Say(dialogue.quit()));
        }
    }

    /// The conversation is over as it should be.
    fn finish(&mut self, now: Instant, out: &mut Vec<Order>) {
        self.hang_up(out);
        self.start(now, out);
    }

    /// It did not work: another time.
    fn rest(&mut self, now: Instant, out: &mut Vec<Order>) {
        self.hang_up(out);
        let pause = PAUSE_MAX.min(PAUSE * 2u32.saturating_pow(self.failures));
        self.failures += 1;
        let before = self.waiting.len();
        let stopping = self.stopping;
        self.waiting
            .retain(|waiting| !stopping && now.since(waiting.since) < AGE_MAX);
        let gone = before - self.waiting.len();
        if gone > 0 {
            warn!("{gone} mails not sent: the server does not take them");
        }
        if !self.waiting.is_empty() {
            self.session = Session::Resting;
            self.due = Some(now + pause);
        }
    }

    fn hang_up(&mut self, out: &mut Vec<Order>) {
        if matches!(
            self.session,
            Session::Connecting { .. } | Session::Talking { .. }
        ) {
            out.push(Order::HangUp);
        }
        self.session = Session::Idle;
        self.due = None;
    }

    fn wait(&mut self, now: Instant) {
        let patience = self.settings.as_ref().map(|settings| settings.patience);
        self.due = patience.map(|patience| now + patience);
    }

    fn host(&self) -> &str {
        let settings = self.settings.as_ref();
        settings.map_or("", |settings| &settings.host)
    }
}

impl Refusal {
    fn tell(&self, to: &str) {
        let Self { command, code, .. } = self;
        info!("Error processing {command} cmd on SMTP server {to}. SMTP status code = {code}");
    }
}

/// `[10.0.0.1]:25`
fn shown(address: SocketAddr) -> String {
    format!("[{}]:{}", address.ip(), address.port())
}

/// Each is a few hundred octets.
const WAITING_MAX: usize = 256;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// Before the second attempt; doubled before each further one.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Older letters are no news.
const AGE_MAX: Duration = Duration::from_secs(3_600);
