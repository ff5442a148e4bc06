//! The daemon: the loop and the drivers. The only room that sees both a core and `sys`.
//!
//! A driver decides nothing: every arm of its `match` is one call. On a wake-up all ready
//! descriptors are handled first and timers last, so that a daemon that slept too long hears the
//! adverts that wait for it before it may believe that a master is dead.

pub mod about;
mod belongings;
mod check;
mod children;
mod definitions;
pub mod genhash;
mod inspect;
mod line;
pub mod logging;
mod notify;
pub mod options;
mod outputs;
mod pipes;
mod probes;
mod reach;
mod reactor;
mod recorder;
mod reload;
mod report;
mod slots;
mod start;
mod surroundings;
mod topology;
mod track;
mod vrrp;

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use log::info;
use mio::Token;

use crate::config::Config;
use crate::errno::Errno;
use crate::sys::clock::{Alarm, Clock};
use crate::sys::pages;
use crate::sys::process;
use crate::sys::signal::{Signal, Signals};
use crate::sys::tls;
use crate::time::Instant;
use check::{Order, Part};
use children::{Children, Owner};
use notify::Tools;
use reactor::{Reactor, Ready, Source};
use recorder::Recorder;
use reload::ConfigFile;

pub use start::run;

/// Why the daemon cannot start, or cannot go on.
#[derive(Debug)]
pub enum Error {
    /// A descriptor that nothing works without.
    Open { what: &'static str, errno: Errno },
    /// The readiness loop itself.
    Poll(io::Error),
    /// The file that `-t` was to write to.
    Report(PathBuf, io::Error),
    /// The pid file.
    PidFile(PathBuf, Errno),
    /// Going into the background.
    Background(Errno),
    /// `-s`.
    Namespace(OsString, Errno),
}

impl Error {
    /// keepalived's codes: 4 for what lacks a permission, else 1.
    pub fn exit_code(&self) -> ExitCode {
        let errno = match self {
            Self::Open { errno, .. }
            | Self::PidFile(_, errno)
            | Self::Background(errno)
            | Self::Namespace(_, errno) => *errno,
            Self::Poll(error) | Self::Report(_, error) => Errno::of(error),
        };
        let denied = matches!(errno, Errno::EPERM | Errno::EACCES);
        ExitCode::from(if denied { EXIT_PERMISSION } else { EXIT_FAILED })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { what, errno } => write!(f, "cannot open {what}: {errno}"),
            Self::Poll(error) => write!(f, "cannot wait for events: {error}"),
            Self::Report(path, error) => write!(f, "cannot write {}: {error}", path.display()),
            Self::PidFile(path, errno) => {
                write!(f, "cannot write pid file {}: {errno}", path.display())
            }
            Self::Namespace(name, errno) => {
                let name = name.to_string_lossy();
                write!(f, "cannot enter network namespace {name}: {errno}")
            }
            Self::Background(errno) => write!(f, "cannot go into the background: {errno}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open { errno, .. }
            | Self::PidFile(_, errno)
            | Self::Background(errno)
            | Self::Namespace(_, errno) => Some(errno),
            Self::Poll(error) | Self::Report(_, error) => Some(error),
        }
    }
}

/// One process, one loop, the cores that the command line chose.
#[derive(Debug)]
struct Daemon {
    reactor: Reactor,
    clock: Clock,
    alarm: Alarm,
    /// What the alarm is set to: most turns do not move it.
    alarm_at: Option<Instant>,
    signals: Signals,
    vrrp: Option<vrrp::Driver>,
    check: Option<check::Driver>,
    /// What the check core was told of the instance that it follows.
    master: Option<bool>,
    track: track::Driver,
    notify: notify::Driver,
    children: Children,
    files: ConfigFile,
    /// The configuration is to be read again at the end of this turn.
    reload_asked: bool,
    /// The last turn of the loop.
    turned: Instant,
    /// When what a new configuration needed of the program is not needed any more.
    settled_at: Option<Instant>,
    stopping: bool,
    /// Whoever had something to tell at the stop has told it.
    ending: bool,
    manners: Manners,
    recorder: Recorder,
}

impl Daemon {
    /// `seed` staggers the checks. In a call of its own, and boxed: what it takes to put the parts
    /// together would else stay on the stack for as long as the daemon runs.
    #[inline(never)]
    fn new(
        cores: Cores,
        manners: Manners,
        files: ConfigFile,
        seed: u64,
        recorder: Recorder,
    ) -> Result<Box<Self>, Error> {
        let opening = |what| move |errno| Error::Open { what, errno };
        let mut reactor = Reactor::new().map_err(Error::Poll)?;
        let alarm = Alarm::new().map_err(opening("timer"))?;
        let signals = Signals::open().map_err(opening("signal descriptor"))?;
        reactor
            .watch_readable(&alarm, Source::Alarm)
            .map_err(Error::Poll)?;
        reactor
            .watch_readable(&signals, Source::Signals)
            .map_err(Error::Poll)?;
        let vrrp = if cores.vrrp {
            let now = Clock.now();
            let core = manners.vrrp_core(now, recorder.clone());
            Some(vrrp::Driver::new(now, core, &mut reactor)?)
        } else {
            None
        };
        let check = cores.part().map(|part| {
            let core = recorder::Check::new(Clock.now(), seed, tls::AVAILABLE, recorder.clone());
            check::Driver::new(part, core)
        });
        Ok(Box::new(Self {
            reactor,
            clock: Clock,
            alarm,
            alarm_at: None,
            signals,
            vrrp,
            check,
            master: None,
            track: track::Driver::new(),
            notify: notify::Driver::new(),
            children: Children::default(),
            files,
            reload_asked: false,
            turned: Instant::ZERO,
            settled_at: None,
            stopping: false,
            ending: false,
            manners,
            recorder,
        }))
    }

