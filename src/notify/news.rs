//! What happened, in the one form that scripts, pipes and mails print.

use std::fmt;
use std::net::SocketAddr;

use super::notice::Notice;
use crate::config::ServiceKey;

/// One thing to tell. Its text is keepalived's line for a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Of an instance or a group.
    Router(Transition),
    /// Of a virtual or a real server.
    Director(Notice),
}

/// An instance or a group changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    pub subject: Subject,
    pub state: State,
    /// The effective priority of an instance; of a group 0.
    pub priority: u8,
}

/// Whom it happened to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Instance(String),
    Group(String),
    Service(ServiceKey),
    Server(ServiceKey, SocketAddr),
}

/// What it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Master,
    Backup,
    Fault,
    /// The daemon stops.
    Stop,
    /// A reload took it away.
    Deleted,
    /// A master heard a weaker one.
    MasterHearsLower,
    /// The priority of a master changed.
    MasterPriority,
    /// The priority of one that is no master changed.
    BackupPriority,
}

impl State {
    /// Whether it is one to be in, and not only something that happened meanwhile.
    pub(super) fn is_state(self) -> bool {
        match self {
            Self::Master | Self::Backup | Self::Fault | Self::Stop | Self::Deleted => true,
            Self::MasterHearsLower | Self::MasterPriority | Self::BackupPriority => false,
        }
    }
}

impl News {
    /// None for what only mails tell of.
    pub(super) fn subject(&self) -> Option<Subject> {
        Some(match self {
            Self::Router(transition) => transition.subject.clone(),
            Self::Director(Notice::Server {
                service, server, ..
            }) => Subject::Server(service.clone(), *server),
            Self::Director(Notice::Service { service, .. }) => Subject::Service(service.clone()),
            Self::Director(Notice::Check { .. }) => return None,
        })
    }

    /// Whether it is a state to be in, and not only something that happened meanwhile.
    pub(super) fn is_state(&self) -> bool {
        match self {
            Self::Router(transition) => transition.state.is_state(),
            Self::Director(_) => true,
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Router(transition) => transition.fmt(f),
            Self::Director(notice) => notice.fmt(f),
        }
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = self.subject.words();
        write!(f, "{kind} \"{name}\" {} {}", self.state, self.priority)
    }
}

impl Subject {
    /// How scripts and pipes call it.
    pub(super) fn words(&self) -> (&'static str, String) {
        match self {
            Self::Instance(name) => ("INSTANCE", name.clone()),
            Self::Group(name) => ("GROUP", name.clone()),
            Self::Service(service) => ("VS", service.to_string()),
            Self::Server(service, server) => ("RS", service.name_of(*server)),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(name) => write!(f, "({name})"),
            Self::Group(name) => write!(f, "VRRP_Group({name})"),
            Self::Service(service) => write!(f, "VS {service}"),
            Self::Server(service, server) => write!(f, "RS {}", service.name_of(*server)),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
            Self::MasterHearsLower => "MASTER_RX_LOWER_PRI",
            Self::MasterPriority => "MASTER_PRIORITY",
            Self::BackupPriority => "BACKUP_PRIORITY",
        })
    }
}
