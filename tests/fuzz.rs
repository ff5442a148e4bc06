//! What nobody would write or send.
//!
//! The configuration room against texts: whatever comes, it is read in
//! bounded time and memory, nothing panics, and what is printed reads back as the same. The
//! receiver of adverts against packets is in `fuzz/adverts.rs`.
//!
//! A short run with a fixed seed is part of the suite. `scripts/fuzz config MINUTES` runs longer,
//! optimised, with a seed of its own; it prints the seed and the smallest text that still fails.
//! Texts that once failed stay in `fuzz/corpus` and are read again in every run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keepalived::config::Config;
use keepalived::rand::Rand;

#[path = "fuzz/adverts.rs"]
mod adverts;
#[path = "fuzz/answers.rs"]
mod answers;
#[path = "fuzz/minimise.rs"]
mod minimise;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/properties.rs"]
mod properties;
#[path = "config/stopwatch.rs"]
mod stopwatch;

use mutate::Mutator;
use stopwatch::Stopwatch;

/// The suite's run.
const SHORT: Duration = Duration::from_secs(4);
const SEED: u64 = 1;

/// What the process may take at its peak: the corpus, and a text of 100 kB with all it becomes.
const MEMORY_MAX_KB: u64 = 400_000;

#[test]
fn no_text_breaks_the_reader() {
    let variable = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let budget = variable("FUZZ_SECONDS").map_or(SHORT, Duration::from_secs);
    let seed = variable("FUZZ_SEED").unwrap_or(SEED);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = files(&folder.join("tests/fuzz/corpus"));
    for (path, text) in &kept {
        if let Err(why) = check(text, None) {
            panic!("{}: {why}", path.display());
        }
    }
    let folders = [
        "tests/config",
        "tests/config/seeds",
        "tests/inspect",
        "tests/fuzz/corpus",
    ];
    let corpus = folders.iter().flat_map(|name| files(&folder.join(name)));
    let mut mutator = Mutator::new(corpus.map(|(_, text)| text).collect(), Rand::new(seed));
    let start = Instant::now();
    let (mut rounds, mut before) = (0_u64, None);
    let mut slowest = (Duration::ZERO, 0);
    while start.elapsed() < budget {
        let text = mutator.next();
        let watch = Stopwatch::start();
        let checked = check(&text, before.as_ref());
        slowest = slowest.max((watch.elapsed(), text.len()));
        match checked {
            // Compared with the next one.
            Ok(config) => before = config.or(before),
            Err(why) => {
                let small = minimise::minimise(&text, |text| check(text, before.as_ref()).err());
                let at = folder
                    .join("target")
                    .join(format!("fuzz-{seed}-{rounds}.conf"));
                fs::write(&at, &small).unwrap();
                let shown = String::from_utf8_lossy(&small).into_owned();
                panic!(
                    "FUZZ_SEED={seed}, round {rounds}: {why}\n{}:\n{shown}",
                    at.display()
                );
            }
        }
        rounds += 1;
        if rounds.is_multiple_of(64) {
            let peak = peak_kb();
            assert!(
                peak < MEMORY_MAX_KB,
                "FUZZ_SEED={seed}, round {rounds}: {peak} kB"
            );
        }
    }
    let (took, length) = slowest;
    println!(
        "{rounds} texts with seed {seed}, the slowest {took:?} for {length} octets, peak {} kB",
        peak_kb()
    );
}

/// What servers send to checks, by the same rules.
#[test]
fn no_answer_breaks_its_reader() {
    let variable = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let budget = variable("FUZZ_SECONDS").map_or(SHORT, Duration::from_secs);
    let seed = variable("FUZZ_SEED").unwrap_or(SEED);
    let mut rand = Rand::new(seed);
    let start = Instant::now();
    let mut rounds = 0_u64;
    while start.elapsed() < budget {
        let text = answers::next(&mut rand);
        let run = AssertUnwindSafe(|| answers::check(&text, &mut rand));
        let outcome = panic::catch_unwind(run).unwrap_or_else(|_| Err("panicked".to_owned()));
        if let Err(why) = outcome {
            panic!(
                "FUZZ_SEED={seed}, round {rounds}: {why}\n{}",
                text.escape_ascii()
            );
        }
        rounds += 1;
    }
    println!("{rounds} answers with seed {seed}");
}

/// All properties of one text; the message of the first that does not hold, or of a panic.
fn check(text: &[u8], before: Option<&Config>) -> Result<Option<Config>, String> {
    let run = AssertUnwindSafe(|| properties::check(text, before));
    panic::catch_unwind(run).unwrap_or_else(|panic| {
        let told = panic.downcast_ref::<String>().cloned();
        let told = told.or_else(|| panic.downcast_ref().map(|text: &&str| (*text).to_owned()));
        Err(format!("panicked: {}", told.unwrap_or_default()))
    })
}

/// The configurations of a folder, in order.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "conf")
    });
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read(&path).unwrap();
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// What this process had at most.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}
