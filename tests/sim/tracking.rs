//! What instances watch: faults by their cause, and priorities that move.

use keepalived::vrrp::StateName::{Backup, Fault, Init, Master};
use keepalived::vrrp::{Condition, Object};

use crate::confs::{VIP, signed as conf};
use crate::kernel::{ETH0, ETH1};
use crate::lan::{Lan, MS, SEC};
use crate::packets::{PASSWORD, advert};

fn tracking(line: &str) -> String {
    format!("track_interface {{\n{line}\n}}")
}

/// Shows B.7 one goodbye, F.34.
#[test]
fn a_tracked_interface_without_weight_is_needed() {
    let mut lan = Lan::new(201);
    let a = lan.router("a", &conf(150, &tracking("eth1")));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    lan.unplug_link(a, ETH1);
    lan.expect(a, Fault);
    assert_eq!(lan.statistics(a).pri_zero_sent, 1);
    lan.run(620 * MS);
    lan.expect_only_owner(b, VIP);
    lan.plug_link(a, ETH1);
    lan.expect(a, Backup);
    lan.run(5 * SEC);
    lan.expect_only_owner(a, VIP);
}

/// keepalived 2.4 comes up when the first of the two is back.
/// Shows B.3 fault in FAULT, B.7 faults by cause, F.18.
#[test]
fn of_two_causes_both_must_go() {
    let mut lan = Lan::new(202);
    let a = lan.router("a", &conf(150, &tracking("eth1")));
    lan.run(5 * SEC);
    lan.unplug_link(a, ETH1);
    lan.unplug_link(a, ETH0);
    lan.plug_link(a, ETH1);
    lan.run(10 * SEC);
    lan.expect(a, Fault);
    let faults = lan.state(a).expect("it runs").faults;
    assert_eq!(faults, ["interface eth0 down"]);
    lan.plug_link(a, ETH0);
    lan.expect(a, Backup);
}

/// Shows B.10 reverse, B.10 track_interface.
#[test]
fn with_reverse_an_interface_must_be_down() {
    let mut lan = Lan::new(203);
    let a = lan.router("a", &conf(150, &tracking("eth1 weight 0 reverse")));
    lan.expect(a, Fault);
    lan.unplug_link(a, ETH1);
    lan.expect(a, Backup);
}

/// Shows B.7 dont_track_primary.
#[test]
fn dont_track_primary_leaves_the_own_interface_out() {
    let mut lan = Lan::new(204);
    let a = lan.router("a", &conf(150, "dont_track_primary"));
    lan.run(5 * SEC);
    lan.unplug(a);
    lan.run(10 * SEC);
    lan.expect(a, Master);
}

/// The next advert tells it; the weaker master yields to the backup that is stronger now.
/// Shows B.10 weight, B.10 no advert, F.16.
#[test]
fn a_weight_moves_the_priority_and_no_advert_is_sent_for_it() {
    let mut lan = Lan::new(205);
    let a = lan.router("a", &conf(150, &tracking("eth1 weight -60")));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    let sent = lan.statistics(a).advert_sent;
    lan.unplug_link(a, ETH1);
    assert_eq!(lan.statistics(a).advert_sent, sent);
    assert_eq!(lan.state(a).expect("it runs").priority, 90);
    lan.expect(a, Master);
    lan.run(5 * SEC);
    lan.expect_only_owner(b, VIP);
    lan.plug_link(a, ETH1);
    lan.run(5 * SEC);
    lan.expect_only_owner(a, VIP);
    lan.check_transcript("weight.txt");
}

/// Shows B.10 deadline moves, F.16.
#[test]
fn a_backup_waits_by_as_much_longer_as_its_skew_grows() {
    let mut lan = Lan::new(206);
    let a = lan.router("a", &conf(150, &tracking("eth1 weight -60")));
    // 3.414 s at 150, 3.648 s at 90.
    lan.run(3 * SEC);
    lan.unplug_link(a, ETH1);
    lan.run(640 * MS);
    lan.expect(a, Backup);
    lan.run(9 * MS);
    lan.expect(a, Master);

    let mut lan = Lan::new(207);
    let a = lan.configured("a", &conf(90, &tracking("eth1 weight 60")));
    lan.unplug_link(a, ETH1);
    lan.start(a);
    lan.run(3_500 * MS);
    lan.expect(a, Backup);
    // The time is over already when the interface comes.
    lan.plug_link(a, ETH1);
    lan.expect(a, Master);
}

