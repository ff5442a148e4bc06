//! The driver of the track core: children, files and processes to `track::Event`, `track::Effect`
//! to `sys`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use log::{debug, error};
use mio::Token;

use super::children::Owner;
use super::logging::VRRP;
use super::notify::Tools;
use super::reach::{self, Reach};
use super::reactor::{Reactor, Ready, Source};
use crate::check::ProbeId;
use crate::child::{Exit, RunId};
use crate::config::{Config, lossless};
use crate::errno::Errno;
use crate::sys::watch::{self, Change, Connector, Directories, DirectoryId, ProcessName};
use crate::time::Instant;
use crate::track::{Command, Condition, Core, Effect, Event, Object, ProcessNews};
use crate::wire::connector::ProcessEvent;

#[derive(Debug)]
pub(super) struct Driver {
    core: Core,
    files: Files,
    connector: Option<(Connector, Token)>,
    reach: Reach,
    /// What effects led to, to be told to the core in order.
    inbox: VecDeque<Answer>,
    effects: Vec<Effect>,
    /// What the VRRP core has to know.
    told: Vec<(Object, Condition)>,
}

/// The directories that are watched, each for the sake of some files.
#[derive(Debug, Default)]
struct Files {
    directories: Option<(Directories, Token)>,
    watched: BTreeMap<DirectoryId, BTreeSet<String>>,
    /// Told of once: on file systems where nobody hears of changes.
    refused: BTreeSet<String>,
}

#[derive(Debug)]
enum Answer {
    NotStarted(RunId, Errno),
    Exited(RunId, Exit),
    /// A file is to be looked at.
    File(String),
    Unwatched(String),
    Processes,
    Told(bool),
}

