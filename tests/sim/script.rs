//! Stories as texts: configurations, a timeline, what must be true. People write them
//! (`stories/*.story`), seeds make them up (`random`), and what fails is printed as one.
//!
//! ```text
//! # What it is about.
//! seed 7
//!
//! router r1
//!     vrrp_instance VI { ... }
//!
//! at 0 r1 starts
//! at 12.5 weather delay 0.0001 to 0.3 loss 30 duplication 5
//! at 20 r1 reloads
//!     vrrp_instance VI { ... }
//! at 30 r1 is MASTER
//! at 30 r1 alone has 10.0.0.100
//! ```
//!
//! Indented lines belong to the one above them. An act that has no sense, as to stop what does not
//! run, does nothing: so a story stays one when lines of it are left out.

use std::fmt;
use std::time::Duration;

use keepalived::addr::IfIndex;
use keepalived::time::Instant;
use keepalived::vrrp::StateName;

use crate::kernel::{ETH0, ETH1, ETH9};
use crate::lan::{Id, Lan, Weather};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// Of what the weather does to packets.
    pub(crate) seed: u64,
    /// Names and configurations.
    pub(crate) routers: Vec<(String, String)>,
    pub(crate) lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) deed: Deed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Weather(Weather),
    /// Of the router of that number.
    Of(usize, Act),
    Must(usize, Must),
}

/// What a router does, or has done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Start,
    Stop,
    Kill,
    Cut(IfIndex),
    Heal(IfIndex),
    Unplug(IfIndex),
    Plug(IfIndex),
    Deafen(IfIndex),
    Silence(IfIndex),
    Sleep(Duration),
    /// Another program removes an address.
    Rob(String),
    /// The same, and the notice of it is lost.
    RobUnheard(String),
    /// The kernel makes nothing new, or does again.
    Refuse(bool),
    Reload(String),
    /// Seconds by which its wall clock is ahead of the others'.
    Clock(i64),
    /// Its last packet is heard again, with a bit turned or as it was.
    Repeat(Option<u64>),
}

/// What has to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    /// Its first instance is in that state.
    Be(StateName),
    /// No other kernel has the address.
    Own(String),
}

const STATES: [(&str, StateName); 4] = [
    ("INIT", StateName::Init),
    ("BACKUP", StateName::Backup),
    ("MASTER", StateName::Master),
    ("FAULT", StateName::Fault),
];
const LINKS: [(&str, IfIndex); 3] = [("eth0", ETH0), ("eth1", ETH1), ("eth9", ETH9)];

type OnLink = fn(IfIndex) -> Act;
const ON_LINKS: [(&str, OnLink); 6] = [
    ("is cut off", Act::Cut),
    ("is connected", Act::Heal),
    ("loses its cable", Act::Unplug),
    ("gets its cable", Act::Plug),
    ("hears nothing", Act::Deafen),
    ("is not heard", Act::Silence),
];
const PLAIN: [(&str, Act); 6] = [
    ("starts", Act::Start),
    ("stops", Act::Stop),
    ("is killed", Act::Kill),
    ("has no memory", Act::Refuse(true)),
    ("has memory", Act::Refuse(false)),
    ("repeats itself", Act::Repeat(None)),
];

impl Script {
    pub(crate) fn beginning(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Everything that happens, up to the last line.
    pub(crate) fn play(&self, lan: &mut Lan) {
        let ids: Vec<Id> = self
            .routers
            .iter()
            .map(|(name, conf)| lan.configured(name, conf))
            .collect();
        if lan.records {
            ids.iter().for_each(|id| lan.record(*id));
        }
        for line in &self.lines {
            let past = lan.now.since(Instant::ZERO);
            lan.run(line.at.saturating_sub(past));
            match &line.deed {
                Deed::Weather(weather) => lan.weather = *weather,
                Deed::Of(at, act) => act.perform(ids[*at], lan),
                Deed::Must(at, must) => must.check(ids[*at], lan),
            }
        }
    }

    /// The story without every line that it does not need to go wrong.
    pub(crate) fn shrunk(&self, goes_wrong: impl Fn(&Self) -> bool) -> Self {
        let mut short = self.clone();
        let mut chunk = short.lines.len().div_ceil(2);
        while chunk > 0 {
            let mut from = 0;
            while from < short.lines.len() {
                let mut shorter = short.clone();
                let until = (from + chunk).min(shorter.lines.len());
                shorter.lines.drain(from..until);
                if goes_wrong(&shorter) {
                    short = shorter;
                } else {
                    from = until;
                }
            }
            chunk /= 2;
        }
        short
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self::default();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let mut block = String::new();
            while let Some((_, more)) = lines.next_if(|(_, more)| more.starts_with(' ')) {
                block += more.strip_prefix("    ").unwrap_or(more);
                block += "\n";
            }
            script
                .read(line, block)
                .ok_or_else(|| format!("line {}: {line}", number + 1))?;
        }
        Ok(script)
    }

