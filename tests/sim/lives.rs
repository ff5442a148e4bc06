//! How instances begin, change and end: delays of the start, reloads, stops, and owners.

use keepalived::vrrp::StateName::{Backup, Fault, Master};

use crate::confs::{VIP, signed as conf};
use crate::lan::{Lan, MS, SEC};
use crate::packets::{PASSWORD, advert};

fn global(lines: &str) -> String {
    format!("global_defs {{\n{lines}\n}}\n")
}

/// Shows B.2 vrrp_startup_delay, B.4 deadline in a delayed start.
#[test]
fn a_delayed_start_hears_nothing_and_takes_nothing() {
    let mut lan = Lan::new(301);
    let a = lan.router("a", &(global("vrrp_startup_delay 5") + &conf(150, "")));
    lan.run(SEC);
    let heard = lan.statistics(a).advert_rcvd;
    lan.inject(&advert(51, 200, PASSWORD));
    assert_eq!(lan.statistics(a).advert_rcvd, heard);
    // 5 s and 3.414 s.
    lan.run(7_400 * MS);
    lan.expect(a, Backup);
    lan.run(20 * MS);
    lan.expect(a, Master);
    let said = lan.transcript();
    assert!(
        said.contains("   0.000000 a Delaying startup for 5 seconds"),
        "{said}"
    );
    assert!(
        said.contains("   5.000000 a Delayed start completed"),
        "{said}"
    );
}

#[test]
fn an_owner_waits_for_a_delayed_start_too() {
    let mut lan = Lan::new(302);
    let a = lan.router("a", &(global("vrrp_startup_delay 2.5") + &conf(255, "")));
    lan.run(2_400 * MS);
    lan.expect(a, Backup);
    lan.run(110 * MS);
    lan.expect(a, Master);
}

/// Shows B.2 vrrp_delay_after_boot.
#[test]
fn the_delay_after_the_boot_is_what_the_machine_has_not_been_up_for() {
    for (uptime, late) in [(40, 20), (59, 1), (61, 0)] {
        let mut lan = Lan::new(303);
        let a = lan.configured("a", &(global("vrrp_delay_after_boot 60") + &conf(150, "")));
        lan.booted(a, uptime * SEC);
        lan.start(a);
        lan.run(late * SEC + 3_410 * MS);
        lan.expect(a, Backup);
        lan.run(10 * MS);
        lan.expect(a, Master);
    }
}

/// Shows B.2 delay over a reload.
#[test]
fn a_reload_changes_what_is_left_of_a_delay() {
    let delayed = |seconds| global(&format!("vrrp_startup_delay {seconds}")) + &conf(150, "");
    let mut lan = Lan::new(304);
    let a = lan.router("a", &delayed(60));
    lan.run(5 * SEC);
    lan.reload(a, &delayed(10));
    assert!(
        lan.transcript()
            .contains("Delaying startup for a further 4.998 seconds")
    );
    lan.run(8 * SEC);
    lan.expect(a, Backup);
    lan.run(SEC);
    lan.expect(a, Master);

    let mut lan = Lan::new(305);
    let a = lan.router("a", &delayed(60));
    lan.run(5 * SEC);
    lan.reload(a, &delayed(3));
    assert!(lan.transcript().contains("Reduced delayed start passed"));
    lan.run(3_420 * MS);
    lan.expect(a, Master);
}

#[test]
fn a_reload_gives_a_backup_a_fresh_interval() {
    let mut lan = Lan::new(306);
    let a = lan.router("a", &conf(150, ""));
    lan.run(3 * SEC);
    lan.reload(a, &conf(150, ""));
    lan.run(3_400 * MS);
    lan.expect(a, Backup);
    lan.run(20 * MS);
    lan.expect(a, Master);
}

#[test]
fn a_renamed_instance_goes_on_and_one_of_another_number_is_another() {
    let mut lan = Lan::new(307);
    let a = lan.router("a", &conf(150, ""));
    lan.run(10 * SEC);
    lan.reload(a, &conf(150, "").replace("VI", "WEB"));
    lan.run(10 * SEC);
    let state = lan.instance(a, "WEB").expect("it runs");
    assert_eq!((state.state, state.statistics.become_master), (Master, 1));
    assert_eq!(state.statistics.release_master, 0);
    lan.reload(a, &conf(150, "").replace("51", "52"));
    lan.expect(a, Backup);
    assert!(
        lan.transcript().contains("vrid 51 priority 0"),
        "{}",
        lan.transcript()
    );
    assert!(lan.owners(VIP).is_empty());
}

