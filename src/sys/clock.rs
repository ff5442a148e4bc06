//! The monotonic clock, and the alarm that wakes the loop. The only clock reader.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::errno::Errno;
use crate::time::Instant;

/// CLOCK_MONOTONIC: it never goes back, and steps of the wall clock do not touch it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    pub fn now(self) -> Instant {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
            .expect("every kernel has the monotonic clock");
        let nanos = Duration::from(now).as_nanos();
        Instant::from_nanos(u64::try_from(nanos).expect("584 years of uptime fit"))
    }

    /// CLOCK_REALTIME since 1970: it may be set, also back. Adverts with a time in their signature
    /// need it, and nothing else.
    pub fn wall(self) -> Duration {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME);
        now.map_or(Duration::ZERO, Duration::from)
    }
}

/// A timerfd: readable once the instant it was set to has come, exact to the nanosecond, where
/// the timeout of epoll is rounded to milliseconds.
#[derive(Debug)]
pub struct Alarm(TimerFd);

impl Alarm {
    pub fn new() -> Result<Self, Errno> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Self(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?))
    }

    /// Replaces what was set before, also when that has come; None for no alarm.
    pub fn set(&self, at: Option<Instant>) -> Result<(), Errno> {
        let Some(at) = at else {
            return Ok(self.0.unset()?);
        };
        // Zero would disarm it: the first nanosecond is as long ago.
        let at = Duration::from_nanos(at.as_nanos().max(1));
        let once = Expiration::OneShot(TimeSpec::from_duration(at));
        Ok(self.0.set(once, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?)
    }
}

impl AsRawFd for Alarm {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
