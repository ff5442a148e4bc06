//! Where log lines go: syslog, files, the console. Nothing here waits, and nothing here fails
//! aloud.
//!
//! keepalived's parts are processes with a syslog ident and a log file each, and tools in the
//! field select by them. Here the target of a record tells the part: a core's module path does it
//! by itself, the drivers name [`VRRP`] or [`CHECK`].

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::daemon::options::Options;
use crate::sys::calendar::LocalTime;
use crate::sys::logfile::{self, LogFile};
use crate::sys::syslog::{Severity, Syslog};

/// The target of records that belong to VRRP.
pub const VRRP: &str = "keepalived::vrrp";
/// The target of records that belong to the health checkers and IPVS.
pub const CHECK: &str = "keepalived::check";

/// Starts logging as the options say. From here on `log`'s macros work; before, they are silent.
pub fn start(options: &Options) {
    let router = ROUTER.get_or_init(|| Router::new(options, Path::new(SYSLOG_SOCKET)));
    // Only a second call can fail, and then everything is in place already.
    if log::set_logger(router).is_ok() {
        log::set_max_level(router.level);
    }
    if let Some(path) = &options.log_file {
        open_files(router, path, options);
    }
}

/// To be called on every turn of the loop: sends what syslog had no room for before.
pub fn flush() {
    if let Some(router) = ROUTER.get() {
        Log::flush(router);
    }
}

/// Messages wait for a slow syslog: the loop should not sleep for longer than a moment.
pub fn is_behind() -> bool {
    ROUTER
        .get()
        .and_then(Router::sinks)
        .is_some_and(|sinks| sinks.syslog.as_ref().is_some_and(Syslog::is_behind))
}

/// The last call before the program ends.
pub fn finish() {
    if let Some(mut sinks) = ROUTER.get().and_then(Router::sinks)
        && let Some(syslog) = &mut sinks.syslog
    {
        syslog.finish();
    }
}

/// A text without anything that could begin a new line or steer a terminal.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            let _ = write!(escaped, "\\x{:02x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// One of keepalived's parts, as seen by syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Parent,
    Vrrp,
    Check,
}

impl Part {
    fn of(target: &str) -> Self {
        if target.starts_with(VRRP) {
            Self::Vrrp
        } else if target.starts_with(CHECK) {
            Self::Check
        } else {
            Self::Parent
        }
    }

    const fn ident(self) -> &'static str {
        match self {
            Self::Parent => "Keepalived",
            Self::Vrrp => "Keepalived_vrrp",
            Self::Check => "Keepalived_healthcheckers",
        }
    }

    /// `/tmp/keepalived.log` becomes `/tmp/keepalived_vrrp.log`.
    fn log_file(self, base: &Path) -> PathBuf {
        let suffix = match self {
            Self::Parent => return base.to_path_buf(),
            Self::Vrrp => "_vrrp",
            Self::Check => "_healthcheckers",
        };
        let mut name = base.file_stem().unwrap_or_default().to_os_string();
        name.push(suffix);
        if let Some(extension) = base.extension() {
            name.push(".");
            name.push(extension);
        }
        base.with_file_name(name)
    }
}

/// The logger behind the macros.
struct Router {
    level: LevelFilter,
    console: Option<env_logger::Logger>,
    sinks: Mutex<Sinks>,
}

impl Router {
    fn new(options: &Options, socket: &Path) -> Self {
        let level = match options.log_detail {
            0 => LevelFilter::Info,
            1 => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        };
        let facility = options.log_facility.number();
        let on_console = options.foreground && options.log_console;
        Self {
            level,
            console: on_console.then(|| console_logger(level, env_logger::Target::Stderr)),
            sinks: Mutex::new(Sinks {
                syslog: (!options.no_syslog).then(|| Syslog::new(socket, facility)),
                files: Vec::new(),
            }),
        }
    }

    /// None while a message is being logged: then this call comes from inside of it, by a panic or
    /// a message of a message, and to wait would be forever.
    fn sinks(&self) -> Option<MutexGuard<'_, Sinks>> {
        match self.sinks.try_lock() {
            Ok(sinks) => Some(sinks),
            Err(TryLockError::Poisoned(sinks)) => Some(sinks.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Log for Router {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if let Some(console) = self
            .console
            .as_ref()
            .filter(|_| logfile::console_has_room())
        {
            console.log(record);
        }
        let text = record.args().to_string();
        if let Some(mut sinks) = self.sinks() {
            sinks.log(Part::of(record.target()), record.level(), &printable(&text));
        }
    }

    fn flush(&self) {
        if let Some(mut sinks) = self.sinks()
            && let Some(syslog) = &mut sinks.syslog
        {
            syslog.flush();
        }
    }
}

/// What a message is written to, besides the console.
struct Sinks {
    syslog: Option<Syslog>,
    files: Vec<(Part, LogFile)>,
}

impl Sinks {
    fn log(&mut self, part: Part, level: Level, text: &str) {
        if let Some(syslog) = &mut self.syslog {
            syslog.log(severity(level), part.ident(), text);
        }
        if let Some((_, file)) = self.files.iter_mut().find(|(of, _)| *of == part) {
            file.append(&line(&LocalTime::now(), text));
        }
    }
}

/// Opens the log files now: after daemonising a relative name would mean another place.
fn open_files(router: &Router, base: &Path, options: &Options) {
    let parts = [
        (Part::Parent, true),
        (Part::Vrrp, options.run_vrrp),
        (Part::Check, options.run_check),
    ];
    for (part, _) in parts.into_iter().filter(|&(_, runs)| runs) {
        let path = part.log_file(base);
        match LogFile::open(&path) {
            Ok(file) => {
                if let Some(mut sinks) = router.sinks() {
                    sinks.files.push((part, file));
                }
            }
            Err(error) => log::error!("cannot open log file {}: {error}", path.display()),
        }
    }
}

/// keepalived's console line, written by `env_logger`.
fn console_logger(level: LevelFilter, target: env_logger::Target) -> env_logger::Logger {
    env_logger::Builder::new()
        .filter_level(level)
        .target(target)
        .format(|output, record| {
            let text = record.args().to_string();
            writeln!(output, "{}", line(&LocalTime::now(), &printable(&text)))
        })
        .build()
}

/// `Sat Nov 21 09:42:03 2026: text`
fn line(time: &LocalTime, text: &str) -> String {
    format!("{time}: {text}")
}

const fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::Error,
        Level::Warn => Severity::Warning,
        Level::Info | Level::Debug => Severity::Info,
        Level::Trace => Severity::Debug,
    }
}

