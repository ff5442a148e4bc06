//! Time as the cores know it: an instant is a number, a timer is a key with a deadline.
//!
//! [`Timers`] is a hierarchical timer wheel with exact answers. It never reads a clock: whoever
//! holds one passes `now` in, so that a run with the same calls gives the same timers.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::Hash;
use std::ops::Add;
use std::time::Duration;

use crate::hash::Map;

/// Nanoseconds of a monotonic clock. Constructible: tests start at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    pub const ZERO: Self = Self(0);

    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The first multiple of `step`, which is not zero, that is not before this.
    pub fn rounded_up_to(self, step: Duration) -> Self {
        let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.checked_next_multiple_of(step).unwrap_or(u64::MAX))
    }

    /// How long ago `earlier` was; zero when it is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The far future is as far as it gets: no overflow.
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// Deadlines by key, at most one for each key.
///
/// ```text
///  set ──► level 7   64 slots of 2^42 ticks          a tick is 2^20 ns, about a millisecond
///            ...                                     │
///          level 1   64 slots of 64 ticks            │ lists; a slot goes down a level when
///          level 0   64 slots of one tick            ▼ the time of the wheel reaches it
///          front     ordered by exact deadline: what is due, and the earliest slot
/// ```
///
/// A timer's level is the highest digit (base 64) in which its tick differs from the wheel's, so
/// every timer of a level is earlier than all of the levels above, and the earliest occupied slot
/// is the lowest bit of the lowest level that has one. Only there does the order inside a slot
/// matter, and only there is it made: the slot is emptied into `front`.
///
/// Cost: `set`, replace and `cancel` are constant, plus the logarithm of `front`'s size for a timer
/// that is in it; `next` is a field. Each timer enters `front` at most once and goes down at most
/// one slot per level, so `pop_due` is a logarithm too, whatever the pattern of the deadlines.
pub struct Timers<K> {
    /// The tick up to which the wheel has turned: no list holds a timer of this tick or before.
    turned: u64,
    levels: [Level; LEVELS],
    /// Timers taken out of the lists, in the order in which they will be due.
    front: BTreeSet<(Instant, K)>,
    /// The exact earliest deadline of all, in a list or in `front`.
    earliest: Option<Instant>,
    nodes: Vec<Node<K>>,
    /// Head of the chain of unused nodes, linked by `next`.
    unused: Link,
    by_key: Map<K, u32>,
}

impl<K: Copy + Ord + Hash + fmt::Debug> Timers<K> {
    pub fn new() -> Self {
        Self {
            turned: 0,
            levels: [Level::EMPTY; LEVELS],
            front: BTreeSet::new(),
            earliest: None,
            nodes: Vec::new(),
            unused: Link::NONE,
            by_key: Map::default(),
        }
    }

    /// Gives `key` the deadline `at`, instead of the one it may have had.
    pub fn set(&mut self, key: K, at: Instant) {
        let mut was = None;
        let index = if let Some(&index) = self.by_key.get(&key) {
            was = Some(self.nodes[index as usize].at);
            self.detach(index);
            self.nodes[index as usize].at = at;
            index
        } else {
            let index = self.allocate(key, at);
            self.by_key.insert(key, index);
            index
        };
        self.attach(index);
        if self.earliest.is_none_or(|earliest| at <= earliest) {
            self.earliest = Some(at);
        } else if self.earliest == was {
            self.find_earliest();
        }
    }

    /// Takes the deadline of `key` away; nothing happens when it has none.
    pub fn cancel(&mut self, key: K) {
        let Some(index) = self.by_key.remove(&key) else {
            return;
        };
        let was = self.nodes[index as usize].at;
        self.detach(index);
        self.release(index);
        if self.earliest == Some(was) {
            self.find_earliest();
        }
    }

    /// The earliest deadline, to the nanosecond.
    pub fn next(&self) -> Option<Instant> {
        self.earliest
    }

