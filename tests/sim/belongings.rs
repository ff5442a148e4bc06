//! What a state owns in the kernel, and telling the network of it: stories told by hand.

use keepalived::vrrp::StateName::{Fault, Master};
use keepalived::wire::rtnl::{ADDRESS_NODAD, Create, PROTOCOL_KEEPALIVED, TABLE_MAIN};
use keepalived::wire::vrrp;

use crate::confs::{VIP, brief};
use crate::kernel::ETH1;
use crate::lan::{Id, Lan, MS, SEC};
use crate::packets::advert;

/// An instance that is alone, with more in it.
fn conf(extra: &str) -> String {
    brief(150, extra)
}

const EXCLUDED: &str = "virtual_ipaddress_excluded {
    10.0.0.101/24
    fd00::100
    fd00::101/64
}";

fn master(lan: &mut Lan, config: &str) -> Id {
    let id = lan.router("a", config);
    lan.run(10 * SEC);
    lan.expect(id, Master);
    id
}

#[test]
fn excluded_addresses_of_both_families_come_and_go_with_the_others() {
    let mut lan = Lan::new(101);
    let a = master(&mut lan, &conf(EXCLUDED));
    for cidr in [VIP, "10.0.0.101/24", "fd00::100", "fd00::101/64"] {
        lan.expect_only_owner(a, cidr);
    }
    lan.stop(a);
    assert_eq!(lan.owners("fd00::101/64"), []);
    lan.check_transcript("excluded.txt");
}

/// Shows B.8 own echo.
#[test]
fn the_echo_of_our_own_change_of_an_ipv6_address_is_no_loss() {
    let mut lan = Lan::new(102);
    let a = master(&mut lan, &conf(EXCLUDED));
    lan.reload(
        a,
        &conf(&EXCLUDED.replace("fd00::101/64", "fd00::101/64 home")),
    );
    lan.run(10 * SEC);
    lan.expect_only_owner(a, "fd00::101/64");
    assert_eq!(lan.statistics(a).restored, 0);
    lan.remove_address(a, "fd00::101/64");
    lan.expect_only_owner(a, "fd00::101/64");
    assert_eq!(lan.statistics(a).restored, 1);
}

#[test]
fn neighbours_are_told_whether_we_route() {
    let mut lan = Lan::new(103);
    let a = lan.router("a", &conf(EXCLUDED));
    lan.forward(a, true);
    lan.run(4 * SEC);
    lan.expect(a, Master);
    let told = "neighbour advertisement for fd00::100 as a router";
    assert_eq!(lan.transcript().matches(told).count(), 1);
    // The second burst, five seconds later.
    lan.forward(a, false);
    lan.run(5 * SEC);
    assert_eq!(lan.transcript().matches(told).count(), 1);
    let told = "neighbour advertisement for fd00::100";
    assert_eq!(lan.transcript().matches(told).count(), 2);
}

/// Shows B.8 not tracked, B.7 no_track.
#[test]
fn an_address_that_is_not_tracked_may_be_taken_away() {
    let mut lan = Lan::new(104);
    let config = conf("virtual_ipaddress_excluded {\n 10.0.0.101 no_track\n 10.0.0.102\n}");
    let a = master(&mut lan, &config);
    lan.remove_address(a, "10.0.0.101");
    lan.remove_address(a, "10.0.0.102");
    lan.run(5 * SEC);
    assert_eq!(lan.owners("10.0.0.101"), []);
    lan.expect_only_owner(a, "10.0.0.102");
    lan.expect(a, Master);
    assert_eq!(lan.statistics(a).restored, 1);
}

#[test]
fn every_address_the_kernel_refuses_is_told_of_once_and_tried_until_it_is_taken() {
    let mut lan = Lan::new(105);
    let a = lan.router("a", &conf(EXCLUDED));
    lan.run(SEC);
    lan.refuse(a, true);
    lan.run(10 * SEC);
    lan.expect(a, Master);
    let told = |lan: &Lan, what: &str| lan.transcript().matches(what).count();
    assert_eq!(told(&lan, "cannot add ip address fd00::100:"), 1);
    assert_eq!(told(&lan, "cannot add ip address 10.0.0.100:"), 1);
    assert!(told(&lan, "+ fd00::100") >= 5, "{}", lan.transcript());
    // Who cannot have it does not call its traffic, but for once when it has just become master.
    assert_eq!(told(&lan, "gratuitous ARP for 10.0.0.100"), 1);
    assert_eq!(told(&lan, "restoring"), 0, "{}", lan.transcript());
    lan.refuse(a, false);
    lan.run(1_100 * MS);
    lan.expect_only_owner(a, "fd00::100");
    assert_eq!(
        told(&lan, "gratuitous ARP for 10.0.0.100"),
        2,
        "{}",
        lan.transcript()
    );
    assert_eq!(told(&lan, "10.0.0.100 could be added at last"), 1);
    lan.run(10 * SEC);
    assert_eq!(told(&lan, "at last"), 4, "{}", lan.transcript());
}

