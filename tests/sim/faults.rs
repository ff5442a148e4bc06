//! Causes of FAULT, the ways out of it, and what the kernel tells of interfaces and addresses.

use keepalived::vrrp::StateName::{Backup, Fault, Master};
use keepalived::vrrp::{Condition, Object};

use crate::kernel::{ETH0, ETH1};
use crate::lan::{Id, Lan, MS, SEC};

const VIP: &str = "10.0.0.100";
const DYNAMIC: &str = "global_defs {\ndynamic_interfaces\n}\n";

fn conf(priority: u8, extra: &str) -> String {
    on("eth0", priority, extra)
}

fn on(interface: &str, priority: u8, extra: &str) -> String {
    format!(
        "vrrp_instance VI {{
            interface {interface}
            virtual_router_id 51
            priority {priority}
            virtual_ipaddress {{
                {VIP}
            }}
            {extra}
        }}
        "
    )
}

fn master(lan: &mut Lan, config: &str) -> Id {
    let id = lan.router("a", config);
    lan.run(5 * SEC);
    lan.expect(id, Master);
    id
}

/// The causes that it knows of.
fn faults(lan: &Lan, id: Id) -> Vec<String> {
    lan.state(id).expect("it runs").faults
}

fn count(lan: &Lan, words: &str) -> usize {
    lan.transcript().matches(words).count()
}

/// B.7 missing interface: with dynamic_interfaces it is waited for, B.8 link appears.
#[test]
fn an_interface_that_comes_later_ends_the_fault() {
    let mut lan = Lan::new(701);
    let a = lan.router("a", &(DYNAMIC.to_owned() + &on("eth7", 150, "")));
    lan.run(10 * SEC);
    lan.expect(a, Fault);
    assert_eq!(faults(&lan, a), ["interface eth7 does not exist"]);
    lan.meddle(a, "gets an interface", |kernel| {
        kernel.plug_in("eth7", "10.7.0.1/24")
    });
    lan.expect(a, Backup);
    assert_eq!(count(&lan, "Interface eth7 added"), 1);
    lan.run(4 * SEC);
    lan.expect_only_owner(a, VIP);
}

/// B.8 link deleted: its sockets go with it, and it may come back with another number.
#[test]
fn an_interface_that_goes_is_a_fault_and_may_come_back() {
    let mut lan = Lan::new(702);
    let a = lan.configured("a", &(DYNAMIC.to_owned() + &on("eth7", 150, "")));
    lan.meddle(a, "gets an interface", |kernel| {
        kernel.plug_in("eth7", "10.7.0.1/24")
    });
    lan.start(a);
    lan.run(5 * SEC);
    lan.expect(a, Master);
    for round in 1..=2 {
        lan.meddle(a, "loses an interface", |kernel| {
            let index = kernel.link("eth7").expect("it is there").index;
            kernel.take_away(index).expect("it can");
        });
        lan.expect(a, Fault);
        assert_eq!(count(&lan, "Interface eth7 deleted"), round);
        assert_eq!(count(&lan, "leaves the group"), round);
        lan.meddle(a, "gets an interface", |kernel| {
            kernel.plug_in("eth7", "10.7.0.1/24")
        });
        lan.run(5 * SEC);
        lan.expect_only_owner(a, VIP);
    }
}

/// B.8 rename: a deletion under the old name, an arrival under the new one.
#[test]
fn a_renamed_interface_is_another_one() {
    let mut lan = Lan::new(703);
    let a = master(&mut lan, &(DYNAMIC.to_owned() + &conf(150, "")));
    lan.meddle(a, "renames eth0", |kernel| kernel.rename("eth0", "lan0"));
    lan.expect(a, Fault);
    assert_eq!(faults(&lan, a), ["interface eth0 does not exist"]);
    assert!(lan.owners(VIP).is_empty());
    assert_eq!(
        count(&lan, "Interface name has changed from eth0 to lan0"),
        1
    );
    lan.meddle(a, "renames lan0", |kernel| kernel.rename("lan0", "eth0"));
    lan.expect(a, Backup);
    lan.run(4 * SEC);
    lan.expect_only_owner(a, VIP);
}

/// B.8 MTU: how many addresses fit in an advert is found anew, and nothing else happens.
#[test]
fn another_mtu_moves_nobody() {
    let many: String = (1..=20).map(|n| format!("10.3.0.{n}\n")).collect();
    let text = conf(150, "").replace(VIP, &many);
    let mut lan = Lan::new(704);
    let a = master(&mut lan, &text);
    let advertised = |lan: &Lan| lan.last_sent(a).advert().addresses().count();
    assert_eq!(advertised(&lan), 20);
    for (mtu, fit) in [(68, 8), (9000, 20)] {
        lan.meddle(a, "has another MTU", |kernel| kernel.resize(ETH0, mtu));
        lan.run(SEC);
        assert_eq!(advertised(&lan), fit, "{mtu}");
    }
    assert_eq!(lan.statistics(a).release_master, 0);
    assert_eq!(count(&lan, "12 of 20 addresses do not fit in an advert"), 1);
}

