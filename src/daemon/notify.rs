//! The driver of the notify core: `notify::Effect` to children.

use std::collections::VecDeque;

use super::children::{Children, Owner};
use crate::child::{Exit, RunId};
use crate::config::Config;
use crate::notify::{Core, Effect, Event, News};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Driver {
    core: Core,
    /// Answers that effects gave at once, to be told to the core in order.
    inbox: VecDeque<Event<'static>>,
    effects: Vec<Effect>,
}

impl Driver {
    pub(super) fn new() -> Self {
        Self {
            core: Core::new(),
            inbox: VecDeque::new(),
            effects: Vec::new(),
        }
    }

    pub(super) fn reload(&mut self, now: Instant, config: &Config, children: &mut Children) {
        self.tell(now, Event::Reload(config), children);
    }

    pub(super) fn on_news(&mut self, now: Instant, news: News, children: &mut Children) {
        self.tell(now, Event::News(news), children);
    }

    pub(super) fn on_exit(
        &mut self,
        now: Instant,
        run: RunId,
        exit: Exit,
        children: &mut Children,
    ) {
        self.tell(now, Event::Exited { run, exit }, children);
    }

    pub(super) fn stop(&mut self, now: Instant, children: &mut Children) {
        self.tell(now, Event::Stop, children);
    }

    pub(super) fn on_time(&mut self, now: Instant, children: &mut Children) {
        self.core.on_time(now, &mut self.effects);
        self.settle(now, children);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.core.deadline()
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.core.is_idle()
    }

    fn tell(&mut self, now: Instant, event: Event<'_>, children: &mut Children) {
        self.core.on_event(now, event, &mut self.effects);
        self.settle(now, children);
    }

    fn settle(&mut self, now: Instant, children: &mut Children) {
        loop {
            for effect in std::mem::take(&mut self.effects) {
                self.perform(effect, children);
            }
            let Some(event) = self.inbox.pop_front() else {
                return;
            };
            self.core.on_event(now, event, &mut self.effects);
        }
    }

    fn perform(&mut self, effect: Effect, children: &mut Children) {
        match effect {
            Effect::Run { run, script } => {
                if let Err(error) = children.run(Owner::Notify(run), &script) {
                    self.inbox.push_back(Event::NotStarted { run, error });
                }
            }
            Effect::Kill { run, kill } => {
                children.kill(Owner::Notify(run), kill);
            }
        }
    }
}