/// An address that is written twice: 2.2.7 counts it twice and refuses adverts that do not. The
/// kernel has it once, and what somebody removes comes back.
#[test]
fn an_address_given_twice_is_in_adverts_twice_and_in_the_kernel_once() {
    let mut lan = Lan::new(126);
    let twice = "virtual_ipaddress {\n 10.0.0.100\n}";
    let a = master(&mut lan, &conf(twice));
    let packet = lan.last_sent(a).bytes;
    assert_eq!(packet[20 + 3], 2, "{packet:?}");
    let told = |lan: &Lan, what: &str| lan.transcript().matches(what).count();
    assert_eq!(told(&lan, "+ 10.0.0.100"), 1, "{}", lan.transcript());
    lan.remove_address(a, "10.0.0.100");
    lan.expect_only_owner(a, "10.0.0.100");
    assert_eq!(told(&lan, "restoring"), 1, "{}", lan.transcript());
    // One of the two leaves: that is no reason to take it away.
    lan.reload(a, &conf(""));
    lan.expect_only_owner(a, "10.0.0.100");
    assert_eq!(told(&lan, "- 10.0.0.100"), 0, "{}", lan.transcript());
}

/// F.27: as long as they are written, whole hosts by default, without a broadcast address. F.26: a
/// host of IPv6 is deprecated, so that nothing is sent from it, and is not looked for elsewhere.
#[test]
fn addresses_are_put_as_they_are_written() {
    let mut lan = Lan::new(106);
    let a = master(&mut lan, &conf(EXCLUDED));
    let addresses = lan.kernel(a).addresses();
    for (cidr, is_deprecated, flags) in [
        ("10.0.0.100/32", false, 0),
        ("10.0.0.101/24", false, 0),
        ("fd00::100/128", true, ADDRESS_NODAD),
        ("fd00::101/64", false, ADDRESS_NODAD),
    ] {
        let mut known = addresses.iter();
        let found = known.find(|known| known.cidr == cidr.parse().expect("an address"));
        let found = found.unwrap_or_else(|| panic!("{cidr} in {addresses:?}"));
        assert_eq!(found.preferred == Some(0), is_deprecated, "{cidr}");
        assert_eq!(found.flags, flags, "{cidr}");
        assert_eq!((found.scope, found.broadcast), (0, None), "{cidr}");
    }
}

/// F.41: nothing is derived: any scope, the main table, in front of others, and our protocol.
#[test]
fn routes_are_put_as_they_are_written() {
    let mut lan = Lan::new(118);
    let a = master(&mut lan, &conf(ROUTING));
    for route in &lan.kernel(a).routes {
        assert_eq!((route.scope, route.kind), (None, 1), "{route:?}");
        let put = (route.table, route.protocol, route.create);
        assert_eq!(put, (TABLE_MAIN, PROTOCOL_KEEPALIVED, Create::Prepend));
    }
}

const ROUTING: &str = "virtual_routes {
    10.20.0.0/16 via 10.0.0.9
    10.21.0.0/16 dev eth1 src 10.0.0.100
}
virtual_rules {
    from 10.20.0.0/16 table 100 preference 1000
}";

#[test]
fn routes_and_rules_come_after_the_addresses_and_go_before_them() {
    let mut lan = Lan::new(111);
    let a = master(&mut lan, &conf(ROUTING));
    assert_eq!(lan.routes(a), ["10.21.0.0/16", "10.20.0.0/16"]);
    assert_eq!(lan.rules(a), [1000]);
    lan.stop(a);
    assert_eq!(lan.routes(a), [""; 0]);
    assert_eq!(lan.rules(a), []);
    lan.check_transcript("routes.txt");
}

