//! Order, arguments and patience of notify scripts.

use keepalived::child::Kill;
use keepalived::notify::State;

use crate::world::{MS, SEC, World};

const CONFIG: &str = "
global_defs {
    enable_script_security
    script_user root
    OPTIONS
}
vrrp_instance V {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress { 10.0.0.100 }
    notify_master \"/m one 'two three'\"
    notify_backup /b
    notify_fault /f
    notify_stop /s
    notify \"/any x\"
    notify_master_rx_lower_pri /weaker
}
vrrp_instance W {
    interface eth0
    virtual_router_id 52
    virtual_ipaddress { 10.0.0.101 }
    notify_deleted /d
    notify /any
}
vrrp_instance Z {
    interface eth0
    virtual_router_id 53
    virtual_ipaddress { 10.0.0.102 }
}
vrrp_sync_group G {
    group { V W }
    notify_master /gm
    notify /any
}
";

fn world(options: &str) -> World {
    World::new(&CONFIG.replace("OPTIONS", options))
}

/// Shows F.22, F.23.
#[test]
fn the_script_of_the_state_comes_first_and_the_general_one_has_four_more_words() {
    let mut world = world("");
    world.instance("V", State::Master, 150);
    assert_eq!(world.running(), ["/m one two three"]);
    world.end("/m one two three");
    assert_eq!(world.running(), ["/any x INSTANCE V MASTER 150"]);
    world.end("/any x INSTANCE V MASTER 150");
    assert!(world.is_idle());
    world.group("G", State::Master);
    world.end("/gm");
    assert_eq!(world.running(), ["/any GROUP G MASTER 0"]);
    world.instance("Z", State::Master, 100);
    assert_eq!(world.running().len(), 1, "nobody wants to hear of Z");
}

#[test]
fn scripts_of_one_subject_follow_each_other_and_those_of_two_do_not_wait() {
    let mut world = world("");
    world.instance("V", State::Backup, 100);
    world.instance("V", State::Master, 100);
    world.instance("W", State::Master, 90);
    assert_eq!(world.running(), ["/b", "/any INSTANCE W MASTER 90"]);
    for words in [
        "/b",
        "/any x INSTANCE V BACKUP 100",
        "/m one two three",
        "/any x INSTANCE V MASTER 100",
    ] {
        world.end(words);
    }
    assert_eq!(world.running(), ["/any INSTANCE W MASTER 90"]);
}

#[test]
fn a_thousand_transitions_are_told_of_in_their_order() {
    let mut world = world("");
    for number in 0..500 {
        world.instance("V", State::Master, 1 + u8::try_from(number % 254).unwrap());
        world.instance("V", State::Backup, 1 + u8::try_from(number % 254).unwrap());
    }
    while let Some(words) = world.running().first().map(ToString::to_string) {
        world.end(&words);
        assert!(world.running().len() <= 1, "no two at once");
    }
    let told: Vec<_> = world
        .started
        .iter()
        .filter(|words| words.contains("INSTANCE"))
        .collect();
    assert_eq!(told.len(), 1000);
    for (number, pair) in told.chunks(2).enumerate() {
        let priority = 1 + number % 254;
        assert_eq!(*pair[0], format!("/any x INSTANCE V MASTER {priority}"));
        assert_eq!(*pair[1], format!("/any x INSTANCE V BACKUP {priority}"));
    }
}

#[test]
fn what_hangs_is_overtaken_after_its_time_and_not_killed() {
    let mut world = world("notify_timeout 30");
    world.instance("V", State::Master, 100);
    world.run(29 * SEC);
    world.instance("V", State::Fault, 100);
    assert_eq!(world.running(), ["/m one two three"]);
    world.run(SEC);
    // The general script of MASTER was waiting first.
    assert_eq!(
        world.running(),
        ["/m one two three", "/any x INSTANCE V MASTER 100"]
    );
    world.end("/any x INSTANCE V MASTER 100");
    assert_eq!(world.running(), ["/m one two three", "/f"]);
    world.end("/f");
    world.end("/any x INSTANCE V FAULT 100");
    world.end("/m one two three");
    assert!(world.is_idle() && world.kills.is_empty());
}

