//! Stories told by a seed about pairs of instances over two segments: in a group, alone, and moved
//! from the one to the other by reloads, with tracked interfaces and weights.
//!
//! Safety: `Lan::check` holds after every call, so that no group is ever half master. Liveness:
//! when the faults have ended each segment has one owner, and where all are in groups one router
//! owns both. `SEED=n cargo test --test sim random_groups` repeats a story.

use std::time::Duration;

use keepalived::rand::Rand;

use crate::kernel::{ETH0, ETH1, ETH9};
use crate::lan::{Id, Lan, SEC, Weather};
use crate::story::{each, told};

/// Few, since `scripts/soak` tells many.
const SEEDS: u64 = 200;
const FAULTS: u64 = 60;
const OUTSIDE: &str = "10.0.0.100";
const INSIDE: &str = "10.1.0.100";

#[derive(Clone, Copy)]
struct Plan {
    grouped: bool,
    /// Both members have it: else two groups may each be stronger in one segment and never agree.
    priority: u64,
    preempts: bool,
    delay: u64,
    /// Of the other member's interface, as tracked by an instance or by the group.
    weight: Option<i64>,
}

impl Plan {
    fn draw(rand: &mut Rand) -> Self {
        let weights = [None, None, Some(0), Some(-30), Some(20)];
        let at = usize::try_from(rand.below(weights.len() as u64)).expect("a handful");
        Self {
            grouped: rand.chance(75),
            priority: 100 + rand.below(4) * 10,
            preempts: !rand.chance(25),
            delay: if rand.chance(20) { rand.below(3) } else { 0 },
            weight: weights[at],
        }
    }

    /// What counts when all interfaces are up.
    fn total(self) -> u64 {
        // Only the group's weights count for its members.
        self.priority + self.weight.map_or(0, |weight| weight.max(0)).unsigned_abs()
    }

    fn conf(self) -> String {
        let track = |interface: &str| match self.weight {
            Some(weight) => format!("track_interface {{\n{interface} weight {weight}\n}}"),
            None => String::new(),
        };
        // eth9 is the same for both, and stands for an uplink.
        let (of_group, of_members) = if self.grouped {
            (track("eth9"), [String::new(), String::new()])
        } else {
            (String::new(), [track("eth9"), track("eth9")])
        };
        let group = format!("vrrp_sync_group G {{\ngroup {{\nOUT\nIN\n}}\n{of_group}\n}}\n");
        let [outside, inside] = of_members;
        let members = self.instance("OUT", "eth0", 7, OUTSIDE, &outside)
            + &self.instance("IN", "eth1", 8, INSIDE, &inside);
        if self.grouped {
            group + &members
        } else {
            members
        }
    }

    fn instance(self, name: &str, interface: &str, vrid: u8, vip: &str, extra: &str) -> String {
        let Self {
            priority,
            preempts,
            delay,
            ..
        } = self;
        let preempt = match (preempts, delay) {
            (false, _) => "nopreempt".to_owned(),
            (true, 0) => String::new(),
            (true, delay) => format!("preempt_delay {delay}"),
        };
        format!(
            "vrrp_instance {name} {{
                interface {interface}
                state BACKUP
                virtual_router_id {vrid}
                priority {priority}
                virtual_ipaddress {{
                    {vip}
                }}
                {preempt}
                {extra}
            }}
            "
        )
    }
}

fn story(seed: u64) -> String {
    told(seed, |lan| act(seed, lan))
}

/// The story of a seed.
pub(crate) fn act(seed: u64, lan: &mut Lan) {
    let mut rand = Rand::new(seed ^ 0x6709);
    let mut plans: Vec<_> = (0..2 + rand.below(2))
        .map(|_| Plan::draw(&mut rand))
        .collect();
    for (at, plan) in plans.iter().enumerate() {
        lan.router(&format!("r{}", at + 1), &plan.conf());
        lan.run(Duration::from_millis(rand.below(2_000)));
    }
    for _ in 0..FAULTS {
        lan.tally.faults += 1;
        misfortune(lan, &mut rand, &mut plans);
        lan.run(Duration::from_millis(rand.below(2_000)));
    }
    calm(lan);
    converged(lan, &plans);
}