/// B.7 no source, B.8 address added: with an address the fault is over; B.8 source removed: the
/// next address of the interface is taken without a word, and without one it is a fault.
#[test]
fn the_source_is_an_address_of_the_interface_and_without_one_there_is_a_fault() {
    let mut lan = Lan::new(705);
    let a = master(&mut lan, &conf(150, ""));
    lan.meddle(a, "gets an address", |kernel| {
        kernel.add("10.0.0.9/24".parse().expect("one"))
    });
    lan.meddle(a, "loses an address", |kernel| {
        kernel.remove("10.0.0.1/24".parse().expect("one"))
    });
    lan.run(SEC);
    lan.expect(a, Master);
    assert_eq!(lan.last_sent(a).from.to_string(), "10.0.0.9");
    lan.meddle(a, "loses an address", |kernel| {
        kernel.remove("10.0.0.9/24".parse().expect("one"))
    });
    lan.expect(a, Fault);
    assert_eq!(faults(&lan, a), ["no IPv4 address for interface"]);
    lan.meddle(a, "gets an address", |kernel| {
        kernel.add("10.0.0.8/24".parse().expect("one"))
    });
    lan.expect(a, Backup);
}

/// B.8 link-local source: of IPv6 no other address is one.
#[test]
fn of_ipv6_only_a_link_local_address_is_a_source() {
    let text = conf(150, "").replace(VIP, "fe80::100\n2001:db8::100");
    let mut lan = Lan::new(706);
    let a = master(&mut lan, &text);
    assert_eq!(lan.last_sent(a).from.to_string(), "fe80::1");
    lan.meddle(a, "gets an address", |kernel| {
        kernel.add("2001:db8::1/64".parse().expect("one"))
    });
    lan.remove_address(a, "fe80::1/64");
    // The kernel has the same on eth1, which is another interface's.
    lan.expect(a, Fault);
    assert_eq!(faults(&lan, a), ["no IPv6 address for interface"]);
}

/// B.7 interface of an address, B.7 no_track: only what is tracked is needed. B.7
/// dont_track_primary leaves the instance's own interface out and no other one.
#[test]
fn interfaces_of_addresses_are_needed_unless_they_are_not_tracked() {
    for (word, extra, state) in [
        ("", "", Fault),
        ("no_track", "", Master),
        ("", "dont_track_primary", Fault),
    ] {
        let excluded = format!("virtual_ipaddress_excluded {{\n10.1.0.100 dev eth1 {word}\n}}");
        let mut lan = Lan::new(707);
        let a = master(&mut lan, &conf(150, &format!("{excluded}\n{extra}")));
        lan.unplug_link(a, ETH1);
        lan.expect(a, state);
    }
}

/// B.7 tracked without weight: of every kind, and so B.10 track_bfd; B.7 faults by cause, F.18,
/// each of them told in a line of its own: B.7 cause lines.
#[test]
fn whatever_is_tracked_without_a_weight_is_needed() {
    let objects = "
        vrrp_script chk { script /bin/true }
        vrrp_track_file file { file /tmp/number }
        vrrp_track_process web { process httpd }
        bfd_instance far { neighbor_ip 10.0.0.9 }
    ";
    let tracks = "
        track_interface { eth1 }
        track_script { chk }
        track_file { file weight 0 }
        track_process { web weight 0 }
        track_bfd { far weight 0 }
    ";
    let kinds = [
        (
            Object::Script("chk".to_owned()),
            Condition::Up,
            Condition::Down,
        ),
        (
            Object::File("file".to_owned()),
            Condition::Value(0),
            Condition::Value(1),
        ),
        (
            Object::Process("web".to_owned()),
            Condition::Up,
            Condition::Down,
        ),
        (
            Object::Bfd("far".to_owned()),
            Condition::Up,
            Condition::Down,
        ),
    ];
    let mut lan = Lan::new(708);
    let a = lan.router("a", &(objects.to_owned() + &conf(150, tracks)));
    for (object, good, _) in &kinds {
        lan.tracked(a, object, *good);
    }
    lan.run(5 * SEC);
    lan.expect(a, Master);
    lan.unplug_link(a, ETH1);
    for (object, _, bad) in &kinds {
        lan.tracked(a, object, *bad);
    }
    assert_eq!(lan.statistics(a).pri_zero_sent, 1);
    for line in [
        "(VI): entering FAULT state (interface eth1 down)",
        "(VI): entering FAULT state due to script chk",
        "(VI): entering FAULT state (tracked file file)",
        "(VI): entering FAULT state (tracked process web quorum not achieved)",
        "(VI): entering FAULT state (BFD instance far)",
    ] {
        assert_eq!(count(&lan, line), 1, "{line}: {}", lan.transcript());
    }
    lan.plug_link(a, ETH1);
    for (object, good, _) in &kinds {
        lan.expect(a, Fault);
        lan.tracked(a, object, *good);
    }
    lan.expect(a, Backup);
}

