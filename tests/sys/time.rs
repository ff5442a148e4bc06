//! The clock and the alarm.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use keepalived::sys::clock::{Alarm, Clock};
use keepalived::time::Instant;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::namespace::eventually;

fn has_fired(alarm: &Alarm) -> bool {
    // SAFETY: the alarm is open as long as it is borrowed.
    let descriptor = unsafe { BorrowedFd::borrow_raw(alarm.as_raw_fd()) };
    let mut asked = [PollFd::new(descriptor, PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn the_alarm_fires_at_its_instant_and_never_before() {
    let alarm = Alarm::new().unwrap();
    // Odd nanoseconds: nothing is rounded down to a coarser unit on the way.
    let at = Clock.now() + Duration::from_nanos(20_000_123);
    alarm.set(Some(at)).unwrap();
    assert!(!has_fired(&alarm));
    let fired = loop {
        if has_fired(&alarm) {
            break Clock.now();
        }
        assert!(
            Clock.now() < at + Duration::from_secs(20),
            "the alarm never fired"
        );
    };
    assert!(fired >= at, "{:?} early", at.since(fired));
    // What has come is taken back by what is set next.
    alarm.set(Some(fired + Duration::from_secs(20))).unwrap();
    assert!(!has_fired(&alarm));
}

#[test]
fn an_instant_long_past_fires_at_once_and_none_never() {
    let alarm = Alarm::new().unwrap();
    alarm.set(Some(Instant::ZERO)).unwrap();
    eventually("an alarm for the beginning of time", || {
        has_fired(&alarm).then_some(())
    });

    let soon = Clock.now() + Duration::from_millis(5);
    alarm.set(Some(soon)).unwrap();
    alarm.set(None).unwrap();
    thread::sleep(Duration::from_millis(20));
    assert!(!has_fired(&alarm));

    alarm.set(Some(Instant::from_nanos(u64::MAX))).unwrap();
    assert!(!has_fired(&alarm));
}

#[test]
fn the_clock_does_not_go_back() {
    let mut last = Clock.now();
    for _ in 0..10_000 {
        let now = Clock.now();
        assert!(now >= last);
        last = now;
    }
}
