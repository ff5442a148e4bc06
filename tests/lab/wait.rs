//! Waiting for something to become true, with a bound, and telling how long it took.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

/// Waits until `holds`, panics after `limit` and the patience of the place; says how long it took.
#[track_caller]
pub(crate) fn wait_until(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    loop {
        if holds() {
            return start.elapsed();
        }
        let waited = start.elapsed();
        assert!(
            waited < limit + patience(),
            "after {waited:.1?} still not so: {what}"
        );
        thread::sleep(poll());
    }
}

/// How much longer something may take: to wait for it in vain is a failure in any case.
fn patience() -> Duration {
    if is_emulated() {
        Duration::from_secs(30)
    } else {
        slack()
    }
}

/// Panics if `holds` ceases to be true within `time`.
#[track_caller]
pub(crate) fn stays_so(time: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < time {
        assert!(
            holds(),
            "after {:.1?} no longer so: {what}",
            start.elapsed()
        );
        thread::sleep(poll());
    }
}

/// What a busy machine may add to any time limit; the emulated machine is slower by far.
pub(crate) fn slack() -> Duration {
    Duration::from_millis(if is_emulated() { 2500 } else { 700 })
}

/// Each look at the kernel is a process; the emulated machine can afford few.
fn poll() -> Duration {
    Duration::from_millis(if is_emulated() { 100 } else { 20 })
}

fn is_emulated() -> bool {
    std::env::var_os("LAB_EMULATED").is_some()
}

/// A remark of the running scenario, such as a measured time, printed with its result.
pub(crate) fn note(text: &str) {
    NOTES.with_borrow_mut(|notes| {
        let _ = write!(notes, "\n    {text}");
    });
}

/// The remarks so far; forgets them.
pub(crate) fn take_notes() -> String {
    NOTES.take()
}

thread_local! {
    static NOTES: RefCell<String> = const { RefCell::new(String::new()) };
}
