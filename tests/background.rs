//! Into the background and the lock of the pid file: what takes two processes to prove. This test
//! has no harness because it forks, and the threads of a harness would be missing in the child.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking; without the harness clippy does not know one"
)]

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use keepalived::sys::daemonize::{Ready, Side, fork_off};
use keepalived::sys::pidfile::{PidFile, Refusal, is_running};

fn main() {
    the_caller_exits_well_once_the_daemon_is_ready();
    the_caller_exits_with_the_code_of_a_daemon_that_never_was_ready();
    the_caller_does_not_wait_for_ever();
    the_daemon_is_in_the_root_directory_in_a_session_of_its_own();
    a_second_daemon_sees_the_lock_of_the_first();
    a_lock_ends_with_its_process_and_the_stale_file_does_not_matter();
}

fn the_caller_exits_well_once_the_daemon_is_ready() {
    let code = in_background(PATIENCE, |ready| {
        ready.tell();
        7
    });
    assert_eq!(code, 0);
}

fn the_caller_exits_with_the_code_of_a_daemon_that_never_was_ready() {
    assert_eq!(in_background(PATIENCE, |_ready| 6), 6);
    assert_eq!(in_background(PATIENCE, |_ready| std::process::abort()), 1);
}

fn the_caller_does_not_wait_for_ever() {
    let before = Instant::now();
    let code = in_background(Duration::from_millis(50), |ready| {
        sleep(Duration::from_secs(3));
        drop(ready);
        0
    });
    assert_eq!(code, 0);
    assert!(before.elapsed() < Duration::from_secs(2));
}

fn the_daemon_is_in_the_root_directory_in_a_session_of_its_own() {
    let ours = session_of_this_process();
    let code = in_background(PATIENCE, |_ready| {
        let alone = session_of_this_process() != ours;
        let at_root = std::env::current_dir().unwrap() == Path::new("/");
        u8::from(alone) + 2 * u8::from(at_root)
    });
    assert_eq!(code, 3);
}

fn a_second_daemon_sees_the_lock_of_the_first() {
    let path = pid_path("second");
    assert_eq!(is_running(&path), Ok(false));
    let first = PidFile::lock(&path).unwrap();
    let code = in_background(PATIENCE, |_ready| {
        let seen = is_running(&path) == Ok(true);
        let refused = matches!(PidFile::lock(&path), Err(Refusal::Running));
        u8::from(seen) + 2 * u8::from(refused)
    });
    assert_eq!(code, 3);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        format!("{}\n", std::process::id()),
        "it still is the first's"
    );
    drop(first);
    assert!(!path.exists());
}

fn a_lock_ends_with_its_process_and_the_stale_file_does_not_matter() {
    let path = pid_path("stale");
    let code = in_background(PATIENCE, |ready| {
        let _held = PidFile::lock(&path).unwrap();
        ready.tell();
        sleep(Duration::from_millis(300));
        // Dies without a chance to clean up.
        std::process::abort()
    });
    assert_eq!(code, 0);
    assert_eq!(is_running(&path), Ok(true));
    let deadline = Instant::now() + PATIENCE;
    while is_running(&path) == Ok(true) {
        assert!(Instant::now() < deadline, "the lock outlived its process");
        sleep(Duration::from_millis(10));
    }
    assert!(path.exists());
    let ours = PidFile::lock(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n", std::process::id()));
    drop(ours);
}

/// Forks; the daemon does this and exits with its result, the caller gets the code.
#[expect(
    clippy::exit,
    reason = "the child must not return into the tests of its parent"
)]
fn in_background(patience: Duration, daemon: impl FnOnce(Ready) -> u8) -> u8 {
    match fork_off(patience).unwrap() {
        Side::Caller(code) => code,
        Side::Daemon(ready) => std::process::exit(daemon(ready).into()),
    }
}

/// The sixth field of the process's line, after the name in parentheses.
fn session_of_this_process() -> String {
    let line = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = line.rsplit_once(')').unwrap().1;
    fields.split_ascii_whitespace().nth(3).unwrap().into()
}

fn pid_path(name: &str) -> std::path::PathBuf {
    let name = format!("keepalived-background-{name}-{}", std::process::id());
    std::env::temp_dir().join(name)
}

const PATIENCE: Duration = Duration::from_secs(10);
