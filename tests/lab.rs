//! The real binary in real network namespaces, against itself and against Debian's keepalived.
//!
//! A scenario is a function; it fails by a panic. This file is the runner: the scenarios need root
//! and take seconds of real time each, so they run side by side, say how long they took, and never
//! pass for having been unable to run.
//!
//! * `scripts/lab` runs the scenarios of network namespaces on this machine;
//! * `scripts/test vm` runs those that need IPVS (`--ipvs`), or interfaces that many kernels lack
//!   (`--devices`), inside `scripts/vm`. Without these options they are listed as left out.
//!
//! `KEEPALIVED` names the binary under test, `KEEPALIVED_PEER` Debian's; `LAB_EMULATED` tells that
//! the machine is slow.

use std::collections::VecDeque;
use std::panic;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

#[expect(dead_code, reason = "how often and how long is looked at elsewhere")]
mod misbehaving;

mod lab {
    pub(crate) mod capture;
    pub(crate) mod clash;
    pub(crate) mod cluster;
    pub(crate) mod crowd;
    pub(crate) mod daemon;
    pub(crate) mod dialects;
    pub(crate) mod director;
    pub(crate) mod domains;
    pub(crate) mod farewell;
    pub(crate) mod filter;
    pub(crate) mod genhash;
    pub(crate) mod interfaces;
    pub(crate) mod layers;
    pub(crate) mod mail;
    pub(crate) mod marks;
    pub(crate) mod network;
    pub(crate) mod no_ipvs;
    pub(crate) mod notify;
    pub(crate) mod octets;
    pub(crate) mod pair;
    pub(crate) mod post;
    pub(crate) mod process;
    pub(crate) mod quorum;
    pub(crate) mod real;
    pub(crate) mod recorded;
    pub(crate) mod routing;
    pub(crate) mod scripts;
    pub(crate) mod stall;
    pub(crate) mod states;
    pub(crate) mod tables;
    pub(crate) mod timeline;
    pub(crate) mod trackers;
    pub(crate) mod traffic;
    pub(crate) mod verdicts;
    pub(crate) mod visitor;
    pub(crate) mod vmac;
    pub(crate) mod vrrp;
    pub(crate) mod wait;
}

use lab::{
    clash, cluster, crowd, dialects, director, domains, farewell, filter, genhash, interfaces,
    layers, mail, marks, network, no_ipvs, notify, octets, process, quorum, real, recorded,
    routing, scripts, stall, states, tables, trackers, traffic, verdicts, vmac, vrrp, wait,
};

/// Where a scenario can run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Root and network namespaces are enough.
    Namespaces,
    /// The kernel has IPVS, and nobody else uses it.
    Ipvs,
    /// The kernel has ipvlan, VRF and dummy interfaces.
    Devices,
}

impl Place {
    /// What a machine must be asked to have.
    fn option(self) -> Option<&'static str> {
        match self {
            Self::Namespaces => None,
            Self::Ipvs => Some("--ipvs"),
            Self::Devices => Some("--devices"),
        }
    }
}

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) run: fn(),
}

/// A table of scenarios, named as their functions are.
macro_rules! scenarios {
    ($place:ident, $($name:ident),+ $(,)?) => {
        pub(crate) const SCENARIOS: &[crate::Scenario] = &[$(crate::Scenario {
            name: concat!(module_path!(), "::", stringify!($name)),
            place: crate::Place::$place,
            run: $name,
        }),+];
    };
}
pub(crate) use scenarios;

struct Options {
    filters: Vec<String>,
    /// What the machine has, as options.
    abilities: Vec<String>,
    list: bool,
    jobs: usize,
}

