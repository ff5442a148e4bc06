//! Network namespaces for one thread: what is done in them touches nothing else.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace that lives as long as this value, or a socket in it.
pub(crate) struct Namespace(File);

impl Namespace {
    /// Makes one, with its loopback up, and moves this thread into it.
    pub(crate) fn enter_new() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests make network namespaces and raw sockets: run them as root"
        );
        unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
        let namespace = Self(File::open("/proc/thread-self/ns/net").unwrap());
        run("ip link set lo up");
        namespace
    }

    /// Moves this thread into it.
    pub(crate) fn enter(&self) {
        setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// What `ip link set netns` takes.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }
}

/// Runs a command in this thread's namespace; it has to succeed.
pub(crate) fn run(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap())
        .args(words)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Asks again and again until there is an answer. The limit is for a machine that is very busy.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
