//! The configuration: from text to typed values, with every problem found in one run.
//!
//! ```text
//! octets --expand, include--> lines with their origins --source--> one text --tree--> statements
//!        --keywords--> drafts --resolve--> Config --print--> canonical text
//! ```
//!
//! This room reads no file and asks no kernel: what it must know of the machine it learns through
//! [`Host`]. It logs nothing: everything it has to say is in [`Diagnostics`].

pub mod bfd;
pub mod check;
mod confusable;
pub mod diag;
pub mod diff;
mod expand;
mod glob;
pub mod global;
mod include;
mod json;
mod keywords;
pub mod lossless;
mod manual;
mod names;
mod print;
mod report;
mod resolve;
pub mod route;
pub mod rule;
pub mod script;
mod source;
pub mod statics;
mod suggest;
pub mod track;
mod tree;
mod value;
pub mod vrrp;
mod width;
mod word;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::addr::Cidr;
use crate::child::Unfit;

pub use bfd::Bfd;
pub use check::{
    Check, Checker, Checksum, Encapsulation, Endpoint, FileWeight, Forwarding, GroupEntry,
    HttpProbe, HttpVersion, MaskedOctet, Pattern, Persistence, Probe, Protocol, RealServer,
    RecordType, Regex, RegexOption, Reply, Scheduler, SchedulerFlags, ServiceAddress, ServiceKey,
    SorryServer, Ssl, TlsTrust, TlsVerify, TooCostly, Tunnel, Url, VirtualServer,
    VirtualServerGroup,
};
pub use diag::{Diagnostic, Diagnostics, Note, Place, Severity};
pub use diff::{Changes, diff};
pub use global::{
    Buffer, BufferPolicy, Buffers, Fifo, Firewall, FlushOnStop, Global, Lvs, MARKS_PRIORITY,
    MARKS_START, SyncDaemon, Vrrp,
};
pub use lossless::Octets;
pub use manual::manual;
pub use names::scope_name;
pub use print::{print, route_line, rule_line};
pub use route::{
    Encapsulation as RouteEncapsulation, Metric, MetricKind, Nexthop, Realms, Route, RouteCreate,
    RoutePreference,
};
pub use rule::{Rule, RuleAction};
pub use script::{Script, ScriptUser};
pub use statics::{GarpGroup, LinkbeatMethod, Links, StaticAddress, Statics, UpDownDelay};
pub use track::{
    InitialFile, ParameterMatch, Reach, TrackFile, TrackProcess, Tracked, Tracks, Trial,
    VrrpScript, WebPage, Weight,
};
pub use vrrp::{
    Authentication, Destination, GratuitousArp, Hmac, HmacKey, HmacMode, InitialState, Instance,
    InstanceKey, IpvlanMode, Layer, Notify, OldChecksum, ReplayGuard, SyncGroup, Unicast, Version,
    VirtualAddress,
};

use diag::Problem;
use keywords::root::{Draft, ROOT};
use names::Names;
use report::Report;
use source::Source;

/// A whole configuration: defaults applied, references resolved, contradictions settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub global: Global,
    pub statics: Statics,
    pub links: Links,
    pub scripts: Vec<VrrpScript>,
    pub processes: Vec<TrackProcess>,
    pub files: Vec<TrackFile>,
    pub bfds: Vec<Bfd>,
    pub sync_groups: Vec<SyncGroup>,
    pub instances: Vec<Instance>,
    pub virtual_server_groups: Vec<VirtualServerGroup>,
    pub virtual_servers: Vec<VirtualServer>,
    /// `SSL`; None: without a certificate of our own.
    pub ssl: Option<Ssl>,
}

/// What the configuration must know of the machine it is read on.
pub trait Host {
    /// A configuration file, whole. The file is opened once, so that what is said of it is true.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable>;

    /// A file with a key in it, which nobody else may read.
    fn read_secret(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        self.read(path)
    }

    /// The names in a directory, in any order, without those of itself and its parent.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// Relative paths start here.
    fn working_directory(&self) -> PathBuf;

    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<OsString>;

    /// What `uname -n` prints.
    fn host_name(&self) -> String;

    fn interface_exists(&self, name: &str) -> bool;

    /// The addresses that an interface has, with the lengths of their networks.
    fn networks(&self, interface: &str) -> Vec<Cidr>;

    /// Whether a program can be started; one without `/` in its name is looked up in PATH.
    fn program(&self, name: &OsStr) -> Result<(), NoProgram>;

    /// Whether somebody may run a program, and nobody could put another in its place. None: whom
    /// scripts run as that name nobody.
    fn vet(&self, _: &OsStr, _: Option<&ScriptUser>) -> Result<(), Unfit> {
        Ok(())
    }

    fn user_exists(&self, name: &str) -> bool;

    fn group_exists(&self, name: &str) -> bool;

