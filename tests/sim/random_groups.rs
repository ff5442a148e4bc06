//! Stories told by a seed about pairs of instances over two segments: in a group, alone, and moved
//! from the one to the other by reloads, with tracked interfaces and weights.
//!
//! Safety: `Lan::check` holds after every call, so that no group is ever half master. Liveness:
//! when the faults have ended each segment has one owner, and where all are in groups one router
//! owns both. `SEED=n cargo test --test sim random_groups` repeats a story.

use std::time::Duration;

use keepalived::rand::Rand;

use crate::kernel::{ETH0, ETH1, ETH9};
use crate::lan::{Lan, SEC, Weather};
use crate::script::{Act, Deed, Line, Script, tidied};
use crate::story::Kind;

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

/// Of groups over two segments.
pub(crate) const GROUPS: Kind = Kind {
    draw,
    ending: comes_to_rest,
};

pub(crate) fn draw(seed: u64) -> Script {
    let mut rand = Rand::new(seed ^ 0x6709);
    let count = 2 + usize::try_from(rand.below(2)).expect("a handful");
    let mut script = Script::beginning(seed);
    let mut at = Duration::ZERO;
    let pause = |rand: &mut Rand| Duration::from_millis(rand.below(2_000));
    for number in 0..count {
        let conf = tidied(&Plan::draw(&mut rand).conf());
        script.routers.push((format!("r{}", number + 1), conf));
        let deed = Deed::Of(number, Act::Start);
        script.lines.push(Line { at, deed });
        at += pause(&mut rand);
    }
    for _ in 0..FAULTS {
        let number = usize::try_from(rand.below(count as u64)).expect("a handful");
        let deed = misfortune(number, &mut rand);
        script.lines.push(Line { at, deed });
        at += pause(&mut rand);
    }
    script
}

fn misfortune(number: usize, rand: &mut Rand) -> Deed {
    let (link, vip) = if rand.chance(50) {
        (ETH0, OUTSIDE)
    } else {
        (ETH1, INSIDE)
    };
    let act = match rand.below(20) {
        0 => Act::Cut(link),
        1 | 2 => Act::Heal(link),
        3 => Act::Unplug(link),
        4 | 5 => Act::Plug(link),
        6 => Act::Stop,
        7 => Act::Kill,
        8..=11 => Act::Start,
        12 => Act::Sleep(Duration::from_millis(rand.below(10_000))),
        13 => Act::Rob(vip.to_owned()),
        14 => Act::RobUnheard(vip.to_owned()),
        15 => Act::Unplug(ETH9),
        16 => Act::Plug(ETH9),
        17 | 18 => Act::Reload(tidied(&Plan::draw(rand).conf())),
        _ => {
            return Deed::Weather(Weather {
                delay_min: Duration::ZERO,
                delay_max: Duration::from_millis(rand.below(300)),
                loss: rand.below(50),
                duplication: rand.below(20),
            });
        }
    };
    Deed::Of(number, act)
}

fn comes_to_rest(lan: &mut Lan) {
    lan.calm(&[ETH0, ETH1, ETH9]);
    converged(lan);
}

fn converged(lan: &mut Lan) {
    lan.run(4 * 4 * SEC + 3 * SEC);
    let [outside, inside] = ["OUT", "IN"].map(|name| {
        let [master] = lan.masters_of(name)[..] else {
            panic!("masters of {name}: {:?}", lan.masters_of(name))
        };
        master
    });
    lan.expect_only_owner(outside, OUTSIDE);
    lan.expect_only_owner(inside, INSIDE);
    let grouped = |id| !lan.config(id).sync_groups.is_empty();
    if lan.routers().all(grouped) {
        assert_eq!(outside, inside, "a group owns both segments");
    }
    let of_one_kind = lan.routers().all(|id| grouped(id) == grouped(outside));
    // All interfaces are up, so that the effective priorities are the best there are.
    let priority = |id| lan.instance(id, "OUT").expect("it runs").priority;
    let preempts = |id| {
        lan.config(id)
            .instances
            .iter()
            .all(|instance| instance.preempt)
    };
    for other in lan.routers().filter(|_| of_one_kind) {
        assert!(
            !(priority(other) > priority(outside) && preempts(other)),
            "{other:?} should be master"
        );
    }
    lan.expect_rest(30 * SEC);
}

#[test]
fn any_faults_end_with_whole_groups() {
    GROUPS.each(SEEDS);
}

#[test]
fn equal_seeds_give_equal_transcripts_of_groups() {
    let story = |seed| GROUPS.aloud(&draw(seed));
    for seed in [3, 99] {
        assert_eq!(story(seed), story(seed), "SEED={seed}");
    }
}
