//! From the command line to the loop, and from the loop to the exit code.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use log::{error, info};

use super::children::Children;
use super::options::{Options, Task};
use super::recorder::Recorder;
use super::reload::{self, ConfigFile, Machine};
use super::{Cores, Daemon, Error, Manners, about, inspect, logging, report};
use crate::config::global::Scripts;
use crate::config::{self, Config, Reading, Script, lossless};
use crate::sys::clock::Clock;
use crate::sys::daemonize::{self, Ready, Side};
use crate::sys::pidfile::{self, PidFile, Refusal};
use crate::sys::{host, netns, process};

/// Runs what the command line asks for: the daemon, or a look at the configuration.
pub fn run(options: &Options) -> Result<ExitCode, Error> {
    let path = options
        .config_file
        .clone()
        .unwrap_or_else(|| PathBuf::from(CONFIG_FILE));
    if let Some(name) = &options.namespace {
        netns::enter(name).map_err(|errno| Error::Namespace(name.clone(), errno))?;
    }
    match &options.task {
        Task::Run => start(options, path),
        Task::Test(report) => inspect::test(options, &path, report),
        Task::Print => Ok(inspect::print(options, &path)),
        Task::Diff(old, new) => Ok(inspect::diff(options, old, new)),
    }
}

fn start(options: &Options, path: PathBuf) -> Result<ExitCode, Error> {
    options.print_remarks();
    daemonize::set_umask(options.umask.unwrap_or(daemonize::DEFAULT_UMASK));
    logging::start(options);
    introduce(options, &path);
    let reading = reading(options);
    let loaded = config::load(&path, &Machine::IDLE, &reading);
    reload::log(&loaded.diagnostics);
    let refusal = loaded.diagnostics.refusal_code();
    let Some(config) = reload::to_run(loaded) else {
        error!("Configuration file {} cannot be used", path.display());
        logging::finish();
        return Ok(ExitCode::from(refusal));
    };
    if let (None, Some(mask)) = (options.umask, config.global.processes.umask) {
        daemonize::set_umask(mask);
    }
    if options.dump_config {
        report::log(&config);
    }
    let cores = Cores {
        vrrp: options.run_vrrp,
        check: options.run_check,
    };
    if config.instances.is_empty() && config.virtual_servers.is_empty() {
        info!("Warning - keepalived has no configuration to run");
    }
    // A reload comes from another directory.
    let path = absolute(&path).unwrap_or(path);
    let outcome = become_daemon(options, cores, ConfigFile::new(path, reading, config));
    if let Err(error) = &outcome {
        error!("{error}");
    }
    logging::finish();
    outcome
}

/// Into the background unless told otherwise. The caller of a daemon that goes there waits for its
/// word, so that `service keepalived start` tells the truth.
fn become_daemon(options: &Options, cores: Cores, files: ConfigFile) -> Result<ExitCode, Error> {
    let paths = PidPaths::new(options);
    let named = |errno| Error::PidFile(paths.main.clone(), errno);
    if pidfile::is_running(&paths.main).map_err(named)? {
        return Ok(already_running());
    }
    if options.foreground {
        return serve(options, cores, files, &paths, None);
    }
    // What waits for a slow syslog would otherwise be sent by both processes.
    logging::finish();
    match daemonize::fork_off(START_PATIENCE).map_err(Error::Background)? {
        Side::Caller(code) => Ok(ExitCode::from(code)),
        Side::Daemon(ready) => serve(options, cores, files, &paths, Some(ready)),
    }
}

fn already_running() -> ExitCode {
    info!("daemon is already running");
    // keepalived's code: an init script that starts twice has not failed.
    ExitCode::SUCCESS
}

fn serve(
    options: &Options,
    cores: Cores,
    files: ConfigFile,
    paths: &PidPaths,
    ready: Option<Ready>,
) -> Result<ExitCode, Error> {
    process::remember_limits();
    process::use_all_descriptors();
    paths.prepare(options)?;
    let _locked = match PidFile::lock(&paths.main) {
        Ok(locked) => locked,
        Err(Refusal::Running) => return Ok(already_running()),
        Err(Refusal::System(errno)) => return Err(Error::PidFile(paths.main.clone(), errno)),
    };
    let _others = paths.write_others(cores)?;
    let config = Arc::clone(files.config());
    let manners = Manners {
        leave_vrrp: options.leave_vrrp,
        release_vips: options.release_vips,
        monitor_addresses: options.monitor_addresses,
        leave_ipvs: options.leave_ipvs,
        ignore_sigint: options.ignore_sigint,
        panic_on_usr2: options.debug.as_deref() == Some("panic"),
    };
    let recorder = Recorder::open(paths.events.as_deref());
    let mut daemon = Daemon::new(cores, manners, files, seed(), recorder)?;
    if let Some(ready) = ready {
        daemonize::detach().map_err(Error::Background)?;
        ready.tell();
    }
    std::panic::set_hook(Box::new(|panic| error!("{panic}")));
    run_once(&config, |scripts| {
        (&scripts.startup, scripts.startup_timeout)
    });
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        daemon.apply(Clock.now(), &config);
        info!("Startup complete");
        daemon.run()
    }));
    let code = match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            error!("{error}");
            farewell(&mut daemon)
        }
        Err(_) => farewell(&mut daemon),
    };
    run_once(daemon.files.config(), |scripts| {
        (&scripts.shutdown, scripts.shutdown_timeout)
    });
    info!("Stopped {}", about::title());
    Ok(code)
}