    fn read(&mut self, line: &str, block: String) -> Option<()> {
        if line.is_empty() || line.starts_with('#') {
            return block.is_empty().then_some(());
        }
        let (first, rest) = line.split_once(' ')?;
        match first {
            "seed" => self.seed = rest.parse().ok()?,
            "router" => self.routers.push((rest.to_owned(), block)),
            "at" => {
                let (at, deed) = rest.split_once(' ')?;
                let (at, deed) = (seconds(at)?, self.deed(deed.trim(), block)?);
                self.lines.push(Line { at, deed });
            }
            _ => return None,
        }
        Some(())
    }

    fn deed(&self, text: &str, block: String) -> Option<Deed> {
        let (who, what) = text.split_once(' ')?;
        if who == "weather" {
            return weather(what).map(Deed::Weather);
        }
        let at = self.routers.iter().position(|(name, _)| name == who)?;
        if let Some(must) = Must::parse(what) {
            return Some(Deed::Must(at, must));
        }
        Act::parse(what, block).map(|act| Deed::Of(at, act))
    }
}

impl Act {
    fn perform(&self, id: Id, lan: &mut Lan) {
        lan.tally.faults += 1;
        match self {
            Self::Start if !lan.runs(id) => lan.start(id),
            Self::Stop if lan.runs(id) => lan.stop(id),
            Self::Kill if lan.runs(id) => lan.kill(id),
            Self::Sleep(how_long) if lan.runs(id) => lan.stall(id, *how_long),
            Self::Start | Self::Stop | Self::Kill | Self::Sleep(_) => {}
            Self::Cut(link) => lan.cut_link(id, *link),
            Self::Heal(link) => lan.heal_link(id, *link),
            Self::Unplug(link) => lan.unplug_link(id, *link),
            Self::Plug(link) => lan.plug_link(id, *link),
            Self::Deafen(link) => lan.deafen(id, *link),
            Self::Silence(link) => lan.silence(id, *link),
            Self::Rob(address) => lan.remove_address(id, address),
            Self::RobUnheard(address) => lan.lose_notices(id, address),
            Self::Refuse(refuses) => lan.refuse(id, *refuses),
            Self::Reload(conf) if lan.runs(id) => lan.reload(id, conf),
            Self::Reload(conf) => lan.configure(id, conf),
            Self::Clock(ahead) => lan.set_clock(id, *ahead),
            Self::Repeat(bit) => {
                let Some(mut packet) = lan.sent(id) else {
                    return;
                };
                if let Some(bit) = bit {
                    let bits = 8 * packet.bytes.len();
                    let bit = usize::try_from(*bit).expect("a packet is short") % bits;
                    packet.bytes[bit / 8] ^= 1 << (bit % 8);
                }
                lan.inject_packet(&packet);
            }
        }
    }

    fn parse(text: &str, block: String) -> Option<Self> {
        if text == "reloads" {
            return Some(Self::Reload(block));
        }
        if let Some((_, act)) = PLAIN.iter().find(|(words, _)| *words == text) {
            return Some(act.clone());
        }
        let (words, link) = match text.split_once(" on ") {
            Some((words, link)) => (words, LINKS.iter().find(|(name, _)| *name == link)?.1),
            None => (text, ETH0),
        };
        if let Some((_, act)) = ON_LINKS.iter().find(|(known, _)| *known == words) {
            return Some(act(link));
        }
        let after = |words: &str| text.strip_prefix(words);
        if let Some(how_long) = after("sleeps ") {
            return seconds(how_long).map(Self::Sleep);
        }
        if let Some(ahead) = after("has its clock at ") {
            return ahead.parse().ok().map(Self::Clock);
        }
        if let Some(bit) = after("repeats itself with another bit ") {
            return bit.parse().ok().map(|bit| Self::Repeat(Some(bit)));
        }
        let address = after("loses ")?;
        Some(match address.strip_suffix(" unheard") {
            Some(address) => Self::RobUnheard(address.to_owned()),
            None => Self::Rob(address.to_owned()),
        })
    }
}

