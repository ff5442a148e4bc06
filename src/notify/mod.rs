//! Who is told of what happened: scripts, in order and one after the other for each subject, pipes,
//! and people by mail. A core like the others: events in, effects out; it starts and writes nothing
//! itself.
//!
//! The contract is that of every core: `now` never goes back, effects are performed in order and
//! before the next call, `on_time` too early does nothing.

mod mail;
mod news;
mod notice;
mod pipe;
mod plan;
mod queue;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use log::{debug, info, warn};

use crate::child::{Exit, Kill, RunId};
use crate::config::{Config, Fifo, Script, ScriptUser};
use crate::errno::Errno;
use crate::time::{Instant, Timers};
use mail::Mail;
use plan::Plan;
use queue::Queue;

pub use mail::{Line, Order, Sender};
pub use news::{News, State, Subject, Transition};
pub use notice::{Notice, Why};
pub use pipe::{Backlog, Pipe};

/// What happens to the core.
#[derive(Debug)]
pub enum Event<'a> {
    News {
        news: News,
        /// Now, as mails give it (RFC 5322 3.3).
        date: &'a str,
    },
    /// From the line to the mail server.
    Mail(Line<'a>),
    /// A program that was started has ended.
    Exited { run: RunId, exit: Exit },
    /// A program could not be started. It was told of where it was tried.
    NotStarted { run: RunId, error: Errno },
    /// A new configuration, before anybody else has it; the first one is the start.
    Reload(&'a Config),
    /// Everybody has the new configuration.
    Reloaded,
    /// All is said; what is under way has a moment left.
    Stop,
    /// The moment is over.
    End,
}

/// What the core wants done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a program; it answers with `Exited` or `NotStarted`.
    Run {
        run: RunId,
        script: Script,
    },
    /// To the program and all that it started.
    Kill {
        run: RunId,
        kill: Kill,
    },
    /// Open a pipe, and make it if it is not there.
    OpenPipe {
        pipe: Pipe,
        path: String,
        owner: Option<ScriptUser>,
    },
    ClosePipe(Pipe),
    /// One line; nobody waits until it is read.
    Write {
        pipe: Pipe,
        line: String,
    },
    /// For the line to the mail server.
    Mail(Order),
}

/// What the core waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// The end of the patience with a script.
    Patience(RunId),
    /// More scripts are to start than fit into one turn.
    Start,
    /// The end of the moment that scripts have at a stop.
    Ask,
    /// The end of what they have after they were asked to end.
    Force,
}

/// The core. See the module's contract.
#[derive(Debug)]
pub struct Core {
    plan: Plan,
    queues: BTreeMap<Subject, Queue>,
    /// The subjects of the scripts that run.
    runs: BTreeMap<RunId, Subject>,
    pipes: BTreeMap<Pipe, Fifo>,
    /// The scripts that read pipes.
    readers: BTreeMap<RunId, Pipe>,
    mail: Mail,
    /// The last state of instances and groups, for who wants to hear it again.
    states: BTreeMap<Subject, News>,
    repeats: bool,
    /// The subjects that have a script to start, each once.
    ready: VecDeque<Subject>,
    timers: Timers<Timer>,
    last_run: u64,
    patience: Duration,
    kills: bool,
    coalesces: bool,
    stopping: bool,
    /// Scripts that were not run since there was no room.
    lost: u64,
}

