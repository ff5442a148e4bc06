//! What the daemon is asked for on its command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

/// What the user asked for, nothing derived from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The whole command line as it was given, for the log.
    pub command_line: Vec<OsString>,
    /// `-f`; None: the default places.
    pub config_file: Option<PathBuf>,
    /// Cleared by `-C`.
    pub run_vrrp: bool,
    /// Cleared by `-P`.
    pub run_check: bool,
    /// Cleared by `-B`.
    pub run_bfd: bool,
    /// `-n`: stay in the foreground.
    pub foreground: bool,
    /// `-l`: with `-n`, log to the console.
    pub log_console: bool,
    /// How often `-D` was given.
    pub log_detail: u8,
    /// `-S`.
    pub log_facility: Facility,
    /// `-g`: the file to log to as well.
    pub log_file: Option<PathBuf>,
    /// `--flush-log-file`.
    pub flush_log_file: bool,
    /// `--log-events`: the file that everything the cores are told is written to.
    pub log_events: Option<PathBuf>,
    /// Set by `-G`.
    pub no_syslog: bool,
    /// `-d`: log the configuration at start.
    pub dump_config: bool,
    /// `-p`, `-r`, `-c`, `-b`; None: the default places.
    pub pid_file: Option<PathBuf>,
    pub vrrp_pid_file: Option<PathBuf>,
    pub checkers_pid_file: Option<PathBuf>,
    pub bfd_pid_file: Option<PathBuf>,
    /// `-X`: a transition removes addresses that are not known to be set, too.
    pub release_vips: bool,
    /// `-a`: the log tells of all addresses that come and go.
    pub monitor_addresses: bool,
    /// `-V`: a stop leaves addresses where they are, and says nothing on the wire.
    pub leave_vrrp: bool,
    /// `-I`: a stop leaves the IPVS table as it is.
    pub leave_ipvs: bool,
    /// `--ignore-sigint`.
    pub ignore_sigint: bool,
    /// `-s`: the network namespace to run in.
    pub namespace: Option<OsString>,
    /// `-u`; None: the configuration's, or the default.
    pub umask: Option<u32>,
    /// `-i`; None: the name of the machine.
    pub config_id: Option<OsString>,
    /// `-e`: whatever an include does not find is fatal.
    pub all_config: bool,
    /// `-t`, `--print-config`, `--diff`; the last one counts.
    pub task: Task,
    /// `--message-format`.
    pub format: Format,
    /// `--debug=WHAT`, for developers; never set in a release build.
    pub debug: Option<String>,
    /// Options that are known and have no effect yet, as `--name`.
    pub without_effect: Vec<String>,
    /// Words that belong to no option.
    pub unexpected: Vec<OsString>,
    /// Values that were not understood. The option is ignored, but a configuration test fails.
    pub complaints: Vec<String>,
}

impl Options {
    pub fn new(command_line: Vec<OsString>) -> Self {
        Self {
            command_line,
            config_file: None,
            run_vrrp: true,
            run_check: true,
            run_bfd: true,
            foreground: false,
            log_console: false,
            log_detail: 0,
            log_facility: Facility::DAEMON,
            log_file: None,
            flush_log_file: false,
            log_events: None,
            no_syslog: false,
            dump_config: false,
            pid_file: None,
            vrrp_pid_file: None,
            checkers_pid_file: None,
            bfd_pid_file: None,
            release_vips: false,
            monitor_addresses: false,
            leave_vrrp: false,
            leave_ipvs: false,
            ignore_sigint: false,
            namespace: None,
            umask: None,
            config_id: None,
            all_config: false,
            task: Task::Run,
            format: Format::Text,
            debug: None,
            without_effect: Vec::new(),
            unexpected: Vec::new(),
            complaints: Vec::new(),
        }
    }

    /// Tells the user on the terminal what was passed over, as keepalived does: values that were
    /// not understood on stderr, words without an option on stdout.
    pub fn print_remarks(&self) {
        for complaint in &self.complaints {
            // A closed stderr is no reason not to start; the same below.
            let _ = writeln!(std::io::stderr(), "{complaint}");
        }
        let _ = std::io::stdout().write_all(self.unexpected_words().as_bytes());
    }

    /// The same where stdout is for a document.
    pub fn print_remarks_on_stderr(&self) {
        let mut text = self.complaints.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text += &self.unexpected_words();
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    fn unexpected_words(&self) -> String {
        if self.unexpected.is_empty() {
            return String::new();
        }
        let words = self.unexpected.iter().map(|word| word.to_string_lossy());
        let words: Vec<_> = words.collect();
        format!("Unexpected argument(s): {}\n", words.join(" "))
    }
}

/// What the program is started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// The daemon.
    Run,
    /// `-t`: read the configuration, report, exit.
    Test(Report),
    /// `--print-config`.
    Print,
    /// `--diff`: the old file and the new one.
    Diff(PathBuf, PathBuf),
}

/// How the problems of a configuration are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// Where a configuration test writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    Stderr,
    /// Appended to a file.
    File(PathBuf),
}

/// A syslog facility, as the number in the protocol (RFC 5424 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

impl Facility {
    const USER: Self = Self(1);
    pub const DAEMON: Self = Self(3);
    const LOCAL0: u8 = 16;

    pub const fn number(self) -> u8 {
        self.0
    }

    /// `user`, `daemon`, `local0` to `local7`, or the bare number of a local one.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "user" => return Some(Self::USER),
            "daemon" => return Some(Self::DAEMON),
            _ => {}
        }
        let number = word.strip_prefix("local").unwrap_or(word);
        match number.as_bytes() {
            [digit @ b'0'..=b'7'] => Some(Self(Self::LOCAL0 + digit - b'0')),
            _ => None,
        }
    }
}
