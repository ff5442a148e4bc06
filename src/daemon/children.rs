//! The programs that run beside us: who asked for them, whom they run as, how they ended.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use log::error;

use crate::child::{Exit, Identity, Kill, RunId};
use crate::config::{Config, Script, ScriptUser, lossless};
use crate::errno::Errno;
use crate::sys::host;
use crate::sys::process::{self, Environment, Failure, Pid, Program, Started, Task};

/// Who asked for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Notify(RunId),
}

#[derive(Debug, Default)]
pub(super) struct Children {
    running: BTreeMap<Pid, Child>,
    users: Users,
}

#[derive(Debug)]
struct Child {
    owner: Owner,
    /// For messages.
    name: String,
    started: Started,
}

/// Whom scripts run as. Names are looked up once for each configuration.
#[derive(Debug, Default)]
struct Users {
    /// `script_user`.
    default: Option<ScriptUser>,
    /// `set_supplementary_groups`.
    supplementary: bool,
    known: BTreeMap<Option<ScriptUser>, Result<Option<Identity>, String>>,
}

impl Children {
    pub(super) fn reload(&mut self, config: &Config) {
        let scripts = &config.global.scripts;
        self.users = Users {
            default: scripts.user.clone(),
            supplementary: scripts.supplementary_groups,
            known: BTreeMap::new(),
        };
    }

    /// Starts a script. What goes wrong is told here.
    pub(super) fn run(&mut self, owner: Owner, script: &Script) -> Result<(), Errno> {
        let words = script.argv.iter();
        let words: Vec<OsString> = words
            .map(|word| OsString::from_vec(lossless::encode(word)))
            .collect();
        let name = script.argv.first().cloned().unwrap_or_default();
        let identity = self
            .users
            .identity(script.user.as_ref())
            .map_err(|unknown| {
                error!("cannot run {name}: there is no {unknown}");
                Errno::ENOENT
            })?;
        let program = Program {
            task: task(words),
            identity,
            environment: Environment::Ours,
        };
        match process::start(&program) {
            Ok(started) => {
                let child = Child {
                    owner,
                    name,
                    started,
                };
                self.running.insert(child.started.pid, child);
                Ok(())
            }
            Err(error) => {
                error!("cannot run {name}: {error}");
                Err(error)
            }
        }
    }

    /// False when there is nobody left.
    pub(super) fn kill(&self, owner: Owner, kill: Kill) -> bool {
        let mut children = self.running.values();
        let child = children.find(|child| child.owner == owner);
        child.is_some_and(|child| child.started.pid.kill(kill))
    }

    /// Who is to hear that a child has ended.
    pub(super) fn ended(&mut self, pid: Pid, exit: Exit) -> Option<(Owner, Exit)> {
        let child = self.running.remove(&pid)?;
        let name = &child.name;
        match child.started.failure() {
            None => {}
            Some(Failure::Identity(errno)) => error!("cannot run {name} as its user: {errno}"),
            Some(Failure::Exec(errno)) => error!(
                "Error exec-ing command '{name}', error {}: {errno}",
                errno.number()
            ),
        }
        Some((child.owner, exit))
    }
}

impl Users {
    /// None: as whom we run. The error is whom nobody knows.
    fn identity(&mut self, user: Option<&ScriptUser>) -> Result<Option<Identity>, String> {
        let user = user.cloned();
        if let Some(known) = self.known.get(&user) {
            return known.clone();
        }
        let found = self.find(user.as_ref());
        self.known.insert(user, found.clone());
        found
    }

    fn find(&self, user: Option<&ScriptUser>) -> Result<Option<Identity>, String> {
        let Some(user) = user.or(self.default.as_ref()) else {
            // Without such a user scripts run as we do.
            let found = host::identity(DEFAULT_USER, None, self.supplementary);
            return Ok(found.ok());
        };
        let supplementary = user.supplementary || self.supplementary;
        host::identity(&user.name, user.group.as_deref(), supplementary).map(Some)
    }
}

/// `</path` asks whether the file can be opened.
fn task(words: Vec<OsString>) -> Task {
    let first = words.first().map_or(&[][..], |word| word.as_bytes());
    match first.strip_prefix(b"<") {
        Some(path) if path.starts_with(b"/") => Task::Open(PathBuf::from(OsStr::from_bytes(path))),
        Some(_) | None => Task::Run(words),
    }
}

/// Whom scripts run as where nothing says whom.
const DEFAULT_USER: &str = "keepalived_script";
