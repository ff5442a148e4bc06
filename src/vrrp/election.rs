//! Who wins: priorities, addresses and the intervals that follow from them. Pure arithmetic.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::Duration;

/// Skew_Time of version 2: (256 - priority) / 256 s, the more eager the higher the priority
/// (RFC 3768 6.1).
pub fn skew_time(priority: u8) -> Duration {
    Duration::from_micros((256 - u64::from(priority)) * MICROS_PER_SECOND / 256)
}

/// Skew_Time of version 3: the same share of the master's interval (RFC 9568 6.1), in whole
/// microseconds as keepalived has it.
pub fn skew_time_v3(priority: u8, master_interval: Duration) -> Duration {
    let hundredths = u64::try_from(master_interval.as_millis() / 10).unwrap_or(u64::MAX);
    let share = 256 - u64::from(priority);
    Duration::from_micros(share.saturating_mul(hundredths).saturating_mul(625) / 16)
}

/// Master_Down_Interval: `adverts` intervals of the master (3 by the RFC) and the skew (RFC 9568
/// 6.1).
pub fn master_down_interval(adverts: u32, master_interval: Duration, skew: Duration) -> Duration {
    master_interval.saturating_mul(adverts).saturating_add(skew)
}

/// A contender: what counts in an election between masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    pub priority: u8,
    pub source: IpAddr,
}

impl Contender {
    /// Greater wins: the higher priority, then the higher primary address (RFC 3768 6.4.3). Only a
    /// master breaks a tie; a backup takes an equal for its master, or equals would preempt
    /// forever.
    pub fn against(self, other: Self) -> Ordering {
        (self.priority, self.source).cmp(&(other.priority, other.source))
    }
}

const MICROS_PER_SECOND: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skew_of_version_2_is_the_share_of_a_second_that_is_missing_to_256() {
        for (priority, micros) in [
            (255, 3_906),
            (254, 7_812),
            (150, 414_062),
            (100, 609_375),
            (1, 996_093),
        ] {
            assert_eq!(
                skew_time(priority),
                Duration::from_micros(micros),
                "{priority}"
            );
        }
    }

    #[test]
    fn the_skew_of_version_3_follows_the_interval_of_the_master() {
        for (priority, millis, micros) in [
            (150, 1_000, 414_062),
            (254, 1_000, 7_812),
            (100, 100, 60_937),
            (255, 10, 39),
            (1, 40_950, 40_790_039),
        ] {
            let skew = skew_time_v3(priority, Duration::from_millis(millis));
            assert_eq!(
                skew,
                Duration::from_micros(micros),
                "{priority}, {millis} ms"
            );
        }
    }

    #[test]
    fn a_backup_of_150_waits_3_414_seconds() {
        let interval = master_down_interval(3, Duration::from_secs(1), skew_time(150));
        assert_eq!(interval, Duration::from_micros(3_414_062));
    }

    #[test]
    fn the_address_breaks_a_tie_as_a_number() {
        let contender = |priority, last| Contender {
            priority,
            source: IpAddr::from([10, 0, 0, last]),
        };
        assert_eq!(
            contender(100, 10).against(contender(100, 9)),
            Ordering::Greater
        );
        assert_eq!(
            contender(100, 10).against(contender(101, 9)),
            Ordering::Less
        );
        assert_eq!(
            contender(100, 9).against(contender(100, 9)),
            Ordering::Equal
        );
    }
}
