//! Children. A test program of its own: reaping takes whatever child there is, so no other test may
//! have any.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be unwrapped is a failure"
)]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use keepalived::child::{Exit, Identity, Kill};
use keepalived::errno::Errno;
use keepalived::sys::process::{
    Environment, Failure, Modprobe, Pid, Program, Task, load_module, reap, spawn, start,
};
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

/// Starts a shell with a script that writes to a file, and returns what it wrote.
fn written(script: &str, identity: Option<Identity>) -> String {
    let directory = std::env::temp_dir().join(format!("process-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("out");
    fs::write(&path, "").unwrap();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(&directory, open.clone()).unwrap();
    fs::set_permissions(&path, open).unwrap();
    let script = format!("({script}) >{}", path.display());
    let words = ["/bin/sh", "-c", &script].map(OsString::from);
    let started = start(&Program {
        task: Task::Run(words.to_vec()),
        identity,
        environment: Environment::Ours,
        is_heard: false,
    })
    .unwrap();
    assert_eq!(wait_for_any(), (started.pid, Exit::SUCCESS));
    assert_eq!(started.failure(), None);
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_dir_all(&directory).unwrap();
    text
}

#[test]
fn a_program_has_no_descriptor_but_the_standard_ones_and_a_group_of_its_own() {
    let _alone = alone();
    let _open = File::open("/dev/null").unwrap();
    let listed = written("ls /proc/self/fd; cut -d' ' -f5 /proc/self/stat", None);
    // The shell has the file, ls the directory it reads.
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[..4], ["0", "1", "2", "3"], "{listed}");
    assert_eq!(lines.len(), 5, "{listed}");
    assert_ne!(lines[4], nix::unistd::getpgrp().to_string());
}

#[test]
fn a_program_runs_as_it_is_told_and_with_the_groups_it_is_told() {
    let _alone = alone();
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let identity = |groups: &[u32]| {
        Some(Identity {
            uid: 4_711,
            gid: 4_712,
            groups: groups.to_vec(),
        })
    };
    let script = "grep -E '^(Uid|Gid|Groups):' /proc/self/status | tr -s '\\t ' ' '";
    let seen = written(script, identity(&[]));
    assert!(seen.contains("Uid: 4711 4711 4711 4711"), "{seen}");
    assert!(seen.contains("Gid: 4712 4712 4712 4712"), "{seen}");
    assert!(seen.contains("Groups: \n"), "{seen}");
    let seen = written(script, identity(&[5_000, 5_001]));
    assert!(seen.contains("Groups: 5000 5001"), "{seen}");
}

/// Shows F.21: it ends like a command that a shell does not find, which is no success.
#[test]
fn what_is_printed_is_heard_where_somebody_listens() {
    let _alone = alone();
    let script = "echo out; echo err >&2; head -c 1000000 /dev/zero; readlink /proc/self/fd/0";
    let words = ["/bin/sh", "-c", script].map(OsString::from);
    let program = Program {
        task: Task::Run(words.to_vec()),
        identity: None,
        environment: Environment::Fixed,
        is_heard: true,
    };
    let started = start(&program).unwrap();
    let output = started.output.as_ref().unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match output.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(Errno::EAGAIN) => thread::sleep(Duration::from_millis(2)),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(wait_for_any(), (started.pid, Exit::Code(0)));
    assert!(heard.starts_with(b"out\nerr\n\0"));
    // Whoever prints more than a pipe holds waits, and loses nothing.
    assert_eq!(heard.len(), 8 + 1_000_000 + 10);
    assert!(heard.ends_with(b"/dev/null\n"));
}

#[test]
fn what_cannot_be_executed_is_told_with_its_reason() {
    let _alone = alone();
    let task = Task::Run(vec![OsString::from("/no/such/program")]);
    let program = |task| Program {
        task,
        identity: None,
        environment: Environment::Ours,
        is_heard: false,
    };
    let started = start(&program(task)).unwrap();
    assert_eq!(wait_for_any(), (started.pid, Exit::Code(127)));
    assert_eq!(started.failure(), Some(Failure::Exec(Errno::ENOENT)));
    let task = Task::Run(vec![OsString::from("no-such-program")]);
    assert_eq!(start(&program(task)).err(), Some(Errno::ENOENT));
}

#[test]
fn a_script_without_a_first_line_is_a_shells() {
    let _alone = alone();
    let path = std::env::temp_dir().join(format!("no-shebang-{}", std::process::id()));
    fs::write(&path, "test \"$1\" = 'two words' && exit 7\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let words = vec![path.clone().into_os_string(), OsString::from("two words")];
    let started = start(&Program {
        task: Task::Run(words),
        identity: None,
        environment: Environment::Ours,
        is_heard: false,
    })
    .unwrap();
    assert_eq!(wait_for_any(), (started.pid, Exit::Code(7)));
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_that_can_be_opened_is_a_success() {
    let _alone = alone();
    for (path, exit) in [("/dev/null", Exit::SUCCESS), ("/no/such", Exit::Code(1))] {
        let started = start(&Program {
            task: Task::Open(path.into()),
            identity: None,
            environment: Environment::Fixed,
            is_heard: false,
        })
        .unwrap();
        assert_eq!(wait_for_any(), (started.pid, exit), "{path}");
    }
}

#[test]
fn a_signal_reaches_everything_that_the_program_started() {
    let _alone = alone();
    let words = ["/bin/sh", "-c", "sleep 600 & sleep 600"].map(OsString::from);
    let started = start(&Program {
        task: Task::Run(words.to_vec()),
        identity: None,
        environment: Environment::Ours,
        is_heard: false,
    })
    .unwrap();
    thread::sleep(Duration::from_millis(100));
    assert!(started.pid.kill(Kill::Ask));
    assert_eq!(wait_for_any(), (started.pid, Exit::Signal(15)));
    // The group is gone as soon as whoever took in the other one has noticed.
    let start = Instant::now();
    while started.pid.kill(Kill::Force) {
        assert!(start.elapsed() < Duration::from_secs(5));
        thread::sleep(Duration::from_millis(5));
    }
}
