//! Stories told by hand: the configuration on top, then the timeline, then what must be true.

use std::time::Duration;

use keepalived::vrrp::StateName::{Backup, Fault, Master};
use keepalived::wire::vrrp;

use crate::lan::{Lan, MS, SEC};
use crate::packets::{PASSWORD, advert};

const VIP: &str = "10.0.0.100";

/// A pair as in the operators' guides; `extra` goes into the instance.
fn conf(priority: u8, extra: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{
            state BACKUP
            interface eth0
            virtual_router_id 51
            priority {priority}
            advert_int 1
            authentication {{
                auth_type PASS
                auth_pass 1111
            }}
            virtual_ipaddress {{
                {VIP}
            }}
            {extra}
        }}"
    )
}

/// Shows B.2 everybody else, F.32.
#[test]
fn the_higher_priority_becomes_master_and_the_other_stays_backup() {
    let mut lan = Lan::new(1);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    lan.expect(a, Master);
    lan.expect(b, Backup);
    lan.expect_only_owner(a, VIP);
    lan.check_transcript("start.txt");
}

/// Shows B.3 deadline in BACKUP, B.4 deadline.
#[test]
fn the_backup_takes_over_when_the_master_falls_silent() {
    let mut lan = Lan::new(2);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    lan.cut(a);
    // Three intervals and a skew of 0.609 s after the last advert, which was at most 1 s ago.
    lan.run(2_600 * MS);
    lan.expect(b, Backup);
    lan.run(1_100 * MS);
    lan.expect(b, Master);
    lan.heal(a);
    lan.run(2 * SEC);
    lan.expect(a, Master);
    lan.expect(b, Backup);
    lan.expect_only_owner(a, VIP);
    lan.check_transcript("takeover.txt");
}

/// Shows B.3 stop.
#[test]
fn a_master_that_stops_hands_over_within_the_skew_time() {
    let mut lan = Lan::new(3);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    lan.stop(a);
    lan.run(620 * MS);
    lan.expect(b, Master);
    lan.expect_only_owner(b, VIP);
    lan.start(a);
    lan.run(4 * SEC);
    lan.expect(a, Master);
    lan.expect_only_owner(a, VIP);
    lan.check_transcript("stop.txt");
}

#[test]
fn nopreempt_leaves_the_weaker_master_in_place() {
    let mut lan = Lan::new(4);
    let b = lan.router("b", &conf(100, ""));
    lan.run(5 * SEC);
    let a = lan.router("a", &conf(150, "nopreempt"));
    lan.run(20 * SEC);
    lan.expect(b, Master);
    lan.expect(a, Backup);
    lan.stop(b);
    lan.run(SEC);
    lan.expect(a, Master);
}

/// Shows B.4 preempt delay is not the whole, F.6.
#[test]
fn preempt_delay_starts_with_the_first_weaker_advert() {
    let mut lan = Lan::new(5);
    let b = lan.router("b", &conf(100, ""));
    lan.run(5 * SEC);
    let a = lan.router("a", &conf(150, "preempt_delay 3"));
    lan.run(5 * SEC);
    lan.expect(a, Backup);
    lan.expect(b, Master);
    // 3 s of delay, then what is left of 3.414 s since the last advert that counted.
    lan.run(3 * SEC);
    lan.expect(a, Master);
    lan.expect(b, Backup);
}

/// Shows B.3 equal in MASTER, B.5 tie.
#[test]
fn equals_that_meet_as_masters_are_parted_by_address() {
    let mut lan = Lan::new(6);
    let a = lan.router("a", &conf(100, ""));
    let b = lan.router("b", &conf(100, ""));
    lan.cut(a);
    lan.run(6 * SEC);
    lan.expect(a, Master);
    lan.expect(b, Master);
    lan.heal(a);
    lan.run(2 * SEC);
    lan.expect(a, Backup);
    lan.expect(b, Master);
    lan.expect_only_owner(b, VIP);
}

/// Shows B.3 equal in BACKUP.
#[test]
fn an_equal_backup_takes_the_master_for_its_master_whatever_the_addresses() {
    let mut lan = Lan::new(7);
    let a = lan.router("a", &conf(100, ""));
    lan.run(5 * SEC);
    let b = lan.router("b", &conf(100, ""));
    lan.run(30 * SEC);
    lan.expect(a, Master);
    lan.expect(b, Backup);
    assert_eq!(lan.statistics(b).become_master, 0);
}

