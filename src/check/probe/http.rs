//! `HTTP_GET`, `SSL_GET`: one page asked for, its answer read to the end and judged.
//!
//! As keepalived does it: every part of an answer may take the whole `connect_timeout`. Unlike
//! keepalived the answer also ends when its announced length has come, and does not last for ever.

use log::debug;

use crate::config::{HttpProbe, HttpVersion, Octets, TlsVerify, Url};
use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::http::{Request, Response};
use crate::wire::md5::Md5;
use crate::wire::tls::{Failure, Trust, Wish};

use super::super::Transport;
use super::search::Search;
use super::{Around, Input, Reason, Step, Told, Verdict, down, not_connected};

/// One page being fetched.
#[derive(Debug, Default)]
pub(in crate::check) struct Exchange {
    /// There is a connection, which is being secured.
    securing: bool,
    /// The request is out; None: that would be too early.
    reading: Option<Reading>,
}

#[derive(Debug)]
struct Reading {
    response: Response,
    digest: Option<Md5>,
    search: Option<Search>,
    /// When the patience with the whole of it ends.
    ends: Instant,
}

impl Exchange {
    pub(super) fn on(&mut self, around: Around<'_>, probe: &HttpProbe, input: Input<'_>) -> Step {
        let timeout = probe.endpoint.timeout;
        let Some(reading) = &mut self.reading else {
            return match input {
                Input::Start => open(around, probe),
                Input::Connected if probe.tls => {
                    self.securing = true;
                    Step::wait(timeout)
                }
                Input::Connected | Input::Secured { .. } => self.ask(around, probe),
                Input::Insecure(Failure::OwnFiles) => Step::Done(Verdict::NotRun(Errno::EINVAL)),
                Input::Insecure(failure) => Step::down(Reason::Tls(failure)),
                Input::Failed { .. } | Input::Closed if self.securing => Step::down(Reason::TlsCut),
                Input::Failed { error, started } => not_connected(error, started),
                Input::Limit if self.securing => Step::down(Reason::TlsTimeout),
                Input::Limit => Step::down(Reason::ConnectTimeout),
                _ => Step::go_on(),
            };
        };
        match input {
            Input::Received(octets) => match reading.read(octets) {
                Err(reason) => Step::down(reason),
                Ok(()) if reading.response.is_complete() => self.judge(around, probe),
                Ok(()) => Step::Wait {
                    limit: Some(timeout.min(reading.ends.since(around.now))),
                },
            },
            Input::Closed => self.judge(around, probe),
            Input::Failed { error, .. } => Step::down(Reason::Broken(error)),
            Input::Limit => Step::down(reading.lateness(around.now)),
            Input::Insecure(failure) => Step::down(Reason::Tls(failure)),
            _ => Step::go_on(),
        }
    }

    fn ask(&mut self, around: Around<'_>, probe: &HttpProbe) -> Step {
        let url = &probe.urls[around.page];
        let timeout = probe.endpoint.timeout;
        let pattern = around.patterns.page(around.page);
        let search = pattern.zip(url.regex.as_ref());
        self.reading = Some(Reading {
            response: Response::new(),
            digest: url.digest.is_some().then(Md5::new),
            search: search.map(|(pattern, regex)| Search::new(pattern, regex)),
            ends: around.now + timeout.saturating_mul(PATIENCE),
        });
        let path = Octets::of(&url.path);
        let host = match &url.host {
            Some(host) => Octets::of(host),
            None => Octets(around.to.to_string().into_bytes()),
        };
        let request = Request {
            path: &path.0,
            host: &host.0,
            version_1_1: probe.version == HttpVersion::Http11,
            close: probe.version != HttpVersion::Http10,
        };
        Step::Send {
            bytes: request.emit(),
            limit: timeout,
        }
    }

    /// The answer has ended.
    fn judge(&mut self, around: Around<'_>, probe: &HttpProbe) -> Step {
        let url = &probe.urls[around.page];
        let verdict = self.reading.take().map(|reading| reading.judge(url));
        Step::Done(match verdict {
            Some(Err(reason)) => Verdict::Down(reason),
            Some(Ok(())) | None => Verdict::Up,
        })
    }
}

fn open(around: Around<'_>, probe: &HttpProbe) -> Step {
    let transport = if probe.tls {
        let url = &probe.urls[around.page];
        Transport::Tls(Wish {
            server_name: url.server_name.clone(),
            host: url.host.clone(),
            trust: match probe.trust.verify {
                TlsVerify::None => Trust::Anybody,
                TlsVerify::Chain => Trust::Chain,
                TlsVerify::Name => Trust::Name,
            },
            authorities: probe.trust.authorities.clone(),
            goodbye: url.close_notify,
        })
    } else {
        Transport::Tcp
    };
    Step::over(transport, around, &probe.endpoint)
}

