//! What servers may send to a check: whatever comes, it is read to an end, in bounded memory, and
//! however it is cut it means the same.

use std::net::{IpAddr, Ipv4Addr};

use keepalived::addr::Family;
use keepalived::rand::Rand;
use keepalived::sys::tls::{self, Client, Files};
use keepalived::wire::http::{Malformed, Response};
use keepalived::wire::smtp::Replies;
use keepalived::wire::tls::Wish;
use keepalived::wire::{dns, icmp, x509};

/// Answers as they should be, to be bent.
const CORPUS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello",
    b"HTTP/1.0 204\n\n",
    b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\
      0\r\n\r\n",
    b"220-mail.example.org\r\n220 ready\r\n250-x\r\n250 fine\r\n221 bye\r\n",
    b"\x12\x34\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x00\x00\x01\x00\x01",
    b"\x00\x00\x12\x34\x00\x01\x00\x02keepalived check - keepalived",
    b"\x16\x03\x03\x00\x31\x02\x00\x00\x2d\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00\xc0\x2f\x00\
      \x00\x05\xff\x01\x00\x01\x00",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"\x30\x2e\x30\x2c\xa0\x03\x02\x01\x02\x02\x01\x05\x30\x00\x30\x00\x30\x1e\x17\x0d200101000000Z\
      \x17\x0d240101000000Z",
];

/// One more text: a piece of the corpus, bent.
pub(crate) fn next(rand: &mut Rand) -> Vec<u8> {
    let mut text = pick(rand, CORPUS).to_vec();
    for _ in 0..rand.below(6) {
        let at = index(rand, text.len() + 1);
        match rand.below(6) {
            0 if at < text.len() => text[at] = octet(rand),
            1 => text.insert(at, octet(rand)),
            2 => text.truncate(at),
            3 => {
                let other = pick(rand, CORPUS);
                text.splice(at..at, other.iter().copied());
            }
            4 => {
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

/// All properties of one text; the message of the first that does not hold.
pub(crate) fn check(text: &[u8], rand: &mut Rand) -> Result<(), String> {
    http(text, rand)?;
    smtp(text, rand)?;
    let _ = dns::Answer::parse(text);
    let _ = x509::not_after(text);
    for family in [Family::V4, Family::V6] {
        let echo = icmp::Echo::parse_reply(text, family);
        if echo.is_some_and(|echo| echo.data.len() + 8 != text.len()) {
            return Err("an echo whose data is not the rest".to_owned());
        }
    }
    secret(text, rand)
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

/// No server can make a session panic, or secure itself by nonsense.
fn secret(text: &[u8], rand: &mut Rand) -> Result<(), String> {
    if !tls::AVAILABLE || rand.below(8) > 0 {
        return Ok(());
    }
    let mut client = Client::new(Files::default());
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut session = client
        .begin(&Wish::default(), address)
        .map_err(|failure| failure.to_string())?;
    let hello = session.output();
    if hello.first() != Some(&0x16) {
        return Err("a session that does not begin with a handshake".to_owned());
    }
    let mut plain = Vec::new();
    for piece in cut(text, rand) {
        if session.take(piece, &mut plain).is_err() {
            break;
        }
        session.output();
    }
    if session.peer().is_some() || !plain.is_empty() {
        return Err("secured by nonsense".to_owned());
    }
    Ok(())
}

fn cut<'a>(mut text: &'a [u8], rand: &mut Rand) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let (piece, rest) = text.split_at(1 + index(rand, text.len()));
        pieces.push(piece);
        text = rest;
    }
    pieces
}

fn index(rand: &mut Rand, bound: usize) -> usize {
    usize::try_from(rand.below(bound as u64)).expect("less than a usize")
}

fn octet(rand: &mut Rand) -> u8 {
    u8::try_from(rand.below(256)).expect("an octet")
}

fn pick<'a>(rand: &mut Rand, from: &[&'a [u8]]) -> &'a [u8] {
    from[index(rand, from.len())]
}
