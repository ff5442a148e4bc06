//! `SSL`: what the checks of `SSL_GET` show of themselves and whom they know.

use std::fmt;

#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ssl {
    /// Of the key.
    pub password: Option<String>,
    /// File of certificate authorities.
    pub ca: Option<String>,
    /// File of the client certificate.
    pub certificate: Option<String>,
    /// File of its key.
    pub key: Option<String>,
}

impl fmt::Debug for Ssl {
    /// Passwords do not reach logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssl")
            .field("password", &self.password.as_ref().map(|_| "********"))
            .field("ca", &self.ca)
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish()
    }
}