/// B.7 empty unicast_peer: the group is spoken to, F.39.
#[test]
fn without_peers_an_instance_speaks_to_the_group() {
    let mut lan = Lan::new(709);
    let a = master(&mut lan, &conf(150, "unicast_peer {\n}"));
    assert_eq!(lan.last_sent(a).to.to_string(), "224.0.0.18");
}

/// B.7 unicast source: its peers may have forgotten where it is.
#[test]
fn a_unicast_instance_that_was_in_fault_announces_its_source() {
    let unicast = "unicast_peer {\n10.0.0.2\n}";
    let told = "a gratuitous ARP for 10.0.0.1\n";
    for (extra, times) in [(unicast, 1), ("", 0)] {
        let mut lan = Lan::new(710);
        let a = master(&mut lan, &conf(150, extra));
        assert_eq!(count(&lan, told), 0);
        lan.unplug(a);
        lan.plug(a);
        assert_eq!(count(&lan, told), times, "{}", lan.transcript());
    }
}

/// B.7 way back: the whole master-down interval, and by the own advert interval.
#[test]
fn the_way_back_from_fault_takes_the_whole_interval() {
    let mut lan = Lan::new(711);
    let a = master(&mut lan, &conf(150, ""));
    lan.unplug(a);
    lan.run(SEC);
    lan.plug(a);
    lan.run(3_414 * MS);
    lan.expect(a, Backup);
    lan.run(MS);
    lan.expect(a, Master);
}

/// B.8 address removed elsewhere: a backup has none of them, and does not mind. B.8 our address of
/// somebody else: it is left to whoever has put it there.
#[test]
fn a_backup_leaves_the_addresses_of_others_alone() {
    let mut lan = Lan::new(712);
    let a = lan.router("a", &conf(150, "nopreempt"));
    let b = lan.router("b", &conf(200, ""));
    lan.run(5 * SEC);
    lan.expect(b, Master);
    let before = lan.transcript().len();
    lan.add_address(a, VIP);
    lan.run(SEC);
    assert_eq!(lan.owners(VIP), [a, b]);
    lan.remove_address(a, VIP);
    lan.run(SEC);
    assert_eq!(lan.owners(VIP), [b]);
    let said = lan.transcript()[before..].to_owned();
    assert!(!said.contains("a +") && !said.contains("a -"), "{said}");
    assert_eq!(lan.statistics(a).restored, 0);
}

/// B.8 address monitoring: with -a all changes are told that are not our own.
#[test]
fn addresses_that_come_and_go_are_told_of_when_that_is_wanted() {
    for (wanted, times) in [(true, 1), (false, 0)] {
        let mut lan = Lan::new(713);
        let a = lan.configured("a", &conf(150, ""));
        if wanted {
            lan.tell_of_addresses(a);
        }
        lan.start(a);
        lan.run(5 * SEC);
        lan.add_address(a, "10.0.0.77/24");
        lan.remove_address(a, "10.0.0.77/24");
        for line in [
            "Netlink reflector reports IP 10.0.0.77 added to eth0",
            "Netlink reflector reports IP 10.0.0.77 removed from eth0",
        ] {
            assert_eq!(count(&lan, line), times, "{}", lan.transcript());
        }
        assert_eq!(count(&lan, "reports IP 10.0.0.100"), 0);
    }
}

/// B.8 down delay too long: one that backups do not wait for is cut to what they do, which is two
/// intervals less 1/256.
#[test]
fn a_down_delay_beyond_what_backups_wait_for_is_cut() {
    let delays = "interface_up_down_delays {\neth0 3\n}\n";
    let mut lan = Lan::new(714);
    let a = master(&mut lan, &(delays.to_owned() + &conf(150, "")));
    lan.unplug(a);
    lan.run(1_996 * MS);
    lan.expect(a, Master);
    lan.run(MS);
    lan.expect(a, Fault);
}