#[test]
fn what_hangs_is_killed_where_that_is_wanted() {
    let mut world = world("notify_timeout 2\n notify_kill");
    world.instance("V", State::Master, 100);
    world.run(2 * SEC);
    assert_eq!(world.kills, [("/m one two three".to_owned(), Kill::Force)]);
    assert_eq!(
        world.running().last(),
        Some(&"/any x INSTANCE V MASTER 100")
    );
}

#[test]
fn states_of_the_past_are_left_out_where_that_is_wanted() {
    let mut world = world("notify_coalesce");
    world.instance("V", State::Master, 100);
    world.instance("V", State::MasterHearsLower, 100);
    world.instance("V", State::Backup, 100);
    world.instance("V", State::Fault, 100);
    world.end("/m one two three");
    world.end("/weaker");
    world.end("/f");
    world.end("/any x INSTANCE V FAULT 100");
    assert!(world.is_idle());
}

#[test]
fn a_script_that_cannot_start_holds_nothing_up() {
    let mut world = world("");
    world.instance("V", State::Master, 100);
    world.refuse("/m one two three");
    assert_eq!(world.running(), ["/any x INSTANCE V MASTER 100"]);
}

#[test]
fn who_is_deleted_is_told_of_as_that_only_where_it_is_wanted() {
    let mut world = world("");
    let text = CONFIG.replace("OPTIONS", "");
    let (rest, _) = text.split_once("vrrp_instance V").unwrap();
    world.reload(rest);
    world.instance("V", State::Deleted, 100);
    world.instance("W", State::Deleted, 100);
    assert_eq!(world.running(), ["/f", "/d"]);
    world.end("/f");
    world.end("/d");
    assert_eq!(
        world.running(),
        ["/any x INSTANCE V FAULT 100", "/any INSTANCE W DELETED 100"]
    );
}

/// Shows F.35.
#[test]
fn a_stop_gives_a_second_in_all_and_then_ends_what_is_left() {
    let mut world = world("");
    world.instance("V", State::Master, 100);
    world.run(10 * SEC);
    world.instance("V", State::Stop, 100);
    world.stop();
    // The hanging one has a part of the second, and so have those behind it.
    world.run(650 * MS);
    let all = ["/m one two three", "/any x INSTANCE V MASTER 100", "/s"];
    assert_eq!(world.running(), all);
    world.end("/s");
    assert_eq!(world.running().last(), Some(&"/any x INSTANCE V STOP 100"));
    world.end("/any x INSTANCE V STOP 100");
    world.run(SEC);
    let asked: Vec<_> = world.kills.iter().map(|(_, kill)| *kill).collect();
    assert_eq!(asked, [Kill::Ask, Kill::Ask, Kill::Force, Kill::Force]);
    assert!(world.is_idle());
}

#[test]
fn a_subject_that_floods_loses_the_oldest_and_only_that() {
    let mut world = world("");
    for _ in 0..10_000 {
        world.instance("W", State::Master, 1);
    }
    world.instance("W", State::Fault, 2);
    let mut count = 0;
    while let Some(words) = world.running().first().map(ToString::to_string) {
        world.end(&words);
        count += 1;
    }
    assert_eq!(count, 4_097);
    assert_eq!(world.started.last().unwrap(), "/any INSTANCE W FAULT 2");
}

#[test]
fn a_thousand_subjects_start_a_few_at_a_time() {
    let mut text = CONFIG.replace("OPTIONS", "");
    for number in 0..200 {
        text += &format!(
            "vrrp_instance I{number} {{\n interface eth0\n virtual_router_id {}\n \
             virtual_ipaddress {{ 10.1.0.1 }}\n notify /any\n}}\n",
            54 + number
        );
    }
    let mut world = World::new(&text);
    for number in 0..200 {
        world.instance(&format!("I{number}"), State::Backup, 1);
    }
    // Each call may start some, so that adverts come in between.
    world.run(100 * MS);
    assert_eq!(world.running().len(), 200);
}
