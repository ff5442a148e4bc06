//! Results of scripts: rise and fall, the first of them, and what takes too long.

use std::time::Duration;

use keepalived::child::{Exit, Kill};
use keepalived::track::Condition::{Down, Up};

use crate::world::{MS, SEC, World};

const TRACK: &str = "track_script { chk }";

fn script(options: &str) -> String {
    format!("vrrp_script chk {{\n script /bin/chk\n interval 1\n{options}\n}}")
}

/// Shows B.10 first script results, F.20.
#[test]
fn the_first_success_is_enough_and_so_is_the_first_failure() {
    let mut world = World::new(&script("rise 3\n fall 3"), TRACK);
    world.run(Duration::ZERO);
    world.results(&[0]);
    assert_eq!(world.told(), [Up]);
    let mut world = World::new(&script("rise 3\n fall 3"), TRACK);
    world.run(Duration::ZERO);
    world.results(&[1]);
    assert_eq!(world.told(), [Down]);
}

/// Shows B.10 rise and fall.
#[test]
fn rise_and_fall_count_in_a_row() {
    let mut world = World::new(&script("rise 2\n fall 3"), TRACK);
    world.run(Duration::ZERO);
    world.results(&[0]);
    assert_eq!(world.told(), [Up]);
    world.results(&[1, 1, 0, 1, 1]);
    assert_eq!(world.told(), [], "a success in between starts anew");
    world.results(&[1]);
    assert_eq!(world.told(), [Down]);
    world.results(&[0, 1, 0]);
    assert_eq!(world.told(), []);
    world.results(&[0]);
    assert_eq!(world.told(), [Up]);
}

/// The counter of the manual, step by step, against one that is written down as it is explained.
#[test]
fn every_sequence_of_results_gives_what_the_rule_says() {
    for sequence in 0..1_u32 << 10 {
        let (rise, fall) = (1 + sequence % 3, 1 + sequence / 3 % 3);
        let mut world = World::new(&script(&format!("rise {rise}\n fall {fall}")), TRACK);
        world.run(Duration::ZERO);
        let mut is_up = None;
        let (mut good, mut bad) = (0, 0);
        for bit in 0..10 {
            let code = sequence >> bit & 1;
            (good, bad) = if code == 0 {
                (good + 1, 0)
            } else {
                (0, bad + 1)
            };
            let before = is_up;
            is_up = match (is_up, code) {
                (None, code) => Some(code == 0),
                (Some(false), 0) if good >= rise => Some(true),
                (Some(true), 1) if bad >= fall => Some(false),
                (same, _) => same,
            };
            world.results(&[i32::try_from(code).unwrap()]);
            let told = is_up.filter(|_| is_up != before);
            let told: Vec<_> = told
                .map(|up| if up { Up } else { Down })
                .into_iter()
                .collect();
            assert_eq!(
                world.told(),
                told,
                "{sequence:b} rise {rise} fall {fall} at {bit}"
            );
        }
    }
}

#[test]
fn who_starts_down_is_down_until_it_has_risen() {
    let mut world = World::new(&script("rise 2\n init_fail"), TRACK);
    assert_eq!(world.told(), [Down]);
    world.run(Duration::ZERO);
    world.results(&[0]);
    assert_eq!(world.told(), []);
    world.results(&[0]);
    assert_eq!(world.told(), [Up]);
}

/// Shows B.10 script interval.
#[test]
fn the_rhythm_does_not_depend_on_how_long_a_run_takes() {
    let mut world = World::new(&script("timeout 5"), TRACK);
    world.run(400 * MS);
    let start = |world: &World| world.runs[0].1;
    assert_eq!(start(&world), Duration::ZERO);
    world.end(Exit::SUCCESS);
    world.run(SEC);
    assert_eq!(start(&world), SEC);
    // It takes more than two intervals: those are skipped.
    world.run(2 * SEC);
    assert_eq!(world.runs.len(), 1);
    world.end(Exit::SUCCESS);
    world.run(SEC);
    assert_eq!(start(&world), 4 * SEC);
}

