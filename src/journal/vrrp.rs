//! The VRRP core: its events as words and back, its effects as words.

use std::collections::HashMap;
use std::net::IpAddr;

use super::text::{self, Fields, Record, Word, hex, octets};
use crate::config::{Config, print};
use crate::errno::Errno;
use crate::time::Instant;
use crate::vrrp::{Attempt, Condition, Core, Effect, Event, Object, SocketId, Trace};
use crate::wire::ip::Datagram;
use crate::wire::linkbeat::Question;
use crate::wire::nft;
use crate::wire::rtnl::{self, Address, Link, Notice, RouteKey, Rule};
use crate::wire::sysctl::Setting;

/// The words of an event, and the lines that belong to it.
pub(super) fn write(event: &Event<'_>) -> (String, String) {
    let words = match event {
        Event::Datagram { on, datagram } => format!("packet socket={} {}", on.0, packet(datagram)),
        Event::Network(notice) => self::notice(notice),
        Event::Resync {
            links,
            addresses,
            rules,
        } => {
            let links = links.iter().map(|link| format!("link {}\n", link.write()));
            let addresses = addresses.iter();
            let addresses = addresses.map(|address| format!("address {}\n", address.write()));
            let rules = rules.iter().map(|rule| format!("rule {}\n", rule.write()));
            return (
                "all".to_owned(),
                links.chain(addresses).chain(rules).collect(),
            );
        }
        Event::Forwarding { link, forwards } => {
            format!(
                "forwarding link={} forwards={}",
                link.0,
                text::flag(*forwards)
            )
        }
        Event::Sighting { of, mac } => {
            format!("sighting link={} source={} mac={mac}", of.link.0, of.source)
        }
        Event::LinkAnswer { question, answer } => {
            let answer = match answer {
                Ok(plugged) => text::flag(*plugged).to_owned(),
                Err(error) => error.write(),
            };
            format!("answer {answer} {question:?}")
        }
        Event::Setting { setting, value } => format!("setting {value} {setting:?}"),
        Event::Failed { what, error } => {
            let error = error.write();
            match what {
                Attempt::Open(socket) => format!("failed {error} open {}", socket.0),
                Attempt::Kernel(request) => format!("failed {error} kernel {request:?}"),
                Attempt::Filter(request) => format!("failed {error} filter {request:?}"),
            }
        }
        Event::WallClock(time) => format!("clock {}", time.write()),
        Event::Directing(directing) => format!("directing {}", text::flag(*directing)),
        Event::Tracked { object, condition } => tracked(object, *condition),
        Event::Uptime(uptime) => format!("uptime {}", uptime.write()),
        Event::Reloading => "reloading".to_owned(),
        Event::Reload(config) => return ("reload".to_owned(), print(config)),
        Event::Stop => "stop".to_owned(),
        Event::Leave => "leave".to_owned(),
    };
    (words, String::new())
}

fn packet(datagram: &Datagram<'_>) -> String {
    match datagram {
        Datagram::V4(bytes) => format!("v4={}", hex(bytes)),
        Datagram::V6 {
            source,
            destination,
            hop_limit,
            payload,
        } => {
            let to = destination.map(IpAddr::V6).write();
            let (hops, payload) = (hop_limit.write(), hex(payload));
            format!("source={source} to={to} hops={hops} v6={payload}")
        }
    }
}

fn notice(notice: &Notice) -> String {
    match notice {
        Notice::Link(link) => format!("link {}", link.write()),
        Notice::LinkGone(index) => format!("link-gone {}", index.0),
        Notice::Address(address) => format!("address {}", address.write()),
        Notice::AddressGone(address) => format!("address-gone {}", address.write()),
        Notice::RouteGone(route) => format!("route-gone {}", route.write()),
        Notice::Rule(rule) => format!("rule {}", rule.write()),
        Notice::RuleGone(rule) => format!("rule-gone {}", rule.write()),
    }
}

