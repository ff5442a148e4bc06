//! A keepalived on a host, in the foreground, with its log in a file.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::network::{self, Background, Host, seconds};
use super::wait::wait_until;

/// Which keepalived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    /// The binary under test.
    Ours,
    /// Debian's.
    Debian,
}

/// Ended with SIGKILL when dropped.
pub(crate) struct Daemon {
    host: Host,
    process: Background,
    log: PathBuf,
    config: PathBuf,
}

impl Make {
    pub(crate) fn program(self) -> String {
        match self {
            Self::Ours => env::var("KEEPALIVED")
                .unwrap_or_else(|_| env!("CARGO_BIN_EXE_keepalived").to_owned()),
            Self::Debian => env::var("KEEPALIVED_PEER")
                .expect("KEEPALIVED_PEER names Debian's keepalived: use scripts/lab"),
        }
    }
}

impl Daemon {
    /// Ours, with detailed log.
    pub(crate) fn start(host: &Host, config: &str) -> Self {
        Self::start_make(Make::Ours, host, config)
    }

    pub(crate) fn start_make(make: Make, host: &Host, config: &str) -> Self {
        Self::start_with(make, host, config, &[])
    }

    /// With more options.
    pub(crate) fn start_with(make: Make, host: &Host, config: &str, options: &[&str]) -> Self {
        let config = host.write("keepalived.conf", config);
        let log = host.directory.join(format!("{make:?}.log"));
        // A restart must not take the old lines for new ones.
        if log.exists() {
            fs::rename(&log, log.with_extension("1.log")).expect("the directory is writable");
        }
        let program = make.program();
        let words = foreground(&program, &config, host);
        let words = words
            .iter()
            .map(String::as_str)
            .chain(options.iter().copied());
        let words: Vec<&str> = words.collect();
        let process = host.spawn(&words, &log);
        Self {
            host: host.clone(),
            process,
            log,
            config,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    #[track_caller]
    pub(crate) fn wait_for_line(&self, text: &str) {
        let what = format!("{} logs {text:?}", self.host.name);
        wait_until(seconds(10), &what, || self.logged(text) > 0);
    }

    /// Puts another text in place of the configuration, without telling the daemon.
    pub(crate) fn rewrite(&self, config: &str) {
        fs::write(&self.config, config).expect("the host's directory is writable");
    }

    pub(crate) fn signal(&self, name: &str) {
        network::signal(self.process.pid(), name);
    }

    /// What it has used of the processors, in seconds; of ours, which is one process.
    pub(crate) fn processor_time(&self) -> String {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.pid()));
        let stat = stat.expect("it is alive");
        let (_, fields) = stat.rsplit_once(')').expect("the name stands in brackets");
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        format!("{:.1} s", ticks / 100.0)
    }

    /// SIGTERM, without waiting for the end.
    pub(crate) fn ask_to_stop(&self) {
        self.signal("TERM");
    }

    #[track_caller]
    pub(crate) fn stopped(&mut self) -> ExitStatus {
        let what = format!("the daemon on {} has ended", self.host.name);
        let mut status = None;
        wait_until(seconds(8), &what, || {
            status = self.process.child().try_wait().expect("it is our child");
            status.is_some()
        });
        status.expect("waited for it")
    }

    /// SIGTERM; waits for the end, which must be a good one.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.ask_to_stop();
        let status = self.stopped();
        assert!(
            status.success(),
            "the daemon on {} ended with {status}",
            self.host.name
        );
    }

    /// SIGKILL to all its processes, without a farewell of any: the first of Debian's is stopped
    /// before, since its end is the signal to leave for the others.
    pub(crate) fn kill(self) {
        self.signal("STOP");
        let others = PID_FILES[1..]
            .iter()
            .filter_map(|name| fs::read_to_string(self.host.directory.join(name)).ok());
        let pids = others.chain([self.process.pid().to_string()]);
        for pid in pids {
            let mut command = self.host.command(&["kill", "-KILL", pid.trim()]);
            let _ = command.stderr(std::process::Stdio::null()).status();
        }
        // The pid files stay, as after a crash.
    }

    /// Panics if it did not like what it heard.
    #[track_caller]
    pub(crate) fn expect_no_complaint(&self) {
        let log = self.log();
        let complains = |line: &&str| COMPLAINTS.iter().any(|word| line.contains(word));
        assert_eq!(
            log.lines().find(complains),
            None,
            "a complaint on {} in\n{log}",
            self.host.name
        );
    }
}

/// The command line of a daemon in the foreground whose files all are in the host's directory.
pub(crate) fn foreground(program: &str, config: &std::path::Path, host: &Host) -> Vec<String> {
    let mut words = vec![
        program.to_owned(),
        "-n".into(),
        "-l".into(),
        "-D".into(),
        "-G".into(),
    ];
    words.extend(["-f".to_owned(), config.display().to_string()]);
    words.extend(pid_options(host));
    words
}

pub(crate) fn pid_options(host: &Host) -> Vec<String> {
    let options = ["-p", "-r", "-c"].into_iter().zip(PID_FILES);
    options
        .flat_map(|(option, name)| {
            [
                option.to_owned(),
                host.directory.join(name).display().to_string(),
            ]
        })
        .collect()
}

pub(crate) const PID_FILES: [&str; 3] = ["keepalived.pid", "vrrp.pid", "checkers.pid"];

/// Words of a daemon that does not like what it hears.
const COMPLAINTS: [&str; 9] = [
    "invalid",
    "mismatch",
    "wrong",
    "expected",
    "not present",
    "too long",
    "too short",
    "Unknown",
    "error",
];
