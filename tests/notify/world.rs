//! A machine that runs scripts when it is asked to, and ends them when the test says so.

use std::time::Duration;

use keepalived::child::{Exit, Kill, RunId};
use keepalived::config::{self, AnyHost};
use keepalived::errno::Errno;
use keepalived::notify::{
    Core, Effect, Event, Line, News, Notice, Order, Pipe, Sender, State, Subject, Transition,
};
use keepalived::time::Instant;

pub(crate) const SEC: Duration = Duration::from_secs(1);
pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) struct World {
    pub(crate) now: Instant,
    core: Core,
    /// The scripts that run, in the order of their start.
    running: Vec<(RunId, String)>,
    /// All that were ever started, as one line each.
    pub(crate) started: Vec<String>,
    pub(crate) kills: Vec<(String, Kill)>,
    /// Pipes that were opened (+) and closed (-).
    pub(crate) pipes: Vec<String>,
    pub(crate) lines: Vec<(Pipe, String)>,
    /// What was wanted of the line to the mail server.
    pub(crate) mail: Vec<Order>,
}

impl World {
    pub(crate) fn new(text: &str) -> Self {
        let mut world = Self {
            now: Instant::ZERO,
            core: Core::new(Sender {
                user: "root".to_owned(),
                host: "us.example.org".to_owned(),
            }),
            running: Vec::new(),
            started: Vec::new(),
            kills: Vec::new(),
            pipes: Vec::new(),
            lines: Vec::new(),
            mail: Vec::new(),
        };
        world.reload(text);
        world
    }

    pub(crate) fn reload(&mut self, text: &str) {
        let loaded = config::load_text("test.conf", text, &AnyHost);
        let config = loaded.config.unwrap();
        self.event(Event::Reload(&config));
    }

    pub(crate) fn instance(&mut self, name: &str, state: State, priority: u8) {
        let subject = Subject::Instance(name.to_owned());
        self.news(subject, state, priority);
    }

    pub(crate) fn group(&mut self, name: &str, state: State) {
        self.news(Subject::Group(name.to_owned()), state, 0);
    }

    fn news(&mut self, subject: Subject, state: State, priority: u8) {
        self.tell(News::Router(Transition {
            subject,
            state,
            priority,
        }));
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.tell(News::Director(notice));
    }

    fn tell(&mut self, news: News) {
        let date = format!("second {}", self.now.since(Instant::ZERO).as_secs());
        let date = date.as_str();
        self.event(Event::News { news, date });
    }

    /// What the mail server's end of the line tells.
    pub(crate) fn line(&mut self, line: Line<'_>) {
        self.event(Event::Mail(line));
    }

    pub(crate) fn reloaded(&mut self) {
        self.event(Event::Reloaded);
    }

    pub(crate) fn close(&mut self) {
        self.event(Event::End);
    }

    pub(crate) fn stop(&mut self) {
        self.event(Event::Stop);
    }

    /// Ends the script that was started first of those that run and have these words.
    pub(crate) fn end(&mut self, words: &str) {
        let run = self.take(words);
        let exit = Exit::SUCCESS;
        self.event(Event::Exited { run, exit });
    }

    /// The same for one that could not start.
    pub(crate) fn refuse(&mut self, words: &str) {
        let run = self.take(words);
        let error = Errno::ENOENT;
        self.event(Event::NotStarted { run, error });
    }

    fn take(&mut self, words: &str) -> RunId {
        let at = self.running.iter().position(|(_, known)| known == words);
        self.running.remove(at.expect("it runs")).0
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.core.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let mut effects = Vec::new();
            self.core.on_time(self.now, &mut effects);
            self.perform(effects);
        }
        self.now = end;
    }

    pub(crate) fn running(&self) -> Vec<&str> {
        self.running
            .iter()
            .map(|(_, words)| words.as_str())
            .collect()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.core.is_idle()
    }

    fn event(&mut self, event: Event<'_>) {
        let mut effects = Vec::new();
        self.core.on_event(self.now, event, &mut effects);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Run { run, script } => {
                    let words = script.argv.join(" ");
                    self.started.push(words.clone());
                    self.running.push((run, words));
                }
                Effect::Kill { run, kill } => {
                    let known = self.running.iter().find(|(known, _)| *known == run);
                    self.kills.push((known.unwrap().1.clone(), kill));
                }
                Effect::OpenPipe { pipe, path, .. } => self.pipes.push(format!("+{pipe:?} {path}")),
                Effect::ClosePipe(pipe) => self.pipes.push(format!("-{pipe:?}")),
                Effect::Write { pipe, line } => self.lines.push((pipe, line)),
                Effect::Mail(order) => self.mail.push(order),
            }
        }
    }
}
