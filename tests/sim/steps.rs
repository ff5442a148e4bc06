//! The state machine step by step, by the numbers of RFC 5798 6.4 (RFC 9568 keeps the steps without
//! their numbers; RFC 3768 6.4 has the same ones for version 2).

use keepalived::vrrp::StateName::{Backup, Master};
use keepalived::wire::vrrp::Auth;

use crate::lan::{Id, Lan, MS, SEC};
use crate::packets::advert;

const V4: &str = "10.0.0.100";
const V6: &str = "fe80::100/64";

fn conf(priority: u8, extra: &str) -> String {
    format!(
        "vrrp_instance VI {{
            interface eth0
            virtual_router_id 51
            priority {priority}
            virtual_ipaddress {{
                {V4}
            }}
            {extra}
        }}"
    )
}

fn conf_v6(priority: u8) -> String {
    conf(priority, "").replace(V4, V6)
}

/// What was said since `from`, without the times and without what scripts hear of it.
fn since(lan: &Lan, from: &str) -> Vec<String> {
    let all = lan.transcript();
    let lines = all[from.len()..].lines().map(|line| &line[12..]);
    let lines = lines.filter(|line| !line.contains(" tells "));
    lines.map(str::to_owned).collect()
}

fn sent(lan: &Lan, id: Id) -> u64 {
    lan.statistics(id).advert_sent
}

/// RFC 5798 (100, 105, 110, 120, 140, 145), RFC 3768 6.4.1, RFC 9568 6.4.1: an owner that starts
/// sends an advert, announces its addresses, sets its timer and is master.
#[test]
fn an_owner_starts_as_master() {
    let mut lan = Lan::new(501);
    let a = lan.router("a", &conf(255, ""));
    let said = since(&lan, "");
    let steps = [
        "a advert 10.0.0.1",
        "a + 10.0.0.100",
        "a gratuitous ARP for 10.0.0.100",
    ];
    let at = |step: &&str| said.iter().position(|line| line.starts_with(*step));
    let order = steps.each_ref().map(at);
    assert!(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "{said:#?}"
    );
    lan.expect(a, Master);
    lan.run(SEC);
    assert_eq!(sent(&lan, a), 2);
}

/// RFC 5798 (130, 395): of IPv6 addresses neighbours are told by an unsolicited advertisement.
#[test]
fn an_ipv6_master_tells_its_neighbours() {
    for priority in [255, 150] {
        let mut lan = Lan::new(502);
        let a = lan.router("a", &conf_v6(priority));
        lan.run(4 * SEC);
        lan.expect(a, Master);
        let said = lan.transcript();
        assert!(said.contains("neighbour advertisement"), "{said}");
    }
}

/// RFC 5798 (155, 160, 165): everybody else is backup and waits for the master-down interval, which
/// goes by its own advert interval as long as it has heard no other.
#[test]
fn everybody_else_starts_as_backup() {
    let mut lan = Lan::new(503);
    let a = lan.router("a", &conf(150, ""));
    lan.expect(a, Backup);
    lan.run(3_414 * MS);
    lan.expect(a, Backup);
    lan.run(MS);
    lan.expect(a, Master);
}

/// RFC 5798 (310, 320, 340) and (610, 620, 625, 650): a backup neither answers for the addresses
/// nor takes what is sent to them, a master does both. The kernel does so for addresses that an
/// interface has, which also makes it join the groups of (390). It takes frames to the virtual
/// hardware address (335, 645) only where there is one, sends no router advertisements (325, 630),
/// and no neighbour discovery is kept from it (635).
#[test]
fn who_is_master_has_the_addresses_and_nobody_else() {
    let mut lan = Lan::new(504);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(100, ""));
    assert!(lan.owners(V4).is_empty());
    lan.run(4 * SEC);
    lan.expect_only_owner(a, V4);
    lan.stop(a);
    lan.run(SEC);
    lan.expect_only_owner(b, V4);
}

/// RFC 5798 (345, 350, 355), RFC 3768 6.4.2: a backup that stops waits for nothing any more and
/// says nothing. That it waits for nothing is asserted by `Lan::stop`.
#[test]
fn a_backup_leaves_without_a_word() {
    let mut lan = Lan::new(505);
    let a = lan.router("a", &conf(150, ""));
    lan.run(SEC);
    let before = lan.transcript();
    lan.stop(a);
    assert_eq!(since(&lan, &before), ["a stops", "a leaves the group"]);
}

/// RFC 5798 (365, 370, 380, 405, 410): when the master is silent for too long a backup sends an
/// advert, announces the addresses, sets its timer and is master, in this order.
/// Shows F.2.
#[test]
fn a_backup_becomes_master_when_its_timer_fires() {
    let mut lan = Lan::new(506);
    let a = lan.router("a", &conf(150, ""));
    lan.run(3_414 * MS);
    let before = lan.transcript();
    lan.run(MS);
    let said = [
        "a (VI) Entering MASTER STATE",
        "a advert 10.0.0.1 > 224.0.0.18 vrid 51 priority 150",
        "a + 10.0.0.100",
        "a gratuitous ARP for 10.0.0.100 x5",
    ];
    assert_eq!(since(&lan, &before), said);
    lan.expect(a, Master);
    lan.run(SEC);
    assert_eq!(sent(&lan, a), 2);
}

