//! What servers may send to a check: whatever comes, it is read to an end, in bounded memory, and
//! however it is cut it means the same.

use keepalived::addr::Family;
use keepalived::rand::Rand;
use keepalived::wire::http::{Malformed, Response};
use keepalived::wire::smtp::Replies;
use keepalived::wire::{dns, icmp};

use crate::judge::{self, Judge};

/// What is fuzzed of one protocol.
pub(crate) struct Target {
    /// Answers as they should be, to be bent.
    corpus: &'static [&'static [u8]],
    /// Checks that ask for them.
    checks: &'static [&'static str],
    /// What a peer makes of the question, where an answer has to fit it.
    fit: fn(&[u8]) -> Vec<u8>,
    /// What always holds of a text; the message when it does not.
    read: fn(&[u8], &mut Rand) -> Result<(), String>,
    /// Whether a verdict is the same however an answer is cut: not where what is said before it is
    /// asked for is not listened to.
    is_seamless: bool,
    answer: judge::Answer,
}

pub(crate) const HTTP: Target = Target {
    corpus: &[
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello",
        b"HTTP/1.0 204\n\n",
        b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\
          0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello hello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nTrailer: x\r\n\r\nfffffffff\r\n",
    ],
    checks: &[
        "HTTP_GET {\nurl {\npath /\nstatus_code 200-299 301\n}\nurl {\npath /2\n}\n}",
        "HTTP_GET {\nurl {\npath /\ndigest 5d41402abc4b2a76b9719d911017c592\n}\n}",
        "HTTP_GET {\nhttp_protocol 1.1\nurl {\npath /\nregex \"^h(.)\\\\1*llo$\"\n}\n}",
        "SSL_GET {\nurl {\npath /\nregex (?<=he)l+o\nregex_no_match\n}\n}",
    ],
    fit: |_| Vec::new(),
    read: http,
    is_seamless: true,
    answer: |heard, rand| HTTP.bent(heard, rand),
};

pub(crate) const SMTP: Target = Target {
    corpus: &[
        b"220-mail.example.org\r\n220 ready\r\n250-x\r\n250 fine\r\n221 bye\r\n",
        b"220 ready\r\n",
        b"250 fine\n",
        b"554-\r\n554 go away\r\n",
    ],
    checks: &[
        "SMTP_CHECK {\nhelo_name check.example.org\n}",
        "SMTP_CHECK {\nhost {\nconnect_ip 10.0.7.1\n}\nhost {\nconnect_ip 10.0.7.2\n}\n}",
    ],
    fit: |_| Vec::new(),
    read: smtp,
    is_seamless: false,
    answer: |heard, rand| SMTP.bent(heard, rand),
};

pub(crate) const DNS: Target = Target {
    corpus: &[
        b"\x12\x34\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x00\x00\x01\x00\x01",
        b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x00\x00\x01\x00\x01\
          \xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x01",
    ],
    checks: &[
        "DNS_CHECK {\ntype A\nname www.example.org\n}",
        "DNS_CHECK {\ntype SOA\nname .\n}",
        "UDP_CHECK {\npayload 010203\nrequire_reply 0102xx\nmin_reply_length 2\n}",
    ],
    // The same, said to be an answer without an error.
    fit: |query| {
        let mut answer = query.to_vec();
        answer
            .iter_mut()
            .skip(2)
            .take(1)
            .for_each(|octet| *octet |= 0x80);
        answer
    },
    read: |text, _| {
        let _ = dns::Answer::parse(text);
        Ok(())
    },
    is_seamless: true,
    answer: |heard, rand| DNS.bent(heard, rand),
};

pub(crate) const ICMP: Target = Target {
    corpus: &[
        b"\x00\x00\x12\x34\x00\x01\x00\x02keepalived check - keepalived",
        b"\x81\x00\x12\x34\x00\x01\x00\x02keepalived check - keepalived",
        b"\x03\x01\x00\x00\x00\x00\x00\x00",
    ],
    checks: &["PING_CHECK {\n}", "PING_CHECK {\nretry 2\n}"],
    // An echo of the other direction.
    fit: |request| {
        let mut reply = request.to_vec();
        let kind = reply
            .first()
            .map(|kind| if *kind == 0x80 { 0x81 } else { 0 });
        reply.splice(..kind.iter().len(), kind);
        reply
    },
    read: |text, _| {
        for family in [Family::V4, Family::V6] {
            let echo = icmp::Echo::parse_reply(text, family);
            if echo.is_some_and(|echo| echo.data.len() + 8 != text.len()) {
                return Err("an echo whose data is not the rest".to_owned());
            }
        }
        Ok(())
    },
    is_seamless: true,
    answer: |heard, rand| ICMP.bent(heard, rand),
};

