//! `vrrp_startup_delay` and `vrrp_delay_after_boot`: until they are over no advert is heard and
//! nobody becomes master, so that a machine that boots does not take over before it can serve.

use std::time::Duration;

use log::info;

use crate::config::Vrrp;
use crate::time::Instant;

/// Where the delay stands.
#[derive(Debug, Default)]
pub(super) struct StartDelay {
    /// How long the machine had been up when the first configuration came.
    pub(super) uptime: Duration,
    /// When that was.
    began: Option<Instant>,
    until: Option<Instant>,
}

impl StartDelay {
    /// The delays of a new configuration, counted from the start. Returns when they are over.
    pub(super) fn reload(&mut self, now: Instant, config: &Vrrp) -> Option<Instant> {
        let after_boot = config.delay_after_boot.unwrap_or(Duration::ZERO);
        let after_start = config.startup_delay.unwrap_or(Duration::ZERO);
        let wanted = after_start.max(after_boot.saturating_sub(self.uptime));
        let Some(began) = self.began else {
            self.began = Some(now);
            if !wanted.is_zero() {
                info!("Delaying startup for {} seconds", wanted.as_secs_f64());
                self.until = Some(now + wanted);
            }
            return self.until;
        };
        // What is over does not begin again.
        let until = began + wanted;
        let old = self.until?;
        if until == old {
            return self.until;
        }
        let left = until.since(now);
        self.until = (!left.is_zero()).then_some(until);
        if left.is_zero() {
            info!("Reduced delayed start passed");
        } else {
            info!(
                "Delaying startup for a further {} seconds",
                left.as_secs_f64()
            );
        }
        self.until
    }

    pub(super) fn complete(&mut self) {
        info!("Delayed start completed");
        self.until = None;
    }

    /// What is left of it.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn config(start: u64, boot: u64) -> Vrrp {
        Vrrp {
            startup_delay: Some(seconds(start)),
            delay_after_boot: Some(seconds(boot)),
            ..Vrrp::default()
        }
    }

    fn at(second: u64) -> Instant {
        Instant::ZERO + seconds(second)
    }

    #[test]
    fn the_longer_of_both_delays_counts() {
        for (uptime, left) in [(0, 60), (45, 15), (55, 10), (100, 10)] {
            let mut delay = StartDelay {
                uptime: seconds(uptime),
                ..StartDelay::default()
            };
            delay.reload(at(100), &config(10, 60));
            assert_eq!(delay.left(at(100)), seconds(left), "{uptime}");
        }
    }

    #[test]
    fn a_reload_counts_from_the_start_and_what_is_over_does_not_begin_again() {
        let mut delay = StartDelay::default();
        delay.reload(at(100), &config(10, 0));
        assert_eq!(delay.reload(at(104), &config(20, 0)), Some(at(120)));
        assert_eq!(delay.left(at(104)), seconds(16));
        assert_eq!(delay.reload(at(108), &config(5, 0)), None);
        assert_eq!(delay.left(at(108)), Duration::ZERO);
        assert_eq!(delay.reload(at(109), &config(60, 0)), None);
    }
}
