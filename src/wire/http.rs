//! Requests of health checks, and the answers to them as they arrive (RFC 9112).
//!
//! The reader keeps what it needs of the header and nothing of the body: an answer of any size is
//! read in the same memory. It follows keepalived where that decides what a digest is made of: the
//! body is what is on the wire, chunks are not undone, and octets beyond `Content-Length` are not
//! part of it. A line may end without a carriage return, and a status without a reason phrase.
//! Interim answers come before the one that counts.

use std::fmt;

use super::chunks::Chunks;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub path: &'a [u8],
    /// With its port where it has one, as it stands in the header.
    pub host: &'a [u8],
    /// `HTTP/1.1` and not 1.0.
    pub version_1_1: bool,
    /// `Connection: close`.
    pub close: bool,
}

impl Request<'_> {
    /// keepalived's octets, header by header.
    pub fn emit(&self) -> Vec<u8> {
        let version: &[u8] = if self.version_1_1 { b"1.1" } else { b"1.0" };
        let close: &[u8] = if self.close {
            b"Connection: close\r\n"
        } else {
            b""
        };
        [
            b"GET ",
            self.path,
            b" HTTP/",
            version,
            b"\r\nUser-Agent: KeepAliveClient\r\n",
            close,
            b"Host: ",
            self.host,
            b"\r\n\r\n",
        ]
        .concat()
    }
}

/// An answer as it arrives.
#[derive(Clone, Debug, Default)]
pub struct Response {
    place: Place,
    /// The line being read, as far as it is of interest.
    line: Vec<u8>,
    /// Octets of the header so far.
    header: usize,
    status: u16,
    length: Option<u64>,
    /// The body comes in chunks, and is read so where there is no length.
    chunks: Option<Chunks>,
    /// Octets after the header, however many of them count.
    received: u64,
}

/// Where in an answer the next octet stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    StatusLine,
    Fields,
    Body,
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It does not begin with a status line.
    NotHttp,
    /// The header has more octets than [`HEADER_MAX`].
    EndlessHeader,
    /// `Content-Length` is not a number, or two of them differ.
    BadLength,
    /// A chunk has no length, or more octets than it says.
    BadChunk,
}

