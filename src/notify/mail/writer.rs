//! On which news letters are written, and keepalived's words in them.

use std::collections::BTreeMap;

use super::letter::{Letter, plain};
use super::storm::Digest;
use crate::config::Config;
use crate::notify::news::{News, State, Subject, Transition};
use crate::notify::notice::{Notice, Why};

/// Who is written about, as the configuration wants it.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// `router_id`.
    router: String,
    subjects: BTreeMap<Subject, Option<State>>,
    /// Those of the configuration before: who leaves is told of once more.
    before: BTreeMap<Subject, Option<State>>,
    /// `no_email_faults`.
    without_faults: bool,
    /// `no_checker_emails`.
    only_servers: bool,
}

impl Writer {
    /// Those that stay remember the state of their last letter. `host` is the name of this
    /// machine. Where there is nobody to write to, nobody is written about.
    pub(super) fn reload(&mut self, config: &Config, host: &str, is_wanted: bool) {
        let global = &config.global;
        self.router = plain(global.router_id.as_deref().unwrap_or(host));
        self.without_faults = global.no_email_faults;
        self.only_servers = global.no_checker_emails;
        self.before = std::mem::take(&mut self.subjects);
        if !is_wanted {
            self.before.clear();
            return;
        }
        for (subject, is_wanted) in everybody(config) {
            let last = self.before.remove(&subject).flatten();
            if is_wanted {
                self.subjects.insert(subject, last);
            }
        }
    }

    /// A letter on the news, if there is to be one.
    pub(super) fn write(&mut self, news: &News, date: &str) -> Option<Letter> {
        let (title, body) = match news {
            News::Router(transition) => self.on_router(transition)?,
            News::Director(notice) => self.on_director(notice)?,
        };
        Some(self.letter(&title, body, date))
    }

    /// What was too much for letters of its own.
    pub(super) fn digest(&self, digest: &Digest) -> Letter {
        let title = format!("{} notifications", digest.count);
        self.letter(&title, digest.lines.clone(), &digest.date)
    }

    fn on_router(&mut self, transition: &Transition) -> Option<(String, String)> {
        let Transition { subject, state, .. } = transition;
        if *state == State::Fault && self.without_faults {
            return None;
        }
        let what = entering(*state)?;
        let last = self.subjects.get_mut(subject);
        let last = last.or_else(|| self.before.get_mut(subject))?;
        // Who says the same twice is not worth a letter.
        if last.replace(*state) == Some(*state) {
            return None;
        }
        let (kind, name) = match subject {
            Subject::Group(name) => ("Group", name),
            Subject::Instance(name) => ("Instance", name),
            Subject::Service(_) | Subject::Server(..) => return None,
        };
        let body = body_of_router(matches!(subject, Subject::Group(_)), *state);
        Some((format!("VRRP {kind} {name} - {what}"), body))
    }

    fn on_director(&self, notice: &Notice) -> Option<(String, String)> {
        let (subject, up, body) = match notice {
            Notice::Check { turned: false, .. } if self.only_servers => return None,
            Notice::Check {
                service,
                server,
                words,
                up,
                ..
            } => {
                let subject = Subject::Server(service.clone(), *server);
                (subject, *up, format!("=> {words} <="))
            }
            Notice::Server {
                service,
                server,
                up,
                why,
            } => {
                let body = match why {
                    Why::Removed => "=> Removing <=",
                    Why::Stopped => "=> Shutting down <=",
                    // The letter is about the check that led to it.
                    Why::Checked | Why::Configured | Why::Quorum { .. } => return None,
                };
                let subject = Subject::Server(service.clone(), *server);
                (subject, *up, body.to_owned())
            }
            Notice::Service { service, up, why } => {
                let subject = Subject::Service(service.clone());
                (subject, *up, body_of_quorum(*up, *why))
            }
        };
        if !self.subjects.contains_key(&subject) && !self.before.contains_key(&subject) {
            return None;
        }
        let word = if up { "UP" } else { "DOWN" };
        let title = match &subject {
            Subject::Server(service, server) => {
                let name = service.name_of(*server);
                format!("Realserver {name} of virtual server {service} - {word}")
            }
            Subject::Service(service) => format!("Virtualserver {service} - {word}"),
            Subject::Instance(_) | Subject::Group(_) => return None,
        };
        Some((title, body))
    }

    fn letter(&self, title: &str, body: String, date: &str) -> Letter {
        let mut subject = format!("[{}] {}", self.router, plain(title));
        let ends = |at: &usize| subject.is_char_boundary(*at);
        if let Some(end) = (0..=SUBJECT_MAX.min(subject.len())).rev().find(ends) {
            subject.truncate(end);
        }
        Letter {
            date: date.to_owned(),
            subject,
            body,
        }
    }
}

/// Whom a configuration has, and whether letters are wanted about it.
fn everybody(config: &Config) -> impl Iterator<Item = (Subject, bool)> {
    let instances = config.instances.iter().map(|instance| {
        let subject = Subject::Instance(instance.name.clone());
        (subject, instance.notify.mail)
    });
    let groups = config.sync_groups.iter().map(|group| {
        let subject = Subject::Group(group.name.clone());
        (subject, group.notify.mail)
    });
    let services = config.virtual_servers.iter().flat_map(|service| {
        let subject = Subject::Service(service.key.clone());
        let servers = service.real_servers.iter().map(|server| {
            let subject = Subject::Server(service.key.clone(), server.address);
            (subject, server.smtp_alert)
        });
        std::iter::once((subject, service.smtp_alert)).chain(servers)
    });
    instances.chain(groups).chain(services)
}

/// None for what letters do not tell of.
fn entering(state: State) -> Option<&'static str> {
    Some(match state {
        State::Master => "Entering MASTER state",
        State::Backup => "Entering BACKUP state",
        State::Fault => "Entering FAULT state",
        State::Stop => "Stopping",
        State::Deleted => "Deleted",
        State::MasterHearsLower | State::MasterPriority | State::BackupPriority => return None,
    })
}

fn body_of_router(is_group: bool, state: State) -> String {
    let body = match (is_group, state) {
        (true, State::Stop) => "=> All VRRP group instances are now stopping <=",
        (true, _) => return format!("=> All VRRP group instances are now in {state} state <="),
        (false, State::Master) => "=> VRRP Instance is now owning VRRP VIPs <=",
        (false, State::Stop) => "=> VRRP Instance stopping <=",
        (false, State::Deleted) => "=> VRRP Deleted at reload <=",
        (false, _) => "=> VRRP Instance is no longer owning VRRP VIPs <=",
    };
    body.to_owned()
}

fn body_of_quorum(up: bool, why: Why) -> String {
    match why {
        Why::Quorum {
            quorum,
            hysteresis,
            threshold,
            weight,
            configured,
        } => {
            let event = match (configured, up) {
                (false, true) => "Gained quorum",
                (false, false) => "Lost quorum",
                (true, true) => "Starting with quorum up",
                (true, false) => "Starting with quorum down",
            };
            // A loss has the plus and the direction of a gain, too: so mails always had it.
            format!("=> {event} {quorum}+{hysteresis}={threshold} <= {weight} <=")
        }
        Why::Removed => "=> Removing <=".to_owned(),
        Why::Configured | Why::Checked | Why::Stopped => "=> Shutting down <=".to_owned(),
    }
}

/// keepalived's limit.
const SUBJECT_MAX: usize = 255;
