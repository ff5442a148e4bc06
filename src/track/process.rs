//! `vrrp_track_process`: enough processes of one name, and not too many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use log::info;

use super::{Condition, Context, Effect, Object, Timer};
use crate::config::{Config, ParameterMatch, TrackProcess};

/// All processes that somebody watches.
#[derive(Debug, Default)]
pub(super) struct Processes {
    watched: BTreeMap<u32, Watched>,
    last: u32,
    /// Somebody tells of every process that comes and goes.
    is_told: bool,
    is_watching: bool,
}

#[derive(Debug)]
struct Watched {
    config: TrackProcess,
    running: BTreeSet<u32>,
    /// What was told of it.
    is_up: Option<bool>,
}

/// What is known of processes.
#[derive(Clone, Copy, Debug)]
pub enum ProcessNews<'a> {
    /// All there are.
    All(&'a [Command]),
    /// One has begun, or has become another program.
    Is(&'a Command),
    /// One is a copy of another.
    Forked {
        parent: u32,
        child: u32,
    },
    Gone(u32),
    /// From now on every change is told, or no longer.
    Told(bool),
}

/// A process as it calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub pid: u32,
    /// The first 15 octets of the program's name.
    pub name: String,
    /// The words of its command line.
    pub words: Vec<String>,
}

impl Processes {
    pub(super) fn reload(&mut self, config: &Config, used: &BTreeSet<&str>, cx: &mut Context<'_>) {
        let wanted = config.processes.iter();
        let wanted = wanted.filter(|process| used.contains(process.name.as_str()));
        let mut old = std::mem::take(&mut self.watched);
        for config in wanted {
            let twin = old.iter().find(|(_, known)| known.config == *config);
            let twin = twin.map(|(id, _)| *id).and_then(|id| old.remove_entry(&id));
            let (id, watched) = twin.unwrap_or_else(|| {
                self.last += 1;
                (self.last, Watched::new(config))
            });
            self.watched.insert(id, watched);
        }
        for id in old.into_keys() {
            cx.timers.cancel(Timer::Process(id));
        }
        let is_watching = !self.watched.is_empty();
        if is_watching != self.is_watching {
            self.is_watching = is_watching;
            cx.out.push(Effect::WatchProcesses(is_watching));
        }
        if is_watching {
            self.look(cx);
        } else {
            self.is_told = false;
            cx.timers.cancel(Timer::ReadProcesses);
        }
    }

    /// Looks at all of them; again and again while nobody tells of them.
    pub(super) fn look(&self, cx: &mut Context<'_>) {
        cx.out.push(Effect::ReadProcesses);
        if !self.is_told {
            cx.timers.set(Timer::ReadProcesses, cx.now + INTERVAL);
        }
    }

    pub(super) fn on_news(&mut self, news: ProcessNews<'_>, cx: &mut Context<'_>) {
        match news {
            ProcessNews::Told(is_told) => {
                self.is_told = is_told;
                cx.timers.cancel(Timer::ReadProcesses);
                if self.is_watching {
                    self.look(cx);
                }
                return;
            }
            ProcessNews::All(commands) => {
                for watched in self.watched.values_mut() {
                    let matching = commands.iter().filter(|one| matches(&watched.config, one));
                    watched.running = matching.map(|command| command.pid).collect();
                }
            }
            ProcessNews::Is(command) => {
                for watched in self.watched.values_mut() {
                    if matches(&watched.config, command) {
                        watched.running.insert(command.pid);
                    } else {
                        watched.running.remove(&command.pid);
                    }
                }
            }
            ProcessNews::Forked { parent, child } => {
                for watched in self.watched.values_mut() {
                    if watched.running.contains(&parent) {
                        watched.running.insert(child);
                    }
                }
            }
            ProcessNews::Gone(pid) => {
                for watched in self.watched.values_mut() {
                    watched.running.remove(&pid);
                }
            }
        }
        for (id, watched) in &mut self.watched {
            watched.assess(*id, cx);
        }
    }

    /// A new count has lasted.
    pub(super) fn on_delay(&mut self, id: u32, cx: &mut Context<'_>) {
        if let Some(watched) = self.watched.get_mut(&id) {
            let is_enough = watched.is_enough();
            watched.declare(is_enough, cx);
        }
    }
}

impl Watched {
    fn new(config: &TrackProcess) -> Self {
        Self {
            config: config.clone(),
            running: BTreeSet::new(),
            is_up: None,
        }
    }

    fn is_enough(&self) -> bool {
        let count = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        let most = self.config.quorum_max.unwrap_or(u32::MAX);
        (self.config.quorum..=most).contains(&count)
    }

    /// A change counts when it has lasted; what is found at first counts at once.
    fn assess(&mut self, id: u32, cx: &mut Context<'_>) {
        let is_enough = self.is_enough();
        let timer = Timer::Process(id);
        if self.is_up.is_none() {
            self.declare(is_enough, cx);
        } else if self.is_up == Some(is_enough) {
            cx.timers.cancel(timer);
        } else if cx.timers.deadline_of(timer).is_none() {
            // One more can be too many.
            let delay = if self.is_growing() {
                self.config.fork_delay
            } else {
                self.config.terminate_delay
            };
            if delay.is_zero() {
                self.declare(is_enough, cx);
            } else {
                cx.timers.set(timer, cx.now + delay);
            }
        }
    }

    /// Whether it was a new process that made the difference.
    fn is_growing(&self) -> bool {
        let count = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        let is_too_many = self.config.quorum_max.is_some_and(|most| count > most);
        is_too_many || (self.is_up == Some(false) && self.is_enough())
    }

    fn declare(&mut self, is_up: bool, cx: &mut Context<'_>) {
        if self.is_up == Some(is_up) {
            return;
        }
        let name = &self.config.name;
        if self.is_up.is_some() {
            let word = if is_up { "gained" } else { "lost" };
            info!("Quorum {word} for tracked process {name}");
        }
        self.is_up = Some(is_up);
        let condition = if is_up {
            Condition::Up
        } else {
            Condition::Down
        };
        cx.tell(Object::Process(name.clone()), condition);
    }
}

fn matches(config: &TrackProcess, command: &Command) -> bool {
    if !config.full_command {
        return config.short_name().is_some_and(|name| command.name == name);
    }
    let Some((name, parameters)) = config.process.split_first() else {
        return false;
    };
    let Some((program, words)) = command.words.split_first() else {
        return false;
    };
    program == name && fits(config.parameters, parameters, words)
}

fn fits(how: ParameterMatch, wanted: &[String], words: &[String]) -> bool {
    match how {
        ParameterMatch::Any => true,
        ParameterMatch::Exact => words == wanted,
        ParameterMatch::Initial => words.starts_with(wanted),
        ParameterMatch::Partial => match wanted.split_last() {
            None => true,
            Some((last, others)) => {
                let word = words.get(others.len());
                words.starts_with(others)
                    && word.is_some_and(|word| word.starts_with(last.as_str()))
            }
        },
    }
}

/// As often are processes looked at where nobody tells of them.
const INTERVAL: Duration = Duration::from_secs(1);