impl Must {
    fn parse(text: &str) -> Option<Self> {
        if let Some(address) = text.strip_prefix("alone has ") {
            return Some(Self::Own(address.to_owned()));
        }
        let state = text.strip_prefix("is ")?;
        let known = STATES.iter().find(|(name, _)| *name == state)?;
        Some(Self::Be(known.1))
    }

    fn check(&self, id: Id, lan: &Lan) {
        match self {
            Self::Be(state) => lan.expect(id, *state),
            Self::Own(address) => lan.expect_only_owner(id, address),
        }
    }
}

/// A configuration as a seed makes it up, without what its template leaves empty.
pub(crate) fn tidied(conf: &str) -> String {
    let full = conf.lines().filter(|line| !line.trim().is_empty());
    full.fold(String::new(), |text, line| text + line.trim_start() + "\n")
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn weather(text: &str) -> Option<Weather> {
    let words: Vec<&str> = text.split(' ').collect();
    let [
        "delay",
        least,
        "to",
        most,
        "loss",
        loss,
        "duplication",
        duplication,
    ] = words[..]
    else {
        return None;
    };
    Some(Weather {
        delay_min: seconds(least)?,
        delay_max: seconds(most)?,
        loss: loss.parse().ok()?,
        duplication: duplication.parse().ok()?,
    })
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for (name, conf) in &self.routers {
            writeln!(f, "\nrouter {name}")?;
            block(conf, f)?;
        }
        writeln!(f)?;
        for Line { at, deed } in &self.lines {
            write!(f, "at {} ", at.as_secs_f64())?;
            match deed {
                Deed::Weather(weather) => {
                    let delays = [weather.delay_min, weather.delay_max];
                    let [least, most] = delays.map(|delay| delay.as_secs_f64());
                    let (loss, duplication) = (weather.loss, weather.duplication);
                    write!(f, "weather delay {least} to {most} ")?;
                    writeln!(f, "loss {loss} duplication {duplication}")?;
                }
                Deed::Of(at, Act::Reload(conf)) => {
                    writeln!(f, "{} reloads", self.routers[*at].0)?;
                    block(conf, f)?;
                }
                Deed::Of(at, act) => writeln!(f, "{} {act}", self.routers[*at].0)?,
                Deed::Must(at, must) => writeln!(f, "{} {must}", self.routers[*at].0)?,
            }
        }
        Ok(())
    }
}

fn block(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(f, "    {line}"))
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((words, _)) = PLAIN.iter().find(|(_, act)| act == self) {
            return f.write_str(words);
        }
        match self {
            Self::Cut(link)
            | Self::Heal(link)
            | Self::Unplug(link)
            | Self::Plug(link)
            | Self::Deafen(link)
            | Self::Silence(link) => {
                let words = ON_LINKS.iter().find(|(_, act)| act(*link) == *self);
                let name = LINKS.iter().find(|(_, known)| known == link);
                let (words, name) = (words.map(|(words, _)| words), name.map(|(name, _)| name));
                f.write_str(words.expect("it is one of these"))?;
                match name {
                    Some(name) if *link != ETH0 => write!(f, " on {name}"),
                    _ => Ok(()),
                }
            }
            Self::Sleep(how_long) => write!(f, "sleeps {}", how_long.as_secs_f64()),
            Self::Rob(address) => write!(f, "loses {address}"),
            Self::RobUnheard(address) => write!(f, "loses {address} unheard"),
            Self::Clock(ahead) => write!(f, "has its clock at {ahead}"),
            Self::Repeat(Some(bit)) => write!(f, "repeats itself with another bit {bit}"),
            Self::Reload(_) => f.write_str("reloads"),
            Self::Start | Self::Stop | Self::Kill | Self::Refuse(_) | Self::Repeat(None) => {
                unreachable!("plain words, found above")
            }
        }
    }
}

impl fmt::Display for Must {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Be(state) => {
                let name = STATES.iter().find(|(_, known)| known == state);
                write!(f, "is {}", name.expect("all states have names").0)
            }
            Self::Own(address) => write!(f, "alone has {address}"),
        }
    }
}