impl Reading {
    fn read(&mut self, octets: &[u8]) -> Result<(), Reason> {
        let body = self.response.read(octets).map_err(Reason::Malformed)?;
        if let Some(digest) = &mut self.digest {
            digest.update(body);
        }
        if let Some(search) = &mut self.search {
            search.feed(body);
        }
        Ok(())
    }

    /// In keepalived's order: data, status, digest, pattern.
    fn judge(self, url: &Url) -> Result<(), Reason> {
        let Some(status) = self.response.status() else {
            return Err(if self.response.has_begun() {
                Reason::CutHeader
            } else {
                Reason::NoAnswer
            });
        };
        let mismatch = self.response.mismatch();
        if let Some((announced, received)) = mismatch {
            let path = &url.path;
            debug!("{path}: content-length {announced}, but {received} octets came");
        }
        if !url.status.iter().any(|range| range.contains(&status)) {
            let wanted = url.status.clone();
            return Err(Reason::Status { status, wanted });
        }
        let made = self.digest.map(Md5::finish);
        if let Some(made) = made.filter(|made| url.digest != Some(*made)) {
            return Err(match mismatch {
                Some((announced, received)) if received < announced => Reason::CutBody {
                    announced,
                    received,
                },
                _ => Reason::Digest { made },
            });
        }
        let absent = url.regex.as_ref().is_some_and(|regex| regex.absent);
        match self.search.map(Search::finish) {
            Some(Err(_)) => Err(Reason::SearchTooCostly),
            Some(Ok(false)) if !absent => Err(Reason::NoMatch),
            Some(Ok(true)) if absent => Err(Reason::Match),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Where the time ran out.
    fn lateness(&self, now: Instant) -> Reason {
        if now >= self.ends {
            Reason::Dripping
        } else if self.response.status().is_some() {
            Reason::BodyTimeout
        } else if self.response.has_begun() {
            Reason::HeaderTimeout
        } else {
            Reason::FirstOctetTimeout
        }
    }
}

pub(super) fn words(probe: &HttpProbe, told: Told<'_>, server: &str) -> String {
    let check = if probe.tls { "SSL_CHECK" } else { "HTTP_CHECK" };
    match told {
        Told::Up => format!("Remote Web server {server} succeed on service."),
        Told::Page(page) => {
            let url = &probe.urls[page];
            let what = if url.regex.is_some() {
                "Regex match"
            } else if url.digest.is_some() {
                "MD5 digest"
            } else {
                "HTTP status code"
            };
            format!("{what} success to {server} url({})", url.path)
        }
        Told::Attempt { reason, .. } => format!("{} server {server}.", failure(reason, probe.tls)),
        Told::Down { retries, .. } => down(check, server, retries),
        Told::NotRun => "WEB socket bind failed. Rescheduling".to_owned(),
    }
}

/// keepalived's words for a single failure, before ` server`.
fn failure(reason: &Reason, tls: bool) -> &'static str {
    match reason {
        Reason::ConnectTimeout => "Timeout connecting",
        Reason::Unreachable => "HTTP/SSL_CHECK - network unreachable",
        Reason::Refused | Reason::Reset | Reason::Connection(_) => "Connection failed",
        Reason::FirstOctetTimeout => "Timeout WEB read",
        Reason::HeaderTimeout | Reason::BodyTimeout | Reason::Dripping if tls => "Timeout SSL read",
        Reason::HeaderTimeout | Reason::BodyTimeout | Reason::Dripping => "Timeout HTTP read",
        Reason::Broken(_) if tls => "SSL read error from",
        Reason::Broken(_) => "Read error with",
        Reason::NoAnswer | Reason::CutHeader => "Read, no data received from ",
        Reason::Malformed(_) | Reason::Status { .. } => "HTTP status code error to",
        Reason::CutBody { .. } | Reason::Digest { .. } => "MD5 digest error to",
        Reason::NoMatch | Reason::Match | Reason::SearchTooCostly => "Regex match failed",
        Reason::TlsTimeout | Reason::TlsCut | Reason::Tls(_) => {
            "SSL handshake/communication error connecting to"
        }
        _ => "Error connecting",
    }
}

/// How many times `connect_timeout` a whole answer may take. keepalived waits for ever for a
/// server that sends an octet now and then.
const PATIENCE: u32 = 10;