#[test]
fn a_master_that_a_reload_puts_into_fault_leaves_with_one_goodbye() {
    let mut lan = Lan::new(308);
    let a = lan.router("a", &conf(150, ""));
    lan.run(10 * SEC);
    lan.unplug_link(a, crate::kernel::ETH1);
    lan.reload(a, &conf(150, "track_interface {\neth1\n}"));
    lan.expect(a, Fault);
    assert_eq!(lan.statistics(a).pri_zero_sent, 1);
    assert!(lan.owners(VIP).is_empty());
}

#[test]
fn instances_stop_in_the_order_of_the_file() {
    let second = |text: String| text.replace("VI", "VJ").replace("51", "52");
    let other = second(conf(150, "")).replace(VIP, "10.0.0.101");
    let mut lan = Lan::new(309);
    let a = lan.router("a", &conf(150, ""));
    lan.reload(a, &(other + &conf(150, "")));
    lan.run(10 * SEC);
    lan.stop(a);
    let said = lan.transcript();
    let at = |words: &str| said.rfind(words).expect("it is said");
    let order = [
        "vrid 52 priority 0",
        "- 10.0.0.101",
        "vrid 51 priority 0",
        "- 10.0.0.100",
        "leaves the group",
    ];
    assert!(order.map(at).is_sorted(), "{said}");
}

/// The first start of an instance removes what a crash may have left; `-X` goes on doing so.
#[test]
fn with_release_vips_a_transition_removes_what_somebody_else_has_put_there() {
    for (released, owners) in [(false, 1), (true, 0)] {
        let mut lan = Lan::new(310);
        let a = lan.configured("a", &conf(150, ""));
        if released {
            lan.release_all(a);
        }
        lan.start(a);
        lan.run(SEC);
        lan.add_address(a, VIP);
        lan.unplug(a);
        lan.expect(a, Fault);
        assert_eq!(lan.owners(VIP).len(), owners, "{}", lan.transcript());
    }
}

/// The configuration that makes a daemon quiet towards a weaker master.
#[test]
fn lower_prio_no_advert_and_strict_mode_do_not_answer_a_weaker_master() {
    let plain = conf(150, "");
    let strict = conf(150, "strict_mode").replace("PASS", "NONE");
    for (text, adverts) in [
        (plain.clone(), 1),
        (conf(150, "lower_prio_no_advert"), 0),
        (global("vrrp_lower_prio_no_advert") + &plain, 0),
        (strict, 0),
    ] {
        let mut lan = Lan::new(311);
        let a = lan.router("a", &text);
        lan.run(30_200 * MS);
        let before = lan.statistics(a).advert_sent;
        let auth = if text.contains("strict") {
            keepalived::wire::vrrp::Auth::None
        } else {
            PASSWORD
        };
        lan.inject(&advert(51, 100, auth));
        assert_eq!(lan.statistics(a).advert_sent, before + adverts, "{text}");
        lan.expect(a, Master);
        // The own interval goes on as it was.
        lan.run(SEC);
        assert_eq!(lan.statistics(a).advert_sent, before + adverts + 1);
    }
}

/// Shows B.5 higher_prio_send_advert.
#[test]
fn higher_prio_send_advert_lets_a_stronger_master_hear_of_the_weaker_once() {
    for (extra, adverts) in [("", 0), ("higher_prio_send_advert", 1)] {
        let mut lan = Lan::new(312);
        let a = lan.router("a", &conf(150, extra));
        lan.run(10 * SEC);
        let before = lan.statistics(a).advert_sent;
        lan.inject(&advert(51, 200, PASSWORD));
        lan.expect(a, Backup);
        assert_eq!(lan.statistics(a).advert_sent, before + adverts);
        assert_eq!(lan.statistics(a).pri_zero_sent, 0);
    }
}

