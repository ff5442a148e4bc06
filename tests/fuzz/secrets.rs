//! A server of TLS that breaks its promises: whatever it puts on the wire, nothing panics, and what
//! is read is what it has said under the protection of the session, from the first octet on, or
//! nothing at all.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use keepalived::rand::Rand;
use keepalived::sys::tls::{Client, Files};
use keepalived::wire::tls::{Trust, Wish};
use keepalived::wire::x509;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::adverts::bend;
use crate::answers::{cut, index};

/// Flights of one conversation; an honest one has four.
const FLIGHTS: usize = 12;
/// What a client may answer to one flight.
const ANSWER_MAX: usize = 20_000;
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
/// Records of every kind, with nothing in them that belongs here.
const NONSENSE: [&[u8]; 5] = [
    b"\x16\x03\x03\x00\x31\x02\x00\x00\x2d\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00\xc0\x2f\x00\
      \x00\x05\xff\x01\x00\x01\x00",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"\x14\x03\x03\x00\x01\x01",
    b"\x17\x03\x03\x40\x00",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
];

/// Both sides, before they meet.
pub(crate) struct Stage {
    clients: Vec<(Client, Wish)>,
    servers: Vec<Arc<ServerConfig>>,
    certificate: CertificateDer<'static>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let file = |name: &str| {
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fuzz/tls/{name}"))
        };
        let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
        let key = || PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
        let server = |version: &'static SupportedProtocolVersion| {
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.clone()], key())
                .unwrap();
            Arc::new(config)
        };
        let client = |trust| {
            let wish = Wish {
                server_name: Some("www.example.org".to_owned()),
                trust,
                authorities: Some(file("server.pem").display().to_string()),
                ..Wish::default()
            };
            (Client::new(Files::default()), wish)
        };
        Self {
            clients: [Trust::Anybody, Trust::Chain, Trust::Name]
                .map(client)
                .into(),
            servers: [&TLS12, &TLS13].map(server).into(),
            certificate,
        }
    }

    /// One conversation; whether the client took it for a secured one.
    pub(crate) fn converse(&mut self, honest: bool, rand: &mut Rand) -> Result<bool, String> {
        let _ = x509::not_after(&bend(&self.certificate, REQUEST, rand));
        let at = index(rand, self.servers.len());
        let mut server = ServerConnection::new(Arc::clone(&self.servers[at])).unwrap();
        let at = if honest {
            0
        } else {
            index(rand, self.clients.len())
        };
        let (client, wish) = &mut self.clients[at];
        let mut session = client
            .begin(wish, IpAddr::V4(Ipv4Addr::LOCALHOST))
            .map_err(|failure| failure.to_string())?;
        let (mut said, mut plain, mut before) = (Vec::new(), Vec::new(), Vec::new());
        session.say(REQUEST);
        for _ in 0..FLIGHTS {
            let question = session.output();
            if question.len() > ANSWER_MAX {
                return Err(format!("{} octets in one answer", question.len()));
            }
            let mut flight = answer(&mut server, &question, &mut said, rand);
            if !honest && rand.chance(30) {
                flight = bend(&flight, &before, rand);
            }
            if !honest && rand.chance(5) {
                let at = index(rand, flight.len() + 1);
                let other = NONSENSE[index(rand, NONSENSE.len())];
                flight.splice(at..at, other.iter().copied());
            }
            let taken = cut(&flight, rand)
                .into_iter()
                .try_for_each(|piece| session.take(piece, &mut plain));
            if taken.is_err() || session.is_over() {
                break;
            }
            before = flight;
        }
        if !said.starts_with(&plain) {
            let (said, plain) = (said.escape_ascii(), plain.escape_ascii());
            return Err(format!("it said {said} and was understood as {plain}"));
        }
        let secured = session.peer().is_some();
        if !secured && !plain.is_empty() {
            return Err("words before there is a session".to_owned());
        }
        session.goodbye();
        session.output();
        Ok(secured)
    }
}

/// What an honest server puts on the wire.
fn answer(
    server: &mut ServerConnection,
    mut question: &[u8],
    said: &mut Vec<u8>,
    rand: &mut Rand,
) -> Vec<u8> {
    while !question.is_empty() {
        if server.read_tls(&mut question).is_err() || server.process_new_packets().is_err() {
            break;
        }
        // So that there is room for more.
        let mut heard = Vec::new();
        let _ = server.reader().read_to_end(&mut heard);
    }
    if !server.is_handshaking() {
        let words = vec![b'x'; index(rand, 3_000)];
        server.writer().write_all(&words).unwrap();
        said.extend(words);
        if rand.chance(20) {
            server.send_close_notify();
        }
    }
    let mut flight = Vec::new();
    while server.wants_write() && server.write_tls(&mut flight).is_ok() {}
    flight
}