/// Rounds with one pair of cores.
const ROUNDS: u64 = 200;

impl Target {
    /// Readers alone, and checks that hear the same at once and in pieces.
    pub(crate) fn check(&self, rand: &mut Rand) -> Result<(), String> {
        let mut whole = Judge::new(self.checks, None);
        let mut pieces = Judge::new(self.checks, Some(Rand::new(rand.next_u64())));
        for _ in 0..ROUNDS {
            let text = self.bent(&[], rand);
            (self.read)(&text, rand).map_err(|why| format!("{why}\n{}", text.escape_ascii()))?;
            let seed = rand.next_u64();
            whole.round(self.answer, seed)?;
            pieces.round(self.answer, seed)?;
            let (at_once, cut) = (whole.verdicts(), pieces.verdicts());
            if self.is_seamless && at_once != cut {
                return Err(format!("{at_once:?}, but in pieces {cut:?}"));
            }
        }
        Ok(())
    }

    /// One more answer: a piece of the corpus, or what fits the question, as it is or bent.
    pub(crate) fn bent(&self, heard: &[u8], rand: &mut Rand) -> Vec<u8> {
        let fitting = (self.fit)(heard);
        let mut text = if fitting.is_empty() || rand.chance(40) {
            pick(rand, self.corpus).to_vec()
        } else {
            fitting
        };
        for _ in 0..rand.below(6) {
            let at = index(rand, text.len() + 1);
            match rand.below(6) {
                0 if at < text.len() => text[at] = octet(rand),
                1 => text.insert(at, octet(rand)),
                2 => text.truncate(at),
                3 => {
                    let other = pick(rand, self.corpus);
                    text.splice(at..at, other.iter().copied());
                }
                4 if rand.chance(20) => {
                    let count = index(rand, 5000);
                    let filler = octet(rand);
                    text.splice(at..at, std::iter::repeat_n(filler, count));
                }
                _ if at < text.len() => text[at] ^= 1 << rand.below(8),
                _ => {}
            }
        }
        text
    }
}

/// In pieces, and at once.
fn http(text: &[u8], rand: &mut Rand) -> Result<(), String> {
    let whole = read(&[text]);
    let pieces = read(&cut(text, rand));
    if whole != pieces {
        return Err(format!("HTTP: {whole:?}, but in pieces {pieces:?}"));
    }
    match whole {
        Ok((_, _, body)) if body.len() > text.len() => Err("a body out of nothing".to_owned()),
        _ => Ok(()),
    }
}

type Read = Result<(Option<u16>, bool, Vec<u8>), Malformed>;

fn read(pieces: &[&[u8]]) -> Read {
    let mut response = Response::new();
    let mut body = Vec::new();
    for piece in pieces {
        body.extend_from_slice(response.read(piece)?);
    }
    Ok((response.status(), response.is_complete(), body))
}

fn smtp(text: &[u8], rand: &mut Rand) -> Result<(), String> {
    let whole = codes(&[text]);
    let pieces = codes(&cut(text, rand));
    if whole != pieces {
        return Err(format!("SMTP: {whole:?}, but in pieces {pieces:?}"));
    }
    Ok(())
}

/// The codes of all replies, and whether it ended well.
fn codes(pieces: &[&[u8]]) -> (Vec<u16>, bool) {
    let mut replies = Replies::new();
    let mut codes = Vec::new();
    for mut piece in pieces.iter().copied() {
        loop {
            match replies.read(piece) {
                Ok(Some((code, rest))) => {
                    codes.push(code);
                    piece = rest;
                }
                Ok(None) => break,
                Err(_) => return (codes, false),
            }
        }
    }
    (codes, true)
}

pub(crate) fn cut<'a>(mut text: &'a [u8], rand: &mut Rand) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let (piece, rest) = text.split_at(1 + index(rand, text.len()));
        pieces.push(piece);
        text = rest;
    }
    pieces
}

pub(crate) fn index(rand: &mut Rand, bound: usize) -> usize {
    usize::try_from(rand.below(bound as u64)).expect("less than a usize")
}

pub(crate) fn octet(rand: &mut Rand) -> u8 {
    u8::try_from(rand.below(256)).expect("an octet")
}

fn pick<'a>(rand: &mut Rand, from: &[&'a [u8]]) -> &'a [u8] {
    from[index(rand, from.len())]
}
