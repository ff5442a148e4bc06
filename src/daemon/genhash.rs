//! `genhash`: fetches a page and says its digest.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use super::Error;
use super::probes::{Heard, Probes};
use super::reactor::{Reactor, Source};
use crate::check::{Connect, Event, ProbeId, Transport};
use crate::errno::Errno;
use crate::sys::clock::Clock;
use crate::sys::tls::Files;
use crate::time::Instant;
use crate::wire::http::{self, Response};
use crate::wire::md5::Md5;
use crate::wire::tls::Wish;

/// Which page, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub server: SocketAddr,
    pub path: String,
    /// None: the address.
    pub host: Option<String>,
    pub tls: bool,
    /// The host is sent in the TLS handshake.
    pub name_in_handshake: bool,
    pub version_1_1: bool,
    pub close: bool,
    pub timeout: Duration,
    pub mark: u32,
    /// Everything is shown that comes.
    pub verbose: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            server: (Ipv4Addr::UNSPECIFIED, 0).into(),
            path: String::new(),
            host: None,
            tls: false,
            name_in_handshake: false,
            version_1_1: false,
            close: false,
            timeout: ALMOST_FOR_EVER,
            mark: 0,
            verbose: false,
        }
    }
}

/// What is to be written, and where.
#[derive(Debug, Default)]
struct Said {
    stdout: Vec<u8>,
    stderr: &'static str,
}

/// Fetches the page. The code is 0 whatever the server did, as keepalived's.
pub fn run(request: &Request) -> Result<ExitCode, Error> {
    let begun = Clock.now();
    let mut said = Fetch::new(request)?.run()?;
    if request.verbose {
        let took = Clock.now().since(begun).as_micros();
        let text = format!(
            "\nGlobal response time for [{}] = {took} usecs\n",
            request.path
        );
        said.stdout.extend(text.into_bytes());
    }
    said.write();
    Ok(ExitCode::SUCCESS)
}

impl Said {
    fn write(&self) {
        use std::io::Write as _;
        // Nobody may be listening, which does not change the answer.
        let _ = std::io::stdout().write_all(&self.stdout);
        let _ = std::io::stderr().write_all(self.stderr.as_bytes());
    }

    fn failure(text: &str) -> Self {
        Self {
            stdout: format!("{text}\n").into_bytes(),
            stderr: "",
        }
    }

    fn nothing() -> Self {
        Self {
            stdout: Vec::new(),
            stderr: "no data received from remote webserver\n",
        }
    }
}

/// One page being fetched.
struct Fetch<'a> {
    request: &'a Request,
    reactor: Reactor,
    probes: Probes,
    response: Response,
    digest: Md5,
    /// The header as it came, and what is shown of the body.
    header: Vec<u8>,
    body: String,
    shown: usize,
    asked: bool,
}

impl<'a> Fetch<'a> {
    fn new(request: &'a Request) -> Result<Self, Error> {
        Ok(Self {
            request,
            reactor: Reactor::new().map_err(Error::Poll)?,
            probes: Probes::new(Files::default(), Source::Probe),
            response: Response::new(),
            digest: Md5::new(),
            header: Vec::new(),
            body: String::new(),
            shown: 0,
            asked: false,
        })
    }

    fn run(mut self) -> Result<Said, Error> {
        let connect = self.connect();
        match self.probes.connect(&connect, &mut self.reactor) {
            Some(Event::Connected(_)) => self.ask(),
            Some(Event::Insecure { .. }) => return Ok(Said::failure(NOT_SECURED)),
            // Told at once, and not by the network.
            Some(Event::Failed {
                error: Errno::ENETUNREACH | Errno::EHOSTUNREACH,
                ..
            }) => return Ok(Said::failure(NO_WAY)),
            Some(_) => return Ok(Said::failure(NOT_CONNECTED)),
            None => {}
        }
        let mut ends = Clock.now() + self.request.timeout;
        let mut buffer = vec![0; BUFFER];
        loop {
            let left = ends.since(Clock.now());
            if left.is_zero() {
                return Ok(Said::failure(self.lateness()));
            }
            self.reactor.wait(Some(left)).map_err(Error::Poll)?;
            while let Some((_, _, ready)) = self.reactor.next() {
                while let Some(heard) = self.probes.hear(PROBE, ready, &mut buffer) {
                    if let Some(said) = self.on(heard, &buffer) {
                        return Ok(said);
                    }
                    ends = self.patience();
                }
            }
        }
    }

    /// Every step may take the whole of it.
    fn patience(&self) -> Instant {
        Clock.now() + self.request.timeout
    }

    fn connect(&self) -> Connect {
        let Request { host, server, .. } = self.request;
        let transport = if self.request.tls {
            let named = self.request.name_in_handshake;
            Transport::Tls(Wish {
                server_name: host.clone().filter(|_| named),
                ..Wish::default()
            })
        } else {
            Transport::Tcp
        };
        Connect {
            probe: PROBE,
            transport,
            to: *server,
            from: None,
            device: None,
            mark: self.request.mark,
        }
    }