/// The same of the check core, which hears of addresses.
pub(super) fn read_notice(word: &str, rest: &str) -> Option<Notice> {
    let fields = || Fields::parse(rest);
    Some(match word {
        "link" => Notice::Link(Link::read(&fields()?)?),
        "link-gone" => Notice::LinkGone(Word::read(rest)?),
        "address" => Notice::Address(Address::read(&fields()?)?),
        "address-gone" => Notice::AddressGone(Address::read(&fields()?)?),
        "route-gone" => Notice::RouteGone(RouteKey::read(&fields()?)?),
        "rule" => Notice::Rule(Box::new(Rule::read(&fields()?)?)),
        "rule-gone" => Notice::RuleGone(Box::new(Rule::read(&fields()?)?)),
        _ => return None,
    })
}

pub(super) fn write_notice(told: &Notice) -> String {
    notice(told)
}

type Tracked = fn(String) -> Object;
const OBJECTS: [(&str, Tracked); 5] = [
    ("interface", Object::Interface),
    ("script", Object::Script),
    ("file", Object::File),
    ("process", Object::Process),
    ("bfd", Object::Bfd),
];

fn tracked(object: &Object, condition: Condition) -> String {
    let (kind, name) = match object {
        Object::Interface(name) => ("interface", name),
        Object::Script(name) => ("script", name),
        Object::File(name) => ("file", name),
        Object::Process(name) => ("process", name),
        Object::Bfd(name) => ("bfd", name),
    };
    let condition = match condition {
        Condition::Up => "up".to_owned(),
        Condition::Down => "down".to_owned(),
        Condition::Value(value) => value.to_string(),
    };
    format!("tracked {kind} {} {condition}", name.write())
}

fn read_tracked(rest: &str) -> Option<(Object, Condition)> {
    let mut words = rest.split(' ');
    let (kind, name) = (words.next()?, Word::read(words.next()?)?);
    let make = OBJECTS.iter().find(|(known, _)| *known == kind)?.1;
    let condition = match words.next()? {
        "up" => Condition::Up,
        "down" => Condition::Down,
        value => Condition::Value(value.parse().ok()?),
    };
    Some((make(name), condition))
}

/// An effect in one line.
pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Advertise {
            on,
            to,
            from,
            ttl,
            packet,
        } => {
            let packet = hex(packet);
            format!(
                "Advertise socket={} to={to} from={from} ttl={ttl} packet={packet}",
                on.0
            )
        }
        Effect::Announce { on, frame } => format!("Announce link={} frame={}", on.0, hex(frame)),
        other => format!("{other:?}"),
    }
}

/// A core that is told what another was told.
#[derive(Debug, Default)]
pub(super) struct Replica {
    pub(super) core: Core,
    /// What it has asked for, by its text.
    requests: HashMap<String, rtnl::Request>,
    filters: HashMap<String, nft::Request>,
    settings: HashMap<String, Setting>,
    questions: HashMap<String, Question>,
}

impl Replica {
    /// None: these are no words for its beginning.
    pub(super) fn begin(rest: &str) -> Option<Self> {
        let fields = Fields::parse(rest)?;
        let mut core = Core::new();
        if fields.value("release_all")? {
            core = core.releasing_all();
        }
        if fields.value("tell_of_addresses")? {
            core = core.telling_of_addresses();
        }
        Some(Self {
            core,
            ..Self::default()
        })
    }

