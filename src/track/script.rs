//! `vrrp_script`: a program that is run again and again, and whose exit status counts. One that
//! takes too long is asked to end, then killed, and has failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use log::info;

use super::{Condition, Context, Effect, Object, Timer};
use crate::child::{Exit, Kill, RunId};
use crate::config::{Config, Trial, VrrpScript};

/// All scripts that somebody watches.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    scripts: BTreeMap<u32, Script>,
    runs: BTreeMap<RunId, u32>,
    last_script: u32,
    last_run: u64,
}

/// The timers of one script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Alarm {
    /// The next run.
    Tick,
    /// The run takes too long, or does not end when it is asked to.
    Limit,
}

#[derive(Debug)]
struct Script {
    config: VrrpScript,
    /// Up from `rise` on; at most `rise` + `fall` - 1.
    result: u32,
    /// What was told of it.
    is_up: Option<bool>,
    last_exit: Exit,
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    id: RunId,
    patience: Patience,
}

/// How long a run may still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    InTime,
    /// It was asked to end.
    Asked,
    /// It was killed.
    Killed,
    /// It does not even die; perhaps it waits for a disk.
    Undead,
}

impl Scripts {
    pub(super) fn reload(&mut self, config: &Config, used: &BTreeSet<&str>, cx: &mut Context<'_>) {
        let wanted = config.scripts.iter();
        let wanted = wanted.filter(|script| used.contains(script.name.as_str()));
        let mut old = std::mem::take(&mut self.scripts);
        for config in wanted {
            let twin = old
                .iter()
                .find(|(_, known)| known.config.name == config.name);
            let twin = twin.map(|(id, _)| *id).and_then(|id| old.remove_entry(&id));
            match twin {
                Some((id, known)) if known.config.trial == config.trial => {
                    self.keep(id, known, config, cx);
                }
                replaced => {
                    self.begin(config, cx);
                    old.extend(replaced);
                }
            }
        }
        for (id, script) in old {
            self.drop_script(id, &script, cx);
        }
    }

    /// The same program as before keeps its result, whatever else has changed.
    fn keep(&mut self, id: u32, mut known: Script, new: &VrrpScript, cx: &mut Context<'_>) {
        let interval = known.config.interval;
        known.config = new.clone();
        if let Some(is_up) = known.is_up {
            let word = if is_up { "successful" } else { "unsuccessful" };
            info!("VRRP_Script({}) considered {word} on reload", new.name);
            known.result = if is_up { known.top() } else { 0 };
        }
        if new.interval != interval {
            cx.timers.set(Timer::Script(id, Alarm::Tick), cx.now);
        }
        self.scripts.insert(id, known);
    }

    fn begin(&mut self, config: &VrrpScript, cx: &mut Context<'_>) {
        self.last_script += 1;
        let id = self.last_script;
        let mut script = Script {
            result: config.rise - 1,
            config: config.clone(),
            is_up: None,
            last_exit: Exit::SUCCESS,
            run: None,
        };
        if config.starts_down {
            script.result = 0;
            script.declare(false, cx);
        }
        self.scripts.insert(id, script);
        cx.timers.set(Timer::Script(id, Alarm::Tick), cx.now);
    }

    fn drop_script(&mut self, id: u32, script: &Script, cx: &mut Context<'_>) {
        for alarm in [Alarm::Tick, Alarm::Limit] {
            cx.timers.cancel(Timer::Script(id, alarm));
        }
        if let Some(run) = &script.run {
            self.runs.remove(&run.id);
            let (run, kill) = (run.id, Kill::Force);
            cx.out.push(Effect::Kill { run, kill });
        }
    }

    pub(super) fn stop(&mut self, cx: &mut Context<'_>) {
        for run in std::mem::take(&mut self.runs).into_keys() {
            let kill = Kill::Ask;
            cx.out.push(Effect::Kill { run, kill });
        }
        self.scripts.clear();
    }

    pub(super) fn on_alarm(&mut self, id: u32, alarm: Alarm, cx: &mut Context<'_>) {
        let Some(script) = self.scripts.get_mut(&id) else {
            return;
        };
        match alarm {
            Alarm::Limit => script.press(id, cx),
            Alarm::Tick => {
                // The rhythm does not depend on how long a run takes.
                let next = cx.now + script.config.interval;
                cx.timers.set(Timer::Script(id, Alarm::Tick), next);
                if let Some(run) = &script.run {
                    script.tell_busy(run.patience);
                    return;
                }
                self.last_run += 1;
                let run = RunId(self.last_run);
                self.runs.insert(run, id);
                script.start(id, run, cx);
            }
        }
    }

