//! The driver of the notify core: `notify::Effect` to children, pipes and the mail server.

use std::collections::VecDeque;

use mio::Token;

use super::children::{Children, Owner};
use super::line::Line;
use super::pipes::Pipes;
use super::reactor::Reactor;
use crate::child::{Exit, RunId};
use crate::config::Config;
use crate::notify::{self, Core, Effect, Event, News, Pipe, Sender};
use crate::sys::calendar::LocalTime;
use crate::sys::host;
use crate::sys::process::Pid;
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Driver {
    core: Core,
    pipes: Pipes,
    line: Line,
    /// Answers that effects gave at once, to be told to the core in order.
    inbox: VecDeque<Event<'static>>,
    effects: Vec<Effect>,
}

/// What the driver works with and does not own.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    pub(super) children: &'a mut Children,
    pub(super) reactor: &'a mut Reactor,
}

impl Driver {
    pub(super) fn new() -> Self {
        Self {
            core: Core::new(Sender {
                user: host::user_name(),
                host: host::full_host_name(),
            }),
            pipes: Pipes::default(),
            line: Line::default(),
            inbox: VecDeque::new(),
            effects: Vec::new(),
        }
    }

    /// To be called before anybody else has the new configuration.
    pub(super) fn reload(&mut self, now: Instant, config: &Config, tools: &mut Tools<'_>) {
        self.tell(now, Event::Reload(config), tools);
    }

    /// Everybody has it.
    pub(super) fn reloaded(&mut self, now: Instant, tools: &mut Tools<'_>) {
        self.tell(now, Event::Reloaded, tools);
    }

    pub(super) fn on_news(&mut self, now: Instant, news: News, tools: &mut Tools<'_>) {
        let date = LocalTime::now().mail_stamp();
        let date = date.as_str();
        self.tell(now, Event::News { news, date }, tools);
    }

    pub(super) fn on_exit(&mut self, now: Instant, run: RunId, exit: Exit, tools: &mut Tools<'_>) {
        self.tell(now, Event::Exited { run, exit }, tools);
    }

    /// A child that belongs to nobody else has ended.
    pub(super) fn on_other_exit(&mut self, now: Instant, pid: Pid, tools: &mut Tools<'_>) {
        if let Some(addresses) = self.line.on_exit(pid) {
            let answer = notify::Line::Resolved(&addresses);
            self.tell(now, Event::Mail(answer), tools);
        }
    }

    /// The mail server says something, or there is room for what it is told.
    pub(super) fn on_line(&mut self, now: Instant, token: Token, tools: &mut Tools<'_>) {
        for _ in 0..REPLIES_PER_TURN {
            let Some(told) = self.line.hear() else {
                return;
            };
            self.core
                .on_event(now, Event::Mail(told), &mut self.effects);
            self.settle(now, tools);
        }
        tools.reactor.again(token);
    }

    pub(super) fn on_writable(&mut self, pipe: Pipe) {
        self.pipes.on_writable(pipe);
    }

    pub(super) fn stop(&mut self, now: Instant, tools: &mut Tools<'_>) {
        self.tell(now, Event::Stop, tools);
    }

    /// The last call.
    pub(super) fn end(&mut self, now: Instant, tools: &mut Tools<'_>) {
        self.tell(now, Event::End, tools);
    }

    pub(super) fn on_time(&mut self, now: Instant, tools: &mut Tools<'_>) {
        self.core.on_time(now, &mut self.effects);
        self.settle(now, tools);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.core.deadline()
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.core.is_idle()
    }

    fn tell(&mut self, now: Instant, event: Event<'_>, tools: &mut Tools<'_>) {
        self.core.on_event(now, event, &mut self.effects);
        self.settle(now, tools);
    }

    fn settle(&mut self, now: Instant, tools: &mut Tools<'_>) {
        loop {
            for effect in std::mem::take(&mut self.effects) {
                self.perform(effect, tools);
            }
            let Some(event) = self.inbox.pop_front() else {
                return;
            };
            self.core.on_event(now, event, &mut self.effects);
        }
    }

    fn perform(&mut self, effect: Effect, tools: &mut Tools<'_>) {
        match effect {
            Effect::Run { run, script } => {
                if let Err(error) = tools
                    .children
                    .run(Owner::Notify(run), &script, tools.reactor)
                {
                    self.inbox.push_back(Event::NotStarted { run, error });
                }
            }
            Effect::Kill { run, kill } => {
                tools.children.kill(Owner::Notify(run), kill);
            }
            Effect::OpenPipe { pipe, path, owner } => {
                let owner = tools.children.owner_of_pipe(owner.as_ref());
                self.pipes.open(pipe, path, owner.as_ref(), tools.reactor);
            }
            Effect::ClosePipe(pipe) => self.pipes.close(pipe, tools.reactor),
            Effect::Write { pipe, line } => self.pipes.write(pipe, line),
            Effect::Mail(order) => {
                let told = self.line.perform(order, tools.reactor);
                self.inbox.extend(told.map(Event::Mail));
            }
        }
    }
}

/// Adverts come before mails, however much a server has to say.
const REPLIES_PER_TURN: usize = 16;