impl Driver {
    pub(super) fn new() -> Self {
        Self {
            core: Core::new(),
            files: Files::default(),
            connector: None,
            reach: Reach::new(),
            inbox: VecDeque::new(),
            effects: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(super) fn reload(&mut self, now: Instant, config: &Config, tools: &mut Tools<'_>) {
        self.tell(now, Event::Reload(config), tools);
    }

    pub(super) fn on_exit(&mut self, now: Instant, run: RunId, exit: Exit, tools: &mut Tools<'_>) {
        self.tell(now, Event::Exited { run, exit }, tools);
    }

    pub(super) fn stop(&mut self, now: Instant, tools: &mut Tools<'_>) {
        self.tell(now, Event::Stop, tools);
    }

    pub(super) fn on_time(&mut self, now: Instant, tools: &mut Tools<'_>) {
        self.core.on_time(now, &mut self.effects);
        self.settle(now, tools);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.core.deadline()
    }

    /// How objects do, as far as it has changed since the last call.
    pub(super) fn take_told(&mut self) -> Vec<(Object, Condition)> {
        std::mem::take(&mut self.told)
    }

    /// Something happened in a directory.
    pub(super) fn on_files(&mut self, now: Instant, token: Token, tools: &mut Tools<'_>) {
        for _ in 0..READS_PER_TURN {
            match self.files.recv() {
                None => return self.settle(now, tools),
                Some(answers) => self.inbox.extend(answers),
            }
        }
        self.settle(now, tools);
        tools.reactor.again(token);
    }

    /// The socket of a tracker is ready.
    pub(super) fn on_reach(
        &mut self,
        now: Instant,
        probe: ProbeId,
        ready: (Token, Ready),
        tools: &mut Tools<'_>,
    ) {
        if let Some((run, exit)) = self.reach.on_ready(now, probe, ready, tools.reactor) {
            self.tell(now, Event::Exited { run, exit }, tools);
        }
    }

    /// Processes came or went.
    pub(super) fn on_processes(&mut self, now: Instant, token: Token, tools: &mut Tools<'_>) {
        for _ in 0..READS_PER_TURN {
            let Some((connector, _)) = &self.connector else {
                return;
            };
            match connector.recv() {
                Ok(None) => return,
                Ok(Some(event)) => self.on_process(now, event, tools),
                Err(Errno::ENOBUFS) => {
                    self.inbox.push_back(Answer::Processes);
                    self.settle(now, tools);
                }
                Err(error) => {
                    error!(target: VRRP, "cannot read process events: {error}");
                    self.inbox.push_back(Answer::Told(false));
                    return self.settle(now, tools);
                }
            }
        }
        tools.reactor.again(token);
    }

    fn on_process(&mut self, now: Instant, event: ProcessEvent, tools: &mut Tools<'_>) {
        let news = match event {
            ProcessEvent::Forked { parent, child } => ProcessNews::Forked { parent, child },
            ProcessEvent::Ended(pid) => ProcessNews::Gone(pid),
            ProcessEvent::Changed(pid) => {
                let command = watch::process(pid).map(command);
                let news = command.as_ref().map(ProcessNews::Is);
                let news = news.unwrap_or(ProcessNews::Gone(pid));
                return self.tell(now, Event::Process(news), tools);
            }
            ProcessEvent::Answer(error) => ProcessNews::Told(error == 0),
        };
        self.tell(now, Event::Process(news), tools);
    }

    fn tell(&mut self, now: Instant, event: Event<'_>, tools: &mut Tools<'_>) {
        self.core.on_event(now, event, &mut self.effects);
        self.settle(now, tools);
    }

    fn settle(&mut self, now: Instant, tools: &mut Tools<'_>) {
        loop {
            for effect in std::mem::take(&mut self.effects) {
                self.perform(now, effect, tools);
            }
            let Some(answer) = self.inbox.pop_front() else {
                return;
            };
            self.answer(now, answer);
        }
    }

    fn answer(&mut self, now: Instant, answer: Answer) {
        let out = &mut self.effects;
        match answer {
            Answer::NotStarted(run, error) => {
                self.core
                    .on_event(now, Event::NotStarted { run, error }, out);
            }
            Answer::Exited(run, exit) => {
                self.core.on_event(now, Event::Exited { run, exit }, out);
            }
            Answer::File(path) => {
                let content = watch::first_octets(&place(&path), OCTETS);
                let (path, content) = (path.as_str(), content.as_deref());
                self.core.on_event(now, Event::File { path, content }, out);
            }
            Answer::Unwatched(path) => {
                self.core
                    .on_event(now, Event::Unwatched { path: &path }, out);
            }
            Answer::Processes => {
                let all: Vec<_> = watch::processes().into_iter().map(command).collect();
                let news = ProcessNews::All(&all);
                self.core.on_event(now, Event::Process(news), out);
            }
            Answer::Told(told) => {
                let news = ProcessNews::Told(told);
                self.core.on_event(now, Event::Process(news), out);
            }
        }
    }

    fn perform(&mut self, now: Instant, effect: Effect, tools: &mut Tools<'_>) {
        match effect {
            Effect::Tell { object, condition } => self.told.push((object, condition)),
            Effect::Run { run, script } => {
                if let Err(error) = tools
                    .children
                    .run(Owner::Track(run), &script, tools.reactor)
                {
                    self.inbox.push_back(Answer::NotStarted(run, error));
                }
            }
            Effect::Reach {
                run,
                name,
                to,
                probe,
            } => {
                let reactor = &mut *tools.reactor;
                let exit = self.reach.start(now, run, name, (to, probe), reactor);
                self.inbox
                    .extend(exit.map(|exit| Answer::Exited(run, exit)));
            }
            Effect::Complain { run, name } => {
                tools.children.complain(Owner::Track(run), &name);
            }
            Effect::Kill { run, kill } => {
                if self.reach.give_up(run, tools.reactor) {
                    self.inbox.push_back(Answer::Exited(run, reach::GIVEN_UP));
                } else {
                    tools.children.kill(Owner::Track(run), kill);
                }
            }
            Effect::MakeFile {
                path,
                value,
                overwrite,
            } => {
                let content = format!("{value}\n");
                if let Err(error) = watch::make_file(&place(&path), content.as_bytes(), overwrite) {
                    error!(target: VRRP, "Unable to create track file {path}: {error}");
                }
            }
            Effect::WatchFile { path } => {
                let is_watched = self.files.watch(&path, tools.reactor);
                self.inbox.push_back(if is_watched {
                    Answer::File(path)
                } else {
                    Answer::Unwatched(path)
                });
            }
            Effect::ForgetFile { path } => self.files.forget(&path),
            Effect::WatchProcesses(true) => self.listen(tools.reactor),
            Effect::WatchProcesses(false) => {
                if let Some((connector, token)) = self.connector.take() {
                    tools.reactor.forget(&connector, token);
                }
            }
            Effect::ReadProcesses => self.inbox.push_back(Answer::Processes),
        }
    }

    fn listen(&mut self, reactor: &mut Reactor) {
        let opened = Connector::open().and_then(|connector| {
            let watched = reactor.watch_readable(&connector, Source::Processes);
            watched
                .map(|token| (connector, token))
                .map_err(|error| Errno::of(&error))
        });
        match opened {
            Ok(open) => self.connector = Some(open),
            Err(error) => {
                debug!(target: VRRP, "no process events, looking at /proc instead: {error}");
            }
        }
    }
}

impl Files {
    /// False when it cannot be watched.
    fn watch(&mut self, path: &str, reactor: &mut Reactor) -> bool {
        let place = place(path);
        let directory = place
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        if !watch::tells_of_changes(directory) {
            if self.refused.insert(path.to_owned()) {
                error!(target: VRRP, "Unable to track {path}: its file system tells of no changes");
            }
            return false;
        }
        let Some(directories) = self.directories(reactor) else {
            return false;
        };
        match directories.add(directory) {
            Ok(id) => {
                self.watched.entry(id).or_default().insert(path.to_owned());
                true
            }
            Err(error) => {
                debug!(target: VRRP, "cannot watch the directory of {path}: {error}");
                false
            }
        }
    }

    fn directories(&mut self, reactor: &mut Reactor) -> Option<&Directories> {
        if self.directories.is_none() {
            let opened = Directories::open().and_then(|directories| {
                let watched = reactor.watch_readable(&directories, Source::Files);
                watched
                    .map(|token| (directories, token))
                    .map_err(|error| Errno::of(&error))
            });
            match opened {
                Ok(open) => self.directories = Some(open),
                Err(error) => error!(target: VRRP, "cannot watch files: {error}"),
            }
        }
        self.directories
            .as_ref()
            .map(|(directories, _)| directories)
    }

    fn forget(&mut self, path: &str) {
        for files in self.watched.values_mut() {
            files.remove(path);
        }
        let Some((directories, _)) = &self.directories else {
            return;
        };
        self.watched.retain(|id, files| {
            if files.is_empty() {
                directories.remove(*id);
            }
            !files.is_empty()
        });
    }

    /// What the next changes are to lead to; None when there are none.
    fn recv(&mut self) -> Option<Vec<Answer>> {
        let (directories, _) = self.directories.as_ref()?;
        let changes = match directories.recv() {
            Ok(changes) => changes?,
            Err(error) => {
                error!(target: VRRP, "cannot read changes of files: {error}");
                return None;
            }
        };
        let mut answers = Vec::new();
        for change in changes {
            match change {
                Change::File(id, name) => {
                    let files = self.watched.get(&id).into_iter().flatten();
                    let named = files.filter(|path| has_name(path, &name));
                    answers.extend(named.cloned().map(Answer::File));
                }
                Change::Gone(id) => {
                    let files = self.watched.remove(&id).into_iter().flatten();
                    answers.extend(files.map(Answer::Unwatched));
                    directories.remove(id);
                }
                Change::Overflow => {
                    let files = self.watched.values().flatten();
                    answers.extend(files.cloned().map(Answer::File));
                }
            }
        }
        Some(answers)
    }
}

fn has_name(path: &str, name: &OsStr) -> bool {
    place(path).file_name() == Some(name)
}

fn place(path: &str) -> PathBuf {
    PathBuf::from(OsString::from_vec(lossless::encode(path)))
}

fn command(process: ProcessName) -> Command {
    Command {
        pid: process.pid,
        name: lossless::decode(&process.name),
        words: process
            .words
            .iter()
            .map(|word| lossless::decode(word))
            .collect(),
    }
}

/// What a file is looked at: keepalived's 127, and one more to see that there is more.
const OCTETS: u64 = 128;
/// Whoever writes or forks without end is heard in the next turn, too.
const READS_PER_TURN: usize = 64;
