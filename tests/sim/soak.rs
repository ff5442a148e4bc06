//! The stories of `random` and `random_groups`, one seed after the other, on all processors, for as
//! long as told: `scripts/soak`. In the suite, a handful.
//!
//! `SOAK_EVENTS=n` ends it after so many events, `SOAK_SECONDS=n` after so many seconds, both when
//! both are reached. `SOAK_SEED=n` is where it begins.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::lan::Tally;
use crate::record;
use crate::{random, random_groups};

/// Of each three seeds one is a story of groups.
const GROUPS_OF: u64 = 3;
const EVENTS: u64 = 20_000;

struct Goal {
    events: u64,
    time: Duration,
    begun: Instant,
    seed: AtomicU64,
    so_far: AtomicU64,
}

#[test]
fn no_seed_breaks_the_protocol() {
    let variable = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse().expect("a number"))
    };
    let seconds = variable("SOAK_SECONDS");
    let events = variable("SOAK_EVENTS");
    let short = events.is_none() && seconds.is_none();
    if !short {
        record::errors_only();
    }
    let first = variable("SOAK_SEED").unwrap_or(0);
    let goal = Goal {
        events: if short { EVENTS } else { events.unwrap_or(0) },
        time: Duration::from_secs(seconds.unwrap_or(0)),
        begun: Instant::now(),
        seed: AtomicU64::new(first),
        so_far: AtomicU64::new(0),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let total = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&goal))).collect();
        let done = workers
            .into_iter()
            .map(|worker| worker.join().expect("no seed fails"));
        done.fold(Tally::default(), Tally::plus)
    });
    let (seeds, took) = (
        goal.seed.into_inner() - first,
        goal.begun.elapsed().as_secs_f64(),
    );
    println!(
        "{seeds} seeds from {first} in {took:.1} s ({:.0} in a second): {} events, {} faults, all \
         that must be true looked at {} times; after the last \
         fault never longer than {:.1} s without exactly one master",
        u32::try_from(seeds).map_or(f64::INFINITY, f64::from) / took,
        total.events,
        total.faults,
        total.checks,
        total.unsettled.as_secs_f64(),
    );
    assert!(total.events >= goal.events && total.checks > total.faults);
}

fn work(goal: &Goal) -> Tally {
    let mut total = Tally::default();
    while goal.so_far.load(Ordering::Relaxed) < goal.events || goal.begun.elapsed() < goal.time {
        let seed = goal.seed.fetch_add(1, Ordering::Relaxed);
        let kind = match seed.is_multiple_of(GROUPS_OF) {
            true => random_groups::GROUPS,
            false => random::ONE,
        };
        let tally = kind.silently(seed);
        goal.so_far.fetch_add(tally.events, Ordering::Relaxed);
        total = total.plus(tally);
    }
    total
}
