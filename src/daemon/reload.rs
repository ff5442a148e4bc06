//! The configuration file: read, reported, and kept. The one implementation of `config::Host`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use log::{error, warn};

use crate::addr::Cidr;
use crate::config::lossless;
use crate::config::{self, Config, Diagnostics, Host, Loaded, NoProgram, Reading, Unreadable};
use crate::sys::dump;
use crate::sys::host::{self, ReadError};

/// What this machine answers to the configuration.
#[derive(Debug)]
pub(super) struct Machine;

impl Host for Machine {
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

    fn user_exists(&self, name: &str) -> bool {
        host::user_exists(name)
    }

    fn group_exists(&self, name: &str) -> bool {
        host::group_exists(name)
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
    path: PathBuf,
    reading: Reading,
    config: Config,
}

impl ConfigFile {
    pub(super) fn new(path: PathBuf, reading: Reading, config: Config) -> Self {
        Self {
            path,
            reading,
            config,
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The file as it is now; None when it is not to run: the old configuration stays in force.
    pub(super) fn reload(&mut self) -> Option<Config> {
        let loaded = config::load(&self.path, &Machine, &self.reading);
        log(&loaded.diagnostics);
        // Whoever edits a running director makes mistakes that nobody would start it with.
        let balanced = loaded.diagnostics.is_balanced();
        let checked = self.passes_check(&loaded.diagnostics);
        let config = to_run(loaded).filter(|_| balanced && checked);
        match config {
            Some(config) => {
                self.config = config.clone();
                Some(config)
            }
            None => {
                error!("New config cannot be used - keeping the old one");
                None
            }
        }
    }

    /// `reload_check_config` of the configuration that runs.
    fn passes_check(&self, diagnostics: &Diagnostics) -> bool {
        let Some(file) = &self.config.global.reload.check else {
            return true;
        };
        if !diagnostics.has_errors() {
            return true;
        }
        if file.is_empty() {
            error!("New config failed validation");
            return false;
        }
        error!("New config failed validation, see {file} for details");
        let path = PathBuf::from(OsString::from_vec(lossless::encode(file)));
        if let Err(error) = dump::append(&path, &lines(diagnostics)) {
            error!("Cannot write {}: {error}", path.display());
        }
        false
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
