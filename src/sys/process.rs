//! Children: started clean, never waited for.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{fmt, io, ptr};

use libc::{c_char, c_int, rlimit};
use nix::unistd::ForkResult;

use super::host;
use super::signal::SIGNAL_MAX;
use super::socket::check;
use crate::child::{Exit, Identity, Kill};
use crate::errno::Errno;

/// A child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(i32);

/// What to start.
#[derive(Clone, Debug)]
pub struct Program {
    pub task: Task,
    /// None: as whom we run.
    pub identity: Option<Identity>,
    pub environment: Environment,
    /// What it prints is read; otherwise it goes nowhere.
    pub is_heard: bool,
}

/// What a child does.
#[derive(Clone, Debug)]
pub enum Task {
    /// Becomes the program, whose name is the first of these words. One that the kernel does not
    /// know the format of is a script without `#!`, and a shell's.
    Run(Vec<OsString>),
    /// Succeeds when the file can be opened.
    Open(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Nothing but a usual PATH.
    Fixed,
    /// Ours, without what changes how a program is loaded or a shell reads.
    Ours,
}

/// A child that was started.
#[derive(Debug)]
pub struct Started {
    pub pid: Pid,
    pub output: Option<Output>,
    report: OwnedFd,
}

/// The end of a pipe that a program prints to.
#[derive(Debug)]
pub struct Output(OwnedFd);

/// What a child could not do before it became its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Take on its identity.
    Identity(Errno),
    /// Execute the program.
    Exec(Errno),
}

/// Starts a program in a process group of its own, with nothing of ours: no descriptors but
/// `/dev/null`, no signals blocked or ignored, a fixed environment. What it cannot start, it tells
/// by its exit code, for nobody waits here.
pub fn spawn(program: &Path, arguments: &[&OsStr]) -> Result<Pid, Errno> {
    let words = std::iter::once(program.as_os_str()).chain(arguments.iter().copied());
    let program = Program {
        task: Task::Run(words.map(OsStr::to_owned).collect()),
        identity: None,
        environment: Environment::Fixed,
        is_heard: false,
    };
    start(&program).map(|started| started.pid)
}

/// Starts a program in a process group of its own, with nothing of ours: no descriptors but
/// `/dev/null`, no signals blocked or ignored, the limits we were started with. It ends with us.
pub fn start(program: &Program) -> Result<Started, Errno> {
    // All that needs memory comes before the fork.
    let prepared = Prepared::new(program)?;
    let [report, told] = pipe()?;
    let (output, printed) = if program.is_heard {
        let [output, printed] = pipe()?;
        // Programs know how to wait, and few know how not to.
        nix::fcntl::fcntl(
            &printed,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty()),
        )?;
        (Some(Output(output)), Some(printed))
    } else {
        (None, None)
    };
    let null = prepared.null.as_raw_fd();
    let printed = printed.as_ref().map_or(null, AsRawFd::as_raw_fd);
    // SAFETY: the child calls only what is safe between fork and exec: `become_program` neither
    // allocates nor locks nor returns.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Started {
            pid: lead_group(child),
            output,
            report,
        }),
        ForkResult::Child => become_program(&prepared, printed, told.as_raw_fd()),
    }
}

impl Started {
    /// What went wrong before the program ran; to be asked when the child has ended.
    pub fn failure(&self) -> Option<Failure> {
        let mut told = [0; REPORT_LENGTH];
        let length = nix::unistd::read(&self.report, &mut told).ok()?;
        if length != REPORT_LENGTH {
            return None;
        }
        let [stage, number @ ..] = told;
        let errno = Errno::new(i32::from_ne_bytes(number));
        Some(match stage {
            STAGE_IDENTITY => Failure::Identity(errno),
            _ => Failure::Exec(errno),
        })
    }
}

impl Output {
    /// What was printed, as far as there is room; EAGAIN when there is nothing now, 0 at the end.
    /// The end of the pipe that is written to is the program's alone, so that writing there waits
    /// for us and never fails.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        Ok(nix::unistd::read(&self.0, buffer)?)
    }
}

