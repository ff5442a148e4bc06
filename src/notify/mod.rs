//! Who is told of what happened: scripts, in order and one after the other for each subject. A
//! core like the others: events in, effects out; it starts nothing itself.
//!
//! The contract is that of every core: `now` never goes back, effects are performed in order and
//! before the next call, `on_time` too early does nothing.

mod news;
mod plan;
mod queue;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use log::{debug, info, warn};

use crate::child::{Exit, Kill, RunId};
use crate::config::{Config, Script};
use crate::errno::Errno;
use crate::time::{Instant, Timers};
use plan::Plan;
use queue::Queue;

pub use news::{News, State, Subject};

/// What happens to the core.
#[derive(Debug)]
pub enum Event<'a> {
    News(News),
    /// A program that was started has ended.
    Exited {
        run: RunId,
        exit: Exit,
    },
    /// A program could not be started. It was told of where it was tried.
    NotStarted {
        run: RunId,
        error: Errno,
    },
    /// A new configuration, before anybody else has it; the first one is the start.
    Reload(&'a Config),
    /// All is said; what is under way has a moment left.
    Stop,
}

/// What the core wants done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a program; it answers with `Exited` or `NotStarted`.
    Run { run: RunId, script: Script },
    /// To the program and all that it started.
    Kill { run: RunId, kill: Kill },
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

impl Default for Core {
    fn default() -> Self {
        Self::new()
    }
}

impl Core {
    /// Nothing configured yet.
    pub fn new() -> Self {
        Self {
            plan: Plan::default(),
            queues: BTreeMap::new(),
            runs: BTreeMap::new(),
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
            Event::News(news) => self.tell(news),
            Event::Exited { run, exit } => self.on_exit(run, Ok(exit)),
            Event::NotStarted { run, error } => self.on_exit(run, Err(error)),
            Event::Reload(config) => self.reload(config),
            Event::Stop => self.stop(now),
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
        self.start_ready(now, out);
    }

    /// When `on_time` has work next.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.queues.is_empty()
    }

    fn reload(&mut self, config: &Config) {
        let scripts = &config.global.scripts;
        self.patience = scripts.notify_timeout.unwrap_or(PATIENCE);
        self.kills = scripts.notify_kills;
        self.coalesces = scripts.notify_coalesce;
        self.plan.reload(config);
    }

    fn tell(&mut self, news: News) {
        let news = self.plan.translate(news);
        let jobs = self.plan.jobs(&news);
        if jobs.is_empty() {
            return;
        }
        let subject = news.subject;
        let queue = self.queues.entry(subject.clone()).or_default();
        if self.coalesces && news.state.is_state() {
            let superseded = queue.supersede();
            if superseded > 0 {
                info!(
                    "{subject} {superseded} notify scripts not run: superseded by {}",
                    news.state
                );
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
        self.look_at(subject);
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

    /// From here on scripts have a second in all, and each a part of it before the next one starts.
    fn stop(&mut self, now: Instant) {
        self.stopping = true;
        for run in self.runs.keys() {
            self.timers.set(Timer::Patience(*run), now + STOP_PATIENCE);
        }
        self.timers.set(Timer::Ask, now + STOP_LIMIT);
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