/// Shows B.2 residue.
#[test]
fn what_a_crash_left_behind_is_taken_away() {
    let mut lan = Lan::new(112);
    let a = master(&mut lan, &conf(ROUTING));
    lan.kill(a);
    lan.start(a);
    assert_eq!(lan.routes(a), [""; 0]);
    assert_eq!(lan.rules(a), []);
    lan.run(4 * SEC);
    assert_eq!(lan.routes(a).len(), 2);
}

/// Shows B.8 route or rule removed.
#[test]
fn routes_and_rules_that_somebody_removes_come_back_and_are_counted() {
    let mut lan = Lan::new(113);
    let a = master(&mut lan, &conf(ROUTING));
    lan.remove_route(a, "10.20.0.0/16");
    assert_eq!(lan.routes(a), ["10.20.0.0/16", "10.21.0.0/16"]);
    lan.run(2 * SEC);
    lan.remove_rule(a, 1000);
    assert_eq!(lan.rules(a), [1000]);
    lan.expect(a, Master);
    assert_eq!(lan.statistics(a).restored, 2);
}

#[test]
fn routes_that_the_kernel_drops_without_a_word_are_asked_for_again() {
    let mut lan = Lan::new(114);
    let config = conf(&ROUTING.replace("src 10.0.0.100", "no_track"));
    let tracked = conf(&ROUTING.replace("dev eth1", "via 10.1.0.9"));
    let a = master(&mut lan, &tracked);
    // The route from the address goes with it.
    lan.remove_address(a, VIP);
    assert_eq!(lan.routes(a), ["10.21.0.0/16", "10.20.0.0/16"]);
    // So does the one over an interface that is switched off; nobody minds when it is not tracked.
    lan.reload(a, &config);
    lan.switch(a, ETH1, false);
    assert_eq!(lan.routes(a), ["10.20.0.0/16"]);
    lan.switch(a, ETH1, true);
    assert_eq!(lan.routes(a), ["10.20.0.0/16"]);
    lan.expect(a, Master);
}

/// Shows B.7 interface of an address.
#[test]
fn an_interface_of_a_tracked_route_that_is_down_is_a_fault() {
    let mut lan = Lan::new(115);
    let a = master(&mut lan, &conf(ROUTING));
    lan.switch(a, ETH1, false);
    lan.expect(a, Fault);
    assert_eq!(lan.routes(a), [""; 0]);
    lan.switch(a, ETH1, true);
    lan.run(4 * SEC);
    lan.expect(a, Master);
    assert_eq!(lan.routes(a), ["10.21.0.0/16", "10.20.0.0/16"]);
}

#[test]
fn rules_that_went_while_notices_were_lost_come_back_and_routes_are_asked_for_again() {
    let mut lan = Lan::new(116);
    let a = master(&mut lan, &conf(ROUTING));
    lan.forget_routing(a);
    lan.lose_notices(a, VIP);
    assert_eq!(lan.routes(a).len(), 2);
    assert_eq!(lan.rules(a), [1000]);
    lan.expect_only_owner(a, VIP);
}

#[test]
fn a_reload_changes_the_routes_that_changed_and_no_others() {
    let mut lan = Lan::new(117);
    let a = master(&mut lan, &conf(ROUTING));
    let new = ROUTING
        .replace("via 10.0.0.9", "via 10.0.0.8")
        .replace("preference 1000", "preference 1001");
    lan.reload(a, &conf(&new));
    lan.run(SEC);
    assert_eq!(lan.routes(a), ["10.21.0.0/16", "10.20.0.0/16"]);
    assert_eq!(lan.rules(a), [1001]);
    let transcript = lan.transcript();
    assert_eq!(transcript.matches("= route 10.20.0.0/16").count(), 1);
    assert!(
        !transcript.contains("- route 10.20.0.0/16\n  10."),
        "{transcript}"
    );
    assert_eq!(transcript.matches("+ route 10.21.0.0/16").count(), 1);
    lan.reload(a, &conf(""));
    assert_eq!(lan.routes(a), [""; 0]);
    assert_eq!(lan.rules(a), []);
}