fn main() -> ExitCode {
    let options = parse(std::env::args().skip(1));
    let all = [
        vrrp::SCENARIOS,
        dialects::SCENARIOS,
        octets::SCENARIOS,
        crowd::SCENARIOS,
        states::SCENARIOS,
        vmac::SCENARIOS,
        filter::SCENARIOS,
        interfaces::SCENARIOS,
        routing::SCENARIOS,
        layers::SCENARIOS,
        clash::SCENARIOS,
        farewell::SCENARIOS,
        domains::SCENARIOS,
        process::SCENARIOS,
        recorded::SCENARIOS,
        scripts::SCENARIOS,
        notify::SCENARIOS,
        trackers::SCENARIOS,
        real::SCENARIOS,
        genhash::SCENARIOS,
        mail::routers::SCENARIOS,
        mail::servers::SCENARIOS,
        cluster::SCENARIOS,
        tables::SCENARIOS,
        director::SCENARIOS,
        traffic::SCENARIOS,
        marks::SCENARIOS,
        quorum::SCENARIOS,
        verdicts::SCENARIOS,
        no_ipvs::SCENARIOS,
    ];
    let chosen: Vec<&Scenario> = all
        .into_iter()
        .flatten()
        .filter(|s| {
            options.filters.is_empty() || options.filters.iter().any(|f| s.name.contains(f))
        })
        .collect();
    if options.list {
        chosen.iter().for_each(|s| println!("{}", s.name));
        return ExitCode::SUCCESS;
    }
    if !network::is_root() {
        println!(
            "lab: NOT RUN: {} scenarios need root (network namespaces)",
            chosen.len()
        );
        // Nobody looks at the output of a green run: where it counts, this is a failure.
        return ExitCode::from(u8::from(std::env::var_os("CI").is_some()));
    }
    network::remove_leftovers();
    run_all(&chosen, &options)
}

fn parse(arguments: impl Iterator<Item = String>) -> Options {
    let mut options = Options {
        filters: Vec::new(),
        abilities: Vec::new(),
        list: false,
        jobs: JOBS,
    };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--ipvs" | "--devices" => options.abilities.push(argument),
            "--list" => options.list = true,
            "--jobs" => {
                let count = arguments.next().and_then(|n| n.parse().ok());
                options.jobs = count.expect("--jobs takes a number");
            }
            filter => options.filters.push(filter.to_owned()),
        }
    }
    options
}

fn run_all(chosen: &[&Scenario], options: &Options) -> ExitCode {
    let (ready, left_out): (Vec<&Scenario>, Vec<&Scenario>) = chosen.iter().partition(|s| {
        let needed = s.place.option();
        needed.is_none_or(|needed| options.abilities.iter().any(|a| a == needed))
    });
    println!(
        "running {} scenarios, {} at a time",
        ready.len(),
        options.jobs
    );
    let queue = Mutex::new(ready.iter().copied().collect::<VecDeque<_>>());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                while let Some(scenario) = next(&queue) {
                    if !run_one(scenario) {
                        failed
                            .lock()
                            .expect("no scenario panics in here")
                            .push(scenario.name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no scenario panics in here");
    for scenario in &left_out {
        println!(
            "left out {}: needs {}, see `scripts/test vm`",
            short(scenario.name),
            scenario.place.option().unwrap_or_default()
        );
    }
    for name in &failed {
        println!("failed {}", short(name));
    }
    println!(
        "lab: {} passed, {} failed, {} left out",
        ready.len() - failed.len(),
        failed.len(),
        left_out.len()
    );
    // Having run nothing at all is a mistake of the caller, not a success.
    ExitCode::from(u8::from(!failed.is_empty() || ready.is_empty()))
}

fn next<'a>(queue: &Mutex<VecDeque<&'a Scenario>>) -> Option<&'a Scenario> {
    queue
        .lock()
        .expect("no scenario panics in here")
        .pop_front()
}

/// One that fails while the whole machine stands still says nothing about the daemon: it begins
/// anew, and the output tells so.
fn run_one(scenario: &Scenario) -> bool {
    let name = short(scenario.name);
    for _ in 1..ATTEMPTS {
        let stalls = stall::Stalls::watch();
        if attempt(scenario) {
            return true;
        }
        let stalled = stalls.longest();
        if stalled < wait::slack() / 2 {
            return false;
        }
        println!("{name} begins anew: the machine stood still for {stalled:.1?}");
    }
    attempt(scenario)
}

fn attempt(scenario: &Scenario) -> bool {
    let start = Instant::now();
    let passed = panic::catch_unwind(scenario.run).is_ok();
    let seconds = start.elapsed().as_secs_f64();
    let word = if passed { "ok" } else { "FAILED" };
    let notes = wait::take_notes();
    println!(
        "{} ... {word} ({seconds:.1} s){notes}",
        short(scenario.name)
    );
    passed
}

/// The name without the crate and the room, which are the same for all.
fn short(name: &str) -> &str {
    name.strip_prefix("lab::lab::").unwrap_or(name)
}

/// Scenarios mostly wait: more of them than processors can run at once.
const JOBS: usize = 6;
/// How often a scenario may meet a machine that stands still.
const ATTEMPTS: usize = 3;