    /// Called again and again while a file is read, after a millisecond of work or less: a daemon
    /// that reloads has adverts to send.
    fn meanwhile(&self) {}
}

/// Why a program cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProgram {
    Missing,
    NotExecutable,
}

/// Why a file was not read.
#[derive(Debug)]
pub enum Unreadable {
    /// It has an execute bit: keepalived takes such a file for a mistake.
    Executable,
    Directory,
    /// A secret that its group or others may read.
    Exposed,
    /// A device, a socket, a pipe.
    NotRegular,
    TooLong,
    /// In an encoding with NULs in it: nothing of such a file could be used.
    Utf16,
    System(io::Error),
}

/// What the command line says about the reading of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// `-i`; None: the name of the machine up to its first dot.
    pub config_id: Option<String>,
    /// `-e`: whatever an include does not find or cannot read is fatal.
    pub all_checks: bool,
    /// Of the numbers that `${_RANDOM}` draws.
    pub seed: u64,
}

/// A machine without files that has every interface, program and user: for tests and for texts
/// from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyHost;

/// What a reading gave.
#[derive(Debug)]
pub struct Loaded {
    /// None when there is nothing that could run.
    pub config: Option<Config>,
    /// The file has no statement, but for comments maybe.
    pub is_empty: bool,
    pub diagnostics: Diagnostics,
}

/// Reads a configuration file.
pub fn load(path: &Path, host: &dyn Host, reading: &Reading) -> Loaded {
    let name = path.display().to_string();
    match host.read(path).and_then(check_octets) {
        Ok(bytes) => load_bytes(&name, &bytes, host, reading),
        Err(error) => {
            let mut diagnostics = Diagnostics::default();
            let problem = Problem::file(format!("cannot read {name}: {error}"));
            diagnostics.add(problem, &Source::default());
            Loaded {
                config: None,
                is_empty: false,
                diagnostics,
            }
        }
    }
}

/// Reads a configuration from text; `name` is what diagnostics call it.
pub fn load_text(name: &str, text: &str, host: &dyn Host) -> Loaded {
    load_bytes(name, &lossless::encode(text), host, &Reading::default())
}

/// Reads a configuration from the octets of a file; `name` is its path.
pub fn load_bytes(name: &str, bytes: &[u8], host: &dyn Host, reading: &Reading) -> Loaded {
    let mut problems = Vec::new();
    let source = expand::expand(name, bytes, host, reading, &mut problems);
    let statements = tree::parse(source.text(), &ROOT, host, &mut problems);
    let is_empty = statements.is_empty();
    let mut report = Report::new(host, &source);
    report.names = Names::new(&statements);
    for problem in problems {
        report.add(problem);
    }
    let mut draft = Draft::default();
    // The tree is larger than what is made of it, and gives way to it.
    ROOT.read(&mut draft, statements, &mut report);
    let config = resolve::resolve(draft, &mut report);
    let fatal = report.is_fatal();
    Loaded {
        config: (!fatal).then_some(config),
        is_empty,
        diagnostics: report.into_diagnostics(),
    }
}

/// Octets that can be those of a configuration.
fn check_octets(bytes: Vec<u8>) -> Result<Vec<u8>, Unreadable> {
    if bytes.len() > expand::FILE_MAX {
        Err(Unreadable::TooLong)
    } else if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        Err(Unreadable::Utf16)
    } else {
        Ok(bytes)
    }
}

impl Unreadable {
    fn is_missing(&self) -> bool {
        let Self::System(error) = self else {
            return false;
        };
        let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        kinds.contains(&error.kind())
    }
}

impl fmt::Display for NoProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it is not there",
            Self::NotExecutable => "it is not executable",
        })
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Executable => f.write_str("it is executable (chmod a-x)"),
            Self::Directory => f.write_str("it is a directory"),
            Self::Exposed => f.write_str("others may read it (chmod go-rwx)"),
            Self::NotRegular => f.write_str("it is not a regular file"),
            Self::TooLong => f.write_str("it is too long"),
            Self::Utf16 => f.write_str("it is UTF-16, save it as UTF-8"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl Host for AnyHost {
    fn read(&self, _: &Path) -> Result<Vec<u8>, Unreadable> {
        Err(Unreadable::System(io::ErrorKind::NotFound.into()))
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn working_directory(&self) -> PathBuf {
        PathBuf::from("/")
    }

    fn variable(&self, _: &str) -> Option<OsString> {
        None
    }

    fn host_name(&self) -> String {
        String::from("localhost")
    }

    fn interface_exists(&self, _: &str) -> bool {
        true
    }

    fn networks(&self, _: &str) -> Vec<Cidr> {
        Vec::new()
    }

    fn program(&self, _: &OsStr) -> Result<(), NoProgram> {
        Ok(())
    }

    fn user_exists(&self, _: &str) -> bool {
        true
    }

    fn group_exists(&self, _: &str) -> bool {
        true
    }
}
