//! What an instance makes of adverts in each of its states, beyond the steps of the RFC.

use std::net::Ipv4Addr;

use keepalived::vrrp::StateName::{Backup, Fault, Master};
use keepalived::wire::vrrp::Auth;

use crate::confs::{VIP, signed as conf};
use crate::kernel::ETH1;
use crate::lan::{Id, Lan, MS, SEC};
use crate::packets::{PASSWORD, advert, advert_of};

/// Somebody who may be heard.
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);
const THIRD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 67);

fn wrong() -> Vec<u8> {
    advert(51, 200, Auth::Simple(*b"wrong\0\0\0"))
}

fn sent(lan: &Lan, id: Id) -> u64 {
    lan.statistics(id).advert_sent
}

/// B.3 adverts in FAULT: nothing is counted, nothing remembered. B.3 no deadline in FAULT, and B.7
/// silence in FAULT: nothing is sent either.
#[test]
fn who_is_in_fault_neither_hears_nor_speaks() {
    let mut lan = Lan::new(601);
    let a = lan.router("a", &conf(150, "track_interface {\neth1\n}"));
    lan.run(5 * SEC);
    lan.unplug_link(a, ETH1);
    lan.expect(a, Fault);
    let before = lan.statistics(a);
    for priority in [0, 100, 150, 200, 255] {
        lan.inject(&advert(51, priority, PASSWORD));
        lan.inject(&wrong());
        lan.run(10 * SEC);
    }
    lan.expect(a, Fault);
    let after = lan.statistics(a);
    assert_eq!(
        (after.advert_sent, after.advert_rcvd, after.auth_failure),
        (before.advert_sent, before.advert_rcvd, before.auth_failure)
    );
}

/// B.3 invalid in BACKUP, B.4 invalid advert: the deadline stays where it was, F.4.
#[test]
fn an_advert_that_does_not_count_keeps_no_backup_waiting() {
    let mut lan = Lan::new(602);
    let a = lan.router("a", &conf(150, ""));
    for _ in 0..34 {
        lan.inject(&wrong());
        lan.run(100 * MS);
    }
    lan.expect(a, Backup);
    lan.run(15 * MS);
    lan.expect(a, Master);
    assert_eq!(lan.statistics(a).auth_failure, 34);
}

/// B.3 invalid in MASTER: in keepalived it starts the interval anew, here nothing but an advert of
/// our own does; F.5.
#[test]
fn an_advert_that_does_not_count_delays_none_of_a_master() {
    let mut lan = Lan::new(603);
    let a = lan.router("a", &conf(255, ""));
    for _ in 0..100 {
        lan.inject(&wrong());
        lan.run(100 * MS);
    }
    assert_eq!(sent(&lan, a), 11);
}

/// B.3 fault in BACKUP, B.7 from BACKUP: a line and a word to the scripts, and no goodbye.
#[test]
fn a_backup_goes_into_fault_without_a_goodbye() {
    let mut lan = Lan::new(604);
    let a = lan.router("a", &conf(150, "track_interface {\neth1\n}"));
    lan.run(SEC);
    lan.unplug_link(a, ETH1);
    lan.expect(a, Fault);
    assert_eq!(sent(&lan, a), 0);
    let said = lan.transcript();
    assert!(said.contains("a (VI) Entering FAULT STATE\n"), "{said}");
    assert!(said.contains("a tells INSTANCE \"VI\" FAULT 150"), "{said}");
}

/// B.4 discarded advert: it is told, the deadline stays, and B.4 remembered master: whose it was is
/// known all the same. F.4.
#[test]
fn a_discarded_advert_tells_who_is_master_and_nothing_else() {
    let mut lan = Lan::new(605);
    let a = lan.router("a", &conf(150, ""));
    lan.run(3 * SEC);
    lan.inject(&advert(51, 100, PASSWORD));
    let state = lan.state(a).expect("it runs");
    assert_eq!((state.state, state.master), (Backup, Some(OTHER.into())));
    let line = "(VI) received lower priority (100) advert from 10.0.0.66 - discarding";
    assert!(lan.transcript().contains(line), "{}", lan.transcript());
    lan.run(415 * MS);
    lan.expect(a, Master);
}