/// Shows B.1 down_timer_adverts.
#[test]
fn down_timer_adverts_are_how_many_a_backup_may_miss() {
    for (adverts, millis) in [(1, 1_414), (2, 2_414), (10, 10_414)] {
        let mut lan = Lan::new(313);
        let a = lan.router("a", &conf(150, &format!("down_timer_adverts {adverts}")));
        lan.run(millis * MS);
        lan.expect(a, Backup);
        lan.run(MS);
        lan.expect(a, Master);
    }
}

/// It slept so long that the other became master; a packet that waited is no reason to answer it.
/// Shows B.5 timer_expired_backup.
#[test]
fn a_master_that_was_late_becomes_backup_where_it_is_told_to() {
    for (extra, stays) in [("", true), ("timer_expired_backup 100", false)] {
        let mut lan = Lan::new(314);
        let text = conf(150, &format!("nopreempt\n{extra}"));
        let a = lan.router("a", &text);
        let b = lan.router("b", &conf(100, "nopreempt"));
        lan.run(10 * SEC);
        lan.stall(a, 6 * SEC);
        lan.run(10 * SEC);
        let (master, other) = if stays { (a, b) } else { (b, a) };
        lan.expect(master, Master);
        lan.expect(other, Backup);
        let line = "(VI) VRRP thread timer expired";
        assert_eq!(
            lan.transcript().contains(line),
            !stays,
            "{}",
            lan.transcript()
        );
    }
}

#[test]
fn a_master_that_was_a_little_late_stays() {
    let mut lan = Lan::new(315);
    let a = lan.router("a", &conf(150, "nopreempt\ntimer_expired_backup 100"));
    lan.run(10 * SEC);
    lan.stall(a, 2_900 * MS);
    lan.run(10 * SEC);
    lan.expect(a, Master);
    assert_eq!(lan.statistics(a).release_master, 0);
}

/// Shows B.6 owner_ignore_adverts, F.40.
#[test]
fn an_owner_that_ignores_adverts_is_moved_by_none() {
    for (extra, state) in [
        ("owner_ignore_adverts", Master),
        ("owner_ignore_adverts off", Master),
        ("", Master),
    ] {
        let mut lan = Lan::new(316);
        let a = lan.router("a", &conf(255, extra));
        lan.run(SEC);
        lan.inject(&advert(51, 254, PASSWORD));
        let heard = lan.statistics(a).advert_rcvd;
        assert_eq!(heard, u64::from(extra != "owner_ignore_adverts"), "{extra}");
        lan.expect(a, state);
    }
}

/// Shows B.7 way back of an owner, F.17.
#[test]
fn an_owner_in_fault_comes_back_through_backup() {
    let mut lan = Lan::new(317);
    let a = lan.router("a", &conf(255, ""));
    lan.run(SEC);
    lan.unplug(a);
    lan.expect(a, Fault);
    lan.plug(a);
    lan.expect(a, Backup);
    lan.run(3_003 * MS);
    lan.expect(a, Backup);
    lan.run(MS);
    lan.expect(a, Master);
}

/// Shows B.6 lower address, B.6 higher address, B.6 peace.
#[test]
fn of_two_owners_the_one_with_the_lower_address_gives_way() {
    let mut lan = Lan::new(318);
    let a = lan.router("a", &conf(255, ""));
    lan.cut(a);
    let b = lan.router("b", &conf(255, ""));
    lan.run(1_500 * MS);
    lan.heal(a);
    lan.run(10 * SEC);
    lan.expect(a, Backup);
    lan.expect_only_owner(b, VIP);
    let said = lan.transcript();
    let error = "CONFIGURATION ERROR: local instance and";
    assert_eq!(said.matches(error).count(), 2, "each says so once: {said}");
    assert!(
        said.contains("b (VI): rogue address owner appears to have stopped advertising"),
        "{said}"
    );
    assert_eq!(lan.state(a).expect("it runs").priority, 255);
    assert_eq!(lan.state(b).expect("it runs").priority, 255);
    lan.check_transcript("two_owners.txt");
}

