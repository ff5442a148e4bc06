//! One conversation with a mail server (RFC 5321), as keepalived holds it: HELO, MAIL, RCPT for
//! each recipient, DATA, the letter, QUIT. Behind a letter the next one may follow.

use super::letter::{Envelope, Letter, address_of};
use crate::config::Octets;
use crate::wire::smtp::{Malformed, Replies};

#[derive(Debug)]
pub(super) struct Dialogue {
    stage: Stage,
    replies: Replies,
    /// Recipients of the letter that the server has accepted.
    accepted: usize,
}

/// What was said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing yet: the server begins.
    Greeting,
    Helo,
    Mail,
    /// Of this recipient.
    Recipient(usize),
    Data,
    Letter,
    Quit,
}

/// What a reply of the server leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This is said next.
    Say(Vec<u8>),
    /// The same, since the server does not want one of the recipients.
    Without(Refusal, Vec<u8>),
    /// The letter is taken; another one may follow.
    Delivered,
    /// The server does not go on.
    Refused(Refusal),
    /// The conversation is over.
    End,
}

/// A command that was answered with another code than it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// As keepalived calls it in its log.
    pub(super) command: &'static str,
    pub(super) code: u16,
    /// 5yz to what concerns this letter: it will never be taken.
    pub(super) of_the_letter: bool,
}

impl Dialogue {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Greeting,
            replies: Replies::new(),
            accepted: 0,
        }
    }

    /// Takes octets up to the end of the next reply; gives what it leads to and the octets behind
    /// it, or nothing while the reply is not complete.
    pub(super) fn hear<'a>(
        &mut self,
        octets: &'a [u8],
        envelope: &Envelope,
        letter: Option<&Letter>,
    ) -> Result<Option<(Turn, &'a [u8])>, Malformed> {
        let reply = self.replies.read(octets)?;
        Ok(reply.map(|(code, rest)| (self.answer(code, envelope, letter), rest)))
    }

    /// The next letter on the same connection.
    pub(super) fn begin(&mut self, envelope: &Envelope) -> Vec<u8> {
        self.stage = Stage::Mail;
        self.accepted = 0;
        command(&format!("MAIL FROM:<{}>", address_of(&envelope.from)))
    }

    pub(super) fn quit(&mut self) -> Vec<u8> {
        self.stage = Stage::Quit;
        command("QUIT")
    }

    /// Whether all is said.
    pub(super) fn has_quit(&self) -> bool {
        self.stage == Stage::Quit
    }

    fn answer(&mut self, code: u16, envelope: &Envelope, letter: Option<&Letter>) -> Turn {
        match (self.stage, code) {
            (Stage::Greeting, READY) => {
                self.stage = Stage::Helo;
                Turn::Say(command(&format!("HELO {}", envelope.helo)))
            }
            (Stage::Helo, DONE) => Turn::Say(self.begin(envelope)),
            (Stage::Mail, DONE) => Turn::Say(self.recipient(0, envelope)),
            (Stage::Recipient(number), DONE | FORWARDED) => {
                self.accepted += 1;
                Turn::Say(self.recipient(number + 1, envelope))
            }
            // One bad address does not keep the others from knowing.
            (Stage::Recipient(number), 400..600)
                if self.accepted > 0 || number + 1 < envelope.to.len() =>
            {
                let refusal = self.refusal(code);
                Turn::Without(refusal, self.recipient(number + 1, envelope))
            }
            (Stage::Data, GO_ON) => match letter {
                Some(letter) => {
                    self.stage = Stage::Letter;
                    Turn::Say(letter.octets(envelope))
                }
                None => Turn::Say(self.quit()),
            },
            (Stage::Letter, DONE) => Turn::Delivered,
            (Stage::Quit, _) => Turn::End,
            (_, code) => Turn::Refused(self.refusal(code)),
        }
    }

    fn recipient(&mut self, number: usize, envelope: &Envelope) -> Vec<u8> {
        match envelope.to.get(number) {
            Some(to) => {
                self.stage = Stage::Recipient(number);
                command(&format!("RCPT TO:<{}>", address_of(to)))
            }
            None => {
                self.stage = Stage::Data;
                command("DATA")
            }
        }
    }

    fn refusal(&self, code: u16) -> Refusal {
        let (command, of_this_letter) = match self.stage {
            Stage::Greeting => ("CONNECT", false),
            Stage::Helo => ("HELO", false),
            Stage::Mail => ("MAIL", true),
            Stage::Recipient(_) => ("RCPT", true),
            Stage::Data => ("DATA", true),
            Stage::Letter => ("BODY", true),
            Stage::Quit => ("QUIT", false),
        };
        Refusal {
            command,
            code,
            of_the_letter: of_this_letter && (500..600).contains(&code),
        }
    }
}

fn command(line: &str) -> Vec<u8> {
    let mut octets = Octets::of(line).0;
    octets.extend(b"\r\n");
    octets
}

/// RFC 5321 4.2.3.
const READY: u16 = 220;
const DONE: u16 = 250;
/// The user is elsewhere, and the server takes the letter there.
const FORWARDED: u16 = 251;
const GO_ON: u16 = 354;
