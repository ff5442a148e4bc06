//! Why a check failed: every reason there is, each with a number that stays.
//!
//! keepalived's own log lines do not say it; the number and the words here do, in the log, in
//! dumps and wherever else a failure is told. Numbers are never given to another reason.

use std::fmt;

use crate::errno::Errno;

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody listens.
    Refused,
    /// The connection was not established in time.
    ConnectTimeout,
    /// No way to the host.
    Unreachable,
    /// The peer broke the connection off.
    Reset,
    /// Another error of the connection.
    Connection(Errno),
}

impl Reason {
    /// What stands for it where words are in the way.
    pub fn number(&self) -> u16 {
        match self {
            Self::Refused => 1,
            Self::ConnectTimeout => 2,
            Self::Unreachable => 3,
            Self::Reset => 4,
            Self::Connection(_) => 5,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::ConnectTimeout => f.write_str("timed out in connect"),
            Self::Unreachable => f.write_str("no way to the host"),
            Self::Reset => f.write_str("connection reset"),
            Self::Connection(error) => write!(f, "connection failed: {error}"),
        }
    }
}

impl From<Errno> for Reason {
    fn from(error: Errno) -> Self {
        match error {
            Errno::ECONNREFUSED => Self::Refused,
            Errno::ETIMEDOUT => Self::ConnectTimeout,
            Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EHOSTDOWN | Errno::ENETDOWN => {
                Self::Unreachable
            }
            Errno::ECONNRESET | Errno::ECONNABORTED => Self::Reset,
            other => Self::Connection(other),
        }
    }
}
