//! The configuration: from text to typed values, with every problem found in one run.
//!
//! ```text
//! octets --source--> lines with their origin --(joined)--> text --tree--> statements
//!        --keywords--> drafts --resolve--> Config --print--> canonical text
//! ```
//!
//! This room reads no file and asks no kernel: what it must know of the machine it learns through
//! [`Host`]. It logs nothing: everything it has to say is in [`Diagnostics`].

pub mod check;
mod confusable;
pub mod diag;
pub mod diff;
pub mod global;
mod json;
mod keywords;
pub mod lossless;
mod manual;
mod print;
mod report;
mod resolve;
pub mod script;
mod source;
mod suggest;
mod tree;
mod value;
pub mod vrrp;
mod width;
mod word;

use std::io;
use std::path::Path;

pub use check::{
    Checker, Forwarding, Persistence, Probe, Protocol, RealServer, ServiceKey, VirtualServer,
};
pub use diag::{Diagnostic, Diagnostics, Severity};
pub use diff::{Changes, diff};
pub use global::Global;
pub use manual::manual;
pub use print::print;
pub use script::{Script, ScriptUser};
pub use vrrp::{
    Authentication, GratuitousArp, InitialState, Instance, InstanceKey, VirtualAddress,
};

use diag::Problem;
use keywords::root::{Draft, ROOT};
use report::Report;
use source::Source;

/// A whole configuration: defaults applied, references resolved, contradictions settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub global: Global,
    pub instances: Vec<Instance>,
    pub virtual_servers: Vec<VirtualServer>,
}

/// What the configuration must know of the machine it is read on.
pub trait Host {
    /// What kind of file this is, symbolic links followed.
    fn file_kind(&self, path: &Path) -> io::Result<FileKind>;

    /// The whole file. Not asked for what is not a configuration file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    fn interface_exists(&self, name: &str) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Regular,
    /// Regular, with an execute bit: keepalived takes such a file for a mistake.
    Executable,
    Directory,
    /// A device, a socket, a pipe.
    Other,
}

/// A machine without files that has every interface: for tests and for texts from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyHost;

/// What a reading gave.
#[derive(Debug)]
pub struct Loaded {
    /// None when there is nothing that could run.
    pub config: Option<Config>,
    pub diagnostics: Diagnostics,
}

/// Reads a configuration file.
pub fn load(path: &Path, host: &dyn Host) -> Loaded {
    let name = path.display().to_string();
    let refuse = |why: String| {
        let message = format!("cannot read {name}: {why}");
        let mut diagnostics = Diagnostics::default();
        diagnostics.add(Problem::file(message), &Source::default());
        Loaded {
            config: None,
            diagnostics,
        }
    };
    match host.file_kind(path) {
        Ok(FileKind::Regular) => {}
        Ok(FileKind::Executable) => return refuse("it is executable (chmod a-x)".to_owned()),
        Ok(FileKind::Directory) => return refuse("it is a directory".to_owned()),
        Ok(FileKind::Other) => return refuse("it is not a regular file".to_owned()),
        Err(error) => return refuse(error.to_string()),
    }
    match host.read(path) {
        Ok(bytes) if bytes.len() > source::FILE_MAX => refuse("it is too long".to_owned()),
        Ok(bytes) if source::is_utf16(&bytes) => {
            refuse("it is UTF-16, save it as UTF-8".to_owned())
        }
        Ok(bytes) => load_bytes(&name, &bytes, host),
        Err(error) => refuse(error.to_string()),
    }
}

/// Reads a configuration from text; `name` is what diagnostics call it.
pub fn load_text(name: &str, text: &str, host: &dyn Host) -> Loaded {
    load_bytes(name, &lossless::encode(text), host)
}

/// Reads a configuration from the octets of a file.
pub fn load_bytes(name: &str, bytes: &[u8], host: &dyn Host) -> Loaded {
    let mut problems = Vec::new();
    let mut source = Source::default();
    source.add_file(name, bytes, &mut problems);
    let statements = tree::parse(source.text(), &ROOT, &mut problems);
    let mut report = Report::new(host, &source);
    for problem in problems {
        report.add(problem);
    }
    let mut draft = Draft::default();
    ROOT.read(&mut draft, &statements, &mut report);
    // The tree is larger than what is made of it.
    drop(statements);
    let config = resolve::resolve(draft, &mut report);
    let fatal = report.is_fatal();
    Loaded {
        config: (!fatal).then_some(config),
        diagnostics: report.into_diagnostics(),
    }
}

impl Host for AnyHost {
    fn file_kind(&self, _: &Path) -> io::Result<FileKind> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn interface_exists(&self, _: &str) -> bool {
        true
    }
}
