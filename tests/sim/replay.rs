//! Journals of `--log-events`, told to new cores, which must want what the old ones wanted: a
//! report of a fault becomes a test. Those of `journals` are told in every run, others by
//! `scripts/replay FILE...`. Whoever changes on purpose what the code wants writes those of the
//! folder anew: `JOURNALS=$PWD/tests/sim/journals scripts/lab fail_over`.

use std::path::{Path, PathBuf};

use keepalived::journal::{Replayed, replay};

use crate::lan::Lan;
use crate::record;
use crate::script::Script;
use crate::{random, random_groups};

const SEEDS: u64 = 12;

#[test]
fn every_journal_is_replayed_as_it_was_written() {
    let wanted = std::env::var_os("REPLAY");
    let paths: Vec<PathBuf> = match &wanted {
        Some(paths) => std::env::split_paths(paths).collect(),
        None => kept(),
    };
    assert!(!paths.is_empty(), "there are journals");
    for path in paths {
        let journal = std::fs::read_to_string(&path).expect("a journal is a text");
        let name = path.display();
        match replay(&journal) {
            Ok(done) => println!("{name}: {done:?}"),
            Err(why) => panic!("{name}: {why}"),
        }
    }
}

fn kept() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/journals");
    let entries = std::fs::read_dir(folder).expect("there are journals");
    entries
        .map(|entry| entry.expect("a journal").path())
        .collect()
}

/// What the routers of a story have written down.
fn journals(script: &Script) -> Vec<String> {
    let mut lan = Lan::silent(script.seed);
    lan.records = true;
    script.play(&mut lan);
    lan.routers().map(|id| lan.journal(id)).collect()
}

/// One of a router that was master for a while.
fn eventful() -> String {
    let mut journals = (1..).flat_map(|seed| journals(&random::draw(seed)));
    let speaks = |journal: &String| journal.matches("> Advertise").count() > 10;
    journals.find(speaks).expect("somebody becomes master")
}

#[test]
fn what_routers_of_random_stories_write_down_is_replayed() {
    let mut sum = Replayed::default();
    for seed in 0..SEEDS {
        for script in [random::draw(seed), random_groups::draw(seed)] {
            for journal in journals(&script) {
                let done = replay(&journal).unwrap_or_else(|why| panic!("SEED={seed}: {why}"));
                // What the replica logs is not what the next router says.
                record::take_lines();
                sum.inputs += done.inputs;
                sum.effects += done.effects;
                sum.transitions += done.transitions;
            }
        }
    }
    assert!(sum.inputs > 5_000 && sum.effects > 5_000, "{sum:?}");
    assert!(sum.transitions > 500, "{sum:?}");
}

#[test]
fn a_journal_that_tells_something_else_is_refused_at_its_line() {
    let journal = eventful();
    let (at, line) = (1..)
        .zip(journal.lines())
        .filter(|(_, line)| line.starts_with("> Advertise"))
        .nth(3)
        .expect("it has sent adverts");
    let other = journal.replacen(line, &line.replace("ttl=255", "ttl=254"), 1);
    assert_ne!(other, journal);
    let why = replay(&other).expect_err("that is not what it sent");
    assert!(why.contains("ttl=254"), "{why}");
    let number: u32 = why
        .strip_prefix("line ")
        .and_then(|rest| rest.split_once(':'))
        .and_then(|(number, _)| number.parse().ok())
        .expect("the error names a line");
    assert!(number < at && at - number < 20, "{number} and {at}");
}

#[test]
fn a_journal_may_end_anywhere() {
    let journal = eventful();
    for end in (60..journal.len()).step_by(journal.len() / 40) {
        let cut = &journal[..journal.floor_char_boundary(end)];
        if let Err(why) = replay(cut) {
            panic!("cut at {end}: {why}");
        }
    }
}

#[test]
fn what_is_no_journal_is_refused() {
    for text in ["", "hello\n", "> x\n", "    x\n"] {
        assert!(replay(text).is_err(), "{text:?}");
    }
    for line in [
        "x vrrp stop",
        "1.000000000 vrrp stop",
        "1.000000000 vrrp begins",
        "1.000000000 nobody stop",
        "1.000000000 vrrp begins release_all=no tell_of_addresses=no\n\
         1.000000000 vrrp x\n1.000000000 vrrp stop",
    ] {
        let text = format!("keepalived events 1\n{line}\n");
        assert!(replay(&text).is_err(), "{line}");
    }
}
