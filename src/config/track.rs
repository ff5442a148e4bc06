//! What instances watch: scripts, processes, files, and how much each of them counts.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::check::{Endpoint, HttpProbe, HttpVersion, Probe, TlsTrust, Url};
use super::lossless;
use super::print::quoted;
use super::script::Script;

/// `weight INT [reverse]`, -254 to 254.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Weight {
    /// 0: to be down puts the instance into FAULT. Above 0 it is added while up, below 0
    /// subtracted while down.
    pub value: i32,
    /// `reverse`: up counts as down and down as up.
    pub reverse: bool,
}

/// `vrrp_script NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VrrpScript {
    pub name: String,
    pub trial: Trial,
    /// `interval`, 1 ms to 4294 s: it runs so often.
    pub interval: Duration,
    /// `timeout`, 1 ms to 4294 s: to run longer is to fail.
    pub timeout: Duration,
    pub weight: Weight,
    /// `rise`, from 1 on: successes until it is up.
    pub rise: u32,
    /// `fall`, from 1 on: failures until it is down.
    pub fall: u32,
    /// `init_fail`: down until it has been up.
    pub starts_down: bool,
}

/// What a `vrrp_script` tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// `script`: a program that has to end well.
    Run(Script),
    /// Something has to answer, without a program.
    Reach(Reach),
}

/// What has to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `track_tcp`
    Tcp(SocketAddr),
    /// `track_ping`
    Ping(IpAddr),
    /// `track_http`
    Http(WebPage),
}

/// A page that has to come with a status that says that all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebPage {
    pub tls: bool,
    pub to: SocketAddr,
    pub path: String,
}

impl Reach {
    /// Where it is, as a check of a server says it.
    pub fn to(&self) -> SocketAddr {
        match self {
            Self::Tcp(to) | Self::Http(WebPage { to, .. }) => *to,
            Self::Ping(host) => SocketAddr::new(*host, 0),
        }
    }

    /// The check of a server that asks for the same.
    pub fn probe(&self, timeout: Duration) -> Probe {
        let endpoint = Endpoint {
            from: None,
            device: None,
            mark: 0,
            timeout,
        };
        match self {
            Self::Tcp(_) => Probe::Tcp(endpoint),
            Self::Ping(_) => Probe::Ping(endpoint),
            Self::Http(page) => Probe::Http(HttpProbe {
                endpoint,
                tls: page.tls,
                version: HttpVersion::Http10Close,
                trust: TlsTrust::default(),
                fast_recovery: false,
                urls: vec![page.url()],
            }),
        }
    }
}

impl WebPage {
    fn url(&self) -> Url {
        Url {
            path: self.path.clone(),
            host: None,
            server_name: None,
            digest: None,
            status: vec![200..=299],
            regex: None,
            close_notify: false,
        }
    }
}

impl fmt::Display for Reach {
    /// As a statement of a `vrrp_script`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(to) => write!(f, "track_tcp {} {}", to.ip(), to.port()),
            Self::Ping(host) => write!(f, "track_ping {host}"),
            Self::Http(WebPage { tls, to, path }) => {
                let secret = if *tls { "s" } else { "" };
                let url = format!("http{secret}://{to}{path}");
                write!(f, "track_http {}", quoted(&url))
            }
        }
    }
}

/// `vrrp_track_process NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackProcess {
    pub name: String,
    /// `process`: its name, and the parameters it must have.
    pub process: Vec<String>,
    pub parameters: ParameterMatch,
    /// `full_command`: the whole command line is looked at and not the name of 15 octets.
    pub full_command: bool,
    pub weight: Weight,
    /// `quorum`, 0 to 65535: so many must run.
    pub quorum: u32,
    /// `quorum_max`, 0 to 65535: no more may run; None: any number.
    pub quorum_max: Option<u32>,
    /// `terminate_delay`, up to 3600 s: wait before one that ended counts.
    pub terminate_delay: Duration,
    /// `fork_delay`, up to 3600 s: wait before one that started counts.
    pub fork_delay: Duration,
}

impl TrackProcess {
    /// What the kernel keeps of the program's name: so many octets, and half a character when one
    /// ends there.
    pub fn short_name(&self) -> Option<String> {
        let program = self.process.first()?;
        let name = lossless::encode(program.rsplit('/').next().unwrap_or(program));
        Some(lossless::decode(&name[..name.len().min(NAME_MAX)]))
    }
}

/// `param_match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterMatch {
    /// They do not matter.
    Any,
    Exact,
    /// `initial`: the process may have more behind them.
    Initial,
    /// `partial`: the last of them need only begin like that of the process.
    Partial,
}

/// `track_file NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackFile {
    pub name: String,
    /// `file`: it holds one number.
    pub path: String,
    /// `weight`: the number is multiplied by it; 0: a number that is not 0 is a FAULT.
    pub weight: Weight,
    pub initial: Option<InitialFile>,
}

/// `init_file [INT] [overwrite]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialFile {
    pub value: i32,
    /// False: only where there is no file.
    pub overwrite: bool,
}

/// One line of `track_script` and the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    pub name: String,
    /// That of the line, else that of the object.
    pub weight: Weight,
}

/// Everything an instance or a group of them watches.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tracks {
    /// `track_interface`.
    pub interfaces: Vec<Tracked>,
    /// `track_script`.
    pub scripts: Vec<Tracked>,
    /// `track_file`.
    pub files: Vec<Tracked>,
    /// `track_process`.
    pub processes: Vec<Tracked>,
    /// `track_bfd`.
    pub bfds: Vec<Tracked>,
}

/// TASK_COMM_LEN of the kernel, without the zero.
const NAME_MAX: usize = 15;
