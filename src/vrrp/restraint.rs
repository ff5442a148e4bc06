//! What others can make us say or do as often as they like is said or done a few times a second:
//! one valid packet must not become a line of the log, or a burst of gratuitous ARP, a hundred
//! thousand times a second.

use std::fmt;
use std::time::Duration;

use crate::time::Instant;

/// What somebody on the network can cause with one packet each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// A packet that is too short to be anybody's.
    Short,
    /// A number that is none of ours.
    Unknown,
    /// Another master, and all complaints begin anew.
    Master,
    /// A backup discards a weaker advert.
    Discard,
    /// A master defends its addresses: the line, the announcement, the script.
    Defence,
    /// A goodbye.
    Goodbye,
    /// Preemption is put off, or is not any more.
    Delay,
    /// Another interval is learned.
    Interval,
}

/// How often each was done of late.
#[derive(Debug, Default)]
pub(super) struct Restraint(Vec<Window>);

#[derive(Debug)]
struct Window {
    deed: Deed,
    began: Instant,
    done: u32,
    withheld: u64,
}

/// How many of a kind were not told since one was; prints as the end of the line that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Withheld(u64);

impl Restraint {
    /// Some if it may be done.
    pub(super) fn permit(&mut self, deed: Deed, now: Instant) -> Option<Withheld> {
        let Some(window) = self.0.iter_mut().find(|window| window.deed == deed) else {
            self.0.push(Window {
                deed,
                began: now,
                done: 1,
                withheld: 0,
            });
            return Some(Withheld(0));
        };
        if now.since(window.began) >= WINDOW {
            window.began = now;
            window.done = 0;
        }
        if window.done == DEEDS_MAX {
            window.withheld += 1;
            return None;
        }
        window.done += 1;
        Some(Withheld(std::mem::take(&mut window.withheld)))
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, " ({more} more of this kind not told)"),
        }
    }
}

/// Routers that are set up right cause one such thing in an interval, and a take-over two or three.
const DEEDS_MAX: u32 = 3;
const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_second_are_done_and_the_rest_is_counted() {
        let mut restraint = Restraint::default();
        let at = |millis| Instant::ZERO + Duration::from_millis(millis);
        for millis in [0, 100, 200] {
            assert_eq!(
                restraint.permit(Deed::Defence, at(millis)),
                Some(Withheld(0))
            );
        }
        for millis in 201..1000 {
            assert_eq!(restraint.permit(Deed::Defence, at(millis)), None);
        }
        assert_eq!(restraint.permit(Deed::Short, at(999)), Some(Withheld(0)));
        let next = restraint.permit(Deed::Defence, at(1000));
        assert_eq!(next, Some(Withheld(799)));
        assert_eq!(
            format!("{}", Withheld(799)),
            " (799 more of this kind not told)"
        );
        assert_eq!(restraint.permit(Deed::Defence, at(1001)), Some(Withheld(0)));
    }
}
