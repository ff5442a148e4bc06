//! Sessions of rustls, behind keepalived's habits.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use log::warn;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error};

use super::trust::{self, Verifier};
use super::{Files, Peer};
use crate::sys::calendar;
use crate::sys::host;
use crate::wire::tls::{Failure, Trust, Wish};
use crate::wire::x509;

/// Makes sessions: what several of them share is made once.
pub struct Client {
    files: Files,
    provider: Arc<CryptoProvider>,
    configs: BTreeMap<Manner, Arc<ClientConfig>>,
}

/// What makes one configuration another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Manner {
    trust: Trust,
    authorities: Option<String>,
    named: bool,
}

/// One conversation.
pub struct Session {
    connection: ClientConnection,
    /// The server has said goodbye.
    over: bool,
}

impl Client {
    pub fn new(files: Files) -> Self {
        Self {
            files,
            provider: Arc::new(default_provider()),
            configs: BTreeMap::new(),
        }
    }

    /// A conversation with the server at this address.
    pub fn begin(&mut self, wish: &Wish, address: IpAddr) -> Result<Session, Failure> {
        let manner = Manner {
            trust: wish.trust,
            authorities: wish.authorities.clone(),
            named: wish.server_name.is_some(),
        };
        let name = wish.server_name.as_ref().or(wish.host.as_ref());
        // What is no name cannot be sent as one; the address is never sent.
        let name = name.and_then(|name| ServerName::try_from(bare(name).to_owned()).ok());
        let name = name.unwrap_or_else(|| ServerName::IpAddress(address.into()));
        let config = self.config(manner)?;
        let connection = ClientConnection::new(config, name).map_err(|_| Failure::OwnFiles)?;
        Ok(Session {
            connection,
            over: false,
        })
    }

    fn config(&mut self, manner: Manner) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(config) = self.configs.get(&manner) {
            return Ok(Arc::clone(config));
        }
        let made = self.make(&manner).map_err(|error| {
            warn!("SSL_GET cannot be made: {error}");
            Failure::OwnFiles
        })?;
        let config = Arc::new(made);
        self.configs.insert(manner, Arc::clone(&config));
        Ok(config)
    }

    fn make(&self, manner: &Manner) -> Result<ClientConfig, String> {
        let authorities = manner
            .authorities
            .as_ref()
            .or(self.files.authorities.as_ref());
        let authorities = authorities.map_or(SYSTEM_AUTHORITIES, String::as_str);
        let verifier: Verifier = match manner.trust {
            Trust::Anybody => Verifier::anybody(&self.provider),
            trust => Verifier::new(trust, &self.provider, certificates(authorities)?)?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.files.certificate {
            Some(path) => {
                let key = self.files.key.as_ref().unwrap_or(path);
                builder
                    .with_client_auth_cert(certificates(path)?, private_key(key)?)
                    .map_err(|error| format!("{path}: {error}"))?
            }
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = manner.named;
        // Every check is a conversation of its own.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl Session {
    /// Takes octets of the wire and appends what they say.
    pub fn take(&mut self, mut octets: &[u8], plain: &mut Vec<u8>) -> Result<(), Failure> {
        while !octets.is_empty() {
            // Reading from a slice fails only when earlier plain text was not taken.
            if self.connection.read_tls(&mut octets).is_err() {
                return Err(Failure::Misbehaved);
            }
            let state = self
                .connection
                .process_new_packets()
                .map_err(|e| failure(&e))?;
            self.over |= state.peer_has_closed();
            let mut reader = self.connection.reader();
            let mut left = state.plaintext_bytes_to_read();
            let mut part = [0; PART];
            while left > 0 {
                match reader.read(&mut part) {
                    Ok(count @ 1..) => {
                        plain.extend_from_slice(part.get(..count).unwrap_or_default());
                        left = left.saturating_sub(count);
                    }
                    Ok(0) | Err(_) => break,
                }
            }
            if self.over {
                break;
            }
        }
        Ok(())
    }

    /// To be said to the server, as soon as that is possible.
    pub fn say(&mut self, plain: &[u8]) {
        // The buffer has no limit that a request reaches.
        let _ = self.connection.writer().write_all(plain);
    }

    pub fn goodbye(&mut self) {
        self.connection.send_close_notify();
    }

    /// What belongs on the wire now.
    pub fn output(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while self.connection.wants_write() {
            // A vector takes everything.
            if self.connection.write_tls(&mut octets).is_err() {
                break;
            }
        }
        octets
    }

    /// None until the handshake is over.
    pub fn peer(&self) -> Option<Peer> {
        if self.connection.is_handshaking() {
            return None;
        }
        let first = self.connection.peer_certificates().and_then(<[_]>::first);
        let expires = first.and_then(|certificate| x509::not_after(certificate));
        Some(Peer {
            days_left: expires.map(|at| (at - calendar::seconds_since_1970()).div_euclid(86_400)),
        })
    }

    /// The server has said goodbye: nothing more will come.
    pub fn is_over(&self) -> bool {
        self.over
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// A host without the port that a `Host` header may have.
fn bare(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => host,
    }
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => Failure::NotTls,
        Error::AlertReceived(alert) => match alert {
            AlertDescription::ProtocolVersion => Failure::TooOld,
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
                Failure::NothingInCommon
            }
            AlertDescription::UnrecognisedName => Failure::UnknownName,
            other => Failure::Alert(u8::from(*other)),
        },
        Error::PeerIncompatible(why) => {
            if *why == rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13 {
                Failure::TooOld
            } else {
                Failure::NothingInCommon
            }
        }
        Error::InvalidCertificate(why) => trust::failure(why),
        Error::NoCertificatesPresented => Failure::BadCertificate,
        _ => Failure::Misbehaved,
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(format!("{path} holds no certificates in PEM")),
    }
}

fn private_key(path: &str) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(path)?;
    let key = PrivateKeyDer::from_pem_slice(&text);
    key.map_err(|_| format!("{path} holds no private key in PEM, or one with a password"))
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let file = host::read_file(Path::new(path), FILE_MAX);
    file.map(|file| file.bytes)
        .map_err(|error| format!("{path}: {error}"))
}

/// Where Debian and its like keep the authorities that everybody trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The largest bundles have a quarter of this.
const FILE_MAX: u64 = 1 << 20;
/// Plain text is taken over in such parts.
const PART: usize = 4096;