    /// The whole loop. At a stop it goes on while neighbours and scripts are told of it, which is
    /// not long.
    fn run(&mut self) -> Result<(), Error> {
        while !(self.stopping && self.has_ended()) {
            // A slow syslog is tried again in a moment, not at the next event.
            self.turn(logging::is_behind().then_some(LOG_PATIENCE))?;
            if std::mem::take(&mut self.reload_asked) && !self.stopping {
                self.reload();
            }
        }
        let now = self.clock.now();
        self.tell_notify(|notify, tools| notify.end(now, tools));
        self.children.end();
        self.recorder.flush();
        Ok(())
    }

    fn turn(&mut self, patience: Option<Duration>) -> Result<(), Error> {
        self.set_alarm()?;
        self.reactor.wait(patience).map_err(Error::Poll)?;
        // The one clock read of this turn.
        let now = self.clock.now();
        self.turned = now;
        while let Some((token, source, ready)) = self.reactor.next() {
            self.on_ready(now, source, token, ready);
        }
        self.on_time(now);
        self.come_to_an_end(now);
        logging::flush();
        self.recorder.flush();
        Ok(())
    }

    /// A turn in the midst of a long work, when the last one is a while ago.
    fn meanwhile(&mut self) {
        if self.clock.now().since(self.turned) >= MEANWHILE {
            // What is wrong with the loop it finds out again by itself.
            let _ = self.turn(Some(Duration::ZERO));
        }
    }

    fn has_ended(&self) -> bool {
        let routers = self.vrrp.as_ref().and_then(vrrp::Driver::deadline);
        self.ending && routers.is_none() && self.notify.is_idle()
    }

    fn set_alarm(&mut self) -> Result<(), Error> {
        let vrrp = self.vrrp.as_ref().and_then(vrrp::Driver::deadline);
        let turned = self.turned;
        let check = self.check.as_ref();
        let check = check.and_then(|check| check.deadline(turned));
        let (track, notify) = (self.track.deadline(), self.notify.deadline());
        let deadlines = [vrrp, check, track, notify, self.settled_at];
        let at = deadlines.into_iter().flatten().min();
        if at != self.alarm_at {
            self.alarm.set(at).map_err(|errno| Error::Open {
                what: "timer",
                errno,
            })?;
            self.alarm_at = at;
        }
        Ok(())
    }

