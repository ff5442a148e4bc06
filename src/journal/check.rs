//! The check core: its events as words and back, its effects as words.

use std::collections::HashMap;
use std::sync::Arc;

use super::TIME;
use super::text::{self, Fields, Record, Word, hex, octets};
use super::vrrp::{read_notice, write_notice};
use crate::check::{Core, Effect, Event, ProbeId, Reading};
use crate::child::Exit;
use crate::config::print;
use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::ipvs::{self, DestState, Service, ServiceId, Timeouts};
use crate::wire::nft::marks;
use crate::wire::rtnl::Address;
use crate::wire::tls::Failure;

/// The words of an event, and the lines that belong to it.
pub(super) fn write(event: &Event<'_>) -> (String, String) {
    let words = match event {
        Event::Reload(config) => return ("reload".to_owned(), print(config)),
        Event::Connected(probe) => format!("connected {}", probe.0),
        Event::Failed {
            probe,
            error,
            started,
        } => {
            let (error, started) = (error.write(), text::flag(*started));
            format!("failed {} error={error} started={started}", probe.0)
        }
        Event::Received { probe, bytes } => format!("received {} bytes={}", probe.0, hex(bytes)),
        Event::Secured { probe, days_left } => {
            format!("secured {} days_left={}", probe.0, days_left.write())
        }
        Event::Insecure { probe, failure } => format!("insecure {} {}", probe.0, fault(*failure)),
        Event::Closed(probe) => format!("closed {}", probe.0),
        Event::Exited { probe, exit } => match exit {
            Exit::Code(code) => format!("exited {} code={code}", probe.0),
            Exit::Signal(signal) => format!("exited {} signal={signal}", probe.0),
        },
        Event::File { name, value } => format!("file {} {value}", (*name).to_owned().write()),
        Event::Director(answer) => format!("director {}", outcome(answer.map(|v| v.write()))),
        Event::ModuleLoaded { module, success } => {
            format!("module {} {}", module.write(), text::flag(*success))
        }
        Event::IpvsFailed { request, error } => format!("refused {} {request:?}", error.write()),
        Event::MarkFailed { request, error } => {
            format!("unmarked {} {request:?}", error.write())
        }
        Event::IpvsRead { id, answer } => return read_back(id, answer),
        Event::TimeoutsRead(answer) => {
            format!(
                "timeouts {}",
                outcome(answer.as_ref().map(Record::write).map_err(|e| *e))
            )
        }
        Event::Master(master) => format!("master {}", text::flag(*master)),
        Event::Addresses(all) => {
            let lines = all.iter().map(|address| format!("{}\n", address.write()));
            return ("addresses".to_owned(), lines.collect());
        }
        Event::Network(notice) => write_notice(notice),
        Event::Stop => "stop".to_owned(),
    };
    (words, String::new())
}

fn outcome(answer: Result<String, Errno>) -> String {
    answer.unwrap_or_else(|error| format!("error={}", error.write()))
}

fn read_outcome<T>(rest: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Result<T, Errno>> {
    match rest.strip_prefix("error=") {
        Some(error) => Errno::read(error).map(Err),
        None => read(rest).map(Ok),
    }
}

/// The service behind its id, a line for each of its destinations.
fn read_back(id: &ServiceId, answer: &Result<Reading, Errno>) -> (String, String) {
    let found = match answer {
        Ok(Some((service, dests))) => {
            let lines = dests.iter().map(|dest| format!("{}\n", dest.write()));
            let words = format!("read {} {}", id.write(), service.write());
            return (words, lines.collect());
        }
        Ok(None) => Ok("none".to_owned()),
        Err(error) => Err(*error),
    };
    (
        format!("read {} {}", id.write(), outcome(found)),
        String::new(),
    )
}

fn fault(failure: Failure) -> String {
    match failure {
        Failure::Alert(alert) => format!("alert={alert}"),
        other => format!("failure={}", other.number()),
    }
}

fn read_fault(rest: &str) -> Option<Failure> {
    if let Some(alert) = rest.strip_prefix("alert=") {
        return alert.parse().ok().map(Failure::Alert);
    }
    let number: u16 = rest.strip_prefix("failure=")?.parse().ok()?;
    FAILURES
        .into_iter()
        .find(|failure| failure.number() == number)
}

const FAILURES: [Failure; 11] = [
    Failure::NotTls,
    Failure::TooOld,
    Failure::NothingInCommon,
    Failure::UnknownName,
    Failure::Misbehaved,
    Failure::Expired,
    Failure::NotYetValid,
    Failure::UnknownIssuer,
    Failure::OtherName,
    Failure::BadCertificate,
    Failure::OwnFiles,
];

/// An effect in one line.
pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Send { probe, bytes } => format!("Send probe={} {}", probe.0, bytes.escape_ascii()),
        other => format!("{other:?}"),
    }
}

