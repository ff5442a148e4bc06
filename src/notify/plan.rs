//! Which scripts a configuration wants for what. A subject that a reload takes away is still told
//! of, hence the configuration before the last is kept as well.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::news::{News, State, Subject};
use super::notice::Notice;
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
    /// Of a server.
    up: Option<Rc<Script>>,
    down: Option<Rc<Script>>,
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
        let mut wants: BTreeMap<_, _> = instances.chain(groups).collect();
        for service in &config.virtual_servers {
            let subject = Subject::Service(service.key.clone());
            Wants::of_server(service.quorum_up.as_ref(), service.quorum_down.as_ref())
                .and_then(|scripts| wants.insert(subject, scripts));
            for server in &service.real_servers {
                let subject = Subject::Server(service.key.clone(), server.address);
                Wants::of_server(server.notify_up.as_deref(), server.notify_down.as_deref())
                    .and_then(|scripts| wants.insert(subject, scripts));
            }
        }
        self.before = std::mem::replace(&mut self.wants, wants);
    }

    /// The news as the configuration wants them told.
    pub(super) fn translate(&self, mut news: News) -> News {
        if let News::Router(transition) = &mut news
            && transition.state == State::Deleted
            && !self
                .wants(&transition.subject)
                .is_some_and(|wants| wants.deletion)
        {
            transition.state = State::Fault;
        }
        news
    }

    /// The scripts for translated news, in their order.
    pub(super) fn jobs(&self, subject: &Subject, news: &News) -> Vec<Job> {
        let Some(wants) = self.wants(subject) else {
            return Vec::new();
        };
        let is_state = news.is_state();
        let job = |script: &Rc<Script>, arguments| Job {
            script: Rc::clone(script),
            arguments,
            is_state,
        };
        let own = wants.of(news).map(|script| job(script, Vec::new()));
        let any = wants.any.as_ref().filter(|_| is_state);
        let any = any.map(|script| job(script, arguments(subject, news)));
        own.into_iter().chain(any).collect()
    }

    /// Whether the configuration has it.
    pub(super) fn knows(&self, subject: &Subject) -> bool {
        self.wants.contains_key(subject)
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
            up: None,
            down: None,
            deletion: notify.deletion,
        }
    }

    /// None where nothing is to run: a director has thousands of servers.
    fn of_server(up: Option<&Script>, down: Option<&Script>) -> Option<Rc<Self>> {
        let wants = Self {
            up: up.cloned().map(Rc::new),
            down: down.cloned().map(Rc::new),
            ..Self::default()
        };
        (wants.up.is_some() || wants.down.is_some()).then(|| Rc::new(wants))
    }

    fn of(&self, news: &News) -> Option<&Rc<Script>> {
        match news {
            News::Router(transition) => match transition.state {
                State::Master => self.master.as_ref(),
                State::Backup => self.backup.as_ref(),
                State::Fault => self.fault.as_ref(),
                State::Stop => self.stop.as_ref(),
                State::Deleted => self.deleted.as_ref(),
                State::MasterHearsLower => self.master_hears_lower.as_ref(),
                State::MasterPriority | State::BackupPriority => None,
            },
            News::Director(Notice::Server { up: true, .. } | Notice::Service { up: true, .. }) => {
                self.up.as_ref()
            }
            News::Director(Notice::Server { .. } | Notice::Service { .. }) => self.down.as_ref(),
            News::Director(Notice::Check { .. }) => None,
        }
    }
}

/// What `notify` is called with; only instances and groups have it.
fn arguments(subject: &Subject, news: &News) -> Vec<String> {
    let News::Router(transition) = news else {
        return Vec::new();
    };
    let (kind, name) = subject.words();
    vec![
        kind.to_owned(),
        name,
        transition.state.to_string(),
        transition.priority.to_string(),
    ]
}
