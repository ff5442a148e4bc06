//! Who had an address when, as the kernels told it: `ip monitor` on every host, with times.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::network::{Background, Host, seconds};
use super::wait::{note, slack, wait_until};

pub(crate) struct Timeline {
    address: String,
    hosts: Vec<(Host, PathBuf, Background)>,
}

/// One host got the address, or lost it.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// Seconds since the epoch.
    at: f64,
    host: usize,
    has: bool,
}

/// The longest times in which more than one host had the address, and none.
#[derive(Debug, Clone, Copy, Default)]
struct Worst {
    several: Duration,
    none: Duration,
}

impl Timeline {
    /// Nobody has the address yet.
    pub(crate) fn watch(hosts: &[&Host], address: &str) -> Self {
        let watch = |host: &&Host| {
            let file = host
                .directory
                .join(format!("timeline-{}.txt", address.replace(':', "-")));
            let words = ["ip", "-ts", "-o", "monitor", "address"];
            let monitor = host.spawn(&words, &file);
            // A probe on the loopback shows that it listens.
            wait_until(seconds(5), "ip monitor listens", || {
                host.ip(&["address", "replace", "127.9.9.9/32", "dev", "lo"]);
                fs::read_to_string(&file).is_ok_and(|text| text.contains("127.9.9.9"))
            });
            ((*host).clone(), file, monitor)
        };
        Self {
            address: format!(" {address}/"),
            hosts: hosts.iter().map(watch).collect(),
        }
    }

    /// Panics if two hosts had the address for longer than a hand-over takes, or nobody had it for
    /// longer than `none`.
    #[track_caller]
    pub(crate) fn expect_one_owner(&self, none: Duration) {
        let worst = self.worst();
        note(&format!("{worst:.2?}"));
        assert!(worst.several < HAND_OVER + slack(), "{worst:?}");
        assert!(worst.none < none + slack(), "{worst:?}");
    }

    /// Since the first host had the address.
    fn worst(&self) -> Worst {
        let mut owns = vec![false; self.hosts.len()];
        let mut worst = Worst::default();
        let mut last: Option<f64> = None;
        for change in self.changes() {
            if let Some(since) = last {
                let time = Duration::from_secs_f64((change.at - since).max(0.0));
                match owns.iter().filter(|owns| **owns).count() {
                    0 => worst.none = worst.none.max(time),
                    1 => {}
                    _ => worst.several = worst.several.max(time),
                }
            }
            owns[change.host] = change.has;
            last = Some(change.at);
        }
        worst
    }

    fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (number, (_, file, _)) in self.hosts.iter().enumerate() {
            let text = fs::read_to_string(file).unwrap_or_default();
            let mut had = false;
            for line in text.lines().filter(|line| line.contains(&self.address)) {
                let has = !line.contains("Deleted");
                // A change of flags or lifetimes is told as well.
                if has != had {
                    let at = moment(line).expect("ip prints a time on every line");
                    changes.push(Change {
                        at,
                        host: number,
                        has,
                    });
                    had = has;
                }
            }
        }
        changes.sort_by(|one, other| one.at.total_cmp(&other.at));
        changes
    }
}

/// The seconds of a day in `[2026-11-21T15:13:39.197665] 2: eth0    inet ...`; a scenario at
/// midnight has to be repeated.
fn moment(line: &str) -> Option<f64> {
    let (_, time) = line.split_once('T')?;
    let (time, _) = time.split_once(']')?;
    let mut parts = time.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

/// The old master gives its addresses up a moment after the new one has taken them.
const HAND_OVER: Duration = Duration::from_millis(50);
