//! What a configuration makes of the start: intervals, priorities, states, and who begins as what.

use std::time::Duration;

use keepalived::vrrp::StateName::{Backup, Fault, Init, Master};
use keepalived::vrrp::{Condition, Object};

use crate::kernel::ETH1;
use crate::lan::{Lan, MS, SEC};

const VIP: &str = "10.0.0.100";

/// An instance with nothing in it that is not needed.
fn conf(lines: &str) -> String {
    instance("VI", 51, VIP, lines)
}

fn instance(name: &str, vrid: u8, vip: &str, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{
            interface eth0
            virtual_router_id {vrid}
            {lines}
            virtual_ipaddress {{
                {vip}
            }}
        }}
        "
    )
}

const SCRIPT: &str = "vrrp_script chk {\n script /bin/true\n}\n";
const WATCH: &str = "track_script {\n chk\n}";

fn chk() -> Object {
    Object::Script("chk".to_owned())
}

/// How many lines of the transcript have these words.
fn count(lan: &Lan, words: &str) -> usize {
    lan.transcript().matches(words).count()
}

/// B.1 interval of version 2: whole seconds, one at least.
#[test]
fn an_interval_of_version_2_is_rounded() {
    for (interval, adverts) in [("1.4", 31), ("2.6", 11), ("0.2", 31), ("255", 1)] {
        let mut lan = Lan::new(401);
        let a = lan.router("a", &conf(&format!("priority 255\nadvert_int {interval}")));
        lan.run(30 * SEC);
        assert_eq!(lan.statistics(a).advert_sent, adverts, "{interval}");
    }
}

/// B.1 interval of version 3, in steps of ten milliseconds; B.1 skew of version 3: a share of the
/// interval, in whole microseconds.
#[test]
fn an_interval_of_version_3_has_two_decimals_and_the_skew_is_a_share_of_it() {
    for (interval, adverts, micros) in [
        ("0.25", 121, 902_343),
        ("0.01", 3_001, 36_093),
        ("40.95", 1, 147_803_906),
    ] {
        let with = |priority| {
            conf(&format!(
                "version 3\npriority {priority}\nadvert_int {interval}"
            ))
        };
        let mut lan = Lan::new(402);
        lan.leave_unchecked();
        let a = lan.router("a", &with(255));
        lan.run(30 * SEC);
        assert_eq!(lan.statistics(a).advert_sent, adverts, "{interval}");
        let mut lan = Lan::new(403);
        let b = lan.router("b", &with(100));
        lan.run(Duration::from_micros(micros - 1));
        lan.expect(b, Backup);
        lan.run(Duration::from_micros(1));
        lan.expect(b, Master);
    }
}

/// B.1 advert timer: an interval after the last advert; what was missed is not made up for.
#[test]
fn adverts_that_were_missed_are_not_sent_later() {
    let mut lan = Lan::new(404);
    let a = lan.router("a", &conf("priority 255"));
    lan.run(10 * SEC);
    assert_eq!(lan.statistics(a).advert_sent, 11);
    lan.stall(a, 5_500 * MS);
    lan.run(6_400 * MS);
    assert_eq!(lan.statistics(a).advert_sent, 12);
    lan.run(100 * MS);
    assert_eq!(lan.statistics(a).advert_sent, 13);
}

/// B.1 no priority: 255 with state MASTER, 100 without. B.1 no state: that which goes with the
/// priority. B.1 two states: MASTER counts. B.2 owner: F.1.
#[test]
fn what_is_not_said_follows_from_what_is() {
    for (lines, priority, state) in [
        ("", 100, Backup),
        ("state BACKUP", 100, Backup),
        ("state MASTER", 255, Master),
        ("priority 255", 255, Master),
        ("state BACKUP\nstate MASTER\npriority 255", 255, Master),
        ("state MASTER\nstate BACKUP\npriority 255", 255, Master),
        ("state MASTER\npriority 150", 150, Backup),
    ] {
        let mut lan = Lan::new(405);
        let a = lan.router("a", &conf(lines));
        let found = lan.state(a).expect("it runs");
        assert_eq!((found.priority, found.state), (priority, state), "{lines}");
    }
}

/// B.1 owner with state BACKUP: it listens like everybody else, with B.1 skew of an owner: 1/256 s.
#[test]
fn an_owner_that_is_told_to_be_backup_listens_first() {
    let mut lan = Lan::new(406);
    let a = lan.router("a", &conf("state BACKUP\npriority 255"));
    assert_eq!(count(&lan, "a (VI) Entering BACKUP STATE (init)"), 1);
    lan.run(Duration::from_micros(3_003_905));
    lan.expect(a, Backup);
    lan.run(Duration::from_micros(1));
    lan.expect(a, Master);
}

/// B.1 state MASTER: it makes nobody begin as master, F.1, and takes nopreempt and preempt_delay
/// away; B.4 preempt delay ignored. With AH it is taken away itself.
#[test]
fn state_master_only_takes_the_options_of_preemption_away() {
    let ah = "authentication {\nauth_type AH\nauth_pass secret\n}";
    for (lines, auth, preempts) in [
        ("state MASTER\nnopreempt", "", true),
        ("state MASTER\npreempt_delay 30", "", true),
        ("state BACKUP\nnopreempt", "", false),
        ("state BACKUP\npreempt_delay 30", "", false),
        ("state MASTER", ah, true),
    ] {
        let mut lan = Lan::new(407);
        let b = lan.router("b", &conf(&format!("priority 100\n{auth}")));
        lan.run(4 * SEC);
        let a = lan.router("a", &conf(&format!("priority 150\n{lines}\n{auth}")));
        lan.expect(a, Backup);
        lan.run(5 * SEC);
        let master = if preempts { a } else { b };
        assert_eq!(lan.masters(), [master], "{lines}");
    }
}