/// Shows B.10 sum, B.10 owner.
#[test]
fn a_priority_stays_within_1_and_254_and_an_owner_is_an_owner() {
    let mut lan = Lan::new(208);
    let low = lan.router("low", &conf(100, &tracking("eth1 weight -253")));
    let high = lan.router("high", &conf(100, &tracking("eth1 weight 253")));
    let owner = lan.router("owner", &conf(255, &tracking("eth1 weight -253")));
    for id in [low, high, owner] {
        lan.unplug_link(id, ETH1);
    }
    let priority = |lan: &Lan, id| lan.state(id).expect("it runs").priority;
    assert_eq!(
        [low, high, owner].map(|id| priority(&lan, id)),
        [1, 100, 255]
    );
    lan.plug_link(high, ETH1);
    assert_eq!(priority(&lan, high), 254);
}

/// Scripts, files, processes and BFD sessions count by the same rules.
/// Shows B.10 track_file, B.10 first script results, F.20.
#[test]
fn every_kind_of_object_counts_once() {
    let objects = "
        vrrp_script chk { script /bin/true }
        track_file file { file /tmp/number }
        vrrp_track_process web { process httpd }
    ";
    let tracks = "
        track_script { chk weight 10 }
        track_file { file weight 2 }
        track_process { web }
    ";
    let mut lan = Lan::new(209);
    let a = lan.router("a", &(objects.to_owned() + &conf(100, tracks)));
    lan.run(5 * SEC);
    let state = |lan: &Lan| {
        let instance = lan.state(a).expect("it runs");
        (instance.state, instance.priority)
    };
    assert_eq!(state(&lan), (Init, 100), "it waits for its script");
    let [script, file, process] = [
        Object::Script("chk".to_owned()),
        Object::File("file".to_owned()),
        Object::Process("web".to_owned()),
    ];
    lan.tracked(a, &script, Condition::Up);
    lan.run(5 * SEC);
    assert_eq!(
        state(&lan),
        (Master, 110),
        "what is not known yet does not count"
    );
    lan.tracked(a, &file, Condition::Value(-4));
    assert_eq!(state(&lan), (Master, 102));
    lan.tracked(a, &script, Condition::Down);
    assert_eq!(state(&lan), (Master, 92));
    lan.tracked(a, &file, Condition::Value(-127));
    assert_eq!(state(&lan).0, Fault);
    lan.tracked(a, &process, Condition::Down);
    lan.tracked(a, &file, Condition::Value(0));
    assert_eq!(state(&lan).0, Fault, "the other cause is there still");
    lan.tracked(a, &process, Condition::Up);
    assert_eq!(state(&lan).0, Backup);
}

/// Shows B.11 trackers of the group.
#[test]
fn what_a_group_watches_counts_for_all_its_members() {
    let group = |weight: &str| {
        format!(
            "vrrp_sync_group G {{\ngroup {{\nVI\nVJ\n}}\n{}\n}}\n",
            tracking(weight)
        )
    };
    let second = conf(100, "")
        .replace("VI", "VJ")
        .replace("51", "52")
        .replace(VIP, "10.0.0.101");
    let text = |weight: &str| group(weight) + &conf(100, "") + &second;
    let mut lan = Lan::new(210);
    let a = lan.router("a", &text("eth1 weight 20"));
    let priorities =
        |lan: &Lan| ["VI", "VJ"].map(|name| lan.instance(a, name).expect("it runs").priority);
    assert_eq!(priorities(&lan), [120, 120]);
    lan.unplug_link(a, ETH1);
    assert_eq!(priorities(&lan), [100, 100]);
    lan.reload(a, &text("eth1"));
    assert_eq!(lan.group(a, "G").state, Fault);
    lan.plug_link(a, ETH1);
    assert_eq!(lan.group(a, "G").state, Backup);
}

