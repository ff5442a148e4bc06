//! The configuration file: read, reported, and kept. The one implementation of `config::Host`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{error, warn};

use super::children::identity;
use crate::addr::Cidr;
use crate::child::Unfit;
use crate::config::{self, Config, Diagnostics, Host, Loaded, NoProgram, Reading, Unreadable};
use crate::config::{ScriptUser, lossless};
use crate::sys::dump;
use crate::sys::host::{self, ReadError};
use crate::sys::trust;

/// What this machine answers to the configuration.
pub(super) struct Machine<'a> {
    /// What else there is to do during a long reading.
    meanwhile: &'a dyn Fn(),
}

impl Machine<'static> {
    /// Nothing else is to be done: at the start, and when a file is only looked at.
    pub(super) const IDLE: Self = Self { meanwhile: &|| () };
}

impl Host for Machine<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        let content = host::read_file(path, CONFIG_MAX).map_err(unreadable)?;
        if content.executable {
            return Err(Unreadable::Executable);
        }
        Ok(content.bytes)
    }

    fn read_secret(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        let content = host::read_file(path, SECRET_MAX).map_err(unreadable)?;
        if content.exposed {
            return Err(Unreadable::Exposed);
        }
        Ok(content.bytes)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        host::names_in(directory, NAMES_MAX).map_err(io::Error::from)
    }

    fn working_directory(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn host_name(&self) -> String {
        host::host_name()
    }

    fn interface_exists(&self, name: &str) -> bool {
        host::interface_index(name).is_some()
    }

    fn networks(&self, interface: &str) -> Vec<Cidr> {
        host::networks(interface)
    }

    fn program(&self, name: &OsStr) -> Result<(), NoProgram> {
        match host::find_program(name) {
            Some(true) => Ok(()),
            Some(false) => Err(NoProgram::NotExecutable),
            None => Err(NoProgram::Missing),
        }
    }

    fn vet(&self, name: &OsStr, user: Option<&ScriptUser>) -> Result<(), Unfit> {
        // Who is not there is told of elsewhere.
        let Ok(identity) = identity(user) else {
            return Ok(());
        };
        trust::examine(name, &identity.unwrap_or_else(host::own_identity))
    }

    fn user_exists(&self, name: &str) -> bool {
        host::user_exists(name)
    }

    fn group_exists(&self, name: &str) -> bool {
        host::group_exists(name)
    }

    fn meanwhile(&self) {
        (self.meanwhile)();
    }
}

fn unreadable(error: ReadError) -> Unreadable {
    match error {
        ReadError::TooLong(_) => Unreadable::TooLong,
        ReadError::Directory => Unreadable::Directory,
        ReadError::NotRegular => Unreadable::NotRegular,
        ReadError::System(errno) => Unreadable::System(errno.into()),
    }
}

/// Where the configuration comes from, and what it said last.
#[derive(Debug)]
pub(super) struct ConfigFile {
    source: ConfigSource,
    config: Arc<Config>,
}

/// The file, and how it is to be read.
#[derive(Clone, Debug)]
pub(super) struct ConfigSource {
    path: PathBuf,
    reading: Reading,
}

impl ConfigSource {
    /// The file as it is now. Somebody else may be attended to while it is read.
    pub(super) fn load(&self, meanwhile: &dyn Fn()) -> Loaded {
        config::load(&self.path, &Machine { meanwhile }, &self.reading)
    }
}

impl ConfigFile {
    pub(super) fn new(path: PathBuf, reading: Reading, config: Config) -> Self {
        Self {
            source: ConfigSource { path, reading },
            config: Arc::new(config),
        }
    }

    pub(super) fn source(&self) -> &ConfigSource {
        &self.source
    }

    pub(super) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// What was read takes the place of the old configuration, which is given back; None when it is
    /// not to run: the old one stays in force.
    pub(super) fn replace(&mut self, loaded: Loaded) -> Option<Arc<Config>> {
        log(&loaded.diagnostics);
        self.tell_check(&loaded.diagnostics);
        match to_reload(loaded, &self.config) {
            Some(config) => Some(std::mem::replace(&mut self.config, Arc::new(config))),
            None => {
                error!("New config cannot be used - keeping the old one");
                None
            }
        }
    }

    /// Says what `reload_check_config` of the configuration that runs wants to have said.
    fn tell_check(&self, diagnostics: &Diagnostics) {
        let Some(file) = &self.config.global.reload.check else {
            return;
        };
        if !diagnostics.has_errors() {
            return;
        }
        if file.is_empty() {
            error!("New config failed validation");
            return;
        }
        error!("New config failed validation, see {file} for details");
        let path = PathBuf::from(OsString::from_vec(lossless::encode(file)));
        if let Err(error) = dump::append(&path, &lines(diagnostics)) {
            error!("Cannot write {}: {error}", path.display());
        }
    }
}

/// What may run of what was read: with `reload_check_config` nothing that has an error.
pub(super) fn to_run(loaded: Loaded) -> Option<Config> {
    let errors = loaded.diagnostics.has_errors();
    let config = loaded.config?;
    if errors && config.global.reload.check.is_some() {
        error!("reload_check_config: a configuration with errors is refused");
        return None;
    }
    Some(config)
}

/// What may take the place of a configuration that runs. Whoever edits the file of a running
/// director makes mistakes that nobody would start it with.
pub(super) fn to_reload(loaded: Loaded, running: &Config) -> Option<Config> {
    // Cut short by a full disk, or about to be written: nobody stops a director like that.
    if loaded.is_empty && *running != Config::default() {
        error!("the configuration file is empty");
        return None;
    }
    let checked = running.global.reload.check.is_some();
    if !loaded.diagnostics.is_balanced() || (checked && loaded.diagnostics.has_errors()) {
        return None;
    }
    to_run(loaded)
}

/// One line for each problem, as in a log.
pub(super) fn lines(diagnostics: &Diagnostics) -> String {
    let mut lines = String::new();
    for diagnostic in diagnostics.iter() {
        lines += &diagnostic.line();
        lines.push('\n');
    }
    lines
}

/// One line each, at the level of its severity.
pub(super) fn log(diagnostics: &Diagnostics) {
    for diagnostic in diagnostics.iter() {
        let line = diagnostic.line();
        match diagnostic.severity {
            config::Severity::Error => error!("{line}"),
            config::Severity::Warning => warn!("{line}"),
        }
    }
}

/// What the parser takes, and an octet more, so that it can say what is too long.
const CONFIG_MAX: u64 = (16 << 20) + 1;
/// The longest key in hexadecimal, and line ends.
const SECRET_MAX: u64 = 256;

/// A directory of more names is not one of configurations.
const NAMES_MAX: usize = 1 << 16;
