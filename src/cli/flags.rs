//! The table of options: names, arguments, effects and a sentence on each.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{Answer, EXIT_USAGE, printable_bytes, usage};
use crate::daemon::about;
use crate::daemon::options::{Facility, Format, Options, Report, Task};

use Action::{NotYet, Optional, Pair, Switch, Tell, TellAbout, Value};

/// An option: its names, what it takes, what it does.
pub(super) struct Flag {
    pub(super) short: Option<char>,
    pub(super) long: &'static str,
    /// One sentence without its full stop.
    pub(super) doc: &'static str,
    pub(super) action: Action,
    /// For developers: not in the usage, not in the manual.
    pub(super) hidden: bool,
}

impl Flag {
    const fn new(short: char, long: &'static str, doc: &'static str, action: Action) -> Self {
        Self {
            short: Some(short),
            long,
            doc,
            action,
            hidden: false,
        }
    }

    const fn long(long: &'static str, doc: &'static str, action: Action) -> Self {
        Self {
            short: None,
            long,
            doc,
            action,
            hidden: false,
        }
    }

    const fn hidden(long: &'static str, action: Action) -> Self {
        Self {
            short: None,
            long,
            doc: "",
            action,
            hidden: true,
        }
    }

    /// The names and the argument, as the usage shows them.
    pub(super) fn head(&self) -> String {
        let short = self
            .short
            .map_or_else(|| String::from("    "), |short| format!("-{short}, "));
        let argument = match self.action.argument() {
            Argument::None => String::new(),
            Argument::Required(name) => format!("={name}"),
            Argument::Optional(name) => format!("[={name}]"),
        };
        format!("{short}--{}{argument}", self.long)
    }
}

