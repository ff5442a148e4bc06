//! The wall clock in local time, for people who read logs. Nothing is decided by it.

use std::fmt;
use std::mem::MaybeUninit;

use libc::c_int;

/// A moment in the time zone of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    year: i64,
    /// 0 is January.
    month: usize,
    day: c_int,
    /// 0 is Sunday.
    weekday: usize,
    hour: c_int,
    minute: c_int,
    second: c_int,
    /// Minutes east of Greenwich.
    offset: i64,
}

/// As certificates count it; 0 when there is no clock.
pub fn seconds_since_1970() -> i64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME);
    now.map_or(0, |now| now.tv_sec())
}

impl LocalTime {
    pub fn now() -> Self {
        Self::at(seconds_since_1970())
    }

    /// The moment that many seconds after the beginning of 1970, UTC.
    pub fn at(seconds: i64) -> Self {
        let mut broken_down = MaybeUninit::<libc::tm>::zeroed();
        // SAFETY: both pointers are those of live values; the second is written only. All zeros is
        // a valid value of the type, so it may be read whether or not the call succeeded.
        let tm = unsafe {
            libc::localtime_r(&raw const seconds, broken_down.as_mut_ptr());
            broken_down.assume_init()
        };
        Self {
            year: i64::from(tm.tm_year) + 1900,
            month: usize::try_from(tm.tm_mon).unwrap_or(0) % MONTHS.len(),
            day: tm.tm_mday,
            weekday: usize::try_from(tm.tm_wday).unwrap_or(0) % WEEKDAYS.len(),
            hour: tm.tm_hour,
            minute: tm.tm_min,
            second: tm.tm_sec,
            offset: tm.tm_gmtoff / 60,
        }
    }

    /// `Nov 21 09:42:03`, as in a syslog message (RFC 3164 4.1.2).
    pub fn syslog_stamp(&self) -> String {
        format!("{} {}", MONTHS[self.month], self.day_and_time())
    }

    /// `Sat, 21 Nov 2026 09:42:03 +0100`, as in a mail (RFC 5322 3.3).
    pub fn mail_stamp(&self) -> String {
        let (weekday, month) = (WEEKDAYS[self.weekday], MONTHS[self.month]);
        let Self {
            year,
            day,
            hour,
            minute,
            second,
            offset,
            ..
        } = self;
        let sign = if *offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
        format!(
            "{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} \
             {sign}{hours:02}{minutes:02}"
        )
    }

    fn day_and_time(&self) -> String {
        let Self {
            day,
            hour,
            minute,
            second,
            ..
        } = self;
        format!("{day:>2} {hour:02}:{minute:02}:{second:02}")
    }
}

impl fmt::Display for LocalTime {
    /// `Sat Nov 21 09:42:03 2026`, as ctime(3) writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (weekday, stamp) = (WEEKDAYS[self.weekday], self.syslog_stamp());
        write!(f, "{weekday} {stamp} {}", self.year)
    }
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_ctime_and_syslog_and_mails_write_it() {
        let moment = LocalTime {
            year: 2026,
            month: 10,
            day: 1,
            weekday: 0,
            hour: 9,
            minute: 2,
            second: 3,
            offset: -90,
        };
        assert_eq!(moment.to_string(), "Sun Nov  1 09:02:03 2026");
        assert_eq!(moment.syslog_stamp(), "Nov  1 09:02:03");
        assert_eq!(moment.mail_stamp(), "Sun, 01 Nov 2026 09:02:03 -0130");
    }

    #[test]
    fn the_seconds_of_a_moment_are_those_of_its_count() {
        // No time zone is off by a fraction of a minute today.
        let moment = LocalTime::at(1_795_253_123);
        assert_eq!(moment.second, 23);
        assert_eq!((moment.year, moment.month), (2026, 10));
        assert!((20..=22).contains(&moment.day), "{moment}");
    }

    #[test]
    fn times_outside_of_the_calendar_do_no_harm() {
        for seconds in [i64::MIN, -1, 0, i64::MAX] {
            assert!(!LocalTime::at(seconds).to_string().is_empty());
        }
    }
}