/// Shows B.2 owner, F.1.
#[test]
fn an_owner_is_master_at_once_and_without_a_word_of_backup() {
    let mut lan = Lan::new(8);
    let text = conf(255, "");
    let a = lan.router("a", &text.replace("state BACKUP", "state MASTER"));
    lan.expect(a, Master);
    assert!(!lan.transcript().contains("BACKUP"), "{}", lan.transcript());
}

#[test]
fn a_backup_that_slept_reads_the_waiting_adverts_before_it_believes_the_master_dead() {
    let mut lan = Lan::new(9);
    let a = lan.router("a", &conf(200, ""));
    let b = lan.router("b", &conf(150, ""));
    lan.run(10 * SEC);
    lan.stall(b, 8 * SEC);
    lan.run(15 * SEC);
    lan.expect(a, Master);
    lan.expect(b, Backup);
    assert_eq!(lan.statistics(b).become_master, 0, "{}", lan.transcript());
    lan.check_transcript("late_wake_up.txt");
}

#[test]
fn a_master_that_slept_yields_to_the_advert_that_waits_for_it() {
    let mut lan = Lan::new(10);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(150, ""));
    lan.run(10 * SEC);
    let [master] = lan.masters()[..] else {
        panic!("{}", lan.transcript())
    };
    let other = if master == a { b } else { a };
    lan.stall(master, 8 * SEC);
    lan.run(20 * SEC);
    assert_eq!(lan.masters().len(), 1, "{}", lan.transcript());
    assert!(lan.statistics(other).become_master >= 1);
}

/// Shows B.3 fault in MASTER, B.3 last fault, B.7 own interface, B.8 link flags.
#[test]
fn a_pulled_cable_is_a_fault_and_the_way_back_leads_through_backup() {
    let mut lan = Lan::new(11);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    lan.unplug(a);
    lan.expect(a, Fault);
    assert!(lan.owners(VIP).is_empty());
    lan.run(4 * SEC);
    lan.expect_only_owner(b, VIP);
    lan.plug(a);
    lan.expect(a, Backup);
    lan.run(5 * SEC);
    lan.expect(a, Master);
    lan.expect(b, Backup);
    lan.check_transcript("cable.txt");
}

/// Shows B.8 address removed, B.3 deleted entry in MASTER, F.19.
#[test]
fn an_address_that_somebody_deletes_comes_back_at_once_but_not_in_a_fight() {
    let mut lan = Lan::new(12);
    let a = lan.router("a", &conf(150, ""));
    lan.run(10 * SEC);
    lan.remove_address(a, VIP);
    lan.expect_only_owner(a, VIP);
    assert_eq!(lan.statistics(a).restored, 1);
    // Whoever removes it again and again gets one answer a second.
    for _ in 0..100 {
        lan.remove_address(a, VIP);
        lan.run(20 * MS);
    }
    lan.run(SEC);
    lan.expect(a, Master);
    lan.expect_only_owner(a, VIP);
    assert!(
        lan.statistics(a).restored <= 5,
        "{}",
        lan.statistics(a).restored
    );
}

/// Shows B.8 overrun.
#[test]
fn an_address_that_went_while_notices_were_lost_comes_back_too() {
    let mut lan = Lan::new(26);
    let a = lan.router("a", &conf(150, ""));
    lan.run(10 * SEC);
    lan.lose_notices(a, VIP);
    lan.expect(a, Master);
    lan.expect_only_owner(a, VIP);
    assert_eq!(lan.statistics(a).restored, 1);
}

#[test]
fn a_refused_address_is_tried_again_until_the_kernel_takes_it() {
    let mut lan = Lan::new(27);
    let a = lan.router("a", &conf(150, ""));
    lan.run(SEC);
    lan.refuse(a, true);
    lan.run(10 * SEC);
    lan.expect(a, Master);
    assert!(lan.owners(VIP).is_empty());
    let told = lan.transcript().matches("cannot add ip address").count();
    assert_eq!(told, 1, "{}", lan.transcript());
    lan.refuse(a, false);
    lan.run(SEC);
    lan.expect_only_owner(a, VIP);
}

