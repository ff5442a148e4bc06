//! Does the machine itself stand still? A thread sleeps for a hundredth of a second again and again
//! and looks at how long that really was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Stalls {
    stop: Arc<AtomicBool>,
    /// In milliseconds.
    longest: Arc<AtomicU64>,
}

impl Stalls {
    pub(crate) fn watch() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let longest = Arc::new(AtomicU64::new(0));
        let (stopped, worst) = (Arc::clone(&stop), Arc::clone(&longest));
        thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                thread::sleep(Duration::from_millis(10));
                let millis = start.elapsed().as_millis();
                let millis = u64::try_from(millis).unwrap_or(u64::MAX);
                worst.fetch_max(millis, Ordering::Relaxed);
            }
        });
        Self { stop, longest }
    }

    /// The longest time in which the thread did not get to run.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_millis(self.longest.load(Ordering::Relaxed))
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
