//! What instances watch: scripts, processes, files, and how much each of them counts.

use std::time::Duration;

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
    pub script: Script,
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