    fn on_ready(&mut self, now: Instant, source: Source, token: Token, ready: Ready) {
        match (source, &mut self.vrrp, &mut self.check) {
            // It is not read: to set it again takes the event back.
            (Source::Alarm, ..) => self.alarm_at = None,
            (Source::Signals, ..) => self.on_signals(now),
            (Source::Monitor, Some(vrrp), _) => vrrp.on_notices(now, token, &mut self.reactor),
            (Source::Vrrp(socket), Some(vrrp), _) => {
                vrrp.on_packets(now, socket, token, &mut self.reactor);
            }
            (Source::Lookout(trace), Some(vrrp), _) => {
                vrrp.on_sighting(now, trace, &mut self.reactor);
            }
            (Source::Addresses, _, Some(check)) => {
                check.on_addresses(now, token, &mut self.reactor);
            }
            (Source::Probe(probe), _, Some(check)) => {
                check.on_probe(now, probe, (token, ready), &mut self.reactor);
            }
            (Source::Reach(probe), ..) => {
                self.tell_track(|track, tools| track.on_reach(now, probe, (token, ready), tools));
            }
            (Source::Files, ..) => {
                self.tell_track(|track, tools| track.on_files(now, token, tools));
            }
            (Source::Processes, ..) => {
                self.tell_track(|track, tools| track.on_processes(now, token, tools));
            }
            (Source::Pipe(pipe), ..) => self.notify.on_writable(pipe),
            (Source::Output(number), ..) => {
                self.children.on_output(number, &mut self.reactor);
            }
            (Source::Mail, ..) => {
                self.tell_notify(|notify, tools| notify.on_line(now, token, tools));
            }
            // A source belongs to a core that runs.
            (
                Source::Monitor
                | Source::Vrrp(_)
                | Source::Lookout(_)
                | Source::Addresses
                | Source::Probe(_),
                ..,
            ) => {}
        }
        self.pass_on(now);
    }

    fn on_time(&mut self, now: Instant) {
        if let Some(check) = &mut self.check {
            check.on_time(now, &mut self.reactor);
        }
        self.tell_track(|track, tools| track.on_time(now, tools));
        self.pass_on(now);
        if let Some(vrrp) = &mut self.vrrp {
            vrrp.on_time(now, &mut self.reactor);
        }
        self.pass_on(now);
        self.tell_notify(|notify, tools| notify.on_time(now, tools));
        if self.settled_at.take_if(|at| *at <= now).is_some() {
            pages::forget_touched();
        }
    }

    fn on_signals(&mut self, now: Instant) {
        while let Ok(Some(signal)) = self.signals.recv() {
            match signal {
                Signal::Hup => self.reload_asked = true,
                Signal::Int if self.manners.ignore_sigint => {}
                Signal::Term | Signal::Int => self.stop(now),
                Signal::Chld => self.reap(now),
                Signal::Usr1 => self.dump(now),
                Signal::Usr2 if self.manners.panic_on_usr2 => {
                    panic!("asked to panic by --debug=panic")
                }
                Signal::Usr2 => self.print_statistics(),
                Signal::ClearStatistics | Signal::Json | Signal::Xcpu => {
                    info!("signal {} has no effect yet", signal.number());
                }
            }
        }
    }

    /// Says goodbye on the wire, gives up addresses, clears the table.
    fn stop(&mut self, now: Instant) {
        if self.stopping {
            return;
        }
        info!("Stopping");
        self.tell_track(|track, tools| track.stop(now, tools));
        self.stop_vrrp(now);
        if let Some(check) = self.check.as_mut().filter(|_| !self.manners.leave_ipvs) {
            check.stop(now, &mut self.reactor);
        }
        self.pass_on(now);
        self.stopping = true;
        self.come_to_an_end(now);
    }

    /// A large table takes some turns to be cleared; from then on scripts and mails have a second.
    fn come_to_an_end(&mut self, now: Instant) {
        let clears = |check: &check::Driver| check.deadline(self.turned).is_some();
        let cleared = self.manners.leave_ipvs || !self.check.as_ref().is_some_and(clears);
        if self.stopping && cleared && !std::mem::replace(&mut self.ending, true) {
            self.tell_notify(|notify, tools| notify.stop(now, tools));
        }
    }

