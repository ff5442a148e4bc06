//! Stories that a seed tells: how one is told, repeated, and shown when it ends badly.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::lan::Lan;

/// Every seed below a number, or the one that `SEED` names, with its transcript.
pub(crate) fn each(seeds: u64, story: impl Fn(u64) -> String) {
    let wanted = std::env::var("SEED").ok();
    if let Some(seed) = wanted.and_then(|seed| seed.parse().ok()) {
        print!("{}", story(seed));
        return;
    }
    for seed in 0..seeds {
        story(seed);
    }
}

/// What happened, as a transcript; a panic shows the seed and how far it came.
pub(crate) fn told(seed: u64, act: impl FnOnce(&mut Lan)) -> String {
    let mut lan = Lan::new(seed);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| act(&mut lan))) {
        eprintln!("SEED={seed}\n{}", lan.transcript());
        resume_unwind(panic);
    }
    lan.transcript()
}