    /// Takes out the earliest timer that is due at `now`. Equal deadlines come in the order of
    /// their keys: runs repeat.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.earliest? > now {
            return None;
        }
        // Everything due leaves the lists here, hence the first of the front is the first of all.
        self.turn(tick(now));
        let (at, key) = self.front.pop_first()?;
        debug_assert_eq!(self.earliest, Some(at));
        let index = self.by_key.remove(&key)?;
        self.release(index);
        self.find_earliest();
        Some(key)
    }

    pub fn deadline_of(&self, key: K) -> Option<Instant> {
        let index = *self.by_key.get(&key)?;
        Some(self.nodes[index as usize].at)
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Moves the wheel on to `to`; it never turns back. What is due by then goes to the front, and
    /// the slots that are entered go down to the levels below.
    fn turn(&mut self, to: u64) {
        if to <= self.turned {
            return;
        }
        let top = level_between(self.turned, to);
        let reached = digit(to, top);
        self.turned = to;
        for level in 0..top {
            while let Some(slot) = self.levels[level].first() {
                self.scatter(level, slot);
            }
        }
        while let Some(slot) = self.levels[top].first().filter(|&slot| slot <= reached) {
            self.scatter(top, slot);
        }
    }

    /// Empties a slot and places each of its timers anew.
    fn scatter(&mut self, level: usize, slot: usize) {
        let mut rest = self.levels[level].take(slot);
        while let Some(index) = rest.index() {
            rest = self.nodes[index as usize].next;
            self.attach(index);
        }
    }

    /// Finds the earliest deadline again, after the timer that had it went. Opens slots until
    /// nothing in a list can be earlier than the first of the front.
    fn find_earliest(&mut self) {
        while let Some((level, slot)) = self.first_slot() {
            let first = self.front.first().map(|&(at, _)| tick(at));
            if first.is_some_and(|first| first < self.start_of(level, slot)) {
                break;
            }
            let mut rest = self.levels[level].take(slot);
            while let Some(index) = rest.index() {
                rest = self.nodes[index as usize].next;
                self.move_to_front(index);
            }
        }
        self.earliest = self.front.first().map(|&(at, _)| at);
    }

    /// The occupied slot whose time comes first.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        Some((level, self.levels[level].first()?))
    }

    /// The first tick that belongs to a slot: the wheel's digits above, the slot's own, then zeros.
    fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = DIGIT_BITS * level;
        let above = (self.turned >> shift >> DIGIT_BITS) << DIGIT_BITS;
        (above | slot as u64) << shift
    }

    /// Puts a node where its deadline belongs.
    fn attach(&mut self, index: u32) {
        let due = tick(self.nodes[index as usize].at);
        if due <= self.turned {
            self.move_to_front(index);
            return;
        }
        let level = level_between(self.turned, due);
        let slot = digit(due, level);
        let head = self.levels[level].heads[slot];
        if let Some(head) = head.index() {
            self.nodes[head as usize].previous = Link(index);
        }
        let node = &mut self.nodes[index as usize];
        node.previous = Link::NONE;
        node.next = head;
        self.levels[level].heads[slot] = Link(index);
        self.levels[level].occupied |= 1 << slot;
    }

    fn move_to_front(&mut self, index: u32) {
        let node = &mut self.nodes[index as usize];
        node.previous = Link::FRONT;
        self.front.insert((node.at, node.key));
    }

    /// Takes a node out of its list, or out of the front.
    fn detach(&mut self, index: u32) {
        let node = self.nodes[index as usize];
        if node.previous == Link::FRONT {
            self.front.remove(&(node.at, node.key));
            return;
        }
        if let Some(next) = node.next.index() {
            self.nodes[next as usize].previous = node.previous;
        }
        if let Some(previous) = node.previous.index() {
            self.nodes[previous as usize].next = node.next;
            return;
        }
        // The wheel has not reached its slot, or it would not be in it any more: the highest digit
        // that differs is still the one by which it was put there.
        let due = tick(node.at);
        let level = level_between(self.turned, due);
        let slot = digit(due, level);
        debug_assert_eq!(self.levels[level].heads[slot], Link(index));
        self.levels[level].heads[slot] = node.next;
        if node.next == Link::NONE {
            self.levels[level].occupied &= !(1 << slot);
        }
    }

    fn allocate(&mut self, key: K, at: Instant) -> u32 {
        let node = Node {
            key,
            at,
            previous: Link::NONE,
            next: Link::NONE,
        };
        if let Some(index) = self.unused.index() {
            self.unused = self.nodes[index as usize].next;
            self.nodes[index as usize] = node;
            return index;
        }
        let index = u32::try_from(self.nodes.len()).expect("fewer timers than memory has room for");
        assert!(
            index < Link::FRONT.0,
            "fewer timers than links have numbers for"
        );
        self.nodes.push(node);
        index
    }

    fn release(&mut self, index: u32) {
        self.nodes[index as usize].next = self.unused;
        self.unused = Link(index);
    }
}

