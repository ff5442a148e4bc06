//! What a state owns in the kernel, and telling the network of it: stories told by hand.

use keepalived::vrrp::StateName::Master;

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