impl AsRawFd for Output {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Pid {
    /// To the child and everything it started, as far as that stayed in its process group. False
    /// when nobody is left.
    pub fn kill(self, kill: Kill) -> bool {
        let signal = match kill {
            Kill::Ask => libc::SIGTERM,
            Kill::Force => libc::SIGKILL,
        };
        // SAFETY: no pointers are passed.
        unsafe { libc::kill(-self.0, signal) == 0 }
    }
}

/// Notes the limits that children are to have, before any of them is changed for ourselves.
pub fn remember_limits() {
    LIMITS.get_or_init(own_limits);
}

/// Every check under way is a descriptor, and every socket of an instance is two: as many as the
/// system lets us have, and not the 1,024 that programs are given which know no better. Where it
/// lets us have no more, that is how it is.
pub fn use_all_descriptors() {
    // SAFETY: rlimit is made of integers, and the pointers are those of a live value.
    unsafe {
        let mut limit: rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// The next child that has ended; None when all are running, or there are none. Orphans that
/// became ours count, too: in a container we may be the first process.
pub fn reap() -> Option<(Pid, Exit)> {
    let mut status = 0;
    // SAFETY: the pointer is that of a live integer.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    if pid <= 0 {
        return None;
    }
    Some((Pid(pid), exit_of(status)))
}

fn exit_of(status: c_int) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    }
}

