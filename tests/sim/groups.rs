//! Sync groups: instances on two segments that are master together or not at all.

use keepalived::vrrp::StateName::{self, Backup, Fault, Master};

use crate::kernel::{ETH0, ETH1};
use crate::lan::{Id, Lan, MS, SEC};
use crate::packets::{PASSWORD, advert};

const OUTSIDE: &str = "10.0.0.100";
const INSIDE: &str = "10.1.0.100";
const GROUP: &str = "vrrp_sync_group G {\n group {\n OUT\n IN\n }\n}\n";

/// One instance of the pair: name, interface, virtual router, priority, address.
fn member(name: &str, priority: u8, extra: &str) -> String {
    let (interface, vrid, vip) = match name {
        "OUT" => ("eth0", 51, OUTSIDE),
        _ => ("eth1", 52, INSIDE),
    };
    format!(
        "vrrp_instance {name} {{
            interface {interface}
            virtual_router_id {vrid}
            priority {priority}
            authentication {{
                auth_type PASS
                auth_pass 1111
            }}
            virtual_ipaddress {{
                {vip}
            }}
            {extra}
        }}
        "
    )
}

fn pair(outside: u8, inside: u8) -> String {
    GROUP.to_owned() + &member("OUT", outside, "") + &member("IN", inside, "")
}

#[track_caller]
fn expect_both(lan: &Lan, id: Id, state: StateName) {
    for name in ["OUT", "IN"] {
        let found = lan.instance(id, name).map(|instance| instance.state);
        assert_eq!(found, Some(state), "{name}:\n{}", lan.transcript());
    }
    assert_eq!(lan.group(id, "G").state, state, "{}", lan.transcript());
}

fn zeros(lan: &Lan, id: Id) -> [u64; 2] {
    ["OUT", "IN"].map(|name| {
        let instance = lan.instance(id, name).expect("it runs");
        instance.statistics.pri_zero_sent
    })
}

/// Shows B.11 slowest member, B.11 to MASTER, B.2 groups before members.
#[test]
fn a_group_becomes_master_when_its_slowest_member_would() {
    let mut lan = Lan::new(101);
    let a = lan.router("a", &pair(200, 50));
    // Priority 200 waits 3.218 s, priority 50 waits 3.804 s.
    lan.run(3_700 * MS);
    expect_both(&lan, a, Backup);
    assert_eq!(
        lan.instance(a, "OUT")
            .expect("it runs")
            .statistics
            .advert_sent,
        0
    );
    lan.run(110 * MS);
    expect_both(&lan, a, Master);
    lan.expect_only_owner(a, OUTSIDE);
    lan.expect_only_owner(a, INSIDE);
    lan.check_transcript("group_start.txt");
}

/// Shows B.11 to FAULT, B.11 recovery, B.7 way back of a group, F.24.
#[test]
fn a_lost_cable_takes_the_whole_group_away_with_one_goodbye_each() {
    let mut lan = Lan::new(102);
    let a = lan.router("a", &pair(150, 150));
    let b = lan.router("b", &pair(100, 100));
    lan.run(10 * SEC);
    expect_both(&lan, a, Master);
    lan.unplug_link(a, ETH1);
    expect_both(&lan, a, Fault);
    assert_eq!(zeros(&lan, a), [1, 1]);
    assert!(lan.owners(OUTSIDE).is_empty() && lan.owners(INSIDE).is_empty());
    lan.run(4 * SEC);
    expect_both(&lan, b, Master);
    lan.expect_only_owner(b, OUTSIDE);
    lan.expect_only_owner(b, INSIDE);
    // Only the second of two cables that are lost brings the group back.
    lan.unplug_link(a, ETH0);
    lan.plug_link(a, ETH1);
    expect_both(&lan, a, Fault);
    lan.plug_link(a, ETH0);
    expect_both(&lan, a, Backup);
    lan.run(5 * SEC);
    expect_both(&lan, a, Master);
    expect_both(&lan, b, Backup);
    lan.check_transcript("group_cable.txt");
}

/// Shows B.11 to BACKUP, F.24.
#[test]
fn a_better_master_in_one_segment_takes_both_and_nobody_says_goodbye() {
    let mut lan = Lan::new(103);
    let a = lan.router("a", &pair(150, 150));
    lan.run(10 * SEC);
    let before = lan.transcript();
    lan.inject_on(ETH1, &advert(52, 200, PASSWORD));
    expect_both(&lan, a, Backup);
    assert_eq!(zeros(&lan, a), [0, 0]);
    let after = lan.transcript();
    let line = "VRRP_Group(G) Syncing instances to BACKUP state";
    assert_eq!(after[before.len()..].matches(line).count(), 1, "{after}");
    let at = |words: &str| after.rfind(words).expect("it is told");
    assert!(
        at("(IN) Entering BACKUP STATE") < at(line),
        "the one that caused it comes first"
    );
    assert!(
        at(line) < at("(OUT) Entering BACKUP STATE"),
        "and the others follow"
    );
}

/// Shows B.4 group holds back.
#[test]
fn a_member_that_has_a_master_holds_the_others_back() {
    let mut lan = Lan::new(104);
    let a = lan.router("a", &pair(150, 150));
    let b = lan.router("b", &pair(100, 100));
    lan.run(10 * SEC);
    lan.cut_link(a, ETH1);
    lan.run(20 * SEC);
    // b hears its master outside, so that it may not lead inside.
    expect_both(&lan, a, Master);
    expect_both(&lan, b, Backup);
    lan.stop(a);
    lan.run(4 * SEC);
    expect_both(&lan, b, Master);
}