/// Shows B.11 weights.
#[test]
fn a_member_with_weights_of_its_own_needs_the_word_of_its_group() {
    let text = |word: &str| {
        let group = format!("vrrp_sync_group G {{\ngroup {{\nVI\nVJ\n}}\n{word}\n}}\n");
        let second = conf(100, "")
            .replace("VI", "VJ")
            .replace("51", "52")
            .replace(VIP, "10.0.0.101");
        group + &conf(100, &tracking("eth1 weight 20")) + &second
    };
    let mut lan = Lan::new(211);
    for (word, priority) in [
        ("", 100),
        ("sync_group_tracking_weight", 120),
        ("global_tracking", 120),
    ] {
        let a = lan.router("a", &text(word));
        assert_eq!(lan.state(a).expect("it runs").priority, priority, "{word}");
    }
}

/// Shows B.8 interface_up_down_delays.
#[test]
fn a_link_that_flaps_for_less_than_its_delay_was_never_gone() {
    let delays = "interface_up_down_delays {\neth0 1.5 2\n}\n";
    let mut lan = Lan::new(212);
    let a = lan.router("a", &(delays.to_owned() + &conf(150, "")));
    lan.run(5 * SEC);
    for _ in 0..5 {
        lan.unplug(a);
        lan.run(SEC);
        lan.plug(a);
        lan.run(SEC);
    }
    lan.expect(a, Master);
    assert_eq!(lan.statistics(a).release_master, 0);
    lan.unplug(a);
    lan.run(1_400 * MS);
    lan.expect(a, Master);
    lan.run(200 * MS);
    lan.expect(a, Fault);
    lan.plug(a);
    lan.run(1_900 * MS);
    lan.expect(a, Fault);
    // Everything is read anew: that is no reason to believe it sooner.
    lan.lose_notices(a, "10.9.9.9");
    lan.expect(a, Fault);
    lan.run(200 * MS);
    lan.expect(a, Backup);
}

#[test]
fn a_changed_priority_is_that_of_the_next_election() {
    let mut lan = Lan::new(213);
    let a = lan.router("a", &conf(150, &tracking("eth1 weight -60")));
    lan.run(5 * SEC);
    lan.unplug_link(a, ETH1);
    lan.inject(&advert(51, 89, PASSWORD));
    lan.expect(a, Master);
    lan.inject(&advert(51, 91, PASSWORD));
    lan.expect(a, Backup);
    assert!(lan.transcript().contains("higher priority 91, ours 90"));
}

/// B.10 notify_priority_changes: scripts and pipes hear of it, in the words of the state.
#[test]
fn a_changed_priority_is_told_of_where_that_is_wanted() {
    for (word, told) in [("notify_priority_changes", 1), ("", 0)] {
        let mut lan = Lan::new(214);
        let text = conf(150, &format!("{}\n{word}", tracking("eth1 weight -60")));
        let a = lan.router("a", &text);
        lan.unplug_link(a, ETH1);
        lan.run(5 * SEC);
        lan.plug_link(a, ETH1);
        let said = lan.transcript();
        for line in [
            "a tells INSTANCE \"VI\" BACKUP_PRIORITY 90",
            "a tells INSTANCE \"VI\" MASTER_PRIORITY 150",
        ] {
            assert_eq!(said.matches(line).count(), told, "{said}");
        }
        assert_eq!(
            said.matches("Changing effective priority").count(),
            2,
            "{said}"
        );
    }
}

/// B.10 group's entry: of what the group and a member both watch, the group's word counts.
#[test]
fn what_a_group_and_its_member_both_watch_counts_as_the_group_has_it() {
    let group = format!(
        "vrrp_sync_group G {{\ngroup {{\nVI\n}}\nsync_group_tracking_weight\n{}\n}}\n",
        tracking("eth1 weight 20")
    );
    let mut lan = Lan::new(215);
    let a = lan.router("a", &(group + &conf(100, &tracking("eth1 weight 50"))));
    assert_eq!(lan.state(a).expect("it runs").priority, 120);
}
