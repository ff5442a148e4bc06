//! Children: started clean, never waited for.

use std::ffi::{CString, OsStr};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

use libc::{c_char, c_int};
use nix::unistd::ForkResult;

use super::host;
use crate::errno::Errno;

/// A child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(i32);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself. 127: the program could not be started.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

/// Starts a program in a process group of its own, with nothing of ours: no descriptors but
/// `/dev/null`, no signals blocked or ignored, a fixed environment. What it cannot start, it tells
/// by its exit code, for nobody waits here.
pub fn spawn(program: &Path, arguments: &[&OsStr]) -> Result<Pid, Errno> {
    // All that needs memory comes before the fork.
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|error| Errno::of(&error))?;
    let path = c_string(program.as_os_str())?;
    let mut texts = vec![path.clone()];
    for argument in arguments {
        texts.push(c_string(argument)?);
    }
    let environment = [c"PATH=/sbin:/usr/sbin:/bin:/usr/bin", c"HOME=/"];
    let argument_list = null_terminated(texts.iter().map(|text| text.as_ptr()));
    let environment_list = null_terminated(environment.iter().map(|text| text.as_ptr()));

    // SAFETY: the child calls only what is safe between fork and exec: `become_program` neither
    // allocates nor locks nor returns.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => {
            // The child does it, too: whoever comes first, the group exists from now on.
            let _ = nix::unistd::setpgid(child, child);
            Ok(Pid(child.as_raw()))
        }
        ForkResult::Child => become_program(&null, &path, &argument_list, &environment_list),
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
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    Some((Pid(pid), exit))
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

/// The child between fork and exec.
fn become_program(
    null: &File,
    path: &CString,
    arguments: &[*const c_char],
    environment: &[*const c_char],
) -> ! {
    // SAFETY: only calls that are safe after fork. The lists end with a null pointer, and the
    // strings they point to live in `spawn`, which this child never returns to.
    unsafe {
        libc::setpgid(0, 0);
        for number in 1..=SIGNAL_MAX {
            libc::signal(number, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        for standard in 0..=2 {
            libc::dup2(null.as_raw_fd(), standard);
            // When it already has that number, dup2 leaves it close-on-exec.
            libc::fcntl(standard, libc::F_SETFD, 0);
        }
        for inherited in 3..=INHERITED_MAX {
            libc::close(inherited);
        }
        libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        libc::_exit(CANNOT_START)
    }
}

fn c_string(text: &OsStr) -> Result<CString, Errno> {
    CString::new(text.as_bytes()).map_err(|_| Errno::of(&io::ErrorKind::InvalidInput.into()))
}

fn null_terminated(pointers: impl Iterator<Item = *const c_char>) -> Vec<*const c_char> {
    pointers.chain([ptr::null()]).collect()
}

/// What a shell says of a program that it cannot start.
const CANNOT_START: c_int = 127;
/// The kernel's last signal; a C library's SIGRTMAX may be lower.
const SIGNAL_MAX: c_int = 64;
/// Our own descriptors are close-on-exec. Those our starter left open have low numbers.
const INHERITED_MAX: c_int = 255;
/// KMOD_PATH_LEN of the kernel.
const MODPROBE_PATH_MAX: u64 = 256;