/// B.1 state in strict mode: the priority decides, whatever is written.
#[test]
fn in_strict_mode_an_owner_is_master_and_nobody_else() {
    let strict = "global_defs {\nvrrp_strict\n}\n";
    for (lines, state) in [
        ("state BACKUP\npriority 255", Master),
        ("state MASTER\npriority 254", Backup),
    ] {
        let mut lan = Lan::new(408);
        let a = lan.router("a", &(strict.to_owned() + &conf(lines)));
        lan.expect(a, state);
        lan.run(SEC);
        lan.expect(a, state);
    }
}

/// B.2 fault at the start: with its suffix, with the cause in a line of its own, and with a word to
/// the scripts. B.7 cause lines.
#[test]
fn who_cannot_take_part_begins_in_fault() {
    let mut lan = Lan::new(409);
    let a = lan.configured("a", &conf("priority 150\ntrack_interface {\neth1\n}"));
    lan.unplug_link(a, ETH1);
    lan.start(a);
    lan.expect(a, Fault);
    for line in [
        "a (VI): entering FAULT state (interface eth1 down)",
        "a (VI) Entering FAULT STATE (init)",
        "a tells INSTANCE \"VI\" FAULT 150",
    ] {
        assert_eq!(count(&lan, line), 1, "{line}:\n{}", lan.transcript());
    }
    assert_eq!(count(&lan, "BACKUP"), 0);
}

/// B.2 no result of a script: nothing is said until there is one, and what begins then has no
/// suffix. B.7 owner after its script: master at once, F.20.
#[test]
fn who_waits_for_a_script_says_nothing_until_it_has_run() {
    for (priority, condition, state, line) in [
        (150, Condition::Up, Backup, "(VI) Entering BACKUP STATE\n"),
        (150, Condition::Down, Fault, "(VI) Entering FAULT STATE\n"),
        (255, Condition::Up, Master, "(VI) Entering MASTER STATE\n"),
        (255, Condition::Down, Fault, "(VI) Entering FAULT STATE\n"),
    ] {
        let mut lan = Lan::new(410);
        let text = SCRIPT.to_owned() + &conf(&format!("priority {priority}\n{WATCH}"));
        let a = lan.router("a", &text);
        lan.run(20 * SEC);
        lan.expect(a, Init);
        let said = lan.transcript();
        assert!(
            !said.contains("Entering") && !said.contains("tells"),
            "{said}"
        );
        lan.tracked(a, &chk(), condition);
        lan.expect(a, state);
        assert_eq!(count(&lan, line), 1, "{}", lan.transcript());
        assert_eq!(count(&lan, "Entering"), 1, "{}", lan.transcript());
    }
}

/// B.2 group that waits: with one member all of them do; and so does an owner.
#[test]
fn a_group_waits_for_the_scripts_of_all_its_members() {
    let group = "vrrp_sync_group G {\ngroup {\nVI\nVJ\n}\n}\n";
    let second = instance("VJ", 52, "10.0.0.101", "priority 255");
    for (condition, states) in [
        (Condition::Up, [Master, Master]),
        (Condition::Down, [Fault, Fault]),
    ] {
        let first = conf(&format!("priority 255\n{WATCH}"));
        let mut lan = Lan::new(411);
        let a = lan.router("a", &[SCRIPT, group, &first, &second].concat());
        let both =
            |lan: &Lan| ["VI", "VJ"].map(|name| lan.instance(a, name).expect("it runs").state);
        lan.run(20 * SEC);
        assert!(
            !both(&lan).contains(&Master) && count(&lan, "advert") == 0,
            "{}",
            lan.transcript()
        );
        lan.tracked(a, &chk(), condition);
        lan.run(SEC);
        assert_eq!(both(&lan), states, "{}", lan.transcript());
    }
}

/// B.2 mixed group: whoever hopes for more waits with the others, B.11 initial state.
#[test]
fn in_a_group_only_owners_among_themselves_begin_as_masters() {
    let group = "vrrp_sync_group G {\ngroup {\nVI\nVJ\n}\n}\n";
    for (one, other, at_once) in [
        ("priority 255", "priority 255", true),
        ("priority 255", "priority 255\nstate BACKUP", false),
        ("priority 255", "priority 150", false),
        (
            "priority 150\nstate MASTER",
            "priority 150\nstate MASTER",
            false,
        ),
    ] {
        let second = instance("VJ", 52, "10.0.0.101", other);
        let mut lan = Lan::new(412);
        let a = lan.router("a", &[group, &conf(one), &second].concat());
        let states = ["VI", "VJ"].map(|name| lan.instance(a, name).expect("it runs").state);
        let expected = if at_once { Master } else { Backup };
        assert_eq!(states, [expected; 2], "{one}, {other}");
        lan.run(3_900 * MS);
        assert_eq!(lan.group(a, "G").state, Master, "{one}, {other}");
    }
}
