//! A server talks on a connection, step by step.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::behaviour::Step;

/// What is talked on.
enum Line {
    Open(TcpStream),
    Secret(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Line {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Open(socket) => socket,
            Self::Secret(stream) => &stream.sock,
        }
    }

    fn say(&mut self, octets: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Open(socket) => socket.write_all(octets),
            Self::Secret(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }

    fn hear(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Open(socket) => socket.read(buffer),
            Self::Secret(stream) => stream.read(buffer),
        }
    }

    fn hear_until(&mut self, end: &[u8]) {
        let mut heard = Vec::new();
        let mut octet = [0];
        while !heard.ends_with(end) && self.hear(&mut octet).is_ok_and(|count| count == 1) {
            heard.push(octet[0]);
        }
    }

    fn secure(self, certificates: &Path, name: &str) -> Self {
        let Self::Open(socket) = self else {
            return self;
        };
        let session = ServerConnection::new(certificate(certificates, name));
        let session = session.expect("the certificate fits its key");
        Self::Secret(Box::new(StreamOwned::new(session, socket)))
    }
}

/// Does what the steps say. The connection is closed at the end, with all that was said.
pub(super) fn talk(socket: TcpStream, steps: &[Step], certificates: &Path) {
    let mut line = Line::Open(socket);
    for step in steps {
        let went_well = match step {
            Step::Hear => {
                line.hear_until(b"\r\n\r\n");
                Ok(())
            }
            Step::HearLine => {
                line.hear_until(b"\n");
                Ok(())
            }
            Step::HearSome => line.hear(&mut [0; 512]).map(drop),
            Step::Say(octets) => line.say(octets),
            Step::Spell(octets) => octets.iter().try_for_each(|octet| {
                thread::sleep(Duration::from_millis(1));
                line.say(&[*octet])
            }),
            Step::Repeat(octets, pause) => loop {
                if let Err(error) = line.say(octets) {
                    break Err(error);
                }
                thread::sleep(*pause);
            },
            Step::Hold => {
                while line.hear(&mut [0; 512]).is_ok_and(|count| count > 0) {}
                return;
            }
            // Whoever came just before it went.
            Step::Nobody | Step::Vanish | Step::NoWay => return,
            Step::Reset => {
                let at_once = linger {
                    l_onoff: 1,
                    l_linger: 0,
                };
                let _ = setsockopt(line.socket(), sockopt::Linger, &at_once);
                return;
            }
            Step::Secure(name) => {
                line = line.secure(certificates, name);
                Ok(())
            }
            Step::Goodbye => {
                if let Line::Secret(stream) = &mut line {
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
                Ok(())
            }
            other => panic!("no step on a connection: {other:?}"),
        };
        if went_well.is_err() {
            return;
        }
    }
    // To close with something unread would break off what was said.
    let mut socket = line.socket();
    let _ = socket.shutdown(Shutdown::Write);
    while socket.read(&mut [0; 512]).is_ok_and(|count| count > 0) {}
}

fn certificate(directory: &Path, name: &str) -> Arc<ServerConfig> {
    let chain = CertificateDer::from_pem_file(directory.join(format!("{name}.pem")));
    let key = PrivateKeyDer::from_pem_file(directory.join(format!("{name}.key")));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the versions of rustls")
        .with_no_client_auth()
        .with_single_cert(
            vec![chain.expect("a certificate")],
            key.expect("the key of the certificate"),
        );
    Arc::new(config.expect("the certificate fits its key"))
}