impl Core {
    /// Nothing configured yet. `sender` is who mails are from where nothing says it.
    pub fn new(sender: Sender) -> Self {
        Self {
            plan: Plan::default(),
            queues: BTreeMap::new(),
            runs: BTreeMap::new(),
            pipes: BTreeMap::new(),
            readers: BTreeMap::new(),
            mail: Mail::new(sender),
            states: BTreeMap::new(),
            repeats: false,
            ready: VecDeque::new(),
            timers: Timers::new(),
            last_run: 0,
            patience: PATIENCE,
            kills: false,
            coalesces: false,
            stopping: false,
            lost: 0,
        }
    }

    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Effect>) {
        match event {
            Event::News { news, date } => self.tell(now, news, date, out),
            Event::Mail(line) => self.mail(out, |mail, orders| mail.on_line(now, line, orders)),
            Event::Exited { run, exit } => self.on_exit(run, Ok(exit)),
            Event::NotStarted { run, error } => self.on_exit(run, Err(error)),
            Event::Reload(config) => self.reload(now, config, out),
            Event::Reloaded => self.repeat(out),
            Event::Stop => self.stop(now, out),
            Event::End => self.close(out),
        }
        self.start_ready(now, out);
    }

    /// All timers due at `now`.
    pub fn on_time(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Patience(run) => self.overtake(run, out),
                Timer::Start => {}
                Timer::Ask => self.end(now, Kill::Ask, out),
                Timer::Force => self.end(now, Kill::Force, out),
            }
        }
        self.mail(out, |mail, orders| mail.on_time(now, orders));
        self.start_ready(now, out);
    }

    /// When `on_time` has work next.
    pub fn deadline(&self) -> Option<Instant> {
        let times = [self.timers.next(), self.mail.deadline()];
        times.into_iter().flatten().min()
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.queues.is_empty() && self.mail.is_idle()
    }

    fn reload(&mut self, now: Instant, config: &Config, out: &mut Vec<Effect>) {
        let scripts = &config.global.scripts;
        self.patience = scripts.notify_timeout.unwrap_or(PATIENCE);
        self.kills = scripts.notify_kills;
        self.coalesces = scripts.notify_coalesce;
        self.repeats = config.global.fifos.states_on_reload;
        self.plan.reload(config);
        self.mail(out, |mail, orders| mail.reload(now, config, orders));
        for pipe in Pipe::ALL {
            self.exchange_pipe(pipe, pipe.of(config), out);
        }
    }

    /// A pipe that stays is not touched, and neither is who reads it.
    fn exchange_pipe(&mut self, pipe: Pipe, new: &Fifo, out: &mut Vec<Effect>) {
        let old = self.pipes.get(&pipe);
        let stays = old.is_some_and(|old| old.path == new.path && old.owner == new.owner);
        let is_read = self.readers.values().any(|read| *read == pipe);
        let same_reader = old.is_some_and(|old| old.reader == new.reader);
        if !(stays && same_reader) {
            self.end_reader(pipe, out);
        }
        if !stays && self.pipes.remove(&pipe).is_some() {
            out.push(Effect::ClosePipe(pipe));
        }
        let Some(path) = new.path.clone() else {
            return;
        };
        self.pipes.insert(pipe, new.clone());
        if !stays {
            let owner = new.owner.clone();
            out.push(Effect::OpenPipe { pipe, path, owner });
        }
        if let Some(script) = pipe::reader(new).filter(|_| !(stays && same_reader && is_read)) {
            self.last_run += 1;
            let run = RunId(self.last_run);
            self.readers.insert(run, pipe);
            out.push(Effect::Run { run, script });
        }
    }

    fn end_reader(&mut self, pipe: Pipe, out: &mut Vec<Effect>) {
        let readers = self.readers.iter();
        let runs = readers
            .filter(|(_, read)| **read == pipe)
            .map(|(run, _)| *run);
        for run in runs.collect::<Vec<_>>() {
            self.readers.remove(&run);
            let kill = Kill::Ask;
            out.push(Effect::Kill { run, kill });
        }
    }

    /// `fifo_write_vrrp_states_on_reload`.
    fn repeat(&mut self, out: &mut Vec<Effect>) {
        let plan = &self.plan;
        self.states.retain(|subject, _| plan.knows(subject));
        if self.repeats {
            for news in self.states.values() {
                self.write(news, out);
            }
        }
    }

    fn write(&self, news: &News, out: &mut Vec<Effect>) {
        for pipe in self.pipes.keys().filter(|pipe| pipe.takes(news)) {
            let line = format!("{news}\n");
            out.push(Effect::Write { pipe: *pipe, line });
        }
    }

    fn mail(&mut self, out: &mut Vec<Effect>, work: impl FnOnce(&mut Mail, &mut Vec<Order>)) {
        let mut orders = Vec::new();
        work(&mut self.mail, &mut orders);
        out.extend(orders.into_iter().map(Effect::Mail));
    }

    fn tell(&mut self, now: Instant, news: News, date: &str, out: &mut Vec<Effect>) {
        let news = self.plan.translate(news);
        self.mail(out, |mail, orders| mail.on_news(now, &news, date, orders));
        let Some(subject) = news.subject() else {
            return;
        };
        self.write(&news, out);
        self.queue(&subject, &news);
        if matches!(news, News::Router(_)) && news.is_state() {
            self.states.insert(subject, news);
        }
    }

    fn queue(&mut self, subject: &Subject, news: &News) {
        let jobs = self.plan.jobs(subject, news);
        if jobs.is_empty() {
            return;
        }
        let queue = self.queues.entry(subject.clone()).or_default();
        if self.coalesces && news.is_state() {
            let superseded = queue.supersede();
            if superseded > 0 {
                info!("{subject} {superseded} notify scripts not run: superseded by {news}");
            }
        }
        for job in jobs {
            if !queue.add(job) {
                self.lost += 1;
                warn!(
                    "{subject} too many notify scripts wait - {} not run so far",
                    self.lost
                );
            }
        }
        self.look_at(subject.clone());
    }

    /// Notes that a subject may have something to start.
    fn look_at(&mut self, subject: Subject) {
        let Some(queue) = self.queues.get(&subject) else {
            return;
        };
        if queue.is_empty() {
            self.queues.remove(&subject);
        } else if queue.may_start() && !self.ready.contains(&subject) {
            self.ready.push_back(subject);
        }
    }

    fn start_ready(&mut self, now: Instant, out: &mut Vec<Effect>) {
        for _ in 0..STARTS_PER_TURN {
            let Some(subject) = self.ready.pop_front() else {
                return;
            };
            let run = RunId(self.last_run + 1);
            let queue = self.queues.get_mut(&subject);
            let Some(job) = queue.and_then(|queue| queue.start(run)) else {
                continue;
            };
            self.last_run += 1;
            out.push(Effect::Run {
                run,
                script: job.command(),
            });
            self.runs.insert(run, subject);
            let patience = if self.stopping {
                STOP_PATIENCE
            } else {
                self.patience
            };
            self.timers.set(Timer::Patience(run), now + patience);
        }
        if !self.ready.is_empty() {
            self.timers.set(Timer::Start, now + BREATH);
        }
    }

    fn on_exit(&mut self, run: RunId, outcome: Result<Exit, Errno>) {
        self.timers.cancel(Timer::Patience(run));
        if let Some(pipe) = self.readers.remove(&run) {
            warn!("{} script terminated", pipe.title());
            return;
        }
        let Some(subject) = self.runs.remove(&run) else {
            return;
        };
        let queue = self.queues.get_mut(&subject);
        if let Some(job) = queue.and_then(|queue| queue.ended(run)) {
            match outcome {
                Ok(Exit::SUCCESS) => debug!("{subject} notify script {job} succeeded"),
                Ok(exit) => info!("{subject} notify script {job} {exit}"),
                // It was told of where it was tried.
                Err(_) => {}
            }
        }
        self.look_at(subject);
    }

    /// A script has run for too long: the next one does not wait for it.
    fn overtake(&mut self, run: RunId, out: &mut Vec<Effect>) {
        let Some(subject) = self.runs.get(&run).cloned() else {
            return;
        };
        let kills = self.kills && !self.stopping;
        let queue = self.queues.get_mut(&subject);
        if let Some(job) = queue.and_then(|queue| queue.overtake(run)) {
            if kills {
                warn!("{subject} notify script {job} takes too long, it is killed");
                let kill = Kill::Force;
                out.push(Effect::Kill { run, kill });
            } else {
                warn!(
                    "{subject} notify script {job} takes too long, the next does not wait for it"
                );
            }
        }
        self.look_at(subject);
    }

    /// From here on scripts and mails have a second in all, and each script a part of it before the
    /// next one starts.
    fn stop(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.stopping = true;
        for run in self.runs.keys() {
            self.timers.set(Timer::Patience(*run), now + STOP_PATIENCE);
        }
        self.timers.set(Timer::Ask, now + STOP_LIMIT);
        self.mail(out, |mail, orders| mail.stop(now, orders));
    }

    /// Who reads a pipe has read what there was to read.
    fn close(&mut self, out: &mut Vec<Effect>) {
        for pipe in std::mem::take(&mut self.pipes).into_keys() {
            self.end_reader(pipe, out);
            out.push(Effect::ClosePipe(pipe));
        }
    }

    fn end(&mut self, now: Instant, kill: Kill, out: &mut Vec<Effect>) {
        for (subject, queue) in &self.queues {
            if kill == Kill::Ask && queue.waiting() > 0 {
                warn!(
                    "{subject} {} notify scripts not run before the end",
                    queue.waiting()
                );
            }
            out.extend(queue.running().map(|run| Effect::Kill { run, kill }));
        }
        self.ready.clear();
        if kill == Kill::Ask {
            self.timers.set(Timer::Force, now + KILL_DELAY);
        } else {
            self.queues.clear();
            self.runs.clear();
            self.mail(out, |mail, orders| mail.end(orders));
        }
    }
}

/// `notify_timeout` where it is not given.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a script at a stop may hold up the next one.
const STOP_PATIENCE: Duration = Duration::from_millis(300);
/// As keepalived has it.
const STOP_LIMIT: Duration = Duration::from_secs(1);
/// Between SIGTERM and SIGKILL at the end.
const KILL_DELAY: Duration = Duration::from_millis(100);
/// A start takes a good part of a millisecond. Adverts come first when a thousand groups change.
const STARTS_PER_TURN: usize = 16;
const BREATH: Duration = Duration::from_millis(1);
