//! Our `-t` beside that of Debian's keepalived: the same files accepted, the same refused.
//!
//! Every file goes to both programs in a network namespace of its own that has the interfaces the
//! files name. Where they disagree, each complaint of the one that refuses must be in a table of
//! reasons (`oracle/reasons.rs`); a disagreement without a reason fails, and so does a reason that
//! explains nothing any more.
//!
//! `scripts/oracle` runs it: it needs root and Debian's keepalived (`KEEPALIVED_PEER`).
//! `scripts/oracle NAME...` runs the files whose names hold one of the words, and says more.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread;

mod oracle {
    pub(crate) mod corpus;
    pub(crate) mod reasons;
}

use oracle::corpus::{self, Case};
use oracle::reasons::{OURS, Reason, Sign, THEIRS};

/// What a program says about a file.
struct Verdict {
    accepted: bool,
    complaints: Vec<String>,
}

#[derive(Default)]
struct Tally {
    agreed: usize,
    explained: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
    used: BTreeSet<Sign>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let peer = std::env::var("KEEPALIVED_PEER").expect("it names Debian's: use scripts/oracle");
    let ours =
        std::env::var("KEEPALIVED").unwrap_or_else(|_| env!("CARGO_BIN_EXE_keepalived").to_owned());
    let wanted =
        |case: &Case| words.is_empty() || words.iter().any(|word| case.name.contains(word));
    let cases: Vec<Case> = corpus::cases().into_iter().filter(wanted).collect();
    enter_namespace();
    let directory = Directory::new();
    let tally = Mutex::new(Tally::default());
    let next = Mutex::new(cases.iter());
    thread::scope(|scope| {
        for worker in 0..JOBS {
            let file = directory.0.join(format!("{worker}.conf"));
            let (tally, next, peer, ours) = (&tally, &next, &peer, &ours);
            let talkative = !words.is_empty();
            scope.spawn(move || {
                loop {
                    let Some(case) = next.lock().unwrap().next() else {
                        return;
                    };
                    fs::write(&file, &case.text).unwrap();
                    let ours = our_verdict(ours, &file);
                    let theirs = their_verdict(peer, &file);
                    if talkative {
                        tell(case, &ours, &theirs);
                    }
                    tally.lock().unwrap().add(case, &ours, &theirs);
                }
            });
        }
    });
    tally.into_inner().unwrap().report(&cases, words.is_empty())
}

/// A network namespace of this process and those it starts, with the interfaces of the files.
fn enter_namespace() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
        .expect("a network namespace needs root");
    run("ip link set lo up");
    for number in 0..INTERFACES {
        run(&format!(
            "ip link add eth{number} type veth peer name peer{number}"
        ));
        run(&format!("ip link set eth{number} up"));
        run(&format!("ip link set peer{number} up"));
    }
    run("ip addr add 192.168.16.21/24 dev eth0");
    run("ip addr add fd00::21/64 dev eth0 nodad");
}

fn run(command: &str) {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status();
    assert!(status.unwrap().success(), "{command}");
}

fn our_verdict(program: &str, file: &Path) -> Verdict {
    let output = Command::new(program)
        .args(["-t", "-f"])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors = text.lines().filter_map(|line| line.strip_prefix("error: "));
    Verdict {
        accepted: output.status.success(),
        complaints: errors.map(str::to_owned).collect(),
    }
}

/// Some files put keepalived into a loop that never ends.
const PATIENCE: &str = "10";

fn their_verdict(program: &str, file: &Path) -> Verdict {
    let output = Command::new("timeout")
        .args(["--signal=KILL", PATIENCE, program, "-t", "-f"])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints = text.lines().map(|line| match line.split_once(") ") {
        Some((place, message)) if place.starts_with('(') && place.contains("Line ") => message,
        Some(_) | None => line,
    });
    let mut complaints: Vec<String> = complaints.map(str::to_owned).collect();
    if output.status.code().is_none() {
        complaints.push(format!("ended by {}", output.status));
    }
    Verdict {
        accepted: output.status.success(),
        complaints,
    }
}

fn tell(case: &Case, ours: &Verdict, theirs: &Verdict) {
    let words = |verdict: &Verdict| {
        let first = if verdict.accepted {
            "accepted"
        } else {
            "refused"
        };
        format!("{first} {:#?}", verdict.complaints)
    };
    let text = String::from_utf8_lossy(&case.text);
    let (ours, theirs) = (words(ours), words(theirs));
    println!("{}:\n{text}\nours: {ours}\ntheirs: {theirs}\n", case.name);
}

impl Tally {
    fn add(&mut self, case: &Case, ours: &Verdict, theirs: &Verdict) {
        let (complaints, reasons, who) = match (ours.accepted, theirs.accepted) {
            (true, false) => (&theirs.complaints, THEIRS, "only theirs refuses"),
            (false, true) => (&ours.complaints, OURS, "only ours refuses"),
            _ => {
                self.agreed += 1;
                return;
            }
        };
        let text = String::from_utf8_lossy(&case.text);
        let mut without = Vec::new();
        let mut found = BTreeSet::new();
        for complaint in complaints {
            match reasons
                .iter()
                .find(|reason| reason.explains(complaint, &text))
            {
                Some(Reason { sign, why }) => {
                    self.used.insert(*sign);
                    found.insert(*why);
                }
                None => without.push(complaint.as_str()),
            }
        }
        if found.is_empty() || !without.is_empty() {
            let name = &case.name;
            self.unexplained
                .push(format!("{name}: {who}: {without:#?}\n{}", shortened(&text)));
        }
        for why in found {
            *self.explained.entry(why).or_default() += 1;
        }
    }

    fn report(self, cases: &[Case], all: bool) -> ExitCode {
        for case in &self.unexplained {
            println!("NO REASON {case}");
        }
        for (why, count) in &self.explained {
            println!("{count:4} {why}");
        }
        let mut idle = Vec::new();
        for reason in [THEIRS, OURS].into_iter().flatten() {
            if all && !self.used.contains(&reason.sign) {
                idle.push(reason.sign);
                println!("IDLE REASON {:?}", reason.sign);
            }
        }
        println!(
            "oracle: {} files, {} agreed, {} without a reason, {} idle reasons",
            cases.len(),
            self.agreed,
            self.unexplained.len(),
            idle.len()
        );
        assert!(!all || cases.len() >= CASES_MIN, "the corpus has shrunk");
        let good = self.unexplained.is_empty() && idle.is_empty() && !cases.is_empty();
        ExitCode::from(u8::from(!good))
    }
}

/// The first lines of a file, for a report.
fn shortened(text: &str) -> String {
    text.lines()
        .take(40)
        .map(|line| format!("    | {line}\n"))
        .collect()
}

/// Removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("oracle-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `eth0` to `eth3`.
const INTERFACES: usize = 4;
const JOBS: usize = 4;
/// What the issue asks for; there are many more.
const CASES_MIN: usize = 150;
