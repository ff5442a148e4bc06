//! Mails: which news they are written on, and how they reach the server. Octets in, octets out;
//! the names of servers are asked for, and the answers come when they come.

mod dialogue;
mod letter;
mod post;
mod storm;
mod writer;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::Config;
use crate::errno::Errno;
use crate::time::Instant;
use letter::Envelope;
use post::{Post, Settings};
use storm::Storm;
use writer::Writer;

use super::news::News;

/// What the line to the mail server has to tell.
#[derive(Clone, Copy, Debug)]
pub enum Line<'a> {
    /// The addresses of the server; none when it has none.
    Resolved(&'a [IpAddr]),
    Connected,
    Received(&'a [u8]),
    /// The server has ended the connection.
    Closed,
    Failed(Errno),
}

/// What is wanted of the line to the mail server. There is one at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ask for the addresses of a name; the question before it is forgotten.
    Resolve {
        host: String,
    },
    Dial {
        to: SocketAddr,
    },
    Say(Vec<u8>),
    HangUp,
}

/// Who we are where the configuration does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    pub user: String,
    pub host: String,
}

#[derive(Debug)]
pub(super) struct Mail {
    sender: Sender,
    writer: Writer,
    storm: Storm,
    post: Post,
}

impl Mail {
    pub(super) fn new(sender: Sender) -> Self {
        Self {
            sender,
            writer: Writer::default(),
            storm: Storm::default(),
            post: Post::default(),
        }
    }

    pub(super) fn reload(&mut self, now: Instant, config: &Config, out: &mut Vec<Order>) {
        let settings = self.settings(config);
        let limit = config.global.smtp_alert_limit.unwrap_or(LIMIT);
        self.storm.limit(limit);
        self.writer
            .reload(config, &self.sender.host, settings.is_some());
        self.post.reload(now, settings, out);
    }

    /// `date` is now, as in RFC 5322 3.3.
    pub(super) fn on_news(&mut self, now: Instant, news: &News, date: &str, out: &mut Vec<Order>) {
        let letter = self.writer.write(news, date);
        if let Some(letter) = letter.and_then(|letter| self.storm.pass(now, letter)) {
            self.post.post(now, letter, out);
        }
    }

    pub(super) fn on_line(&mut self, now: Instant, line: Line<'_>, out: &mut Vec<Order>) {
        self.post.on_line(now, line, out);
    }

    pub(super) fn on_time(&mut self, now: Instant, out: &mut Vec<Order>) {
        if self.storm.deadline().is_some_and(|ends| ends <= now) {
            self.send_digest(now, out);
        }
        self.post.on_time(now, out);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let times = [self.storm.deadline(), self.post.deadline()];
        times.into_iter().flatten().min()
    }

    /// All is said: nothing is put off any longer.
    pub(super) fn stop(&mut self, now: Instant, out: &mut Vec<Order>) {
        self.send_digest(now, out);
        self.post.stop(now, out);
    }

    /// The last moment is over.
    pub(super) fn end(&mut self, out: &mut Vec<Order>) {
        self.post.end(out);
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.post.is_idle()
    }

    fn send_digest(&mut self, now: Instant, out: &mut Vec<Order>) {
        if let Some(digest) = self.storm.take_digest() {
            let letter = self.writer.digest(&digest);
            self.post.post(now, letter, out);
        }
    }

    /// None where nobody is to be written to.
    fn settings(&self, config: &Config) -> Option<Settings> {
        let global = &config.global;
        let (host, port) = global.smtp_server.clone()?;
        if global.notification_email.is_empty() {
            return None;
        }
        let Sender { user, host: home } = &self.sender;
        let helo = global.smtp_helo_name.as_ref().unwrap_or(home);
        let from = global.notification_email_from.clone();
        Some(Settings {
            host,
            port,
            patience: global.smtp_connect_timeout.unwrap_or(PATIENCE),
            envelope: Envelope {
                helo: helo.clone(),
                from: from.unwrap_or_else(|| format!("{user}@{home}")),
                to: global.notification_email.clone(),
            },
        })
    }
}

/// `smtp_connect_timeout` where it is not given.
const PATIENCE: Duration = Duration::from_secs(30);
/// `smtp_alert_limit` where it is not given: a failover of a few groups with their servers fits.
const LIMIT: u32 = 30;
