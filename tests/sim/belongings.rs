//! What a state owns in the kernel, and telling the network of it: stories told by hand.

use keepalived::vrrp::StateName::{Fault, Master};

use crate::kernel::ETH1;
use crate::lan::{Id, Lan, MS, SEC};

const VIP: &str = "10.0.0.100";

/// An instance that is alone, with more in it.
fn conf(extra: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{
            interface eth0
            virtual_router_id 51
            priority 150
            advert_int 1
            garp_master_repeat 1
            virtual_ipaddress {{
                {VIP}
            }}
            {extra}
        }}"
    )
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
    lan.refuse(a, false);
    lan.run(1_100 * MS);
    lan.expect_only_owner(a, "fd00::100");
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