impl<K: Copy + Ord + Hash + fmt::Debug> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Ord + Hash + fmt::Debug> fmt::Debug for Timers<K> {
    /// The deadlines in the order of their keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys: Vec<K> = self.by_key.keys().copied().collect();
        keys.sort_unstable();
        f.debug_map()
            .entries(keys.into_iter().map(|key| (key, self.deadline_of(key))))
            .finish()
    }
}

/// The index of a node, or one of two numbers that no node has: an `Option` takes twice the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link(u32);

impl Link {
    const NONE: Self = Self(u32::MAX);
    /// In place of the previous one of a node that is in the front, and so in no list.
    const FRONT: Self = Self(u32::MAX - 1);

    fn index(self) -> Option<u32> {
        (self.0 < Self::FRONT.0).then_some(self.0)
    }
}

/// A timer, in the doubly linked list of its slot or in the front.
#[derive(Clone, Copy)]
struct Node<K> {
    key: K,
    at: Instant,
    previous: Link,
    next: Link,
}

/// Sixty-four lists, and a bit for each that is not empty.
#[derive(Clone, Copy)]
struct Level {
    occupied: u64,
    heads: [Link; SLOTS],
}

impl Level {
    const EMPTY: Self = Self {
        occupied: 0,
        heads: [Link::NONE; SLOTS],
    };

    fn first(&self) -> Option<usize> {
        (self.occupied != 0).then(|| self.occupied.trailing_zeros() as usize)
    }

    /// Empties a slot; the nodes still hang together by `next`.
    fn take(&mut self, slot: usize) -> Link {
        self.occupied &= !(1 << slot);
        std::mem::replace(&mut self.heads[slot], Link::NONE)
    }
}

/// A tick is 2^20 ns: fine enough that a slot of the lowest level rarely holds more than a few.
const TICK_BITS: u32 = 20;
/// Each level is one digit of the tick, in base 64: its bitmap fits a word.
const DIGIT_BITS: usize = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// Enough digits for the 44 bits of a tick: every deadline has a slot, `u64::MAX` too.
const LEVELS: usize = 8;

const fn tick(at: Instant) -> u64 {
    at.0 >> TICK_BITS
}

/// The highest digit in which two different ticks differ.
fn level_between(turned: u64, due: u64) -> usize {
    (turned ^ due).ilog2() as usize / DIGIT_BITS
}