/// B.4 new slate: what a backup complained about it tells again after another master; F.31.
#[test]
fn a_new_master_begins_a_new_slate() {
    let mut lan = Lan::new(606);
    let a = lan.router("a", &conf(150, ""));
    let told = |lan: &Lan| {
        lan.transcript()
            .matches("received an invalid passwd")
            .count()
    };
    let hear = |lan: &mut Lan, source| {
        lan.inject(&advert_of(source, 51, 200, PASSWORD));
        for _ in 0..3 {
            lan.inject(&wrong());
        }
        lan.run(500 * MS);
    };
    for (source, times) in [(OTHER, 1), (OTHER, 1), (THIRD, 2), (OTHER, 3)] {
        hear(&mut lan, source);
        assert_eq!(told(&lan), times, "{}", lan.transcript());
    }
    lan.expect(a, Backup);
    assert_eq!(lan.statistics(a).auth_failure, 12);
}

/// B.4 preempt delay starts and stops: a better master ends it, and the next weaker one begins it
/// anew.
#[test]
fn a_better_master_ends_the_delay_of_a_preemption() {
    let mut lan = Lan::new(607);
    let a = lan.router("a", &conf(150, "preempt_delay 3"));
    let hear = |lan: &mut Lan, priority, seconds| {
        for _ in 0..seconds {
            lan.inject(&advert(51, priority, PASSWORD));
            lan.run(SEC);
        }
    };
    hear(&mut lan, 100, 2);
    hear(&mut lan, 200, 10);
    // Counted from here: three seconds of delay in which weaker ones count, then 3.414 s.
    hear(&mut lan, 100, 5);
    lan.expect(a, Backup);
    hear(&mut lan, 100, 1);
    lan.expect(a, Master);
}

/// B.4 accepted advert: a weaker one with nopreempt; it is remembered as the master's.
#[test]
fn without_preemption_a_weaker_master_is_a_master() {
    let mut lan = Lan::new(608);
    let a = lan.router("a", &conf(150, "nopreempt"));
    for _ in 0..20 {
        lan.inject(&advert(51, 1, PASSWORD));
        lan.run(SEC);
    }
    lan.expect(a, Backup);
    assert!(
        !lan.transcript().contains("discarding"),
        "{}",
        lan.transcript()
    );
}

/// B.5 our own address: it is told once, and the master stays.
#[test]
fn an_equal_advert_from_our_own_address_moves_nobody() {
    let mut lan = Lan::new(609);
    let a = lan.router("a", &conf(150, ""));
    lan.run(5 * SEC);
    for _ in 0..10 {
        lan.inject(&advert_of(Ipv4Addr::new(10, 0, 0, 1), 51, 150, PASSWORD));
        lan.run(SEC);
    }
    lan.expect(a, Master);
    let line = "WARNING - equal priority advert received from remote host with our IP address.";
    assert_eq!(lan.transcript().matches(line).count(), 1);
}

/// B.5 lower priority: a line, an answer at once, an announcement, and a word to the scripts: that
/// is B.5 MASTER_RX_LOWER_PRI. B.3 lower in MASTER. B.5 lower_prio_no_advert: another line, and no
/// answer.
#[test]
fn a_weaker_master_is_answered_and_told_of() {
    for (extra, answers) in [("", 1), ("lower_prio_no_advert", 0)] {
        let mut lan = Lan::new(610);
        let a = lan.router("a", &conf(150, extra));
        lan.run(30_500 * MS);
        let (before, adverts) = (lan.transcript().len(), sent(&lan, a));
        lan.inject(&advert(51, 100, PASSWORD));
        assert_eq!(sent(&lan, a) - adverts, answers);
        let said = lan.transcript()[before..].to_owned();
        let line = "Received advert from 10.0.0.66 with lower priority 100, ours 150";
        let line = format!(
            "{line}{}\n",
            if answers == 1 {
                ", forcing new election"
            } else {
                ""
            }
        );
        assert!(said.contains(&line), "{said}");
        assert!(said.contains("gratuitous ARP for 10.0.0.100 x5"), "{said}");
        let word = "a tells INSTANCE \"VI\" MASTER_RX_LOWER_PRI 150";
        assert_eq!(said.matches(word).count(), 1, "{said}");
        lan.expect(a, Master);
    }
}