impl Response {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next octets; gives those that belong to the body.
    pub fn read<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        while self.place != Place::Body {
            let Some(end) = bytes.iter().position(|&octet| octet == b'\n') else {
                self.gather(bytes)?;
                return Ok(&[]);
            };
            let (line, rest) = bytes.split_at(end + 1);
            self.gather(line)?;
            self.end_line()?;
            bytes = rest;
        }
        if self.is_bodiless() {
            return Ok(&[]);
        }
        if let Some(chunks) = self.chunks.as_mut().filter(|_| self.length.is_none()) {
            let count = chunks.read(bytes).map_err(|_| Malformed::BadChunk)?;
            return Ok(bytes.get(..count).unwrap_or_default());
        }
        let left = self.left();
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(count);
        let part = left.map_or(bytes.len(), |left| {
            usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
        });
        Ok(bytes.get(..part).unwrap_or_default())
    }

    /// None until the header is complete.
    pub fn status(&self) -> Option<u16> {
        (self.place == Place::Body).then_some(self.status)
    }

    /// Octets of the header, as far as it has come.
    pub fn header_length(&self) -> usize {
        self.header
    }

    /// Whether anything has come.
    pub fn has_begun(&self) -> bool {
        self.header > 0
    }

    /// All of the body that was announced has come: nothing more is to be waited for.
    pub fn is_complete(&self) -> bool {
        let is_over = match self.left() {
            Some(left) => left == 0,
            None => self.chunks.as_ref().is_some_and(Chunks::is_over),
        };
        self.place == Place::Body && (is_over || self.is_bodiless())
    }

    /// `Content-Length` and the octets that came in its place, when the two differ.
    pub fn mismatch(&self) -> Option<(u64, u64)> {
        let announced = self.length.filter(|_| !self.is_bodiless())?;
        (announced != self.received).then_some((announced, self.received))
    }

    /// RFC 9112 6.3: these answers end with their header.
    fn is_bodiless(&self) -> bool {
        matches!(self.status, SWITCHING | 204 | 304)
    }

    /// RFC 9110 15.2: another answer follows.
    fn is_interim(&self) -> bool {
        matches!(self.status, 100..=199) && self.status != SWITCHING
    }

    fn left(&self) -> Option<u64> {
        Some(self.length?.saturating_sub(self.received))
    }

    /// More of the line, which is kept as far as anybody will look at it.
    fn gather(&mut self, part: &[u8]) -> Result<(), Malformed> {
        self.header += part.len();
        if self.header > HEADER_MAX {
            return Err(Malformed::EndlessHeader);
        }
        let room = LINE_KEPT - self.line.len();
        self.line
            .extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
        let shown = self.line.len().min(VERSION.len());
        if self.place == Place::StatusLine && self.line[..shown] != VERSION[..shown] {
            return Err(Malformed::NotHttp);
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), Malformed> {
        let mut whole = std::mem::take(&mut self.line);
        let ended = self.use_line(&whole);
        // Its room is for the next one.
        whole.clear();
        self.line = whole;
        ended
    }

    fn use_line(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.place {
            Place::StatusLine => {
                self.status = status(line).ok_or(Malformed::NotHttp)?;
                self.place = Place::Fields;
            }
            Place::Fields if line.is_empty() && self.is_interim() => {
                (self.length, self.chunks) = (None, None);
                self.place = Place::StatusLine;
            }
            Place::Fields if line.is_empty() => self.place = Place::Body,
            Place::Fields => self.field(line)?,
            Place::Body => {}
        }
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let Some(colon) = line.iter().position(|&octet| octet == b':') else {
            return Ok(());
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let last = value.rsplit(|octet| b":,".contains(octet)).next();
            let chunked = last.is_some_and(|c| c.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            self.chunks = chunked.then(Chunks::default);
        }
        if !name.eq_ignore_ascii_case(b"content-length") {
            return Ok(());
        }
        let length = number(value.get(1..).unwrap_or_default().trim_ascii());
        let length = length.ok_or(Malformed::BadLength)?;
        if self.length.is_some_and(|known| known != length) {
            return Err(Malformed::BadLength);
        }
        self.length = Some(length);
        Ok(())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => "the answer is not HTTP",
            Self::EndlessHeader => "endless header",
            Self::BadLength => "content-length is no length",
            Self::BadChunk => "a chunk is not as long as it says",
        })
    }
}

/// `HTTP/1.1 200 OK`: three digits behind the first blank, then a blank or nothing.
fn status(line: &[u8]) -> Option<u16> {
    let mut words = line.split(|&octet| octet == b' ');
    let version = words.next()?;
    if !version.starts_with(VERSION) {
        return None;
    }
    let code = words.next().filter(|code| code.len() == 3)?;
    u16::try_from(number(code)?).ok()
}

/// Decimal digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The one of its kind that another answer does not follow.
const SWITCHING: u16 = 101;

const VERSION: &[u8] = b"HTTP/";

/// Cookies and policies make headers of a few thousand octets; servers themselves refuse to send
/// more than this.
pub const HEADER_MAX: usize = 65_536;

