//! What nobody would write or send.
//!
//! The configuration room against texts: whatever comes, it is read in
//! bounded time and memory, nothing panics, and what is printed reads back as the same. What comes
//! of it goes through the cores (`fuzz/reload.rs`), what these write is bent and read as if the
//! kernel had said it (`fuzz/netlink.rs`) or IPVS had answered it (`fuzz/ipvs.rs`), and what they
//! tell is looked at as scripts and mail servers would (`fuzz/news.rs`). There are packets for the
//! receiver of adverts (`fuzz/adverts.rs`), from people who have the key, too
//! (`fuzz/insiders.rs`), answers for the checks (`fuzz/answers.rs`, `fuzz/judge.rs`) and servers of
//! TLS (`fuzz/secrets.rs`).
//!
//! A short run with a fixed seed is part of the suite. `scripts/fuzz config MINUTES` runs longer,
//! optimised, with a seed of its own; it prints the seed and the smallest text that still fails.
//! Texts that once failed stay in `fuzz/corpus` and are read again in every run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keepalived::config::Config;
use keepalived::rand::Rand;

#[path = "fuzz/adverts.rs"]
mod adverts;
#[path = "fuzz/answers.rs"]
mod answers;
#[path = "fuzz/insiders.rs"]
mod insiders;
#[path = "fuzz/ipvs.rs"]
mod ipvs;
#[path = "fuzz/judge.rs"]
mod judge;
#[path = "fuzz/minimise.rs"]
mod minimise;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/netlink.rs"]
mod netlink;
#[path = "fuzz/news.rs"]
mod news;
#[path = "fuzz/properties.rs"]
mod properties;
#[path = "fuzz/reload.rs"]
mod reload;
#[cfg(feature = "tls")]
#[path = "fuzz/secrets.rs"]
mod secrets;
#[path = "config/stopwatch.rs"]
mod stopwatch;

use ipvs::Liar;
use mutate::Mutator;
use news::Town;
use reload::Cores;
use stopwatch::Stopwatch;

/// The suite's run.
const SHORT: Duration = Duration::from_secs(2);
const SEED: u64 = 1;

/// What the process may take at its peak: the corpus, and a text of 100 kB with all it becomes.
const MEMORY_MAX_KB: u64 = 400_000;

