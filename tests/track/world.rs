//! A machine that runs scripts, has files and processes, and tells what became of them.

use std::time::Duration;

use keepalived::child::{Exit, Kill, RunId};
use keepalived::config::{self, AnyHost};
use keepalived::time::Instant;
use keepalived::track::{Command, Condition, Core, Effect, Event, Object, ProcessNews};

pub(crate) const SEC: Duration = Duration::from_secs(1);
pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) struct World {
    pub(crate) now: Instant,
    core: Core,
    /// The script that runs, and the time of its start.
    pub(crate) runs: Vec<(RunId, Duration)>,
    pub(crate) kills: Vec<(Duration, Kill)>,
    told: Vec<(Object, Condition)>,
    asked: Vec<String>,
    /// Everything else, as one word each.
    pub(crate) wanted: Vec<String>,
}

impl World {
    /// An instance that watches everything of `blocks`; `tracks` are its lines.
    pub(crate) fn new(blocks: &str, tracks: &str) -> Self {
        let mut world = Self {
            now: Instant::ZERO,
            core: Core::new(),
            runs: Vec::new(),
            kills: Vec::new(),
            told: Vec::new(),
            asked: Vec::new(),
            wanted: Vec::new(),
        };
        world.reload(blocks, tracks);
        world
    }

    pub(crate) fn reload(&mut self, blocks: &str, tracks: &str) {
        let text = format!(
            "global_defs {{\n enable_script_security\n script_user root\n}}\n{blocks}\n\
             vrrp_instance V {{\n interface eth0\n virtual_router_id 51\n \
             virtual_ipaddress {{ 10.0.0.100 }}\n{tracks}\n}}\n"
        );
        let loaded = config::load_text("test.conf", &text, &AnyHost);
        let config = loaded.config.unwrap();
        self.event(Event::Reload(&config));
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

    /// The script that runs ends.
    pub(crate) fn end(&mut self, exit: Exit) {
        let (run, _) = self.runs.pop().expect("it runs");
        self.event(Event::Exited { run, exit });
    }

    /// The same script is run as often as there are results, each in the next second.
    pub(crate) fn results(&mut self, codes: &[i32]) {
        for code in codes {
            self.end(Exit::Code(*code));
            self.run(SEC);
        }
    }

    /// What was to answer, each time it was asked.
    pub(crate) fn asked(&self) -> &[String] {
        &self.asked
    }

    pub(crate) fn file(&mut self, path: &str, content: Option<&str>) {
        let content = content.map(str::as_bytes);
        self.event(Event::File { path, content });
    }

    pub(crate) fn unwatched(&mut self, path: &str) {
        self.event(Event::Unwatched { path });
    }

    pub(crate) fn process(&mut self, news: ProcessNews<'_>) {
        self.event(Event::Process(news));
    }

    pub(crate) fn stop(&mut self) {
        self.event(Event::Stop);
    }

    /// What was told since the last call.
    pub(crate) fn told(&mut self) -> Vec<Condition> {
        self.told
            .drain(..)
            .map(|(_, condition)| condition)
            .collect()
    }

    pub(crate) fn event(&mut self, event: Event<'_>) {
        let mut effects = Vec::new();
        self.core.on_event(self.now, event, &mut effects);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        let now = self.now.since(Instant::ZERO);
        for effect in effects {
            match effect {
                Effect::Run { run, .. } => self.runs.push((run, now)),
                Effect::Reach { run, name, .. } => {
                    self.runs.push((run, now));
                    self.asked.push(name);
                }
                Effect::Kill { kill, .. } => self.kills.push((now, kill)),
                Effect::Tell { object, condition } => self.told.push((object, condition)),
                other => self.wanted.push(format!("{other:?}")),
            }
        }
    }
}

pub(crate) fn command(pid: u32, words: &[&str]) -> Command {
    let name = words[0].rsplit('/').next().unwrap();
    Command {
        pid,
        name: name.chars().take(15).collect(),
        words: words.iter().map(ToString::to_string).collect(),
    }
}
