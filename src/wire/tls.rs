//! What a check asks of TLS, and what can come of it. The protocol itself is `sys::tls`'s.

use std::fmt;

/// How a connection is to be secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The name sent in the handshake; None: none is sent.
    pub server_name: Option<String>,
    /// The name that a certificate must bear where that is asked for; None: the address.
    pub host: Option<String>,
    pub trust: Trust,
    /// A file of authorities; None: those of the `SSL` block, else of the system.
    pub authorities: Option<String>,
    /// Say goodbye before the connection is closed.
    pub goodbye: bool,
}

/// What is asked of the server's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Nothing: it need not even be valid.
    #[default]
    Anybody,
    /// An authority vouches for it today.
    Chain,
    /// And it bears the server's name.
    Name,
}

/// Why a connection is not secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What the server speaks is not TLS.
    NotTls,
    /// The server offers nothing newer than TLS 1.1.
    TooOld,
    /// No cipher or key exchange that both sides have.
    NothingInCommon,
    /// The server knows nobody of the name that was sent.
    UnknownName,
    /// The server ends it with this alert.
    Alert(u8),
    /// The server breaks the rules.
    Misbehaved,
    Expired,
    NotYetValid,
    UnknownIssuer,
    OtherName,
    /// Its certificate is unfit in another way.
    BadCertificate,
    /// A file of ours is missing or is not what it should be.
    OwnFiles,
}

impl Failure {
    /// Reason numbers are never given to another reason.
    pub fn number(self) -> u16 {
        match self {
            Self::NotTls => 10,
            Self::TooOld => 11,
            Self::NothingInCommon => 12,
            Self::UnknownName => 13,
            Self::Alert(_) => 14,
            Self::Misbehaved => 15,
            Self::Expired => 100,
            Self::NotYetValid => 101,
            Self::UnknownIssuer => 102,
            Self::OtherName => 103,
            Self::BadCertificate => 104,
            Self::OwnFiles => 105,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTls => "the server does not speak TLS",
            Self::TooOld => "the server offers no TLS 1.2 or 1.3",
            Self::NothingInCommon => "no TLS cipher or key exchange in common",
            Self::UnknownName => "the server does not know the name sent",
            Self::Alert(number) => return write!(f, "TLS alert {number}"),
            Self::Misbehaved => "the server breaks the rules of TLS",
            Self::Expired => "certificate expired",
            Self::NotYetValid => "certificate not valid yet",
            Self::UnknownIssuer => "certificate of an unknown issuer",
            Self::OtherName => "certificate of another name",
            Self::BadCertificate => "certificate unfit",
            Self::OwnFiles => "own TLS files cannot be used",
        })
    }
}