const STATICS: &str = "track_group needs {
    group {
        VI_1
    }
}
static_ipaddress {
    10.0.5.1/24 dev eth0 track_group needs
    10.1.5.1/24 dev eth1
}
static_routes {
    10.40.0.0/16 via 10.1.0.9 dev eth1
}
static_rules {
    from 10.40.0.0/16 table 100 preference 900
}
";

#[test]
fn static_entries_are_there_before_and_after_any_master() {
    let mut lan = Lan::new(121);
    let a = lan.router("a", &(STATICS.to_owned() + &conf("")));
    for cidr in ["10.0.5.1/24", "10.1.5.1/24"] {
        lan.expect_only_owner(a, cidr);
    }
    assert_eq!(lan.routes(a), ["10.40.0.0/16"]);
    assert_eq!(lan.rules(a), [900]);
    lan.run(4 * SEC);
    lan.expect(a, Master);
    lan.stop(a);
    assert_eq!(lan.owners("10.0.5.1/24"), []);
    assert_eq!(lan.routes(a), [""; 0]);
    assert_eq!(lan.rules(a), []);
    lan.check_transcript("statics.txt");
}

#[test]
fn a_daemon_that_leaves_its_addresses_takes_what_is_static_away() {
    let mut lan = Lan::new(122);
    let a = master(&mut lan, &(STATICS.to_owned() + &conf("")));
    lan.leave(a);
    assert_eq!(lan.owners("10.0.5.1/24"), []);
    assert_eq!(lan.routes(a), [""; 0]);
    lan.expect_only_owner(a, VIP);
}

/// Shows B.8 static entry removed, F.19.
#[test]
fn static_entries_that_somebody_removes_are_put_back() {
    let mut lan = Lan::new(123);
    let a = lan.router("a", &(STATICS.to_owned() + &conf("")));
    lan.run(SEC);
    lan.remove_address(a, "10.0.5.1/24");
    lan.expect_only_owner(a, "10.0.5.1/24");
    lan.run(2 * SEC);
    lan.remove_rule(a, 900);
    lan.run(2 * SEC);
    lan.remove_route(a, "10.40.0.0/16");
    assert_eq!(lan.rules(a), [900]);
    assert_eq!(lan.routes(a), ["10.40.0.0/16"]);
    for told in ["address 10.0.5.1/24", "rule 900", "route 10.40.0.0/16"] {
        let told = format!("Restoring deleted static {told}");
        assert_eq!(lan.transcript().matches(&told).count(), 1, "{told}");
    }
    // In a fight, once a second.
    for _ in 0..100 {
        lan.remove_address(a, "10.0.5.1/24");
        lan.run(20 * MS);
    }
    lan.run(SEC);
    lan.expect_only_owner(a, "10.0.5.1/24");
    let told = lan
        .transcript()
        .matches("Restoring deleted static address")
        .count();
    assert!(told <= 5, "{told}");
}

#[test]
fn a_member_of_a_track_group_is_in_fault_while_its_static_address_is_missing() {
    let mut lan = Lan::new(124);
    let a = master(&mut lan, &(STATICS.to_owned() + &conf("")));
    lan.refuse(a, true);
    lan.remove_address(a, "10.0.5.1/24");
    lan.expect(a, Fault);
    // The other one is nobody's need.
    lan.refuse(a, false);
    lan.run(5 * SEC);
    lan.expect(a, Master);
    lan.refuse(a, true);
    lan.remove_address(a, "10.1.5.1/24");
    lan.expect(a, Master);
    lan.refuse(a, false);
}

#[test]
fn static_entries_of_an_interface_come_with_it_and_a_reload_changes_them() {
    let mut lan = Lan::new(125);
    let a = lan.router("a", &(STATICS.to_owned() + &conf("")));
    lan.run(SEC);
    lan.switch(a, ETH1, false);
    assert_eq!(lan.routes(a), [""; 0]);
    lan.switch(a, ETH1, true);
    assert_eq!(lan.routes(a), ["10.40.0.0/16"]);
    let other = STATICS
        .replace("10.1.5.1/24", "10.1.6.1/24")
        .replace("via 10.1.0.9", "via 10.1.0.8");
    lan.reload(a, &(other + &conf("")));
    assert_eq!(lan.owners("10.1.5.1/24"), []);
    lan.expect_only_owner(a, "10.1.6.1/24");
    assert_eq!(lan.transcript().matches("= route 10.40.0.0/16").count(), 1);
    lan.reload(a, &conf(""));
    assert_eq!(lan.owners("10.1.6.1/24"), []);
    assert_eq!(lan.rules(a), []);
}