/// What an option does. The strings name the argument in the usage.
pub(super) enum Action {
    Switch(fn(&mut Options)),
    Value(&'static str, fn(&mut Options, &OsStr)),
    Optional(&'static str, fn(&mut Options, Option<&OsStr>)),
    /// Takes the word after its argument as well.
    Pair(&'static str, fn(&mut Options, &OsStr, &OsStr)),
    /// Answers at once; nothing after it is read.
    Tell(fn() -> Answer),
    TellAbout(&'static str, fn(&OsStr) -> Answer),
    /// An option of keepalived that is understood, with its argument, and does nothing so far.
    NotYet(Argument),
}

impl Action {
    pub(super) const fn argument(&self) -> Argument {
        match *self {
            Self::Switch(_) | Self::Tell(_) => Argument::None,
            Self::Value(name, _) | Self::Pair(name, _) | Self::TellAbout(name, _) => {
                Argument::Required(name)
            }
            Self::Optional(name, _) => Argument::Optional(name),
            Self::NotYet(argument) => argument,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    None,
    /// Attached, or the next word.
    Required(&'static str),
    /// Attached, or absent.
    Optional(&'static str),
}

/// Every option there is, in the order of the usage.
pub(super) const FLAGS: &[Flag] = &[
    Flag::new(
        'f',
        "use-file",
        "Read this configuration file instead of /etc/keepalived/keepalived.conf",
        Value("FILE", |options, file| {
            options.config_file = Some(file.into());
        }),
    ),
    Flag::new(
        'P',
        "vrrp",
        "Run without health checks and IPVS",
        Switch(|options| options.run_check = false),
    ),
    Flag::new(
        'C',
        "check",
        "Run without VRRP",
        Switch(|options| options.run_vrrp = false),
    ),
    Flag::new(
        'B',
        "no_bfd",
        "Run without BFD",
        Switch(|options| options.run_bfd = false),
    ),
    Flag::long(
        "all",
        "Run every part, also those that nothing is configured for",
        NotYet(Argument::None),
    ),
    Flag::new(
        'l',
        "log-console",
        "Together with -n: log to the console",
        Switch(|options| options.log_console = true),
    ),
    Flag::new(
        'D',
        "log-detail",
        "Log more; given twice, log every detail",
        Switch(|options| options.log_detail = options.log_detail.saturating_add(1)),
    ),
    Flag::new(
        'S',
        "log-facility",
        "Log to this syslog facility: 0 to 7 or local0 to local7, user, daemon (the default)",
        Value("FACILITY", set_facility),
    ),
    Flag::new(
        'g',
        "log-file",
        "Log to a file as well, /tmp/keepalived.log if none is named; the parts log to files \
         beside it with _vrrp and _healthcheckers in their names",
        Optional("FILE", |options, file| {
            options.log_file = Some(file.map_or_else(|| DEFAULT_LOG_FILE.into(), PathBuf::from));
        }),
    ),
    Flag::long(
        "flush-log-file",
        "Write each line to the log file at once, which is done in any case",
        Switch(|options| options.flush_log_file = true),
    ),
    Flag::long(
        "log-events",
        "Append everything that VRRP and the checks are told, and what they want done, to this \
         file, up to 1 GiB: some 20 MB a day for each advert in a second. It can be replayed; it \
         holds the configuration with its passwords, and is for its owner only",
        Value("FILE", |options, file| {
            options.log_events = Some(file.into());
        }),
    ),
    Flag::new(
        'G',
        "no-syslog",
        "Do not log to syslog",
        Switch(|options| options.no_syslog = true),
    ),
    Flag::new(
        'u',
        "umask",
        "The umask for files that are made, in C notation; 0177 is the default",
        Value("MASK", set_umask),
    ),
    Flag::new(
        'X',
        "release-vips",
        "Remove addresses at a transition even if they are not known to be set",
        Switch(|options| options.release_vips = true),
    ),
    Flag::new(
        'V',
        "dont-release-vrrp",
        "Leave addresses, routes and rules in place when stopping, and do not say goodbye",
        Switch(|options| options.leave_vrrp = true),
    ),
    Flag::new(
        'I',
        "dont-release-ipvs",
        "Leave the IPVS table as it is when stopping",
        Switch(|options| options.leave_ipvs = true),
    ),
    // Nothing is respawned within one process, hence nothing is left to switch off.
    Flag::new(
        'R',
        "dont-respawn",
        "Do not start a part again that died",
        Switch(|_| ()),
    ),
    Flag::new(
        'n',
        "dont-fork",
        "Stay in the foreground",
        Switch(|options| options.foreground = true),
    ),
    Flag::new(
        'd',
        "dump-conf",
        "Log the configuration at start",
        Switch(|options| options.dump_config = true),
    ),
    Flag::new(
        'p',
        "pid",
        "Write the process id to this file",
        Value("FILE", |options, file| options.pid_file = Some(file.into())),
    ),
    Flag::new(
        'r',
        "vrrp_pid",
        "Write the process id of the VRRP part to this file",
        Value("FILE", |options, file| {
            options.vrrp_pid_file = Some(file.into());
        }),
    ),
    Flag::new(
        'c',
        "checkers_pid",
        "Write the process id of the health checkers to this file",
        Value("FILE", |options, file| {
            options.checkers_pid_file = Some(file.into());
        }),
    ),
    Flag::new(
        'b',
        "bfd_pid",
        "Write the process id of the BFD part to this file",
        Value("FILE", |options, file| {
            options.bfd_pid_file = Some(file.into());
        }),
    ),
    Flag::new(
        'T',
        "genhash",
        "Compute the digest of a web page, for HTTP_GET; not part of this version",
        Tell(refuse_genhash),
    ),
    Flag::new(
        'a',
        "address-monitoring",
        "Log all changes of addresses",
        Switch(|options| options.monitor_addresses = true),
    ),
    Flag::new(
        'x',
        "snmp",
        "Connect to an SNMP agent",
        NotYet(Argument::None),
    ),
    Flag::new(
        'A',
        "snmp-agent-socket",
        "The socket of the SNMP agent",
        NotYet(Argument::Required("SOCKET")),
    ),
    Flag::new(
        's',
        "namespace",
        "Run in this network namespace",
        Value("NAME", |options, name| {
            options.namespace = Some(name.to_owned());
        }),
    ),
    Flag::new('m', "core-dump", "Allow core dumps", NotYet(Argument::None)),
    Flag::new(
        'M',
        "core-dump-pattern",
        "Allow core dumps and set their pattern",
        NotYet(Argument::Optional("PATTERN")),
    ),
    Flag::new(
        'e',
        "all-config",
        "Treat any missing configuration file as an error",
        Switch(|options| options.all_config = true),
    ),
    Flag::new(
        'i',
        "config-id",
        "Read the configuration lines marked with this id; the name of the machine up to its \
         first dot unless given",
        Value("ID", |options, id| options.config_id = Some(id.to_owned())),
    ),
    Flag::long(
        "signum",
        "Print the number of the signal for STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON",
        TellAbout("NAME", tell_signal),
    ),
    Flag::new(
        't',
        "config-test",
        "Check the configuration and exit; complaints go to stderr or are appended to the file",
        Optional("FILE", |options, file| {
            let report = file.map_or(Report::Stderr, |file| Report::File(file.into()));
            options.task = Task::Test(report);
        }),
    ),
    Flag::long(
        "message-format",
        "How -t and --print-config write what is wrong: text (the default), or json for programs: \
         one list, which -t writes to stdout or to its file",
        Value("FORMAT", set_format),
    ),
    Flag::long(
        "print-config",
        "Print the configuration with all defaults written out, and exit as -t does",
        Switch(|options| options.task = Task::Print),
    ),
    Flag::long(
        "diff",
        "Print what a reload would do if the file NEW took the place of OLD; exit with 0 if nothing, \
         with 1 if something, with 2 or more if one of them cannot be used",
        Pair("OLD NEW", |options, old, new| {
            options.task = Task::Diff(old.into(), new.into());
        }),
    ),
    Flag::long(
        "ignore-sigint",
        "Do not stop on SIGINT",
        Switch(|options| options.ignore_sigint = true),
    ),
    Flag::new(
        'v',
        "version",
        "Print the version and exit",
        Tell(tell_version),
    ),
    Flag::new('h', "help", "Print this list and exit", Tell(tell_usage)),
    // What keepalived passes to itself, and what only its developers' builds have.
    Flag::hidden("config-fd", NotYet(Argument::Required("N"))),
    Flag::hidden("perf", NotYet(Argument::Optional("TYPE"))),
    Flag::hidden("no-mem-check", NotYet(Argument::None)),
    Flag {
        short: Some('L'),
        ..Flag::hidden("mem-check-log", NotYet(Argument::None))
    },
    Flag::hidden("openssl-mem-check", NotYet(Argument::None)),
    Flag::hidden("debug", Optional("WHAT", set_debug)),
];

fn set_facility(options: &mut Options, word: &OsStr) {
    match word.to_str().and_then(Facility::parse) {
        Some(facility) => options.log_facility = facility,
        None => {
            let word = printable_bytes(word.as_bytes());
            options
                .complaints
                .push(format!("Invalid log facility '{word}'"));
        }
    }
}

fn set_format(options: &mut Options, word: &OsStr) {
    match word.as_bytes() {
        b"text" => options.format = Format::Text,
        b"json" => options.format = Format::Json,
        _ => {
            let word = printable_bytes(word.as_bytes());
            options
                .complaints
                .push(format!("Invalid message format '{word}'"));
        }
    }
}

/// A number as C writes it: 0177 is octal, 0x7f hexadecimal.
fn set_umask(options: &mut Options, word: &OsStr) {
    let text = word.to_str().unwrap_or_default();
    let number = if let Some(digits) = text.strip_prefix("0x") {
        u32::from_str_radix(digits, 16)
    } else if text.starts_with('0') {
        u32::from_str_radix(text, 8)
    } else {
        text.parse()
    };
    match number {
        Ok(mask) if mask <= 0o777 => options.umask = Some(mask),
        Ok(_) | Err(_) => {
            let word = printable_bytes(word.as_bytes());
            options
                .complaints
                .push(format!("Invalid --umask option {word}"));
        }
    }
}

fn set_debug(options: &mut Options, what: Option<&OsStr>) {
    // In a release build the word is known, so that a command line keeps working, and does nothing.
    if cfg!(debug_assertions) {
        options.debug = Some(what.unwrap_or_default().to_string_lossy().into_owned());
    }
}

fn tell_usage() -> Answer {
    Answer::on_stderr(usage(), 0)
}

fn tell_version() -> Answer {
    Answer::on_stderr(about::version_text(), 0)
}

/// The numbers are those of the kernel's signals: a script that asks here reaches the daemon
/// whatever C library either was built with.
fn tell_signal(name: &OsStr) -> Answer {
    let number = match name.as_bytes() {
        b"RELOAD" => 1,
        b"DATA" => 10,
        b"STATS" => 12,
        b"STOP" => 15,
        b"JSON" => 36,
        b"STATS_CLEAR" => 63,
        _ => {
            let text = format!("Unknown sigfunc {}\n", printable_bytes(name.as_bytes()));
            return Answer::on_stderr(text, EXIT_USAGE);
        }
    };
    Answer {
        stdout: format!("{number}\n"),
        stderr: String::new(),
        exit_code: 0,
    }
}

/// To run as a daemon because genhash's option was not taken up would surprise, so this one is
/// refused and not passed over.
fn refuse_genhash() -> Answer {
    Answer::on_stderr(
        String::from("genhash is not part of this version\n"),
        EXIT_USAGE,
    )
}

/// Where `-g` without a file logs to.
const DEFAULT_LOG_FILE: &str = "/tmp/keepalived.log";
