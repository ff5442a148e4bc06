//! The configuration file: read, reported, and kept. The one implementation of `config::Host`.

use std::io;
use std::path::{Path, PathBuf};

use log::{error, warn};

use crate::config::{self, Config, Diagnostics, FileKind, Host, Loaded};
use crate::sys::host::{self, ReadError};

/// What this machine answers to the configuration.
#[derive(Debug)]
pub(super) struct Machine;

impl Host for Machine {
    fn file_kind(&self, path: &Path) -> io::Result<FileKind> {
        match host::read_file(path, CONFIG_MAX) {
            Ok(content) if content.executable => Ok(FileKind::Executable),
            Ok(_) | Err(ReadError::TooLong(_)) => Ok(FileKind::Regular),
            Err(ReadError::Directory) => Ok(FileKind::Directory),
            Err(ReadError::NotRegular) => Ok(FileKind::Other),
            Err(ReadError::System(errno)) => Err(errno.into()),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let content = host::read_file(path, CONFIG_MAX).map_err(io::Error::other)?;
        Ok(content.bytes)
    }

    fn interface_exists(&self, name: &str) -> bool {
        host::interface_index(name).is_some()
    }
}

/// Where the configuration comes from, and what it said last.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    config: Config,
}

impl ConfigFile {
    pub(super) fn new(path: PathBuf, config: Config) -> Self {
        Self { path, config }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The file as it is now; None when it cannot be run: the old configuration stays in force.
    pub(super) fn reload(&mut self) -> Option<Config> {
        let Loaded {
            config,
            diagnostics,
        } = config::load(&self.path, &Machine);
        log(&diagnostics);
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
