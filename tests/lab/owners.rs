//! Looks all the time at who has an address: never two for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::network::Host;

pub(crate) struct Owners {
    stop: Arc<AtomicBool>,
    watcher: Option<thread::JoinHandle<Duration>>,
}

impl Owners {
    pub(crate) fn watch(hosts: &[&Host], device: &'static str, address: &'static str) -> Self {
        let hosts: Vec<Host> = hosts.iter().map(|&host| host.clone()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watcher = thread::spawn(move || {
            let (mut longest, mut since) = (Duration::ZERO, None);
            while !stopped.load(Ordering::Relaxed) {
                if hosts.iter().all(|host| host.has_on(device, address)) {
                    let start = *since.get_or_insert_with(Instant::now);
                    longest = longest.max(start.elapsed());
                } else {
                    since = None;
                }
                thread::sleep(Duration::from_millis(10));
            }
            longest
        });
        Self {
            stop,
            watcher: Some(watcher),
        }
    }

    pub(crate) fn longest_time_with_two(mut self) -> Duration {
        self.end()
            .expect("it is ended once, and the hosts are still there")
    }

    fn end(&mut self) -> Option<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.watcher.take()?.join().ok()
    }
}

impl Drop for Owners {
    fn drop(&mut self) {
        self.end();
    }
}