#[test]
fn a_socket_that_cannot_be_opened_is_a_fault_until_it_can() {
    let mut lan = Lan::new(28);
    let b = lan.router("b", &conf(100, ""));
    lan.run(5 * SEC);
    let a = lan.configured("a", &conf(150, ""));
    lan.refuse(a, true);
    lan.start(a);
    lan.run(30 * SEC);
    lan.expect(a, Fault);
    lan.expect_only_owner(b, VIP);
    lan.refuse(a, false);
    lan.run(10 * SEC);
    lan.expect(a, Master);
    lan.expect_only_owner(a, VIP);
}

/// Shows B.2 residue, F.28.
#[test]
fn a_killed_process_leaves_its_address_and_cleans_up_when_it_starts_again() {
    let mut lan = Lan::new(13);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    lan.kill(a);
    lan.run(4 * SEC);
    assert_eq!(
        lan.owners(VIP),
        [a, b],
        "the kernel keeps what nobody takes away"
    );
    lan.start(a);
    lan.expect_only_owner(b, VIP);
    lan.run(5 * SEC);
    lan.expect_only_owner(a, VIP);
}

/// Shows B.3 reload, F.25.
#[test]
fn a_reload_without_a_change_is_not_seen_by_anybody() {
    let mut lan = Lan::new(14);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    let before = lan.transcript().len();
    lan.reload(a, &conf(150, ""));
    lan.reload(b, &conf(100, ""));
    // A master says that it is here before the reading and after it, and that is all.
    let advert = "a advert 10.0.0.1 > 224.0.0.18 vrid 51 priority 150";
    let said = format!(
        "  10.000000 a reloads\n  10.000000 {advert}\n  10.002000 {advert}\n  \
         10.002000 b reloads\n"
    );
    assert_eq!(lan.transcript()[before..], said);
    lan.run(10 * SEC);
    lan.expect(a, Master);
    assert_eq!(lan.statistics(a).become_master, 1);
    assert_eq!(lan.statistics(b).become_master, 0);
}

#[test]
fn a_reload_moves_addresses_and_priority_without_leaving_master() {
    let mut lan = Lan::new(15);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    let other = |text: String| text.replace(VIP, "10.0.0.101\n10.0.0.102/24");
    lan.reload(b, &other(conf(100, "")));
    lan.reload(a, &other(conf(140, "")));
    lan.expect_only_owner(a, "10.0.0.101");
    lan.expect_only_owner(a, "10.0.0.102/24");
    assert!(lan.owners(VIP).is_empty());
    lan.run(10 * SEC);
    lan.expect(a, Master);
    assert_eq!(lan.statistics(a).become_master, 1);
    lan.reload(a, &other(conf(90, "")));
    lan.run(5 * SEC);
    lan.expect(b, Master);
    lan.expect(a, Backup);
    lan.check_transcript("reload.txt");
}

#[test]
fn an_instance_that_leaves_the_configuration_says_goodbye() {
    let mut lan = Lan::new(16);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    lan.reload(a, "");
    assert!(lan.owners(VIP).is_empty());
    lan.run(620 * MS);
    lan.expect(b, Master);
}

/// Shows F.31.
#[test]
fn another_password_makes_two_masters_and_few_complaints() {
    let mut lan = Lan::new(17);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, "").replace("1111", "2222"));
    lan.run(20 * SEC);
    assert_eq!(lan.masters(), [a, b]);
    assert!(lan.statistics(a).auth_failure > 5);
    let complaints = lan
        .transcript()
        .matches("received an invalid passwd from")
        .count();
    // One each, and one more of b: who becomes master starts a new slate.
    assert_eq!(complaints, 3, "{}", lan.transcript());
}

/// Shows F.7.
#[test]
fn another_interval_makes_the_adverts_void() {
    let mut lan = Lan::new(18);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, "").replace("advert_int 1", "advert_int 2"));
    lan.run(20 * SEC);
    assert_eq!(lan.masters(), [a, b]);
    assert!(
        lan.transcript()
            .contains("advertisement interval mismatch with 10.0.0.1")
    );
}