/// RFC 5798 (420, 425, 430): a master that leaves is followed after the skew time.
/// Shows B.3 priority 0 in BACKUP, B.4 priority 0.
#[test]
fn a_backup_waits_for_the_skew_after_priority_zero() {
    let mut lan = Lan::new(507);
    let a = lan.router("a", &conf(150, ""));
    lan.run(SEC);
    lan.inject(&advert(51, 0, Auth::None));
    lan.run(414 * MS);
    lan.expect(a, Backup);
    lan.run(MS);
    lan.expect(a, Master);
}

/// RFC 5798 (445, 455, 460): an advert of the same or a higher priority, and any without
/// preemption, starts the master-down interval again. (470): any other changes nothing.
/// Shows B.3 higher in BACKUP, B.3 lower in BACKUP.
#[test]
fn a_backup_listens_to_its_betters_and_without_preemption_to_anybody() {
    for (extra, priority, counts) in [
        ("", 151, true),
        ("", 150, true),
        ("", 149, false),
        ("nopreempt", 149, true),
    ] {
        let mut lan = Lan::new(508);
        let a = lan.router("a", &conf(150, extra));
        lan.run(3 * SEC);
        lan.inject(&advert(51, priority, Auth::None));
        lan.run(SEC);
        let state = if counts { Backup } else { Master };
        lan.expect(a, state);
        lan.run(2_410 * MS);
        lan.expect(a, state);
        lan.run(10 * MS);
        lan.expect(a, Master);
    }
}

/// RFC 5798 (450): version 3 goes by the interval of its master. (745, 750, 755, 760): so does a
/// master that yields.
#[test]
fn a_backup_of_version_3_learns_the_interval_of_its_master() {
    let text = |priority, interval| conf(priority, &format!("version 3\nadvert_int {interval}"));
    let mut lan = Lan::new(509);
    let a = lan.router("a", &text(150, "2"));
    let b = lan.router("b", &text(100, "0.1"));
    lan.run(SEC);
    // It was master for a while, by its own short interval.
    lan.expect(b, Master);
    lan.run(20 * SEC);
    lan.expect(a, Master);
    lan.expect(b, Backup);
    lan.cut(a);
    // Of 2 s each, and a skew of 1.2 s: by its own interval it would have been 0.36 s.
    lan.run(5 * SEC);
    lan.expect(b, Backup);
    lan.run(2_300 * MS);
    lan.expect(b, Master);
}

/// RFC 5798 (655, 660, 665, 670), RFC 3768 6.4.3, RFC 9568 6.4.3: a master that stops says so with
/// priority 0. That it waits for nothing is asserted by `Lan::stop`.
#[test]
fn a_master_says_goodbye() {
    let mut lan = Lan::new(510);
    let a = lan.router("a", &conf(150, ""));
    lan.run(4 * SEC);
    let before = lan.transcript();
    lan.stop(a);
    let said = [
        "a stops",
        "a advert 10.0.0.1 > 224.0.0.18 vrid 51 priority 0",
        "a - 10.0.0.100",
        "a leaves the group",
    ];
    assert_eq!(since(&lan, &before), said);
}

/// RFC 5798 (680, 685, 690): a master sends an advert every interval.
/// Shows B.3 deadline in MASTER, B.5 periodic advert.
#[test]
fn a_master_advertises_in_its_interval() {
    let mut lan = Lan::new(511);
    let a = lan.router("a", &conf(255, "advert_int 3"));
    lan.run(30 * SEC);
    assert_eq!(sent(&lan, a), 11);
}

/// RFC 5798 (700, 705, 710, 715): a master answers priority 0 with an advert, and its interval
/// starts again.
/// Shows B.3 priority 0 in MASTER, B.5 priority 0.
#[test]
fn a_master_answers_priority_zero() {
    let mut lan = Lan::new(512);
    let a = lan.router("a", &conf(255, ""));
    lan.run(500 * MS);
    lan.inject(&advert(51, 0, Auth::None));
    assert_eq!(sent(&lan, a), 2);
    lan.run(999 * MS);
    assert_eq!(sent(&lan, a), 2);
    lan.run(MS);
    assert_eq!(sent(&lan, a), 3);
}

/// RFC 5798 (725, 735, 740, 765): a master yields to a higher priority, and to an equal one with a
/// higher address; it sends no advert any more. (775): to nobody else.
/// Shows B.3 higher in MASTER.
#[test]
fn a_master_yields_to_its_betters_only() {
    // The advert is of 10.0.0.66.
    for (priority, yields) in [(151, true), (150, true), (149, false)] {
        let mut lan = Lan::new(513);
        let a = lan.router("a", &conf(150, ""));
        lan.run(4 * SEC);
        let before = sent(&lan, a);
        lan.inject(&advert(51, priority, Auth::None));
        lan.expect(a, if yields { Backup } else { Master });
        lan.run(3_400 * MS);
        assert_eq!(sent(&lan, a) == before, yields);
    }
    // And here the equal one has the lower address.
    let mut lan = Lan::new(514);
    let a = lan.router("a", &conf(150, ""));
    let b = lan.router("b", &conf(150, ""));
    lan.cut(a);
    lan.run(5 * SEC);
    lan.heal(a);
    lan.run(2 * SEC);
    lan.expect(a, Backup);
    lan.expect(b, Master);
}