/// Shows B.10 script timeout.
#[test]
fn what_takes_too_long_is_asked_to_end_then_killed_and_has_failed_at_once() {
    let mut world = World::new(&script("timeout 3"), TRACK);
    world.run(3 * SEC);
    assert_eq!(world.told(), [Down]);
    world.run(17 * SEC);
    let (ask, force) = (Kill::Ask, Kill::Force);
    assert_eq!(
        world.kills,
        [
            (3 * SEC, ask),
            (5 * SEC, force),
            (7 * SEC, force),
            (17 * SEC, force)
        ]
    );
    // Its end is no second failure, and no success either.
    world.end(Exit::SUCCESS);
    assert_eq!(world.told(), []);
    world.run(SEC);
    world.end(Exit::SUCCESS);
    assert_eq!(world.told(), [Up]);
}

#[test]
fn death_by_a_signal_is_a_failure() {
    let mut world = World::new(&script(""), TRACK);
    world.run(Duration::ZERO);
    world.end(Exit::Signal(11));
    assert_eq!(world.told(), [Down]);
}

/// Shows B.10 unused script.
#[test]
fn a_script_that_nobody_watches_is_not_run() {
    let mut world = World::new(&script(""), "");
    world.run(10 * SEC);
    assert!(world.runs.is_empty());
}

#[test]
fn the_same_command_keeps_its_result_and_another_one_begins_anew() {
    let mut world = World::new(&script("fall 2"), TRACK);
    world.run(Duration::ZERO);
    world.results(&[0]);
    assert_eq!(world.told(), [Up]);
    world.reload(&script("fall 3"), TRACK);
    world.results(&[1, 1]);
    assert_eq!(world.told(), []);
    world.results(&[1]);
    assert_eq!(world.told(), [Down]);
    let run = world.runs.len();
    world.reload(&script("").replace("/bin/chk", "/bin/other"), TRACK);
    assert_eq!(world.kills.last().unwrap().1, Kill::Force);
    world.run(Duration::ZERO);
    assert_eq!(world.runs.len(), run + 1);
    world.end(Exit::SUCCESS);
    assert_eq!(world.told(), [Up]);
}

#[test]
fn a_stop_asks_what_runs_to_end() {
    let mut world = World::new(&script(""), TRACK);
    world.run(Duration::ZERO);
    world.stop();
    assert_eq!(world.kills, [(Duration::ZERO, Kill::Ask)]);
    world.run(10 * SEC);
    assert_eq!(world.runs.len(), 1);
}

#[test]
fn what_has_to_answer_is_asked_for_in_the_rhythm_of_a_script() {
    let options =
        "vrrp_script chk {\n track_tcp 10.0.0.1 80\n interval 1\n timeout 0.5\n fall 2\n}";
    let mut world = World::new(options, TRACK);
    world.run(Duration::ZERO);
    for code in [0, 1] {
        world.end(Exit::Code(code));
        world.run(SEC);
    }
    assert_eq!(world.told(), [Up]);
    world.end(Exit::Code(1));
    assert_eq!(world.told(), [Down]);
    world.run(SEC);
    assert_eq!(world.asked(), ["track_tcp 10.0.0.1 80"; 4]);
    world.run(600 * MS);
    assert_eq!(world.kills.len(), 1, "no answer in time");
}

#[test]
fn an_object_that_answers_needs_no_script_and_a_name_is_no_address() {
    for (lines, is_used) in [
        ("track_ping 10.0.0.1", true),
        ("track_ping 10.0.0.1\n script /bin/chk", true),
        ("track_ping uplink.example.org", false),
        ("track_tcp 10.0.0.1 0x", false),
        ("track_http 10.0.0.1", false),
        ("track_http https://[2001:db8::1]:8443/x", true),
    ] {
        let text = format!("vrrp_script chk {{\n {lines}\n}}");
        let mut world = World::new(&text, TRACK);
        world.run(Duration::ZERO);
        assert_eq!(world.asked().len(), usize::from(is_used), "{lines}");
    }
}