/// Shows F.8.
#[test]
fn another_list_of_addresses_is_told_and_counts_all_the_same() {
    let mut lan = Lan::new(19);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, "").replace(VIP, "10.0.0.101"));
    lan.run(20 * SEC);
    assert_eq!(lan.masters(), [a]);
    assert!(lan.statistics(b).addr_list_err > 5);
}

/// Shows B.5 garbage, F.5.
#[test]
fn garbage_with_our_vrid_does_not_silence_a_master() {
    let mut lan = Lan::new(20);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, ""));
    lan.run(10 * SEC);
    let forged = advert(51, 200, vrrp::Auth::Simple(*b"wrong\0\0\0"));
    for _ in 0..50 {
        lan.inject(&forged);
        lan.run(200 * MS);
    }
    lan.expect(a, Master);
    lan.expect(b, Backup);
    assert_eq!(lan.statistics(b).become_master, 0);
    assert_eq!(lan.statistics(a).auth_failure, 50);
}

#[test]
fn cut_and_bent_packets_are_counted_and_change_nothing() {
    let mut lan = Lan::new(21);
    let a = lan.router("a", &conf(150, ""));
    lan.run(10 * SEC);
    let good = advert(51, 200, PASSWORD);
    for length in 0..good.len() {
        lan.inject(&good[..length]);
    }
    for bit in 0..good.len() * 8 {
        let mut bent = good.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        // The header's TOS, identification, flags, protocol and checksum say nothing to us, and
        // another source or group is another advert.
        let byte = bit / 8;
        if (20..).contains(&byte) || [0, 2, 3, 8].contains(&byte) {
            lan.inject(&bent);
        }
    }
    lan.expect(a, Master);
    lan.inject(&good);
    lan.expect(a, Backup);
}

#[test]
fn priority_zero_is_answered_by_a_master() {
    let mut lan = Lan::new(22);
    let a = lan.router("a", &conf(150, ""));
    lan.run(10_500 * MS);
    let sent = lan.statistics(a).advert_sent;
    lan.inject(&advert(51, 0, PASSWORD));
    assert_eq!(lan.statistics(a).advert_sent, sent + 1);
    lan.expect(a, Master);
}

#[test]
fn a_director_without_a_table_does_not_swallow_its_clients() {
    let service = "
        virtual_server 10.0.0.100 80 {
            lb_algo rr
            lb_kind DR
            protocol TCP
            real_server 10.0.0.50 80 {
                weight 1
            }
        }";
    let mut lan = Lan::new(23);
    let a = lan.router("a", &(conf(150, "") + service));
    let b = lan.router("b", &(conf(100, "") + service));
    lan.run(10 * SEC);
    lan.expect(a, Master);
    lan.directing(a, false);
    lan.expect(a, Fault);
    lan.run(620 * MS);
    lan.expect_only_owner(b, VIP);
    lan.directing(a, true);
    lan.run(5 * SEC);
    lan.expect_only_owner(a, VIP);
}

#[test]
fn two_instances_on_one_segment_share_the_load() {
    let pair = |first, second| {
        conf(first, "")
            + &conf(second, "")
                .replace("VI_1", "VI_2")
                .replace("51", "52")
                .replace(VIP, "10.0.0.101")
    };
    let mut lan = Lan::new(24);
    let a = lan.router("a", &pair(150, 100));
    let b = lan.router("b", &pair(100, 150));
    lan.run(10 * SEC);
    lan.expect_only_owner(a, VIP);
    lan.expect_only_owner(b, "10.0.0.101");
    lan.stop(a);
    lan.run(SEC);
    lan.expect_only_owner(b, VIP);
    lan.expect_only_owner(b, "10.0.0.101");
}

/// The figure of the seed's cluster: 0.605 s of skew at priority 101 and 3.605 s of silence.
/// Shows B.1 skew of version 2.
#[test]
fn the_intervals_are_those_of_the_rfc() {
    let mut lan = Lan::new(25);
    let a = lan.router("a", &conf(101, ""));
    lan.run(Duration::from_micros(3_605_467));
    lan.expect(a, Backup);
    lan.run(Duration::from_micros(1));
    lan.expect(a, Master);
}
