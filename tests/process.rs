//! Children. A test program of its own: reaping takes whatever child there is, so no other test may
//! have any.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be unwrapped is a failure"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use keepalived::errno::Errno;
use keepalived::sys::process::{Exit, Modprobe, Pid, load_module, reap, spawn};
use keepalived::sys::signal::Signals;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// One test at a time has children.
fn alone() -> MutexGuard<'static, ()> {
    static CHILDREN: Mutex<()> = Mutex::new(());
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shell(script: &str) -> Pid {
    let arguments = ["-c", script].map(OsStr::new);
    spawn(Path::new("/bin/sh"), &arguments).unwrap()
}

fn wait_for_any() -> (Pid, Exit) {
    let start = Instant::now();
    loop {
        if let Some(ended) = reap() {
            return ended;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no child ended");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The signals in a line of /proc/PID/status, but for 32 to 34: those belong to the C library,
/// which lets nobody touch them.
fn signals_in(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    u64::from_str_radix(line.unwrap().trim(), 16).unwrap() & !(0b111 << 31)
}

#[test]
fn a_child_tells_how_it_ended() {
    let _alone = alone();
    assert_eq!(reap(), None);
    for (script, exit) in [
        ("exit 0", Exit::Code(0)),
        ("exit 42", Exit::Code(42)),
        ("kill -9 $$", Exit::Signal(9)),
        ("kill -36 $$", Exit::Signal(36)),
    ] {
        let child = shell(script);
        assert_eq!(wait_for_any(), (child, exit), "{script}");
    }
    assert_eq!(reap(), None);
}

#[test]
fn starting_and_reaping_wait_for_nobody() {
    let _alone = alone();
    let start = Instant::now();
    let sleeper = shell("sleep 2");
    assert_eq!(reap(), None);
    let quick = shell("exit 3");
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(wait_for_any(), (quick, Exit::Code(3)));
    assert_eq!(wait_for_any(), (sleeper, Exit::Code(0)));
}

#[test]
fn what_cannot_be_started_ends_with_127() {
    let _alone = alone();
    let child = spawn(Path::new("/no/such/program"), &[]).unwrap();
    assert_eq!(wait_for_any(), (child, Exit::Code(127)));
    assert_eq!(
        spawn(Path::new("/bin/a\0b"), &[]).err(),
        Some(Errno::EINVAL)
    );
}

#[test]
fn a_module_that_does_not_exist_is_asked_for_and_not_loaded() {
    let _alone = alone();
    for how in [Modprobe::Syslog, Modprobe::Quiet] {
        let child = load_module("no-such-module", how).unwrap();
        let (ended, exit) = wait_for_any();
        assert_eq!(ended, child);
        assert!(matches!(exit, Exit::Code(code) if code != 0), "{exit:?}");
    }
}

#[test]
fn a_child_gets_nothing_of_ours() {
    let _alone = alone();
    // All that could leak: blocked and ignored signals, and a descriptor open across exec.
    let _signals = Signals::open().unwrap();
    let leak = File::open("/etc/passwd").unwrap();
    fcntl(&leak, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    assert!(leak.as_raw_fd() > 2);

    let report = std::env::temp_dir().join(format!("process-{}", std::process::id()));
    // No shell here: it would set its signals in order by itself.
    let arguments = [OsStr::new("/proc/self/status"), report.as_os_str()];
    let child = spawn(Path::new("/bin/cp"), &arguments).unwrap();
    assert_eq!(wait_for_any(), (child, Exit::Code(0)));
    let status = fs::read_to_string(&report).unwrap();
    assert_eq!(signals_in(&status, "SigBlk:"), 0);
    assert_eq!(signals_in(&status, "SigIgn:"), 0);

    // The shell has descriptors of its own while it tells, but no sockets and pipes.
    let path = report.display();
    let child = shell(&format!(
        "{{ cut -d' ' -f1,5 /proc/$$/stat; env; \
            for fd in /proc/$$/fd/*; do readlink $fd; done; true; }} > {path}"
    ));
    assert_eq!(wait_for_any(), (child, Exit::Code(0)));
    let told = fs::read_to_string(&report).unwrap();
    fs::remove_file(&report).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    let (pid, group) = lines[0].split_once(' ').unwrap();
    assert_eq!(pid, group, "a process group of its own");
    assert!(told.contains("PATH=/sbin:/usr/sbin:/bin:/usr/bin\n"));
    assert!(!told.contains("CARGO"), "{told}");
    assert!(!told.contains("/etc/passwd"), "{told}");
    assert!(!told.contains("signalfd"), "{told}");
    assert!(told.contains("/dev/null\n"), "{told}");
    let strange = |line: &&str| line.starts_with("socket:") || line.starts_with("pipe:");
    assert_eq!(lines.iter().find(|line| strange(line)), None);
}