#[test]
fn a_member_that_heard_a_master_meanwhile_is_not_ready_any_more() {
    let mut lan = Lan::new(105);
    let a = lan.router("a", &pair(200, 50));
    lan.run(3_300 * MS);
    // OUT has given up its master, IN not yet.
    lan.inject_on(ETH0, &advert(51, 200, PASSWORD));
    lan.run(1_000 * MS);
    expect_both(&lan, a, Backup);
    lan.run(2_300 * MS);
    expect_both(&lan, a, Master);
}

/// Shows B.11 lower priority.
#[test]
fn a_weaker_master_in_one_segment_makes_the_group_announce_in_both() {
    let mut lan = Lan::new(106);
    let a = lan.router("a", &pair(150, 150));
    lan.run(30 * SEC);
    let before = lan.transcript().len();
    lan.inject_on(ETH0, &advert(51, 100, PASSWORD));
    lan.run(SEC);
    let said = lan.transcript()[before..].to_owned();
    assert!(said.contains("gratuitous ARP for 10.0.0.100 x5"), "{said}");
    assert!(said.contains("gratuitous ARP for 10.1.0.100 x5"), "{said}");
    expect_both(&lan, a, Master);
}

/// Shows B.2 mixed group, B.11 initial state.
#[test]
fn an_owner_among_others_listens_first_and_owners_alone_do_not() {
    let mut lan = Lan::new(107);
    let a = lan.router("a", &pair(255, 100));
    expect_both(&lan, a, Backup);
    lan.run(3_600 * MS);
    expect_both(&lan, a, Backup);
    lan.run(10 * MS);
    expect_both(&lan, a, Master);

    let mut lan = Lan::new(108);
    let a = lan.router("a", &pair(255, 255));
    lan.run(MS);
    expect_both(&lan, a, Master);
    assert!(!lan.transcript().contains("BACKUP"), "{}", lan.transcript());
}

#[test]
fn a_member_in_fault_at_the_start_holds_the_group_there_from_the_start() {
    let mut lan = Lan::new(109);
    let a = lan.configured("a", &pair(150, 150));
    lan.unplug_link(a, ETH1);
    lan.start(a);
    expect_both(&lan, a, Fault);
    let said = lan.transcript();
    assert!(
        said.contains("VRRP_Group(G): Syncing OUT to FAULT state"),
        "{said}"
    );
    assert!(said.contains("(OUT) Entering FAULT STATE (init)"), "{said}");
    assert!(!said.contains("BACKUP"), "{said}");
    lan.plug_link(a, ETH1);
    lan.run(4 * SEC);
    expect_both(&lan, a, Master);
}

#[test]
fn two_directors_with_a_group_hand_over_both_segments_together() {
    let mut lan = Lan::new(110);
    let a = lan.router("a", &pair(150, 150));
    let b = lan.router("b", &pair(100, 100));
    lan.run(10 * SEC);
    lan.stop(a);
    lan.run(620 * MS);
    expect_both(&lan, b, Master);
    lan.start(a);
    lan.run(5 * SEC);
    expect_both(&lan, a, Master);
    expect_both(&lan, b, Backup);
}

#[test]
fn an_address_that_somebody_deletes_moves_nobody_in_a_group() {
    let mut lan = Lan::new(111);
    let a = lan.router("a", &pair(150, 150));
    lan.run(10 * SEC);
    lan.remove_address(a, INSIDE);
    expect_both(&lan, a, Master);
    lan.expect_only_owner(a, INSIDE);
    assert_eq!(zeros(&lan, a), [0, 0]);
}

#[test]
fn a_reload_puts_instances_into_a_group_and_takes_them_out_again() {
    let alone = |outside| member("OUT", outside, "") + &member("IN", 150, "");
    let mut lan = Lan::new(112);
    let a = lan.router("a", &alone(150));
    let b = lan.router("b", &alone(200));
    lan.run(10 * SEC);
    // b is master outside, a inside.
    assert_eq!(lan.owners(OUTSIDE), [b]);
    lan.reload(a, &pair(150, 150));
    expect_both(&lan, a, Backup);
    lan.reload(b, &pair(200, 150));
    lan.run(5 * SEC);
    expect_both(&lan, b, Master);
    expect_both(&lan, a, Backup);
    // Without the group the cable of one is nothing to the other.
    lan.reload(b, &alone(200));
    lan.unplug_link(b, ETH1);
    lan.expect_only_owner(b, OUTSIDE);
    lan.run(5 * SEC);
    expect_both(&lan, a, Backup);
    lan.reload(a, &alone(150));
    lan.run(5 * SEC);
    lan.expect_only_owner(a, INSIDE);
    lan.expect_only_owner(b, OUTSIDE);
}

#[test]
fn a_reload_without_a_change_moves_no_group() {
    let mut lan = Lan::new(113);
    let a = lan.router("a", &pair(150, 150));
    lan.run(10 * SEC);
    lan.reload(a, &pair(150, 150));
    expect_both(&lan, a, Master);
    assert_eq!(
        lan.transcript().matches("VRRP_Group").count(),
        1,
        "{}",
        lan.transcript()
    );
}

/// B.11 single member: it works like any other. B.11 unknown member: it is left out.
#[test]
fn a_group_of_one_works_and_so_does_one_with_a_name_that_is_nobodys() {
    for members in ["OUT", "OUT\n NOBODY"] {
        let group = format!("vrrp_sync_group G {{\n group {{\n {members}\n }}\n}}\n");
        let mut lan = Lan::new(115);
        let a = lan.router("a", &(group + &member("OUT", 150, "")));
        lan.run(4 * SEC);
        lan.expect(a, Master);
        assert_eq!(lan.group(a, "G").state, Master);
        lan.unplug(a);
        assert_eq!(lan.group(a, "G").state, Fault);
        lan.plug(a);
        lan.run(4 * SEC);
        assert_eq!(lan.group(a, "G").state, Master);
    }
}