fn digit(tick: u64, level: usize) -> usize {
    let digit = (tick >> (DIGIT_BITS * level)) % SLOTS as u64;
    usize::try_from(digit).expect("a digit has six bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::Rand;
    use std::collections::BTreeMap;

    const MILLISECOND: u64 = 1_000_000;
    const SECOND: u64 = 1_000 * MILLISECOND;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// The same promises, kept in the plainest way.
    #[derive(Default)]
    struct Model(BTreeMap<u32, Instant>);

    impl Model {
        fn first(&self) -> Option<(Instant, u32)> {
            self.0.iter().map(|(&key, &at)| (at, key)).min()
        }

        fn pop_due(&mut self, now: Instant) -> Option<u32> {
            let (_, key) = self.first().filter(|&(at, _)| at <= now)?;
            self.0.remove(&key);
            Some(key)
        }
    }

    /// A deadline of the kinds that can go wrong: near, far, equal, past, at borders, at the end.
    fn deadline(rand: &mut Rand, now: u64) -> Instant {
        let nanos = match rand.below(10) {
            0 => now.saturating_sub(rand.below(10 * SECOND)),
            1 => now,
            2 => now.saturating_add(rand.below(MILLISECOND)),
            3 => now.saturating_add(rand.below(5) * SECOND),
            4 => now.saturating_add(rand.below(3600 * SECOND)),
            5 => u64::MAX - rand.below(3),
            6 => rand.next_u64(),
            7 => 1 << rand.below(64),
            8 => ((now >> TICK_BITS) + rand.below(130)) << TICK_BITS,
            _ => now.saturating_add(rand.below(4 * SECOND)),
        };
        at(nanos)
    }

    fn step(rand: &mut Rand, now: &mut u64, timers: &mut Timers<u32>, model: &mut Model) {
        let key = u32::try_from(rand.below(60)).unwrap();
        match rand.below(8) {
            0..=3 => {
                let deadline = deadline(rand, *now);
                timers.set(key, deadline);
                model.0.insert(key, deadline);
            }
            4 => {
                timers.cancel(key);
                model.0.remove(&key);
            }
            5 => {
                // Pops as a loop does it: everything due, in order.
                let longest = 1 << rand.below(45);
                *now = now.saturating_add(rand.below(longest));
                loop {
                    let popped = timers.pop_due(at(*now));
                    assert_eq!(popped, model.pop_due(at(*now)));
                    if popped.is_none() {
                        break;
                    }
                }
            }
            6 => {
                // A clock may be read by another loop: an earlier `now` must do no harm.
                let earlier = at(now.saturating_sub(rand.below(SECOND)));
                assert_eq!(timers.pop_due(earlier), model.pop_due(earlier));
            }
            _ => {
                let exactly = timers.next().unwrap_or_else(|| at(*now));
                *now = (*now).max(exactly.as_nanos().min(*now + 3600 * SECOND));
                assert_eq!(timers.pop_due(at(*now)), model.pop_due(at(*now)));
            }
        }
        assert_eq!(timers.next(), model.first().map(|(at, _)| at));
        assert_eq!(timers.deadline_of(key), model.0.get(&key).copied());
        assert_eq!(timers.len(), model.0.len());
    }

    #[test]
    fn the_wheel_says_what_a_sorted_map_says() {
        for seed in 0..400 {
            let mut rand = Rand::new(seed);
            let (mut timers, mut model) = (Timers::new(), Model::default());
            let mut now = rand.next_u64() >> rand.below(64) >> 1;
            for _ in 0..400 {
                step(&mut rand, &mut now, &mut timers, &mut model);
            }
            while let Some(key) = timers.pop_due(at(u64::MAX)) {
                assert_eq!(Some(key), model.pop_due(at(u64::MAX)), "SEED={seed}");
            }
            assert!(timers.is_empty() && model.0.is_empty(), "SEED={seed}");
        }
    }

    #[test]
    fn equal_deadlines_are_due_in_the_order_of_their_keys() {
        let mut timers = Timers::new();
        for key in [5, 3, 9, 1] {
            timers.set(key, at(7 * SECOND));
        }
        timers.set(4, at(7 * SECOND + 1));
        let mut order = Vec::new();
        while let Some(key) = timers.pop_due(at(8 * SECOND)) {
            order.push(key);
        }
        assert_eq!(order, [1, 3, 5, 9, 4]);
    }

    #[test]
    fn nothing_is_due_a_nanosecond_early() {
        let mut timers = Timers::new();
        timers.set('a', at(3 * SECOND + 1));
        timers.set('b', at(3 * SECOND));
        assert_eq!(timers.next(), Some(at(3 * SECOND)));
        assert_eq!(timers.pop_due(at(3 * SECOND - 1)), None);
        assert_eq!(timers.pop_due(at(3 * SECOND)), Some('b'));
        assert_eq!(timers.pop_due(at(3 * SECOND)), None);
        assert_eq!(timers.next(), Some(at(3 * SECOND + 1)));
    }

    /// Adverts of many masters: always the earliest deadline is the one replaced. It would take
    /// minutes if a replacement looked at all timers of a slot.
    #[test]
    fn replacing_the_earliest_of_very_many_timers_stays_cheap() {
        const COUNT: u64 = 20_000;
        let mut timers = Timers::new();
        for round in 1..=5 {
            for key in 0..COUNT {
                timers.set(key, at(round * 3600 * SECOND + key));
                assert!(timers.next().is_some());
            }
        }
        assert_eq!(timers.next(), Some(at(5 * 3600 * SECOND)));
        for key in 0..COUNT {
            timers.cancel(key);
        }
        assert_eq!((timers.next(), timers.is_empty()), (None, true));
        assert_eq!(timers.nodes.len() as u64, COUNT, "nodes are used again");
    }
}
