//! The signatures accepted last, by sender: nobody's advert counts twice.

use std::net::IpAddr;
use std::time::Duration;

use crate::wire::signature::Sequence;

/// A mark for each sender, at most as many as there are peers, or `GROUP_SENDERS_MAX` of a group.
#[derive(Debug, Default)]
pub(super) struct Replays {
    /// The one used last is at the end.
    marks: Vec<(IpAddr, Sequence)>,
}

impl Replays {
    /// Forgets marks that are older than the window: by then the clock refuses their replays.
    pub(super) fn forget_before(&mut self, time: Duration, window: Duration) {
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        self.marks
            .retain(|(_, mark)| mark.seconds_after(time) >= -window);
    }

    /// True when the number is later than the last one of its sender.
    pub(super) fn is_new(&self, source: IpAddr, sequence: Sequence) -> bool {
        let mut marks = self.marks.iter();
        marks
            .find(|(known, _)| *known == source)
            .is_none_or(|(_, mark)| sequence.is_after(*mark))
    }

    /// Remembers an accepted number; the sender not heard for the longest time makes room.
    pub(super) fn accept(&mut self, source: IpAddr, sequence: Sequence, senders_max: usize) {
        self.marks.retain(|(known, _)| *known != source);
        if self.marks.len() >= senders_max.max(1) {
            self.marks.remove(0);
        }
        self.marks.push((source, sequence));
    }
}

/// A group has few masters at a time; more only while somebody tries something.
pub(super) const GROUP_SENDERS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_number_counts_once_for_each_sender() {
        let mut replays = Replays::default();
        let at = |seconds| Sequence::at(Duration::from_secs(seconds));
        replays.accept(sender(1), at(10), 4);
        assert!(!replays.is_new(sender(1), at(10)) && !replays.is_new(sender(1), at(9)));
        assert!(replays.is_new(sender(1), at(11)) && replays.is_new(sender(2), at(9)));
    }

    #[test]
    fn the_sender_not_heard_for_the_longest_time_makes_room() {
        let mut replays = Replays::default();
        let at = Sequence::at(Duration::from_secs(10));
        for last in [1, 2, 3, 4, 1, 5] {
            replays.accept(sender(last), at, GROUP_SENDERS_MAX);
        }
        let known: Vec<u8> = (1..=5)
            .filter(|last| !replays.is_new(sender(*last), at))
            .collect();
        assert_eq!(known, [1, 3, 4, 5]);
    }

    #[test]
    fn marks_beyond_the_window_are_forgotten() {
        let mut replays = Replays::default();
        let at = Sequence::at(Duration::from_secs(100));
        replays.accept(sender(1), at, 4);
        let window = Duration::from_secs(5);
        replays.forget_before(Duration::from_secs(105), window);
        assert!(!replays.is_new(sender(1), at));
        replays.forget_before(Duration::from_secs(106), window);
        assert!(replays.is_new(sender(1), at));
    }
}