    fn on(&mut self, heard: Heard, buffer: &[u8]) -> Option<Said> {
        match heard {
            Heard::Connected if self.request.tls => None,
            Heard::Connected | Heard::Secured(_) => {
                self.ask();
                None
            }
            Heard::Octets(count) => self.read(buffer.get(..count).unwrap_or_default()),
            Heard::End if self.asked => Some(self.finish()),
            Heard::Insecure(_) | Heard::End => Some(Said::failure(NOT_SECURED)),
            Heard::Failed(error) => Some(Said::failure(self.failure(error))),
        }
    }

    fn ask(&mut self) {
        self.asked = true;
        let address = self.request.server.to_string();
        let request = http::Request {
            path: self.request.path.as_bytes(),
            host: self.request.host.as_ref().unwrap_or(&address).as_bytes(),
            version_1_1: self.request.version_1_1,
            close: self.request.close,
        };
        // What cannot be sent is found out by hearing.
        let _ = self.probes.send(PROBE, &request.emit());
    }

    fn read(&mut self, octets: &[u8]) -> Option<Said> {
        let in_header = self.response.status().is_none();
        let Ok(body) = self.response.read(octets) else {
            return Some(Said::nothing());
        };
        self.digest.update(body);
        if self.request.verbose {
            if in_header {
                self.header.extend_from_slice(octets);
                self.header.truncate(self.response.header_length());
            }
            dump(&mut self.body, &mut self.shown, body);
        }
        let complete = self.response.is_complete();
        complete.then(|| self.finish())
    }

    fn finish(&mut self) -> Said {
        if self.response.status().is_none() {
            return Said::nothing();
        }
        let digest = std::mem::take(&mut self.digest).finish();
        let hex = digest.iter().fold(String::new(), |mut hex, octet| {
            write!(hex, "{octet:02x}").expect("a string takes any text");
            hex
        });
        let mut stdout = Vec::new();
        if self.request.verbose {
            let mut header = format!("{HEADER_RULER}\n");
            dump(&mut header, &mut 0, &self.header);
            stdout.extend(header.into_bytes());
            stdout.extend(format!("{HEADER_TEXT_RULER}\n").into_bytes());
            stdout.extend(&self.header);
            let mut hash = String::new();
            dump(&mut hash, &mut 0, &digest);
            let body = &self.body;
            let rest = format!("\n{BODY_RULER}\n{body}\n{HASH_RULER}\n{hash}{FINAL_RULER}\n");
            stdout.extend(rest.into_bytes());
        }
        stdout.extend(format!("{hex}\n").into_bytes());
        Said { stdout, stderr: "" }
    }

    fn lateness(&self) -> &'static str {
        if self.asked {
            "Timeout WEB read"
        } else {
            "Timeout connecting"
        }
    }

    fn failure(&self, error: Errno) -> &'static str {
        match error {
            Errno::ETIMEDOUT if !self.asked => "Timeout connecting",
            _ if self.asked => "Read error with",
            _ => NOT_CONNECTED,
        }
    }
}

/// Sixteen octets in a line: where they stand, what they are, how they look.
fn dump(text: &mut String, offset: &mut usize, octets: &[u8]) {
    for line in octets.chunks(16) {
        write!(text, "{offset:04}  ").expect("a string takes any text");
        for at in 0..16 {
            if at == 8 {
                text.push_str("- ");
            }
            match line.get(at) {
                Some(octet) => write!(text, "{octet:02x} ").expect("a string takes any text"),
                None => text.push_str("   "),
            }
        }
        text.push_str("  ");
        for at in 0..16 {
            let octet = line.get(at).copied().unwrap_or(b' ');
            let visible = octet.is_ascii_graphic() || octet == b' ';
            text.push(if visible { char::from(octet) } else { '.' });
        }
        text.push('\n');
        *offset += line.len();
    }
}

/// There is only one.
const PROBE: ProbeId = ProbeId(0);
const BUFFER: usize = 16_384;
/// keepalived's patience without `-t`.
const ALMOST_FOR_EVER: Duration = Duration::from_secs(4294);
const NOT_CONNECTED: &str = "Connection failed";
const NO_WAY: &str = "HTTP_CHECK - network unreachable";
const NOT_SECURED: &str = "SSL handshake/communication error connecting to";
const HEADER_RULER: &str =
    "-----------------------[    HTTP Header Buffer    ]-----------------------";
const HEADER_TEXT_RULER: &str =
    "-----------------------[ HTTP Header Ascii Buffer ]-----------------------";
const BODY_RULER: &str =
    "-----------------------[        HTML Buffer        ]-----------------------";
const HASH_RULER: &str =
    "-----------------------[    HTML hash resulting    ]-----------------------";
const FINAL_RULER: &str =
    "-----------------------[ HTML hash final resulting ]-----------------------";