/// A core that is told what another was told.
#[derive(Debug)]
pub(super) struct Replica {
    core: Core,
    /// What it has asked for, by its text.
    requests: HashMap<String, ipvs::Request>,
    marks: HashMap<String, marks::Request>,
}

impl Replica {
    /// None: these are no words for its beginning.
    pub(super) fn begin(rest: &str) -> Option<Self> {
        let fields = Fields::parse(rest)?;
        let core = Core::new(fields.value("seed")?);
        let core = if fields.value("tls")? {
            core
        } else {
            core.without_tls()
        };
        Some(Self {
            core,
            requests: HashMap::new(),
            marks: HashMap::new(),
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
            TIME => self.core.on_time(now, out),
            "reload" => {
                let config = Arc::new(super::replay::config(block)?);
                self.core.on_event(now, Event::Reload(&config), out);
            }
            "received" => {
                let (probe, bytes) = rest.split_once(" bytes=")?;
                let (probe, bytes) = (ProbeId(probe.parse().ok()?), octets(bytes)?);
                let bytes = &bytes;
                self.core
                    .on_event(now, Event::Received { probe, bytes }, out);
            }
            "file" => {
                let (name, value) = rest.split_once(' ')?;
                let (name, value) = (String::read(name)?, value.parse().ok()?);
                let name = &name;
                self.core.on_event(now, Event::File { name, value }, out);
            }
            "addresses" => {
                let lines = block
                    .lines()
                    .map(|line| Address::read(&Fields::parse(line)?));
                let all = lines.collect::<Option<_>>()?;
                self.core.on_event(now, Event::Addresses(all), out);
            }
            "read" => {
                let (id, rest) = rest.split_once(' ')?;
                let (id, answer) = (ServiceId::read(id)?, answer(rest, block)?);
                self.core.on_event(now, Event::IpvsRead { id, answer }, out);
            }
            _ => {
                let event = self.read(word, rest)?;
                self.core.on_event(now, event, out);
            }
        }
        for effect in out {
            match effect {
                Effect::Ipvs(request) => {
                    let words = format!("{request:?}");
                    self.requests.insert(words, request.clone());
                }
                Effect::Mark { request, .. } => {
                    self.marks.insert(format!("{request:?}"), request.clone());
                }
                _ => {}
            }
        }
        Some(())
    }

    fn read(&self, word: &str, rest: &str) -> Option<Event<'static>> {
        Some(match word {
            "connected" => Event::Connected(ProbeId(rest.parse().ok()?)),
            "closed" => Event::Closed(ProbeId(rest.parse().ok()?)),
            "failed" | "secured" | "insecure" | "exited" => {
                let (probe, rest) = rest.split_once(' ')?;
                return of_probe(word, ProbeId(probe.parse().ok()?), rest);
            }
            "director" => Event::Director(read_outcome(rest, Word::read)?),
            "module" => {
                let (module, success) = rest.split_once(' ')?;
                let (module, success) = (Word::read(module)?, Word::read(success)?);
                Event::ModuleLoaded { module, success }
            }
            "refused" => {
                let (error, request) = rest.split_once(' ')?;
                let (error, request) = (Errno::read(error)?, self.requests.get(request)?.clone());
                Event::IpvsFailed { request, error }
            }
            "unmarked" => {
                let (error, request) = rest.split_once(' ')?;
                let (error, request) = (Errno::read(error)?, self.marks.get(request)?.clone());
                Event::MarkFailed { request, error }
            }
            "timeouts" => {
                let read = |rest: &str| Timeouts::read(&Fields::parse(rest)?);
                Event::TimeoutsRead(read_outcome(rest, read)?)
            }
            "master" => Event::Master(Word::read(rest)?),
            "stop" => Event::Stop,
            _ => Event::Network(read_notice(word, rest)?),
        })
    }
}

fn of_probe(word: &str, probe: ProbeId, rest: &str) -> Option<Event<'static>> {
    if word == "insecure" {
        let failure = read_fault(rest)?;
        return Some(Event::Insecure { probe, failure });
    }
    let fields = Fields::parse(rest)?;
    Some(match word {
        "failed" => Event::Failed {
            probe,
            error: fields.value("error")?,
            started: fields.value("started")?,
        },
        "secured" => Event::Secured {
            probe,
            days_left: fields.value("days_left")?,
        },
        "exited" => {
            let exit = match fields.value("code") {
                Some(code) => Exit::Code(code),
                None => Exit::Signal(fields.value("signal")?),
            };
            Event::Exited { probe, exit }
        }
        _ => return None,
    })
}

fn answer(rest: &str, block: &str) -> Option<Result<Reading, Errno>> {
    if rest == "none" {
        return Some(Ok(None));
    }
    read_outcome(rest, |rest| {
        let service = Service::read(&Fields::parse(rest)?)?;
        let lines = block
            .lines()
            .map(|line| DestState::read(&Fields::parse(line)?));
        Some(Some((service, lines.collect::<Option<_>>()?)))
    })
}