/// The one logger of the process: `log` wants it to live as long as that.
static ROUTER: OnceLock<Router> = OnceLock::new();

const SYSLOG_SOCKET: &str = "/dev/log";

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::sys::scratch::Scratch;

    fn log_to(logger: &dyn Log, level: Level, target: &str, text: &str) {
        let arguments = format_args!("{text}");
        let record = Record::builder()
            .level(level)
            .target(target)
            .args(arguments)
            .build();
        logger.log(&record);
    }

    fn received(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn each_part_has_its_ident_and_each_level_its_severity() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let listener = UnixDatagram::bind(&path).unwrap();
        let mut options = Options::new(Vec::new());
        options.log_detail = 2;
        let router = Router::new(&options, &path);
        for (level, target, start, ident) in [
            (
                Level::Error,
                "keepalived::vrrp::instance",
                "<27>",
                " Keepalived_vrrp[",
            ),
            (Level::Warn, CHECK, "<28>", " Keepalived_healthcheckers["),
            (Level::Info, "keepalived::daemon", "<30>", " Keepalived["),
            (Level::Debug, "keepalived::config", "<30>", " Keepalived["),
            (Level::Trace, VRRP, "<31>", " Keepalived_vrrp["),
        ] {
            log_to(&router, level, target, "text");
            let message = received(&listener);
            assert!(message.starts_with(start), "{message}");
            assert!(message.contains(ident), "{message}");
        }
    }

    #[test]
    fn detail_is_logged_only_when_asked_for() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let router = Router::new(&Options::new(Vec::new()), &path);
        log_to(&router, Level::Debug, VRRP, "detail");
        assert!(listener.recv(&mut [0; 64]).is_err());
        log_to(&router, Level::Info, VRRP, "news");
        assert!(listener.recv(&mut [0; 64]).is_ok());
    }

    /// A peer's advert or a configuration can carry any octets into a message.
    #[test]
    fn nobody_can_forge_a_line() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let listener = UnixDatagram::bind(&path).unwrap();
        let router = Router::new(&Options::new(Vec::new()), &path);
        log_to(&router, Level::Info, VRRP, "a\n<30>b\r\x1b[2J\u{9b}");
        assert!(received(&listener).ends_with(": a\\x0a<30>b\\x0d\\x1b[2J\\x9b"));
        assert!(matches!(printable("(VI_1) \u{4e2d}"), Cow::Borrowed(_)));
    }

    #[test]
    fn log_files_stand_beside_each_other_by_part() {
        let base = Path::new("/var/log/k.lvs.log");
        assert_eq!(Part::Parent.log_file(base), base);
        assert_eq!(
            Part::Vrrp.log_file(base),
            Path::new("/var/log/k.lvs_vrrp.log")
        );
        let bare = Part::Check.log_file(Path::new("log"));
        assert_eq!(bare, Path::new("log_healthcheckers"));

        let mut options = Options::new(Vec::new());
        options.no_syslog = true;
        options.run_check = false;
        let router = Router::new(&options, Path::new("/none"));
        let scratch = Scratch::new();
        let base = scratch.join("k.log");
        let of_vrrp = Part::Vrrp.log_file(&base);
        open_files(&router, &base, &options);
        log_to(&router, Level::Info, VRRP, "one");
        log_to(&router, Level::Info, CHECK, "nowhere");
        let text = std::fs::read_to_string(&of_vrrp).unwrap();
        assert!(
            text.ends_with(": one\n") && text.lines().count() == 1,
            "{text}"
        );
        assert_eq!(std::fs::read_to_string(&base).unwrap(), "");
    }

    #[test]
    fn the_console_line_is_that_of_keepalived() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let file = std::fs::File::create(&path).unwrap();
        let target = env_logger::Target::Pipe(Box::new(file));
        let logger = console_logger(LevelFilter::Info, target);
        log_to(&logger, Level::Info, VRRP, "(VI_1) Entering\tMASTER STATE");
        log_to(&logger, Level::Debug, VRRP, "no");
        let text = std::fs::read_to_string(&path).unwrap();
        let (time, rest) = text.split_at("Sat Nov 21 09:42:03 2026".len());
        assert_eq!(rest, ": (VI_1) Entering\\x09MASTER STATE\n");
        assert_eq!(time.split_ascii_whitespace().count(), 5);
    }

    #[test]
    fn a_message_inside_of_a_message_is_left_out_instead_of_waited_for() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let listener = UnixDatagram::bind(&path).unwrap();
        let router = Router::new(&Options::new(Vec::new()), &path);
        let held = router.sinks();
        log_to(&router, Level::Info, VRRP, "while another is written");
        drop(held);
        log_to(&router, Level::Info, VRRP, "after");
        assert!(received(&listener).ends_with(": after"));
    }
}