fn misfortune(lan: &mut Lan, rand: &mut Rand, plans: &mut [Plan]) {
    let at = usize::try_from(rand.below(plans.len() as u64)).expect("a handful");
    let id = lan.routers().nth(at).expect("one plan, one router");
    let (link, vip) = if rand.chance(50) {
        (ETH0, OUTSIDE)
    } else {
        (ETH1, INSIDE)
    };
    match rand.below(16) {
        0 => lan.cut_link(id, link),
        1 | 2 => lan.heal_link(id, link),
        3 => lan.unplug_link(id, link),
        4 | 5 => lan.plug_link(id, link),
        6 if lan.runs(id) => lan.stop(id),
        7 if lan.runs(id) => lan.kill(id),
        6..=8 if !lan.runs(id) => lan.start(id),
        8 => lan.stall(id, Duration::from_millis(rand.below(10_000))),
        9 => lan.remove_address(id, vip),
        10 => lan.lose_notices(id, vip),
        11 => lan.unplug_link(id, ETH9),
        12 => lan.plug_link(id, ETH9),
        13 | 14 => {
            plans[at] = Plan::draw(rand);
            if lan.runs(id) {
                lan.reload(id, &plans[at].conf());
            } else {
                lan.configure(id, &plans[at].conf());
            }
        }
        _ => {
            lan.weather = Weather {
                delay_min: Duration::ZERO,
                delay_max: Duration::from_millis(rand.below(300)),
                loss: rand.below(50),
                duplication: rand.below(20),
            }
        }
    }
}

fn calm(lan: &mut Lan) {
    lan.weather = Weather::CALM;
    for id in lan.routers() {
        for link in [ETH0, ETH1, ETH9] {
            lan.heal_link(id, link);
            lan.plug_link(id, link);
        }
        if !lan.runs(id) {
            lan.start(id);
        }
    }
    // The longest sleep there can still be.
    lan.run(10 * SEC);
}

fn converged(lan: &mut Lan, plans: &[Plan]) {
    lan.run(4 * 4 * SEC + 3 * SEC);
    let [outside, inside] = ["OUT", "IN"].map(|name| {
        let [master] = lan.masters_of(name)[..] else {
            panic!("masters of {name}: {:?}", lan.masters_of(name))
        };
        master
    });
    lan.expect_only_owner(outside, OUTSIDE);
    lan.expect_only_owner(inside, INSIDE);
    let plan = |id: Id| plans[lan.routers().position(|other| other == id).expect("here")];
    if plans.iter().all(|plan| plan.grouped) {
        assert_eq!(outside, inside, "a group owns both segments");
    }
    let of_one_kind = plans.iter().all(|one| one.grouped == plans[0].grouped);
    for other in lan.routers().filter(|_| of_one_kind) {
        let stronger = plan(other).total() > plan(outside).total();
        assert!(
            !(stronger && plan(other).preempts),
            "{other:?} should be master"
        );
    }
    let transitions = |lan: &Lan| {
        let count = |id| {
            ["OUT", "IN"].map(|name| {
                let statistics = lan.instance(id, name).expect("it runs").statistics;
                statistics.become_master + statistics.release_master
            })
        };
        lan.routers().flat_map(count).sum::<u64>()
    };
    let before = transitions(lan);
    lan.run(30 * SEC);
    assert_eq!(transitions(lan), before, "calm segments stay as they are");
}

#[test]
fn any_faults_end_with_whole_groups() {
    each(SEEDS, story);
}

#[test]
fn equal_seeds_give_equal_transcripts_of_groups() {
    for seed in [3, 99] {
        assert_eq!(story(seed), story(seed), "SEED={seed}");
    }
}