    pub(super) fn on_exit(&mut self, run: RunId, exit: Exit, cx: &mut Context<'_>) {
        let Some(id) = self.runs.remove(&run) else {
            return;
        };
        cx.timers.cancel(Timer::Script(id, Alarm::Limit));
        if let Some(script) = self.scripts.get_mut(&id) {
            script.ended(exit, cx);
        }
    }
}

impl Script {
    fn start(&mut self, id: u32, run: RunId, cx: &mut Context<'_>) {
        self.run = Some(Run {
            id: run,
            patience: Patience::InTime,
        });
        cx.out.push(match self.config.trial.clone() {
            Trial::Run(script) => Effect::Run { run, script },
            Trial::Reach(reach) => Effect::Reach {
                run,
                name: reach.to_string(),
                to: reach.to(),
                probe: reach.probe(self.config.timeout),
            },
        });
        let limit = cx.now + self.config.timeout;
        cx.timers.set(Timer::Script(id, Alarm::Limit), limit);
    }

    fn tell_busy(&self, patience: Patience) {
        let name = &self.config.name;
        if patience == Patience::InTime {
            info!("Track script {name} is already running, expect idle - skipping run");
        } else {
            info!("Track script {name} is being timed out, expect idle - skipping run");
        }
    }

    /// It has had its time: first a word, then force.
    fn press(&mut self, id: u32, cx: &mut Context<'_>) {
        let Some(run) = &mut self.run else {
            return;
        };
        let (patience, kill, more) = match run.patience {
            Patience::InTime => (Patience::Asked, Kill::Ask, AFTER_WORD),
            Patience::Asked => (Patience::Killed, Kill::Force, AFTER_FORCE),
            Patience::Killed => {
                let (run, name) = (run.id, self.config.name.clone());
                cx.out.push(Effect::Complain { run, name });
                (Patience::Undead, Kill::Force, AGAIN)
            }
            Patience::Undead => (Patience::Undead, Kill::Force, AGAIN),
        };
        run.patience = patience;
        let run = run.id;
        cx.out.push(Effect::Kill { run, kill });
        cx.timers
            .set(Timer::Script(id, Alarm::Limit), cx.now + more);
        if patience == Patience::Asked {
            self.failed("timed_out", cx);
        }
    }

    fn ended(&mut self, exit: Exit, cx: &mut Context<'_>) {
        let in_time = self
            .run
            .take()
            .is_some_and(|run| run.patience == Patience::InTime);
        // That it failed was told when its time was over.
        if !in_time {
            return;
        }
        let name = &self.config.name;
        if let Exit::Code(status) = exit
            && self.last_exit != exit
        {
            info!("Script `{name}` now returning {status}");
        }
        self.last_exit = exit;
        match exit {
            Exit::SUCCESS => self.succeeded(cx),
            Exit::Code(status) => self.failed(&format!("failed (exited with status {status})"), cx),
            Exit::Signal(signal) => {
                self.failed(&format!("failed (due to signal {signal})"), cx);
            }
        }
    }

    fn succeeded(&mut self, cx: &mut Context<'_>) {
        let rise = self.config.rise;
        if self.result < rise - 1 {
            self.result += 1;
            return;
        }
        if self.result < rise {
            info!("VRRP_Script({}) succeeded", self.config.name);
            self.declare(true, cx);
        }
        self.result = self.top();
    }

    fn failed(&mut self, how: &str, cx: &mut Context<'_>) {
        let rise = self.config.rise;
        if self.result > rise {
            self.result -= 1;
            return;
        }
        if self.result == rise || self.is_up.is_none() {
            info!("VRRP_Script({}) {how}", self.config.name);
            self.declare(false, cx);
        }
        self.result = 0;
    }

    fn declare(&mut self, is_up: bool, cx: &mut Context<'_>) {
        self.is_up = Some(is_up);
        let object = Object::Script(self.config.name.clone());
        let condition = if is_up {
            Condition::Up
        } else {
            Condition::Down
        };
        cx.tell(object, condition);
    }

    /// The best result there is.
    fn top(&self) -> u32 {
        self.config.rise.saturating_add(self.config.fall) - 1
    }
}

/// A script that cannot be started has failed, as a shell would say it.
pub(super) const NOT_STARTED: Exit = Exit::Code(127);
/// Between SIGTERM and SIGKILL.
const AFTER_WORD: Duration = Duration::from_secs(2);
/// Between SIGKILL and a complaint.
const AFTER_FORCE: Duration = Duration::from_secs(2);
/// Between SIGKILL and SIGKILL.
const AGAIN: Duration = Duration::from_secs(10);