/// A packet costs its sender nothing. A hundred thousand valid ones are neither as many lines nor
/// adverts, announcements and scripts of ours, in whatever state they find us; what was not told
/// is counted, and the last word is still an announcement.
#[test]
fn a_flood_of_valid_adverts_is_no_flood_of_ours() {
    let flood = |lan: &mut Lan, priority: u8| {
        for _ in 0..1000 {
            for other in [OTHER, THIRD] {
                lan.inject(&advert_of(other, 51, priority, PASSWORD));
            }
            lan.run(MS);
        }
    };
    let mut lan = Lan::new(614);
    let a = lan.router("a", &conf(150, ""));
    lan.run(30_500 * MS);
    for (priority, lines) in [(100, 3), (0, 0)] {
        let (before, adverts) = (lan.transcript().len(), sent(&lan, a));
        flood(&mut lan, priority);
        assert!(sent(&lan, a) - adverts <= 102, "{}", sent(&lan, a));
        let said = lan.transcript()[before..].to_owned();
        assert_eq!(said.matches("lower priority").count(), lines, "{said}");
        assert!(said.matches("MASTER_RX_LOWER_PRI").count() <= 3, "{said}");
        assert!(said.matches("gratuitous ARP for").count() <= 9, "{said}");
    }
    let before = lan.transcript().len();
    lan.run(10 * SEC);
    let said = lan.transcript()[before..].to_owned();
    assert!(said.contains("gratuitous ARP for 10.0.0.100 x5"), "{said}");
    lan.inject(&advert(51, 100, PASSWORD));
    let more = "forcing new election (1997 more of this kind not told)";
    assert!(lan.transcript().contains(more), "{}", lan.transcript());

    // A backup that discards them, between two masters.
    let mut lan = Lan::new(615);
    let _backup = lan.router("a", &conf(150, ""));
    flood(&mut lan, 100);
    assert_eq!(lan.transcript().matches("discarding").count(), 3);
}

/// B.5 yielding: a line for each of the two reasons, no goodbye, and the whole interval again.
#[test]
fn a_master_that_yields_says_why_and_no_goodbye() {
    for (priority, line) in [
        (
            200,
            "Master received advert from 10.0.0.66 with higher priority 200, ours 150",
        ),
        (
            150,
            "Master received advert from 10.0.0.66 with same priority 150 but higher IP address \
             than ours",
        ),
    ] {
        let mut lan = Lan::new(611);
        let a = lan.router("a", &conf(150, ""));
        lan.run(5_200 * MS);
        let adverts = sent(&lan, a);
        lan.inject(&advert(51, priority, PASSWORD));
        lan.expect(a, Backup);
        assert_eq!(lan.state(a).expect("it runs").master, Some(OTHER.into()));
        assert!(lan.owners(VIP).is_empty());
        assert!(lan.transcript().contains(line), "{}", lan.transcript());
        lan.run(3_414 * MS);
        lan.expect(a, Backup);
        assert_eq!(sent(&lan, a), adverts);
        lan.run(MS);
        lan.expect(a, Master);
    }
}

/// B.3 equal in BACKUP, F.3: an equal with the lower address is a master as good as any.
#[test]
fn a_backup_breaks_no_tie() {
    let mut lan = Lan::new(612);
    let a = lan.router("a", &conf(150, ""));
    for _ in 0..10 {
        let low = Ipv4Addr::new(10, 0, 0, 0);
        lan.inject(&advert_of(low, 51, 150, PASSWORD));
        lan.run(SEC);
    }
    lan.expect(a, Backup);
}

/// F.37: one number for each advert, also for all its copies to peers, and none of them is 0.
#[test]
fn adverts_are_numbered_and_the_copies_of_one_have_one_number() {
    let mut lan = Lan::new(613);
    let peers = "unicast_peer {\n10.0.0.2\n10.0.0.3\n}";
    let a = lan.router("a", &conf(255, peers));
    let number = |lan: &Lan| {
        let bytes = lan.last_sent(a).bytes;
        u16::from_be_bytes([bytes[4], bytes[5]])
    };
    assert_eq!((number(&lan), sent(&lan, a)), (1, 1));
    lan.run(SEC);
    assert_eq!((number(&lan), sent(&lan, a)), (2, 2));
    lan.leave_unchecked();
    lan.run(65_533 * SEC);
    assert_eq!(number(&lan), u16::MAX);
    lan.run(SEC);
    assert_eq!(number(&lan), 1);
}