/// `startup_script` and `shutdown_script`: nothing else is done meanwhile.
fn run_once(config: &Config, choose: impl FnOnce(&Scripts) -> (&Option<Script>, Option<Duration>)) {
    if let (Some(script), limit) = choose(&config.global.scripts) {
        let mut children = Children::default();
        children.reload(config);
        children.run_to_end(script, limit.unwrap_or(ONCE_LIMIT));
    }
}

/// Something went wrong that nobody foresaw: whatever else is in doubt, the other routers are told
/// and the addresses given up. The IPVS table stays: without the address no new client comes, and
/// with it those that are here are served on.
fn farewell(daemon: &mut Daemon) -> ExitCode {
    // A second panic, in the goodbye itself, has been logged and changes nothing.
    let _ = catch_unwind(AssertUnwindSafe(|| daemon.break_off_vrrp(Clock.now())));
    ExitCode::from(EXIT_SOFTWARE)
}

/// Where the pid files are: keepalived has one for every part, and tools read them. And what else
/// is written beside the log.
#[derive(Debug)]
struct PidPaths {
    main: PathBuf,
    vrrp: PathBuf,
    checkers: PathBuf,
    events: Option<PathBuf>,
}

impl PidPaths {
    fn new(options: &Options) -> Self {
        let directory = Self::directory(options.namespace.as_deref());
        let path = |given: &Option<PathBuf>, name| {
            let path = given.clone().unwrap_or_else(|| directory.join(name));
            absolute(&path).unwrap_or(path)
        };
        Self {
            main: path(&options.pid_file, "keepalived.pid"),
            vrrp: path(&options.vrrp_pid_file, "vrrp.pid"),
            checkers: path(&options.checkers_pid_file, "checkers.pid"),
            // The daemon goes to another directory.
            events: options
                .log_events
                .as_ref()
                .map(|file| absolute(file).unwrap_or_else(|_| file.clone())),
        }
    }

    /// Every network namespace has its own directory, so that the daemons in them do not take each
    /// other for themselves.
    fn directory(namespace: Option<&OsStr>) -> PathBuf {
        let run = host::run_directory();
        namespace.map_or_else(
            || run.to_path_buf(),
            |name| run.join("keepalived").join(name),
        )
    }

    /// Makes that directory when it is needed.
    fn prepare(&self, options: &Options) -> Result<(), Error> {
        if options.namespace.is_none() || options.pid_file.is_some() {
            return Ok(());
        }
        let directory = Self::directory(options.namespace.as_deref());
        let above = directory.parent().into_iter();
        for path in above.chain([directory.as_path()]) {
            host::make_directory(path)
                .map_err(|errno| Error::PidFile(path.to_path_buf(), errno))?;
        }
        Ok(())
    }

    /// All hold the one number there is.
    fn write_others(&self, cores: Cores) -> Result<Vec<PidFile>, Error> {
        let parts = [(cores.vrrp, &self.vrrp), (cores.check, &self.checkers)];
        let wanted = parts.into_iter().filter(|(runs, _)| *runs);
        wanted
            .map(|(_, path)| {
                PidFile::write(path).map_err(|errno| Error::PidFile(path.clone(), errno))
            })
            .collect()
    }
}

/// What the command line says about the reading of the configuration.
pub(super) fn reading(options: &Options) -> Reading {
    let id = options.config_id.as_ref();
    Reading {
        config_id: id.map(|id| lossless::decode(id.as_bytes())),
        all_checks: options.all_config,
        seed: seed(),
    }
}

/// Two directors that boot together do not check in step.
fn seed() -> u64 {
    Clock.now().as_nanos() ^ u64::from(std::process::id())
}

/// Where distributions keep it.
const CONFIG_FILE: &str = "/etc/keepalived/keepalived.conf";
/// A start takes milliseconds; an init script should not hang on a broken one.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// `startup_script_timeout` and `shutdown_script_timeout` where they are not given.
const ONCE_LIMIT: Duration = Duration::from_secs(10);
/// EX_SOFTWARE of sysexits(3).
const EXIT_SOFTWARE: u8 = 70;

/// The first lines of the log.
fn introduce(options: &Options, path: &Path) {
    info!("Starting {}", about::title());
    info!("{}", about::running_on());
    let words = options.command_line.iter();
    let words: Vec<_> = words
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    info!("Command line: {}", words.join(" "));
    for option in &options.without_effect {
        info!("option {option} has no effect yet");
    }
    info!("Configuration file {}", path.display());
}