/// The other one does not listen, so that the one with the higher address must give way.
/// Shows B.6 reduced owner, B.6 restored as MASTER.
#[test]
fn an_owner_concedes_to_one_that_does_not_stop_and_is_itself_again_afterwards() {
    let mut lan = Lan::new(319);
    let a = lan.router("a", &conf(255, "owner_ignore_adverts"));
    let b = lan.router("b", &conf(255, ""));
    lan.run(1_500 * MS);
    assert_eq!(lan.masters(), [a, b]);
    lan.run(10 * SEC);
    lan.expect_only_owner(a, VIP);
    assert_eq!(lan.state(b).expect("it runs").priority, 254);
    let said = lan.transcript();
    let line = "b (VI) 10.0.0.1 is still advertising as address owner, please resolve - reducing \
                our priority";
    assert!(said.contains(line), "{said}");
    // The other is gone for good.
    lan.kill(a);
    lan.run(5 * SEC);
    lan.expect(b, Master);
    assert_eq!(lan.state(b).expect("it runs").priority, 255);
    let said = lan.transcript();
    let line = "Restoring our priority to 255 since other address owner has disappeared";
    assert!(said.contains(line), "{said}");
}

/// Shows B.6 restored by an advert.
#[test]
fn an_owner_that_conceded_claims_all_again_when_somebody_claims_less() {
    let mut lan = Lan::new(320);
    let a = lan.router("a", &conf(255, "owner_ignore_adverts"));
    let b = lan.router("b", &conf(255, ""));
    lan.run(10_500 * MS);
    assert_eq!(lan.state(b).expect("it runs").priority, 254);
    lan.stop(a);
    assert_eq!(lan.state(b).expect("it runs").priority, 254);
    lan.run(10 * MS);
    assert_eq!(lan.state(b).expect("it runs").priority, 255);
    lan.expect_only_owner(b, VIP);
}

/// Shows B.7 duplicate VRID.
#[test]
fn two_instances_of_one_number_where_one_speaks_do_not_both_run() {
    let loose = global("dynamic_interfaces allow_if_changes");
    let second = conf(150, "").replace("VI", "VJ").replace(VIP, "10.0.0.101");
    let mut lan = Lan::new(321);
    let a = lan.router("a", &(loose + &conf(150, "") + &second));
    lan.run(10 * SEC);
    lan.expect_only_owner(a, VIP);
    let other = lan.instance(a, "VJ").expect("it runs");
    assert_eq!(other.state, Fault);
    assert_eq!(other.faults, ["VRID conflict with VI"]);
    let said = lan.transcript();
    let line = "VRID conflict between VI and VJ IPv4 vrid 51";
    assert_eq!(said.matches(line).count(), 1, "{said}");
}

/// As many as one interface can have, ten adverts a second each: nobody ever loses its place.
#[test]
fn two_hundred_and_fifty_five_instances_are_steady_for_a_minute() {
    let text = |priority: u8| {
        let one = |number: u8| {
            format!(
                "vrrp_instance V{number} {{
                    interface eth0
                    version 3
                    virtual_router_id {number}
                    priority {priority}
                    advert_int 0.1
                    virtual_ipaddress {{
                        10.2.0.{number}
                    }}
                }}
                "
            )
        };
        (1..=255).map(one).collect::<String>()
    };
    let mut lan = Lan::new(322);
    lan.leave_unchecked();
    let a = lan.router("a", &text(150));
    let b = lan.router("b", &text(100));
    lan.run(60 * SEC);
    for (id, state, masters) in [(a, Master, 1), (b, Backup, 0)] {
        let instances = lan.instances(id);
        assert_eq!(instances.len(), 255);
        for instance in instances {
            let became = instance.statistics.become_master;
            assert_eq!(
                (instance.state, became),
                (state, masters),
                "{}",
                instance.name
            );
        }
    }
}

/// The only address of eth9 was one of an instance that the reload took away.
#[test]
fn nobody_speaks_from_an_address_that_has_gone_with_another_instance() {
    let mut lan = Lan::new(340);
    let a = lan.router(
        "a",
        &conf(150, "virtual_ipaddress_excluded {\n10.9.0.1/24 dev eth9\n}"),
    );
    lan.run(5 * SEC);
    lan.expect(a, Master);
    let other = conf(150, "").replace("eth0", "eth9").replace("VI", "VI_9");
    lan.reload(a, &other);
    lan.expect(a, Fault);
    lan.run(10 * SEC);
    lan.expect(a, Fault);
}
