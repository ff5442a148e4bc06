//! TLS for checks: octets of the wire in, octets of the wire and of the application out.
//!
//! A session reads no socket and no clock but the calendar that certificates need. Servers are not
//! verified unless that is asked for, as keepalived has it. A build without the feature `tls` has
//! the same door and nobody behind it.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod session;
#[cfg(feature = "tls")]
mod trust;

#[cfg(not(feature = "tls"))]
pub use absent::{Client, Session};
#[cfg(feature = "tls")]
pub use session::{Client, Session};

/// Whether this build can.
pub const AVAILABLE: bool = cfg!(feature = "tls");

/// The files of an `SSL` block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub authorities: Option<String>,
    pub certificate: Option<String>,
    pub key: Option<String>,
}

/// What a session has come to know of the server when it is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Whole days until its certificate expires, negative afterwards.
    pub days_left: Option<i64>,
}