/// Nothing of interest stands behind this in a line.
const LINE_KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&[u8]]) -> Result<(Response, Vec<u8>), Malformed> {
        let mut response = Response::new();
        let mut body = Vec::new();
        for part in parts {
            body.extend_from_slice(response.read(part)?);
        }
        Ok((response, body))
    }

    #[test]
    fn a_request_is_what_keepalived_sends() {
        let mut request = Request {
            path: b"/",
            host: b"192.168.200.2:80",
            version_1_1: false,
            close: false,
        };
        assert_eq!(
            request.emit(),
            b"GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 192.168.200.2:80\r\n\r\n"
        );
        request.version_1_1 = true;
        request.close = true;
        let text = String::from_utf8(request.emit()).unwrap();
        assert!(text.starts_with("GET / HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: "));
        assert!(text.contains("\r\nConnection: close\r\nHost: "));
    }

    #[test]
    fn an_answer_cut_anywhere_is_the_same_answer() {
        let text = b"HTTP/1.0 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello and more";
        for cut in 0..text.len() {
            let (before, after) = text.split_at(cut);
            let (response, body) = read(&[before, after]).unwrap();
            assert_eq!(response.status(), Some(200), "cut at {cut}");
            assert_eq!(body, b"hello", "cut at {cut}");
            assert!(response.is_complete());
            assert_eq!(response.mismatch(), Some((5, 14)));
        }
        let octets: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&octets).unwrap().1, b"hello");
    }

    #[test]
    fn what_follows_an_answer_without_a_body_is_none() {
        for cut in 0..=22 {
            let (before, after) = b"HTTP/1.1 204 OK\r\n\r\nhello".split_at(cut);
            let (response, body) = read(&[before, after]).unwrap();
            assert!(response.is_complete() && body.is_empty(), "cut at {cut}");
        }
    }

    #[test]
    fn a_missing_reason_phrase_and_bare_line_feeds_are_fine() {
        for text in [
            "HTTP/1.1 204\r\n\r\n",
            "HTTP/1.1 204 \r\n\r\n",
            "HTTP/1.0 204 No Content\nserver: x\n\n",
        ] {
            let (response, body) = read(&[text.as_bytes()]).unwrap();
            assert_eq!(response.status(), Some(204), "{text:?}");
            assert!(response.is_complete() && body.is_empty());
        }
    }

    #[test]
    fn what_is_not_http_is_known_by_its_first_octets() {
        for text in [
            "SSH-2.0-OpenSSH",
            "h",
            "HTTP/1.1 2000 OK\r\n",
            "HTTP/1.1\r\n",
        ] {
            let result = read(&[text.as_bytes()]);
            assert_eq!(result.err(), Some(Malformed::NotHttp), "{text:?}");
        }
        assert!(read(&[b"HTT"]).is_ok());
    }

    #[test]
    fn an_endless_header_ends_at_its_limit_in_little_memory() {
        let mut response = Response::new();
        response.read(b"HTTP/1.1 200 OK\r\n").unwrap();
        let mut octets = 0;
        let error = loop {
            match response.read(&[b'a'; 1000]) {
                Ok(_) => octets += 1000,
                Err(error) => break error,
            }
            assert!(response.line.capacity() <= 2 * LINE_KEPT);
        };
        assert_eq!(error, Malformed::EndlessHeader);
        assert!(octets < HEADER_MAX);
    }

    #[test]
    fn a_length_that_is_none_is_refused() {
        for length in [
            "-1",
            "",
            "1x",
            "99999999999999999999",
            "5\r\nContent-length: 6",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            assert_eq!(read(&[text.as_bytes()]).err(), Some(Malformed::BadLength));
        }
    }
    #[test]
    fn an_answer_in_chunks_ends_with_the_last_and_stays_as_it_is() {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n\
            5\r\nhello\r\n0\r\n\r\nand more";
        for cut in 0..text.len() {
            let (before, after) = text.split_at(cut);
            let (response, body) = read(&[before, after]).unwrap();
            assert_eq!(body, b"5\r\nhello\r\n0\r\n\r\n", "cut at {cut}");
            assert!(response.is_complete());
        }
        let bad = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello";
        assert_eq!(read(&[bad]).err(), Some(Malformed::BadChunk));
        // A length goes first, as in keepalived.
        let both = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi!";
        assert_eq!(read(&[both]).unwrap().1, b"hi");
    }

    #[test]
    fn interim_answers_come_before_the_one_that_counts() {
        let text = b"HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n\
            HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello";
        for cut in 0..text.len() {
            let (before, after) = text.split_at(cut);
            let (response, body) = read(&[before, after]).unwrap();
            assert_eq!(response.status(), Some(200), "cut at {cut}");
            assert_eq!(body, b"hello", "cut at {cut}");
        }
        let (response, _) = read(&[b"HTTP/1.1 100 Continue\r\n\r\n"]).unwrap();
        assert_eq!((response.status(), response.is_complete()), (None, false));
        let (response, _) = read(&[b"HTTP/1.1 101 Switching Protocols\r\n\r\n"]).unwrap();
        assert_eq!(
            (response.status(), response.is_complete()),
            (Some(101), true)
        );
    }
}
