//! What scripts, pipes and mails are to be told of. The core says it and performs nothing.

use std::fmt;
use std::net::SocketAddr;

use crate::config::ServiceKey;

/// One thing to tell. Its text is keepalived's line for a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A real server came or went: `notify_up`, `notify_down`.
    Server {
        service: ServiceKey,
        server: SocketAddr,
        up: bool,
        why: Why,
    },
    /// One check of a server changed its mind; it need not be the last word on the server.
    Check {
        service: ServiceKey,
        server: SocketAddr,
        /// What it found, in the words of a mail.
        words: String,
        /// The server after it.
        up: bool,
        /// Whether the server changed with it.
        turned: bool,
    },
    /// A quorum was gained or lost: `quorum_up`, `quorum_down`.
    Service {
        service: ServiceKey,
        up: bool,
        why: Why,
    },
}

/// What led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A start, or a new configuration.
    Configured,
    /// A check.
    Checked,
    /// It left the configuration.
    Removed,
    /// The daemon stops, and the service is to be told so (`omega`).
    Stopped,
    /// The servers' weights against what is needed.
    Quorum {
        quorum: u32,
        hysteresis: u32,
        /// What of both counts in this direction.
        threshold: i64,
        weight: i64,
        /// Found so at a start or in a new configuration.
        configured: bool,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |up| if up { "UP" } else { "DOWN" };
        match self {
            Self::Server {
                service,
                server,
                up,
                ..
            } => write!(f, "RS {} {service} {}", service.name_of(*server), word(*up)),
            Self::Check {
                service,
                server,
                words,
                ..
            } => write!(f, "{} {service} {words}", service.name_of(*server)),
            Self::Service { service, up, .. } => write!(f, "VS {service} {}", word(*up)),
        }
    }
}