#[test]
fn no_text_breaks_the_reader() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = files(&folder.join("tests/fuzz/corpus"));
    for (path, text) in &kept {
        if let Err(why) = check(text, None) {
            panic!("{}: {why}", path.display());
        }
    }
    let run = Run::new();
    let seed = run.seed;
    let mut mutator = Mutator::new(corpus(), Rand::new(seed));
    let (mut rounds, mut before) = (0_u64, None);
    let mut slowest = (Duration::ZERO, 0);
    while run.goes_on() {
        let text = mutator.next();
        let watch = Stopwatch::start();
        let checked = check(&text, before.as_ref());
        slowest = slowest.max((watch.elapsed(), text.len()));
        match checked {
            // Compared with the next one.
            Ok(config) => before = config.or(before),
            Err(why) => {
                let small = minimise::minimise(&text, |text| check(text, before.as_ref()).err());
                let at = run.place(rounds);
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

/// What servers send to checks, by the same rules: protocol by protocol.
fn no_answer_breaks(target: &answers::Target) {
    let run = Run::new();
    let seed = run.seed;
    let mut rand = Rand::new(seed);
    let mut rounds = 0_u64;
    while run.goes_on() {
        if let Err(why) = without_panic(|| target.check(&mut rand)) {
            panic!("FUZZ_SEED={seed}, round {rounds}: {why}");
        }
        rounds += 1;
    }
    println!("{rounds} long conversations with seed {seed}");
}

#[test]
fn no_web_server_breaks_its_check() {
    no_answer_breaks(&answers::HTTP);
}

#[test]
fn no_mail_server_breaks_its_check() {
    no_answer_breaks(&answers::SMTP);
}

#[test]
fn no_name_server_breaks_its_check() {
    no_answer_breaks(&answers::DNS);
}

#[test]
fn no_echo_breaks_its_check() {
    no_answer_breaks(&answers::ICMP);
}

/// What a server of TLS puts on the wire.
#[cfg(feature = "tls")]
#[test]
fn no_server_breaks_a_session() {
    let run = Run::new();
    let seed = run.seed;
    let mut rand = Rand::new(seed);
    let mut stage = secrets::Stage::new();
    let (mut rounds, mut secured) = (0_u64, 0_u64);
    while run.goes_on() {
        // Now and then an honest one, so that it is known to come through.
        let honest = rounds.is_multiple_of(16);
        match without_panic(|| stage.converse(honest, &mut rand)) {
            Ok(false) if honest => panic!("FUZZ_SEED={seed}, round {rounds}: refused"),
            Ok(was_secured) => secured += u64::from(was_secured),
            Err(why) => panic!("FUZZ_SEED={seed}, round {rounds}: {why}"),
        }
        rounds += 1;
    }
    println!("{rounds} conversations with seed {seed}, {secured} of them secured");
}

/// Packets of somebody who has the keys.
#[test]
fn no_signature_breaks_a_backup() {
    let run = Run::new();
    let seed = run.seed;
    let mut rand = Rand::new(seed);
    let (mut rounds, mut counted) = (0_u64, 0_u64);
    while run.goes_on() {
        match without_panic(|| insiders::round(&mut rand)) {
            Ok(packets) => counted += packets,
            Err(why) => panic!("FUZZ_SEED={seed}, round {rounds}: {why}"),
        }
        rounds += 1;
    }
    println!("{rounds} rounds with seed {seed}, {counted} adverts counted");
    assert!(counted > 20 * rounds, "the keys are the right ones");
}

/// Three configurations in a row, through both cores.
#[test]
fn no_reload_breaks_the_cores() {
    let run = Run::new();
    let seed = run.seed;
    let mut mutator = Mutator::new(corpus(), Rand::new(seed));
    let mut rounds = 0_u64;
    while run.goes_on() {
        let mut texts = Vec::new();
        let outcome = without_panic(|| {
            let mut cores = Cores::new();
            while texts.len() < 3 {
                let text = mutator.next();
                if let Some(config) = properties::read(&text) {
                    texts.push(text);
                    cores.reload(&Arc::new(config))?;
                }
            }
            cores.stop()
        });
        if let Err(why) = outcome {
            let at = run.place(rounds);
            fs::write(&at, texts.join(&b"\n# And then:\n"[..])).unwrap();
            panic!("FUZZ_SEED={seed}, round {rounds}: {why}\n{}", at.display());
        }
        rounds += 1;
    }
    println!("{rounds} times three configurations with seed {seed}");
}

/// What the cores write to the kernel, bent, and read as if the kernel had said it.
#[test]
fn no_message_of_the_kernel_breaks_its_reader() {
    let mut cores = Cores::new();
    for config in corpus().iter().filter_map(|text| properties::read(text)) {
        cores.reload(&Arc::new(config)).unwrap();
    }
    let whole = cores.requests;
    assert!(whole.len() > 100 && whole.iter().all(|request| netlink::read(request) == 1));
    let run = Run::new();
    let seed = run.seed;
    let mut rand = Rand::new(seed);
    let mut rounds = 0_u64;
    while run.goes_on() {
        let mut any = || &whole[usize::try_from(rand.below(whole.len() as u64)).unwrap()];
        let (one, other) = (any(), any());
        let bent = adverts::bend(one, other, &mut rand);
        if let Err(why) = without_panic(|| Ok(netlink::read(&bent))) {
            panic!("FUZZ_SEED={seed}, round {rounds}: {why}\n{bent:02x?}");
        }
        rounds += 1;
    }
    println!("{rounds} messages with seed {seed}");
}

/// What IPVS answers to a director.
#[test]
fn no_answer_of_ipvs_breaks_a_director() {
    let configs = corpus();
    let configs = configs.iter().filter_map(|text| properties::read(text));
    let configs = configs.filter(|config| !config.virtual_servers.is_empty());
    let configs: Vec<Arc<Config>> = configs.map(Arc::new).collect();
    let mut cores = Cores::new();
    for config in &configs {
        cores.reload(config).unwrap();
    }
    let truths = cores.requests;
    let run = Run::new();
    let seed = run.seed;
    let mut rand = Rand::new(seed);
    let (mut rounds, mut believed) = (0_u64, 0_u64);
    while run.goes_on() {
        let liar = Liar::new(Rand::new(rand.next_u64()), truths.clone());
        let outcome = without_panic(|| {
            let mut cores = Cores::new();
            cores.liar = Some(liar);
            for _ in 0..2 {
                let at = answers::index(&mut rand, configs.len());
                cores.reload(&configs[at])?;
            }
            believed += cores.liar.as_ref().map_or(0, |liar| liar.believed);
            cores.stop()
        });
        if let Err(why) = outcome {
            panic!("FUZZ_SEED={seed}, round {rounds}: {why}");
        }
        rounds += 1;
    }
    println!("{rounds} directors with seed {seed}, {believed} answers believed");
    assert!(believed > rounds, "some lies are good ones");
}

/// What scripts, pipes and mails are given.
#[test]
fn no_name_breaks_what_is_told() {
    let run = Run::new();
    let seed = run.seed;
    let mut rand = Rand::new(seed);
    let mut mutator = Mutator::new(corpus(), Rand::new(seed));
    let (mut rounds, mut told) = (0_u64, 0_u64);
    while run.goes_on() {
        let mut texts = Vec::new();
        let outcome = without_panic(|| {
            let mut town = Town::new(Rand::new(rand.next_u64()));
            while texts.len() < 2 {
                let text = mutator.next();
                if let Some(config) = properties::read(&text) {
                    texts.push(text);
                    town.reload(&Arc::new(config))?;
                }
            }
            town.stop()?;
            told += town.told;
            Ok(())
        });
        if let Err(why) = outcome {
            let at = run.place(rounds);
            fs::write(&at, texts.join(&b"\n# And then:\n"[..])).unwrap();
            panic!("FUZZ_SEED={seed}, round {rounds}: {why}\n{}", at.display());
        }
        rounds += 1;
    }
    println!("{rounds} times two configurations with seed {seed}, {told} news");
    assert!(told > rounds, "there is something to tell");
}

/// How long, and from which seed.
struct Run {
    budget: Duration,
    seed: u64,
    start: Instant,
}

impl Run {
    fn new() -> Self {
        let variable = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
        Self {
            budget: variable("FUZZ_SECONDS").map_or(SHORT, Duration::from_secs),
            seed: variable("FUZZ_SEED").unwrap_or(SEED),
            start: Instant::now(),
        }
    }

    fn goes_on(&self) -> bool {
        self.start.elapsed() < self.budget
    }

    /// Where the text goes that something is wrong with.
    fn place(&self, round: u64) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        folder.join(format!("fuzz-{}-{round}.conf", self.seed))
    }
}

/// Every configuration of the other tests.
fn corpus() -> Vec<Vec<u8>> {
    let folders = [
        "tests/config",
        "tests/config/seeds",
        "tests/inspect",
        "tests/fuzz/corpus",
    ];
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = folders.iter().flat_map(|name| files(&base.join(name)));
    all.map(|(_, text)| text).collect()
}

fn without_panic<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let told = panic.downcast_ref::<String>().cloned();
        let told = told.or_else(|| panic.downcast_ref().map(|text: &&str| (*text).to_owned()));
        Err(format!("panicked: {}", told.unwrap_or_default()))
    })
}

/// All properties of one text; the message of the first that does not hold, or of a panic.
fn check(text: &[u8], before: Option<&Config>) -> Result<Option<Config>, String> {
    without_panic(|| properties::check(text, before))
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
