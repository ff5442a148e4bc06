//! The programs that run beside us: who asked for them, whom they run as, how they ended.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use log::{debug, error, warn};

use super::logging::VRRP;
use super::outputs::Outputs;
use super::reactor::Reactor;
use crate::check::ProbeId;
use crate::child::{Exit, Identity, Kill, RunId};
use crate::config::{Config, Script, ScriptUser, lossless};
use crate::errno::Errno;
use crate::sys::host;
use crate::sys::process::{self, Environment, Failure, Pid, Program, Started, Task};

/// Who asked for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Notify(RunId),
    Track(RunId),
    Check(ProbeId),
}

#[derive(Debug, Default)]
pub(super) struct Children {
    running: BTreeMap<Pid, Child>,
    outputs: Outputs,
    users: Users,
}

#[derive(Debug)]
struct Child {
    owner: Owner,
    /// For messages.
    name: String,
    /// It was to end.
    asked: bool,
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
    pub(super) fn run(
        &mut self,
        owner: Owner,
        script: &Script,
        reactor: &mut Reactor,
    ) -> Result<(), Errno> {
        let name = script.argv.first().cloned().unwrap_or_default();
        let mut program = self.program(script)?;
        program.is_heard = self.outputs.are_wanted();
        let mut started = process::start(&program).inspect_err(|error| {
            error!("cannot run {name}: {error}");
        })?;
        if let Some(output) = started.output.take() {
            self.outputs.add(&name, output, reactor);
        }
        let child = Child {
            owner,
            name,
            asked: false,
            started,
        };
        self.running.insert(child.started.pid, child);
        Ok(())
    }

    /// A program has printed something.
    pub(super) fn on_output(&mut self, number: u64, reactor: &mut Reactor) {
        self.outputs.on_readable(number, reactor);
    }

    /// Runs a script and waits for its end. Only before there is anything else to do, and after.
    pub(super) fn run_to_end(&mut self, script: &Script, limit: Duration) {
        let name = script.argv.first().cloned().unwrap_or_default();
        let Ok(program) = self.program(script) else {
            return;
        };
        let started = match process::start(&program) {
            Ok(started) => started,
            Err(error) => return error!("cannot run {name}: {error}"),
        };
        match process::wait_for(started.pid, limit) {
            Some(Exit::SUCCESS) => debug!("script {name} succeeded"),
            Some(exit) => {
                tell_failure(&name, &started);
                warn!("script {name} {exit}");
            }
            None => warn!("script {name} takes too long, it was killed"),
        }
    }

    fn program(&mut self, script: &Script) -> Result<Program, Errno> {
        let words = script.argv.iter();
        let words = words.map(|word| OsString::from_vec(lossless::encode(word)));
        let identity = self
            .users
            .identity(script.user.as_ref())
            .map_err(|unknown| {
                let name = script.argv.first().map_or("", String::as_str);
                error!("cannot run {name}: there is no {unknown}");
                Errno::ENOENT
            })?;
        Ok(Program {
            task: task(words.collect()),
            identity,
            environment: Environment::Ours,
            is_heard: false,
        })
    }

    /// Whom a pipe belongs to: None leaves it ours.
    pub(super) fn owner_of_pipe(&mut self, owner: Option<&ScriptUser>) -> Option<Identity> {
        let named = owner.is_some() || self.users.default.is_some();
        let found = self.users.identity(owner).ok().flatten();
        found.filter(|_| named)
    }

    pub(super) fn kill(&mut self, owner: Owner, kill: Kill) {
        let mut children = self.running.values_mut();
        if let Some(child) = children.find(|child| child.owner == owner) {
            child.asked = true;
            child.started.pid.kill(kill);
        }
    }

    /// A child does not die though it was killed.
    pub(super) fn complain(&self, owner: Owner, name: &str) {
        let child = self.running.values().find(|child| child.owner == owner);
        if let Some(child) = child {
            let pid = child.started.pid;
            warn!(target: VRRP, "Script {name} child (PID {pid}) failed to terminate after kill");
        }
    }

    /// The end: whoever was run to find something out finds nothing out any more.
    pub(super) fn end(&self) {
        for child in self.running.values() {
            if matches!(child.owner, Owner::Track(_)) {
                child.started.pid.kill(Kill::Force);
            }
        }
    }

    /// Who is to hear that a child has ended, and why it did not even begin; None when it was none
    /// of ours.
    pub(super) fn ended(&mut self, pid: Pid, exit: Exit) -> Option<(Owner, Option<Errno>)> {
        let child = self.running.remove(&pid)?;
        // Who was to end and has left others behind did not end yet.
        if child.asked {
            pid.kill(Kill::Force);
        }
        let failed = exit != Exit::SUCCESS;
        let failure = failed.then(|| tell_failure(&child.name, &child.started));
        Some((child.owner, failure.flatten()))
    }
}

/// Says why a program did not begin, if that is how it ended.
fn tell_failure(name: &str, started: &Started) -> Option<Errno> {
    let failure = started.failure()?;
    match failure {
        Failure::Identity(errno) => error!("cannot run {name} as its user: {errno}"),
        Failure::Exec(errno) => error!(
            "Error exec-ing command '{name}', error {}: {errno}",
            errno.number()
        ),
    }
    let (Failure::Identity(errno) | Failure::Exec(errno)) = failure;
    Some(errno)
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
        let user = ScriptUser::of_script(user, self.default.as_ref(), self.supplementary);
        identity(user.as_ref())
    }
}

/// Whom a script runs as; None: as we do. The error is whom nobody knows.
pub(super) fn identity(user: Option<&ScriptUser>) -> Result<Option<Identity>, String> {
    let Some(user) = user else {
        // Without such a user scripts run as we do.
        return Ok(host::identity(DEFAULT_USER, None, false).ok());
    };
    host::identity(&user.name, user.group.as_deref(), user.supplementary).map(Some)
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