fn announcements(lan: &Lan, of: &str) -> Vec<String> {
    let transcript = lan.transcript();
    let lines = transcript.lines().filter(|line| line.contains(of));
    lines.map(str::to_owned).collect()
}

/// Shows B.9 garp_interval.
#[test]
fn announcements_keep_their_distance_and_the_queue_goes_with_the_master() {
    let mut lan = Lan::new(131);
    let paced = "global_defs {
        vrrp_garp_interval 0.5
    }
    ";
    let config = conf(EXCLUDED).replace("garp_master_repeat 1", "garp_master_repeat 3");
    let a = lan.router("a", &(paced.to_owned() + &config));
    lan.run(3_415 * MS);
    lan.expect(a, Master);
    // Three rounds of two addresses, at half a second each; IPv6 does not wait.
    assert_eq!(
        announcements(&lan, "neighbour advertisement for").len(),
        2 * 3
    );
    lan.run(1_600 * MS);
    let told = announcements(&lan, "gratuitous ARP for");
    assert_eq!(told.len(), 4, "{told:?}");
    let (first, second) = (told[0].split_whitespace(), told[1].split_whitespace());
    assert_ne!(first.last(), second.last(), "rounds are outside");
    assert_eq!(lan.state(a).unwrap().announcements_waiting, 2);
    lan.unplug(a);
    assert_eq!(lan.state(a).unwrap().announcements_waiting, 0);
    lan.run(2 * SEC);
    assert_eq!(announcements(&lan, "gratuitous ARP for").len(), 4);
}

/// Shows B.9 garp_group.
#[test]
fn interfaces_of_a_group_share_their_pauses() {
    let mut lan = Lan::new(132);
    let group = "garp_group {
        garp_interval 1
        interfaces {
            eth0
            eth1
        }
    }
    ";
    let both = conf("virtual_ipaddress_excluded {\n 10.1.0.100 dev eth1\n}");
    let _a = master(&mut lan, &(group.to_owned() + &both));
    let told = announcements(&lan, "gratuitous ARP for");
    let seconds = |line: &String| line.split_whitespace().next().unwrap().to_owned();
    assert_eq!(seconds(&told[0]), "3.414062");
    assert_eq!(seconds(&told[1]), "4.414062");
}

#[test]
fn other_interfaces_are_announced_every_so_often() {
    let mut lan = Lan::new(133);
    let config = conf(
        "garp_extra_if all 2
        virtual_ipaddress_excluded {
            10.1.0.100 dev eth1
            10.1.0.101 dev eth1
        }",
    );
    let _a = master(&mut lan, &config);
    // The burst at the take-over and the second one, and at 2, 4 and 6 s one for each interface.
    assert_eq!(
        announcements(&lan, "gratuitous ARP for 10.1.0.100").len(),
        5
    );
    assert_eq!(
        announcements(&lan, "gratuitous ARP for 10.1.0.101").len(),
        2
    );
    assert_eq!(
        announcements(&lan, "gratuitous ARP for 10.0.0.100").len(),
        5
    );
}

#[test]
fn when_another_master_that_was_heard_is_gone_the_addresses_are_announced_again() {
    let mut lan = Lan::new(134);
    let quiet = "garp_master_delay 0\n garp_lower_prio_repeat 0\n garp_lower_prio_delay 0";
    let a = master(&mut lan, &conf(quiet));
    let count = |lan: &Lan| announcements(lan, "a gratuitous ARP for").len();
    let before = count(&lan);
    lan.inject(&advert(51, 80, vrrp::Auth::None));
    lan.run(3 * SEC);
    assert_eq!(count(&lan), before, "it may be there still");
    lan.run(SEC);
    assert_eq!(count(&lan), before + 1);
    // A goodbye is answered at once, a hundred of them once a second.
    for _ in 0..100 {
        lan.inject(&advert(51, 0, vrrp::Auth::None));
        lan.run(10 * MS);
    }
    assert!(count(&lan) <= before + 3, "{}", count(&lan) - before);
    lan.run(5 * SEC);
    assert!(count(&lan) <= before + 4, "{}", count(&lan) - before);
    lan.expect(a, Master);
}
