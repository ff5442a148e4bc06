//! What scripts, pipes and mail servers are given, whatever things are called: a line of a pipe is
//! one line, a mail has the header that it should have, a command to a mail server is one command.

use std::sync::Arc;

use keepalived::child::{Exit, RunId};
use keepalived::config::Config;
use keepalived::errno::Errno;
use keepalived::notify::{Core, Effect, Event, Line, News, Order, Sender};
use keepalived::rand::Rand;
use keepalived::time::Instant;

use crate::answers::{self, index};
use crate::reload::Cores;

const DATE: &str = "Mon, 01 Jan 2024 00:00:00 +0000";
const TURNS: u32 = 30;
/// What a program is called with; the kernel takes 128 kB in one word.
const WORD_MAX: usize = 110_000;

/// The core that tells, and those that have something to tell.
pub(crate) struct Town {
    rand: Rand,
    now: Instant,
    cores: Cores,
    core: Core,
    effects: Vec<Effect>,
    running: Vec<RunId>,
    /// A mail is being written.
    in_letter: bool,
    pub(crate) told: u64,
}

impl Town {
    pub(crate) fn new(rand: Rand) -> Self {
        let sender = Sender {
            user: "root".to_owned(),
            host: "host.example.com".to_owned(),
        };
        Self {
            rand,
            now: Instant::ZERO,
            cores: Cores::new(),
            core: Core::new(sender),
            effects: Vec::new(),
            running: Vec::new(),
            in_letter: false,
            told: 0,
        }
    }

    pub(crate) fn reload(&mut self, config: &Arc<Config>) -> Result<(), String> {
        self.tell(Event::Reload(config))?;
        self.cores.reload(config)?;
        self.pass_on()?;
        self.tell(Event::Reloaded)?;
        self.pass()
    }

    pub(crate) fn stop(&mut self) -> Result<(), String> {
        self.cores.halt();
        self.pass_on()?;
        self.tell(Event::Stop)?;
        self.pass()?;
        self.tell(Event::End)
    }

    fn pass_on(&mut self) -> Result<(), String> {
        for news in std::mem::take(&mut self.cores.news) {
            self.told += 1;
            if let News::Director(notice) = &news {
                one_line(&notice.to_string())?;
            }
            self.tell(Event::News { news, date: DATE })?;
        }
        Ok(())
    }

    /// Timers, and programs that end.
    fn pass(&mut self) -> Result<(), String> {
        for _ in 0..TURNS {
            if !self.running.is_empty() && self.rand.chance(70) {
                let at = index(&mut self.rand, self.running.len());
                let run = self.running.swap_remove(at);
                let event = if self.rand.chance(80) {
                    let exit = Exit::Code(0);
                    Event::Exited { run, exit }
                } else {
                    let error = Errno::ENOENT;
                    Event::NotStarted { run, error }
                };
                self.tell(event)?;
                continue;
            }
            let Some(deadline) = self.core.deadline() else {
                return Ok(());
            };
            self.now = self.now.max(deadline);
            self.core.on_time(self.now, &mut self.effects);
            self.perform()?;
        }
        Ok(())
    }

    fn tell(&mut self, event: Event<'_>) -> Result<(), String> {
        self.core.on_event(self.now, event, &mut self.effects);
        self.perform()
    }

    fn perform(&mut self) -> Result<(), String> {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Run { run, script } => {
                    let long = script.argv.iter().any(|word| word.len() > WORD_MAX);
                    if script.argv.is_empty() || long {
                        return Err(format!("a program of {} words", script.argv.len()));
                    }
                    self.running.push(run);
                }
                Effect::Write { line, .. } => {
                    let words = line.strip_suffix('\n').ok_or("a line without an end")?;
                    one_line(words)?;
                }
                Effect::Mail(order) => self.mail(order)?,
                Effect::Kill { .. } | Effect::OpenPipe { .. } | Effect::ClosePipe(_) => {}
            }
        }
        Ok(())
    }

    /// A mail server that is there most of the time, and answers what it likes.
    fn mail(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Resolve { host } => {
                one_line(&host)?;
                let address = "10.0.0.25".parse().unwrap();
                self.tell(Event::Mail(Line::Resolved(&[address])))
            }
            Order::Dial { .. } if self.rand.chance(20) => {
                self.tell(Event::Mail(Line::Failed(Errno::ECONNREFUSED)))
            }
            Order::Dial { .. } => {
                self.in_letter = false;
                self.tell(Event::Mail(Line::Connected))?;
                self.tell(Event::Mail(Line::Received(b"220 ready\r\n")))
            }
            Order::Say(words) => {
                self.hear(&words)?;
                let answer = match self.rand.below(10) {
                    0 if self.in_letter => {
                        self.in_letter = false;
                        b"554 not that\r\n".to_vec()
                    }
                    _ if self.in_letter => b"354 go on\r\n".to_vec(),
                    0 => answers::SMTP.bent(&[], &mut self.rand),
                    _ => b"250 fine\r\n".to_vec(),
                };
                self.tell(Event::Mail(Line::Received(&answer)))
            }
            Order::HangUp => Ok(()),
        }
    }

    /// RFC 5321: lines end with CR and LF, which stand nowhere else; the end of a mail is a point.
    fn hear(&mut self, words: &[u8]) -> Result<(), String> {
        let shown = || words.escape_ascii().to_string();
        let lines = words.strip_suffix(b"\r\n").ok_or_else(shown)?;
        let lines: Vec<&[u8]> = split(lines);
        if lines
            .iter()
            .any(|line| line.iter().any(|octet| b"\r\n".contains(octet)))
        {
            return Err(format!("a line in a line: {}", shown()));
        }
        // Other answers may have been waiting than that to DATA.
        if !std::mem::replace(&mut self.in_letter, lines == [b"DATA"]) || lines == [b"QUIT"] {
            return match lines[..] {
                [_] => Ok(()),
                _ => Err(format!("several commands: {}", shown())),
            };
        }
        let (last, mail) = lines.split_last().ok_or_else(shown)?;
        let points = |line: &&&[u8]| line.starts_with(b".") && !line.starts_with(b"..");
        if *last != b"." || mail.iter().filter(points).count() > 0 {
            return Err(format!("a mail that ends twice: {}", shown()));
        }
        let header = mail.iter().take_while(|line| !line.is_empty());
        let mut fields = header.filter(|line| !line.starts_with(b" "));
        let strange = fields.find(|line| !FIELDS.iter().any(|field| line.starts_with(field)));
        match strange {
            Some(field) => Err(format!("a field {}: {}", field.escape_ascii(), shown())),
            None => Ok(()),
        }
    }
}

/// What the header of a mail of ours has.
const FIELDS: [&[u8]; 9] = [
    b"Date: ",
    b"From: ",
    b"To: ",
    b"Subject: ",
    b"Message-ID: ",
    b"X-Mailer: ",
    b"MIME-Version: ",
    b"Content-Type: ",
    b"Content-Transfer-Encoding: ",
];

fn one_line(words: &str) -> Result<(), String> {
    match words.contains('\n') {
        true => Err(format!("more than one line: {words:?}")),
        false => Ok(()),
    }
}

fn split(mut text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(at) = text.windows(2).position(|two| two == b"\r\n") {
        lines.push(&text[..at]);
        text = &text[at + 2..];
    }
    lines.push(text);
    lines
}