    /// Nobody waits for anything any more.
    fn break_off_vrrp(&mut self, now: Instant) {
        self.stop_vrrp(now);
        if let Some(vrrp) = &mut self.vrrp
            && let Some(deadline) = vrrp.deadline()
        {
            vrrp.on_time(deadline, &mut self.reactor);
        }
    }

    fn stop_vrrp(&mut self, now: Instant) {
        if let Some(vrrp) = &mut self.vrrp {
            if self.manners.leave_vrrp {
                vrrp.leave(now, &mut self.reactor);
            } else {
                vrrp.stop(now, &mut self.reactor);
            }
        }
    }

    /// The first configuration, too: start is a change from nothing. The table comes before the
    /// addresses: a master directs from its first packet on.
    fn apply(&mut self, now: Instant, config: &Arc<Config>) {
        self.children.reload(config);
        self.tell_notify(|notify, tools| notify.reload(now, config, tools));
        if let Some(check) = &mut self.check {
            check.reload(now, config, &mut self.reactor);
        }
        // Also for the sake of checks of files.
        if self.vrrp.is_some() || self.check.is_some() {
            self.tell_track(|track, tools| track.reload(now, config, tools));
        }
        self.pass_on(now);
        if let Some(vrrp) = &mut self.vrrp {
            vrrp.reload(now, config, &mut self.reactor);
        }
        self.pass_on(now);
        self.tell_notify(|notify, tools| notify.reloaded(now, tools));
        self.settled_at = Some(now + SETTLING);
    }

    /// Between two turns: the loop goes on turning while the file is read.
    fn reload(&mut self) {
        if let Some(vrrp) = &mut self.vrrp {
            vrrp.reloading(self.clock.now(), &mut self.reactor);
        }
        info!("Reloading ...");
        let source = self.files.source().clone();
        let daemon = RefCell::new(&mut *self);
        let loaded = source.load(&|| daemon.borrow_mut().meanwhile());
        // A signal may have come meanwhile.
        if self.stopping {
            return;
        }
        if let Some(old) = self.files.replace(loaded) {
            let config = Arc::clone(self.files.config());
            self.apply(self.clock.now(), &config);
            info!("Reload complete");
            self.dismantle(old);
        }
    }

    /// What ran before; a large one takes a while to be given back.
    fn dismantle(&mut self, config: Arc<Config>) {
        let Some(config) = Arc::into_inner(config) else {
            return;
        };
        for service in config.virtual_servers {
            drop(service);
            self.meanwhile();
        }
    }

    /// The words between the cores: whether this machine directs, who tells connections to the
    /// other director, and what is to be told to everybody.
    fn pass_on(&mut self, now: Instant) {
        let directing = self.check.as_mut().and_then(check::Driver::take_directing);
        if let (Some(directing), Some(vrrp)) = (directing, &mut self.vrrp) {
            vrrp.directing(now, directing, &mut self.reactor);
        }
        for (object, condition) in self.track.take_told() {
            if let Some(check) = &mut self.check {
                check.tracked(now, &object, condition, &mut self.reactor);
            }
            if let Some(vrrp) = &mut self.vrrp {
                vrrp.tracked(now, &object, condition, &mut self.reactor);
            }
        }
        self.order_programs(now);
        let routers = self.vrrp.iter_mut().flat_map(vrrp::Driver::take_news);
        let directors = self.check.iter_mut().flat_map(check::Driver::take_news);
        for news in routers.chain(directors).collect::<Vec<_>>() {
            self.tell_notify(|notify, tools| notify.on_news(now, news, tools));
        }
        let (Some(check), Some(vrrp)) = (&mut self.check, &self.vrrp) else {
            return;
        };
        if let Some(name) = check.follows() {
            let master = vrrp.is_master(name);
            if self.master != Some(master) {
                self.master = Some(master);
                check.on_role(now, master, &mut self.reactor);
            }
        }
    }

