//! `UDP_CHECK`: the server is down when the network says that nobody is there, or when it does not
//! answer as it must.

use std::ops::RangeInclusive;

use crate::config::{Endpoint, MaskedOctet, Reply};

use super::{Around, Input, Reason, Step, Told, Verdict};

/// What is sent and what must come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    pub(super) payload: Option<&'a [u8]>,
    pub(super) reply: &'a Reply,
    pub(super) length: &'a RangeInclusive<u16>,
}

impl Exchange<'_> {
    pub(super) fn on(self, around: Around<'_>, endpoint: &Endpoint, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::datagrams(around, endpoint),
            Input::Connected => Step::Send {
                bytes: self.payload.map_or_else(|| filler(PAYLOAD), <[u8]>::to_vec),
                limit: endpoint.timeout,
            },
            Input::Received(octets) => Step::Done(self.judge(octets)),
            // Unlike in other checks an error of our own counts, as in keepalived.
            Input::Failed { error, .. } => Step::down(error.into()),
            Input::Limit if *self.reply == Reply::NotNeeded => Step::Done(Verdict::Up),
            Input::Limit => Step::down(Reason::ReplyTimeout),
            _ => Step::go_on(),
        }
    }

    /// Lengths are only asked of a reply with a pattern.
    fn judge(self, octets: &[u8]) -> Verdict {
        let Reply::Starting(pattern) = self.reply else {
            return Verdict::Up;
        };
        let length = octets.len();
        if !u16::try_from(length).is_ok_and(|length| self.length.contains(&length)) {
            return Verdict::Down(Reason::ReplyLength { length });
        }
        let fits = |(octet, wanted): (&u8, &MaskedOctet)| octet & wanted.mask == wanted.value;
        if octets.iter().zip(pattern).all(fits) {
            Verdict::Up
        } else {
            Verdict::Down(Reason::ReplyDiffers)
        }
    }
}

pub(super) fn words(told: Told<'_>, server: &str) -> String {
    match told {
        Told::Up | Told::Page(_) => format!("UDP connection to {server} success."),
        Told::Attempt {
            reason: Reason::ReplyLength { .. } | Reason::ReplyDiffers,
            ..
        } => format!("UDP check to {server} reply data mismatch."),
        Told::Attempt { .. } => format!("UDP connection to {server} failed."),
        Told::Down { retries, .. } => super::down("UDP_CHECK", server, retries),
        Told::NotRun => "UDP socket bind failed. Rescheduling.".to_owned(),
    }
}

/// keepalived's text, over and over.
pub(super) fn filler(length: usize) -> Vec<u8> {
    TEXT.iter().copied().cycle().take(length).collect()
}

const TEXT: &[u8] = b"keepalived check - ";
const PAYLOAD: usize = 32;
