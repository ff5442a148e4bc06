//! What instances watch beside interfaces: scripts, files and processes, and how each does. A core
//! like the others: events in, effects out; it starts and reads nothing itself. What a condition
//! makes of a priority is the business of those who watch.

mod file;
mod process;
mod script;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::child::{Exit, Kill, RunId};
use crate::config::{Config, Probe, Script, Tracked};
use crate::errno::Errno;
use crate::time::{Instant, Timers};
use file::Files;
use process::Processes;
use script::Scripts;

pub use process::{Command, ProcessNews};

/// Something whose condition counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    Interface(String),
    Script(String),
    File(String),
    Process(String),
    Bfd(String),
}

/// How an object does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Up,
    Down,
    /// The number in a file.
    Value(i64),
}

/// What happens to the core.
#[derive(Debug)]
pub enum Event<'a> {
    /// A new configuration; the first one is the start.
    Reload(&'a Config),
    /// A script has ended.
    Exited {
        run: RunId,
        exit: Exit,
    },
    /// A script could not be started. It was told of where it was tried.
    NotStarted {
        run: RunId,
        error: Errno,
    },
    /// A watched file has been looked at: its first octets, or None when there is none.
    File {
        path: &'a str,
        content: Option<&'a [u8]>,
    },
    /// A file cannot be watched, or no longer: its directory is not there.
    Unwatched {
        path: &'a str,
    },
    Process(ProcessNews<'a>),
    /// The daemon stops.
    Stop,
}

/// What the core wants done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// An object does so, for the first time or anew.
    Tell {
        object: Object,
        condition: Condition,
    },
    /// Start a script; it answers with `Exited` or `NotStarted`.
    Run {
        run: RunId,
        script: Script,
    },
    /// Find out whether something answers; it ends as a script does.
    Reach {
        run: RunId,
        /// As the configuration says it.
        name: String,
        to: SocketAddr,
        probe: Probe,
    },
    /// It does not die, though it was killed: that is to be told with its number.
    Complain {
        run: RunId,
        name: String,
    },
    /// To the script and all that it started.
    Kill {
        run: RunId,
        kill: Kill,
    },
    /// Make the file, and its content this number.
    MakeFile {
        path: String,
        value: i32,
        overwrite: bool,
    },
    /// Watch a file; it answers with `File` at once and at every change, or with `Unwatched`.
    WatchFile {
        path: String,
    },
    ForgetFile {
        path: String,
    },
    /// Tell of processes that come and go, or no longer.
    WatchProcesses(bool),
    /// Look at all processes; it answers with `Process`.
    ReadProcesses,
}

/// What the core waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Script(u32, script::Alarm),
    /// Files whose directory was not there are tried again.
    Files,
    /// The new count of a process has lasted.
    Process(u32),
    /// Processes are looked at: nobody tells of them.
    ReadProcesses,
}

/// The core.
#[derive(Debug)]
pub struct Core {
    timers: Timers<Timer>,
    scripts: Scripts,
    files: Files,
    processes: Processes,
}

impl Default for Core {
    fn default() -> Self {
        Self::new()
    }
}

impl Core {
    /// Nothing configured yet.
    pub fn new() -> Self {
        Self {
            timers: Timers::new(),
            scripts: Scripts::default(),
            files: Files::default(),
            processes: Processes::default(),
        }
    }

    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Effect>) {
        let mut cx = Context {
            now,
            timers: &mut self.timers,
            out,
        };
        match event {
            Event::Reload(config) => {
                let used = Used::new(config);
                self.scripts.reload(config, &used.scripts, &mut cx);
                self.files.reload(config, &used.files, &mut cx);
                self.processes.reload(config, &used.processes, &mut cx);
            }
            Event::Exited { run, exit } => self.scripts.on_exit(run, exit, &mut cx),
            Event::NotStarted { run, .. } => {
                self.scripts.on_exit(run, script::NOT_STARTED, &mut cx);
            }
            Event::File { path, content } => self.files.on_content(path, content, &mut cx),
            Event::Unwatched { path } => self.files.on_unwatched(path, &mut cx),
            Event::Process(news) => self.processes.on_news(news, &mut cx),
            Event::Stop => {
                self.scripts.stop(&mut cx);
                self.timers = Timers::new();
            }
        }
    }

    /// All timers due at `now`.
    pub fn on_time(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some(timer) = self.timers.pop_due(now) {
            let mut cx = Context {
                now,
                timers: &mut self.timers,
                out,
            };
            match timer {
                Timer::Script(script, alarm) => self.scripts.on_alarm(script, alarm, &mut cx),
                Timer::Files => self.files.watch_again(&mut cx),
                Timer::Process(process) => self.processes.on_delay(process, &mut cx),
                Timer::ReadProcesses => self.processes.look(&mut cx),
            }
        }
    }

    /// When `on_time` has work next.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }
}

/// What the parts of the core work with while they handle one event.
#[derive(Debug)]
struct Context<'a> {
    now: Instant,
    timers: &'a mut Timers<Timer>,
    out: &'a mut Vec<Effect>,
}

impl Context<'_> {
    fn tell(&mut self, object: Object, condition: Condition) {
        self.out.push(Effect::Tell { object, condition });
    }
}

/// The names of what somebody watches: nothing else is looked at.
#[derive(Debug, Default)]
struct Used<'a> {
    scripts: BTreeSet<&'a str>,
    files: BTreeSet<&'a str>,
    processes: BTreeSet<&'a str>,
}

impl<'a> Used<'a> {
    fn new(config: &'a Config) -> Self {
        let mut used = Self::default();
        let instances = config.instances.iter().map(|instance| &instance.track);
        let groups = config.sync_groups.iter().map(|group| &group.track);
        for tracks in instances.chain(groups) {
            let names = |list: &'a [Tracked]| list.iter().map(|tracked| tracked.name.as_str());
            used.scripts.extend(names(&tracks.scripts));
            used.files.extend(names(&tracks.files));
            used.processes.extend(names(&tracks.processes));
        }
        let services = config.virtual_servers.iter();
        let servers = services.flat_map(|service| &service.real_servers);
        for checker in servers.flat_map(|server| &server.checkers) {
            if let Probe::File { track_file, .. } = &checker.check.probe {
                used.files.insert(track_file);
            }
        }
        used
    }
}