    fn tell_track(&mut self, tell: impl FnOnce(&mut track::Driver, &mut Tools<'_>)) {
        let mut tools = Tools {
            children: &mut self.children,
            reactor: &mut self.reactor,
        };
        tell(&mut self.track, &mut tools);
    }

    fn tell_notify(&mut self, tell: impl FnOnce(&mut notify::Driver, &mut Tools<'_>)) {
        let mut tools = Tools {
            children: &mut self.children,
            reactor: &mut self.reactor,
        };
        tell(&mut self.notify, &mut tools);
    }

    /// The programs of checks.
    fn order_programs(&mut self, now: Instant) {
        while let Some(check) = &mut self.check {
            let orders = check.take_orders();
            if orders.is_empty() {
                return;
            }
            for order in orders {
                match order {
                    Order::Run { probe, script } => {
                        if let Err(error) =
                            self.children
                                .run(Owner::Check(probe), &script, &mut self.reactor)
                        {
                            check.not_started(now, probe, error, &mut self.reactor);
                        }
                    }
                    Order::Kill { probe, kill } => {
                        self.children.kill(Owner::Check(probe), kill);
                    }
                }
            }
        }
    }

    fn reap(&mut self, now: Instant) {
        while let Some((pid, exit)) = process::reap() {
            match (self.children.ended(pid, exit), &mut self.check) {
                (Some((Owner::Notify(run), _)), _) => {
                    self.tell_notify(|notify, tools| notify.on_exit(now, run, exit, tools));
                }
                (Some((Owner::Track(run), _)), _) => {
                    self.tell_track(|track, tools| track.on_exit(now, run, exit, tools));
                }
                (Some((Owner::Check(probe), None)), Some(check)) => {
                    check.on_program(now, probe, exit, &mut self.reactor);
                }
                // Its code says nothing, and is no weight either.
                (Some((Owner::Check(probe), Some(error))), Some(check)) => {
                    check.not_started(now, probe, error, &mut self.reactor);
                }
                (None, check) => {
                    if let Some(check) = check {
                        check.on_exit(now, pid, exit, &mut self.reactor);
                    }
                    self.tell_notify(|notify, tools| notify.on_other_exit(now, pid, tools));
                }
                (Some((Owner::Check(_), _)), None) => {}
            }
        }
        self.pass_on(now);
    }

    fn dump(&self, now: Instant) {
        let config = self.files.config();
        if let Some(vrrp) = &self.vrrp {
            let now = topology::Now {
                snapshot: vrrp.observe(),
                at: now,
                wall: self.clock.wall(),
                sockets: vrrp.descriptors(),
            };
            let data = report::vrrp_data(config, Some(&now));
            report::write("keepalived.data", &data);
        }
        if let Some(check) = self.check.as_ref().filter(|check| check.checks()) {
            let services = check.observe(now);
            report::write(
                "keepalived_check.data",
                &report::check_data(config, Some(&services)),
            );
        }
    }

    fn print_statistics(&self) {
        if let Some(vrrp) = &self.vrrp {
            report::write("keepalived.stats", &report::statistics(&vrrp.observe()));
        }
    }
}

/// Which cores run.
#[derive(Clone, Copy, Debug)]
struct Cores {
    vrrp: bool,
    check: bool,
}

impl Cores {
    /// What the check core does.
    const fn part(self) -> Option<Part> {
        match (self.vrrp, self.check) {
            (true, true) => Some(Part::Everything),
            (false, true) => Some(Part::Checks),
            (true, false) => Some(Part::SyncDaemon),
            (false, false) => None,
        }
    }
}

/// How the command line wants it to behave.
#[derive(Clone, Copy, Debug)]
struct Manners {
    leave_vrrp: bool,
    release_vips: bool,
    monitor_addresses: bool,
    leave_ipvs: bool,
    ignore_sigint: bool,
    /// `--debug=panic`: for the test of what a panic leaves behind.
    panic_on_usr2: bool,
}

impl Manners {
    fn vrrp_core(self, now: Instant, recorder: Recorder) -> recorder::Vrrp {
        recorder::Vrrp::new(now, self.release_vips, self.monitor_addresses, recorder)
    }
}

/// The loop turns as usual by then: the first checks have been made, and adverts have been sent.
const SETTLING: Duration = Duration::from_secs(3);
/// How long the loop may stand still while something else is done.
const MEANWHILE: Duration = Duration::from_millis(2);
/// How soon messages that syslog had no room for are tried again.
const LOG_PATIENCE: Duration = Duration::from_millis(100);
const EXIT_FAILED: u8 = 1;
const EXIT_PERMISSION: u8 = 4;