    /// None: nobody understands the words.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        words: &str,
        block: &str,
        out: &mut Vec<Effect>,
    ) -> Option<()> {
        let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
        match word {
            super::TIME => self.core.on_time(now, out),
            "packet" => self.tell_packet(now, rest, out)?,
            "all" => self.tell_all(now, block, out)?,
            "reload" => {
                let config = super::replay::config(block)?;
                self.tell_config(now, &config, out);
            }
            "answer" => {
                let (answer, question) = rest.split_once(' ')?;
                let question = self.questions.get(question)?;
                let answer = match bool::read(answer) {
                    Some(plugged) => Ok(plugged),
                    None => Err(Errno::read(answer)?),
                };
                let event = Event::LinkAnswer { question, answer };
                self.core.on_event(now, event, out);
            }
            "tracked" => {
                let (object, condition) = read_tracked(rest)?;
                let object = &object;
                let event = Event::Tracked { object, condition };
                self.core.on_event(now, event, out);
            }
            _ => {
                let event = self.read(word, rest)?;
                self.core.on_event(now, event, out);
            }
        }
        self.remember(out);
        Some(())
    }

    fn tell_config(&mut self, now: Instant, config: &Config, out: &mut Vec<Effect>) {
        self.core.on_event(now, Event::Reload(config), out);
    }

    fn tell_packet(&mut self, now: Instant, rest: &str, out: &mut Vec<Effect>) -> Option<()> {
        let fields = Fields::parse(rest)?;
        let on = SocketId(fields.value("socket")?);
        let v6 = |name| match fields.value::<Option<IpAddr>>(name)? {
            Some(IpAddr::V6(address)) => Some(Some(address)),
            None => Some(None),
            Some(IpAddr::V4(_)) => None,
        };
        let event = if let Some(bytes) = fields.word("v4") {
            let bytes = octets(bytes)?;
            let datagram = Datagram::V4(&bytes);
            self.core
                .on_event(now, Event::Datagram { on, datagram }, out);
            return Some(());
        } else {
            octets(fields.word("v6")?)?
        };
        let datagram = Datagram::V6 {
            source: v6("source")??,
            destination: v6("to")?,
            hop_limit: fields.value("hops")?,
            payload: &event,
        };
        self.core
            .on_event(now, Event::Datagram { on, datagram }, out);
        Some(())
    }

    fn tell_all(&mut self, now: Instant, block: &str, out: &mut Vec<Effect>) -> Option<()> {
        let (mut links, mut addresses, mut rules) = (Vec::new(), Vec::new(), Vec::new());
        for line in block.lines() {
            let (word, rest) = line.split_once(' ')?;
            match read_notice(word, rest)? {
                Notice::Link(link) => links.push(link),
                Notice::Address(address) => addresses.push(address),
                Notice::Rule(rule) => rules.push(*rule),
                _ => return None,
            }
        }
        let everything = Event::Resync {
            links: &links,
            addresses: &addresses,
            rules: &rules,
        };
        self.core.on_event(now, everything, out);
        Some(())
    }

    fn read(&self, word: &str, rest: &str) -> Option<Event<'static>> {
        let fields = || Fields::parse(rest);
        Some(match word {
            "forwarding" => Event::Forwarding {
                link: fields()?.value("link")?,
                forwards: fields()?.value("forwards")?,
            },
            "sighting" => Event::Sighting {
                of: Trace {
                    link: fields()?.value("link")?,
                    source: fields()?.value("source")?,
                },
                mac: fields()?.value("mac")?,
            },
            "setting" => {
                let (value, setting) = rest.split_once(' ')?;
                let setting = self.settings.get(setting)?.clone();
                let value = value.parse().ok()?;
                Event::Setting { setting, value }
            }
            "failed" => {
                let (error, rest) = rest.split_once(' ')?;
                let (kind, what) = rest.split_once(' ')?;
                let what = match kind {
                    "open" => Attempt::Open(SocketId(what.parse().ok()?)),
                    "kernel" => Attempt::Kernel(self.requests.get(what)?.clone()),
                    "filter" => Attempt::Filter(self.filters.get(what)?.clone()),
                    _ => return None,
                };
                let error = Errno::read(error)?;
                Event::Failed { what, error }
            }
            "clock" => Event::WallClock(Word::read(rest)?),
            "directing" => Event::Directing(Word::read(rest)?),
            "uptime" => Event::Uptime(Word::read(rest)?),
            "reloading" => Event::Reloading,
            "stop" => Event::Stop,
            "leave" => Event::Leave,
            _ => Event::Network(read_notice(word, rest)?),
        })
    }

    fn remember(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Kernel(request) => {
                    self.requests
                        .insert(format!("{request:?}"), request.clone());
                }
                Effect::Filter(request) => {
                    self.filters.insert(format!("{request:?}"), request.clone());
                }
                Effect::Setting(request) => {
                    let setting = request.setting();
                    self.settings
                        .insert(format!("{setting:?}"), setting.clone());
                }
                Effect::AskLink(question) => {
                    self.questions
                        .insert(format!("{question:?}"), question.clone());
                }
                _ => {}
            }
        }
    }
}