/// Waits for the end of a child, and kills it with all it started when that takes too long.
pub fn wait_for(pid: Pid, limit: Duration) -> Option<Exit> {
    let start = Instant::now();
    let mut status = 0;
    loop {
        // SAFETY: the pointer is that of a live integer.
        let ended = unsafe { libc::waitpid(pid.0, &raw mut status, libc::WNOHANG) };
        if ended != 0 {
            return Some(exit_of(status));
        }
        if start.elapsed() >= limit {
            pid.kill(Kill::Force);
            // SAFETY: the pointer is that of a live integer.
            unsafe { libc::waitpid(pid.0, &raw mut status, 0) };
            return None;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// How modprobe is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modprobe {
    /// Its messages go to syslog; not every modprobe knows how.
    Syslog,
    /// The second try: without messages.
    Quiet,
}

/// True when /sys says that a module is loaded. One that is built in is not always told of.
pub fn has_module(name: &str) -> bool {
    Path::new("/sys/module").join(name).exists()
}

/// Starts what loads a kernel module. ENOENT: this system forbids loading modules.
pub fn load_module(name: &str, how: Modprobe) -> Result<Pid, Errno> {
    let program = modprobe_path()?;
    let arguments: &[&str] = match how {
        Modprobe::Syslog => &["-s", "--", name],
        Modprobe::Quiet => &["-q", name],
    };
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    spawn(&program, &arguments)
}

/// The program the kernel itself would call; an empty name means that nobody shall.
fn modprobe_path() -> Result<PathBuf, Errno> {
    let path = Path::new("/proc/sys/kernel/modprobe");
    // A kernel that loads no modules by itself has no such file.
    let Ok(setting) = host::read_file(path, MODPROBE_PATH_MAX) else {
        return Ok(PathBuf::from("/sbin/modprobe"));
    };
    let program = setting.bytes.trim_ascii_end();
    if program.is_empty() {
        return Err(Errno::ENOENT);
    }
    Ok(PathBuf::from(OsStr::from_bytes(program)))
}

/// A child's start, with everything that needs memory done.
struct Prepared {
    null: File,
    /// What is executed or opened.
    path: CString,
    /// The words that the pointers below are to.
    _words: Vec<CString>,
    open_only: bool,
    arguments: Vec<*const c_char>,
    shell_arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    identity: Option<Identity>,
    limits: Limits,
}

impl Prepared {
    fn new(program: &Program) -> Result<Self, Errno> {
        let null = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map_err(|error| Errno::of(&error))?;
        let (path, argv) = match &program.task {
            Task::Open(path) => (path.clone(), &[][..]),
            Task::Run(argv) => {
                let name = argv.first().ok_or(Errno::ENOENT)?;
                (host::program_path(name).ok_or(Errno::ENOENT)?, &argv[..])
            }
        };
        let path = c_string(path.as_os_str())?;
        let mut words = Vec::new();
        for word in argv {
            words.push(c_string(word)?);
        }
        let arguments = null_terminated(words.iter().map(|word| word.as_ptr()));
        let behind = words.iter().skip(1).map(|word| word.as_ptr());
        let shell = [SHELL.as_ptr(), path.as_ptr()];
        let shell_arguments = null_terminated(shell.into_iter().chain(behind));
        let from = words.len();
        match program.environment {
            Environment::Fixed => words.extend(FIXED_ENVIRONMENT.map(Into::into)),
            Environment::Ours => words.extend(own_environment()?),
        }
        let environment = null_terminated(words[from..].iter().map(|word| word.as_ptr()));
        Ok(Self {
            null,
            path,
            _words: words,
            open_only: matches!(program.task, Task::Open(_)),
            arguments,
            shell_arguments,
            environment,
            identity: program.identity.clone(),
            limits: *LIMITS.get_or_init(own_limits),
        })
    }
}

/// The child between fork and exec.
fn become_program(prepared: &Prepared, printed: RawFd, report: RawFd) -> ! {
    // SAFETY: only calls that are safe after fork. The lists end with a null pointer, and the
    // strings they point to live in `prepared`, whose owner this child never returns to.
    unsafe {
        become_leader();
        let null = prepared.null.as_raw_fd();
        for (standard, descriptor) in [(0, null), (1, printed), (2, printed)] {
            libc::dup2(descriptor, standard);
            // When it already has that number, dup2 leaves it close-on-exec.
            libc::fcntl(standard, libc::F_SETFD, 0);
        }
        for inherited in (3..=INHERITED_MAX).filter(|&inherited| inherited != report) {
            libc::close(inherited);
        }
        become_ordinary(&prepared.limits);
        if let Some(identity) = &prepared.identity
            && let Err(errno) = take_on(identity)
        {
            tell(report, STAGE_IDENTITY, errno);
        }
        // A change of identity would forget it.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        if prepared.open_only {
            let flags = libc::O_RDONLY | libc::O_NOCTTY | libc::O_NONBLOCK;
            libc::_exit(c_int::from(libc::open(prepared.path.as_ptr(), flags) < 0))
        }
        let environment = prepared.environment.as_ptr();
        libc::execve(
            prepared.path.as_ptr(),
            prepared.arguments.as_ptr(),
            environment,
        );
        if *libc::__errno_location() == libc::ENOEXEC {
            let words = prepared.shell_arguments.as_ptr();
            libc::execve(SHELL.as_ptr(), words, environment);
        }
        tell(report, STAGE_EXEC, *libc::__errno_location())
    }
}

/// Notes a child that was just forked as the leader of a process group of its own.
pub(super) fn lead_group(child: nix::unistd::Pid) -> Pid {
    // The child does it, too: whoever comes first, the group exists from now on.
    let _ = nix::unistd::setpgid(child, child);
    Pid(child.as_raw())
}

/// What a child does that goes on in this program to find something out: it has nothing of ours
/// but the descriptor it tells it on, and ends when we do or `patience` seconds are over.
pub(super) fn become_helper(told: RawFd, patience: u32) {
    let ours = host::names_in(Path::new("/proc/self/fd"), DESCRIPTORS_MAX).unwrap_or_default();
    let ours = ours.iter().filter_map(|name| name.to_str()?.parse().ok());
    // SAFETY: only integers are passed, and nobody in this child uses these descriptors again.
    unsafe {
        become_leader();
        for descriptor in ours.filter(|&descriptor| descriptor > 2 && descriptor != told) {
            libc::close(descriptor);
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::alarm(patience);
    }
}

/// Of a process group of its own, in which signals do what they usually do.
///
/// # Safety
///
/// Only in a child behind the fork.
unsafe fn become_leader() {
    // SAFETY: the pointers are those of live values.
    unsafe {
        libc::setpgid(0, 0);
        for number in 1..=SIGNAL_MAX {
            libc::signal(number, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Scheduled as everybody else, with the limits that we were started with.
///
/// # Safety
///
/// Only in a child between fork and exec.
unsafe fn become_ordinary(limits: &Limits) {
    // SAFETY: the pointers are those of live values.
    unsafe {
        let ordinary: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const ordinary);
        for (resource, limit) in (0..).zip(limits) {
            libc::setrlimit(resource, &raw const *limit);
        }
    }
}

/// Gives up all rights but those of the identity. Who is it already needs no rights to be it, and
/// keeps its groups where it has no right to change them.
///
/// # Safety
///
/// Only in a child between fork and exec.
unsafe fn take_on(identity: &Identity) -> Result<(), c_int> {
    let Identity { uid, gid, groups } = identity;
    // SAFETY: the list of groups is live and as long as is said.
    let done = unsafe {
        let same = (libc::geteuid(), libc::getegid()) == (*uid, *gid);
        let has_group = libc::setgid(*gid) == 0;
        let has_groups = libc::setgroups(groups.len(), groups.as_ptr()) == 0;
        let needs_no_more = same && groups.iter().all(|group| group == gid);
        has_group && (has_groups || needs_no_more) && libc::setuid(*uid) == 0
    };
    if done {
        return Ok(());
    }
    // SAFETY: the location of errno is always valid.
    Err(unsafe { *libc::__errno_location() })
}

/// Says what went wrong, and ends as a shell would.
///
/// # Safety
///
/// Only in a child between fork and exec.
unsafe fn tell(report: RawFd, stage: u8, errno: c_int) -> ! {
    let [a, b, c, d] = errno.to_ne_bytes();
    let told = [stage, a, b, c, d];
    // SAFETY: the buffer is live and as long as is said.
    unsafe {
        // Nobody may listen.
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::write(report, told.as_ptr().cast(), told.len());
        libc::_exit(CANNOT_START)
    }
}

/// A pipe from a child; it ends when the child does, or has become its program.
pub(super) fn pipe() -> Result<[OwnedFd; 2], Errno> {
    let mut ends = [-1; 2];
    // SAFETY: the array has room for two descriptors, which nobody else knows.
    unsafe {
        check(libc::pipe2(
            ends.as_mut_ptr(),
            libc::O_CLOEXEC | libc::O_NONBLOCK,
        ))?;
        let read = OwnedFd::from_raw_fd(ends[0]);
        let mut write = OwnedFd::from_raw_fd(ends[1]);
        if write.as_raw_fd() <= 2 {
            // A daemon that was started without standard descriptors: these get others.
            let higher = libc::fcntl(write.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3);
            write = OwnedFd::from_raw_fd(check(higher)?);
        }
        Ok([read, write])
    }
}

fn own_environment() -> Result<Vec<CString>, Errno> {
    let ours = std::env::vars_os().filter(|(name, _)| !WITHHELD.iter().any(|held| name == held));
    ours.map(|(name, value)| {
        let mut text = name.into_vec();
        text.push(b'=');
        text.extend(value.into_vec());
        c_string(OsStr::from_bytes(&text))
    })
    .collect()
}

fn own_limits() -> Limits {
    // SAFETY: rlimit is made of integers.
    let mut limits: Limits = unsafe { std::mem::zeroed() };
    for (resource, limit) in (0..).zip(&mut limits) {
        // SAFETY: the pointer is that of a live value.
        unsafe { libc::getrlimit(resource, &raw mut *limit) };
    }
    limits
}

fn c_string(text: &OsStr) -> Result<CString, Errno> {
    CString::new(text.as_bytes()).map_err(|_| Errno::of(&io::ErrorKind::InvalidInput.into()))
}

fn null_terminated(pointers: impl Iterator<Item = *const c_char>) -> Vec<*const c_char> {
    pointers.chain([ptr::null()]).collect()
}

type Limits = [rlimit; LIMIT_COUNT];

static LIMITS: OnceLock<Limits> = OnceLock::new();

/// How often a child that is waited for is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// RLIM_NLIMITS of the kernel.
const LIMIT_COUNT: usize = 16;
const FIXED_ENVIRONMENT: [&std::ffi::CStr; 2] = [c"PATH=/sbin:/usr/sbin:/bin:/usr/bin", c"HOME=/"];
const SHELL: &std::ffi::CStr = c"/bin/sh";
/// What is not for scripts: it changes how programs are loaded and how shells read, or it is a
/// word between the service manager and us.
const WITHHELD: [&str; 4] = ["IFS", "LD_PRELOAD", "LD_LIBRARY_PATH", "NOTIFY_SOCKET"];
/// What a shell says of a program that it cannot start.
const CANNOT_START: c_int = 127;
/// A stage and an errno.
const REPORT_LENGTH: usize = 5;
const STAGE_IDENTITY: u8 = 1;
const STAGE_EXEC: u8 = 2;
/// Our own descriptors are close-on-exec. Those our starter left open have low numbers.
const INHERITED_MAX: c_int = 255;
/// A daemon with more has other troubles than a copy of some.
const DESCRIPTORS_MAX: usize = 1 << 20;
/// KMOD_PATH_LEN of the kernel.
const MODPROBE_PATH_MAX: u64 = 256;
