//! Which scripts a configuration wants for what. A subject that a reload takes away is still told
//! of, hence the configuration before the last is kept as well.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::news::{News, State, Subject};
use crate::config::{Config, Notify, Script};

/// A script with what it is called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) script: Rc<Script>,
    /// Behind its own arguments.
    pub(super) arguments: Vec<String>,
    /// A later state makes it pointless, if one wants to see it so.
    pub(super) is_state: bool,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    wants: BTreeMap<Subject, Rc<Wants>>,
    before: BTreeMap<Subject, Rc<Wants>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Wants {
    master: Option<Rc<Script>>,
    backup: Option<Rc<Script>>,
    fault: Option<Rc<Script>>,
    stop: Option<Rc<Script>>,
    deleted: Option<Rc<Script>>,
    master_hears_lower: Option<Rc<Script>>,
    any: Option<Rc<Script>>,
    /// One that is deleted is told of as that, and not as one in fault.
    deletion: bool,
}

impl Plan {
    pub(super) fn reload(&mut self, config: &Config) {
        let instances = config.instances.iter().map(|instance| {
            let subject = Subject::Instance(instance.name.clone());
            (subject, Rc::new(Wants::new(&instance.notify)))
        });
        let groups = config.sync_groups.iter().map(|group| {
            let subject = Subject::Group(group.name.clone());
            (subject, Rc::new(Wants::new(&group.notify)))
        });
        let wants = instances.chain(groups).collect();
        self.before = std::mem::replace(&mut self.wants, wants);
    }

    /// The news as the configuration wants them told.
    pub(super) fn translate(&self, mut news: News) -> News {
        let deletion = self
            .wants(&news.subject)
            .is_some_and(|wants| wants.deletion);
        if news.state == State::Deleted && !deletion {
            news.state = State::Fault;
        }
        news
    }

    /// The scripts for translated news, in their order.
    pub(super) fn jobs(&self, news: &News) -> Vec<Job> {
        let Some(wants) = self.wants(&news.subject) else {
            return Vec::new();
        };
        let job = |script: &Rc<Script>, arguments| Job {
            script: Rc::clone(script),
            arguments,
            is_state: news.state.is_state(),
        };
        let own = wants.of(news.state).map(|script| job(script, Vec::new()));
        let any = wants.any.as_ref().filter(|_| news.state.is_state());
        let any = any.map(|script| job(script, arguments(news)));
        own.into_iter().chain(any).collect()
    }

    fn wants(&self, subject: &Subject) -> Option<&Rc<Wants>> {
        self.wants.get(subject).or_else(|| self.before.get(subject))
    }
}

impl Job {
    /// All its words.
    pub(super) fn command(&self) -> Script {
        let mut script = Script::clone(&self.script);
        script.argv.extend(self.arguments.iter().cloned());
        script
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.script.argv.first().map_or("", String::as_str))
    }
}

impl Wants {
    fn new(notify: &Notify) -> Self {
        let shared = |script: &Option<Script>| script.clone().map(Rc::new);
        Self {
            master: shared(&notify.master),
            backup: shared(&notify.backup),
            fault: shared(&notify.fault),
            stop: shared(&notify.stop),
            deleted: shared(&notify.deleted),
            master_hears_lower: shared(&notify.master_hears_lower),
            any: shared(&notify.any),
            deletion: notify.deletion,
        }
    }

    fn of(&self, state: State) -> Option<&Rc<Script>> {
        match state {
            State::Master => self.master.as_ref(),
            State::Backup => self.backup.as_ref(),
            State::Fault => self.fault.as_ref(),
            State::Stop => self.stop.as_ref(),
            State::Deleted => self.deleted.as_ref(),
            State::MasterHearsLower => self.master_hears_lower.as_ref(),
            State::MasterPriority | State::BackupPriority => None,
        }
    }
}

/// What `notify` is called with.
fn arguments(news: &News) -> Vec<String> {
    let (kind, name) = match &news.subject {
        Subject::Instance(name) => ("INSTANCE", name),
        Subject::Group(name) => ("GROUP", name),
    };
    vec![
        kind.to_owned(),
        name.clone(),
        news.state.to_string(),
        news.priority.to_string(),
    ]
}
