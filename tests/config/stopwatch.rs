//! The time a test spends itself: what others do on the machine meanwhile does not count.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

pub(crate) struct Stopwatch(Duration);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(spent())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        spent() - self.0
    }
}

fn spent() -> Duration {
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    Duration::from(spent.expect("every thread has a clock of its own"))
}
