//! What happened, in the one form that scripts, pipes and mails print.

use std::fmt;

/// One thing to tell. Its text is keepalived's line for a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
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

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, priority) = (self.state, self.priority);
        match &self.subject {
            Subject::Instance(name) => write!(f, "INSTANCE \"{name}\" {state} {priority}"),
            Subject::Group(name) => write!(f, "GROUP \"{name}\" {state} {priority}"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(name) => write!(f, "({name})"),
            Self::Group(name) => write!(f, "VRRP_Group({name})"),
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
