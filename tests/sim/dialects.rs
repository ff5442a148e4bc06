//! Adverts of every kind: pairs that speak alike, pairs that almost do, and what comes between.

use std::time::Duration;

use keepalived::vrrp::StateName::{Backup, Fault, Master};
use keepalived::wire::ip;
use log::info;

use crate::lan::{Id, Lan, MS, SEC};

const V4: &str = "10.0.0.100";
const V6: &str = "2001:db8::100";
const TENTATIVE: u32 = 0x40;
const DADFAILED: u32 = 0x08;

const AH: &str = "authentication {\nauth_type AH\nauth_pass secret99\n}";
const KEY_1: &str = "key 1 0123456789abcdef0123456789abcdef";
const KEY_2: &str = "key 2 fedcba9876543210fedcba9876543210";

/// An instance of IPv4.
fn v4(priority: u8, more: &str) -> String {
    instance(priority, V4, more)
}

/// An instance of IPv6, whose first address is link-local.
fn v6(priority: u8, more: &str) -> String {
    instance(priority, &format!("fe80::100\n{V6}"), more)
}

fn instance(priority: u8, addresses: &str, more: &str) -> String {
    format!(
        "vrrp_instance V {{\nstate BACKUP\ninterface eth0\nvirtual_router_id 51\n\
         priority {priority}\n{more}\nvirtual_ipaddress {{\n{addresses}\n}}\n}}"
    )
}

fn signed(keys: &str, more: &str) -> String {
    format!("auth_hmac {{\n{keys}\n{more}\n}}")
}

/// Statements for router `own` whose only other one is `peer`, by number.
fn to_peer(peer: u8, v6: bool) -> String {
    let prefix = if v6 { "fe80::" } else { "10.0.0." };
    format!("unicast_peer {{\n{prefix}{peer}\n}}")
}

/// What a pair must do whatever it speaks: one master, a hand-over within the skew time, a
/// take-over within the master-down interval, preemption back; and nobody complains.
fn play(name: &str, interval: Duration, config: &dyn Fn(u8, u8) -> String) {
    let skew = interval * 156 / 256 + 2 * MS;
    let mut lan = Lan::new(1);
    let a = lan.router("a", &config(150, 2));
    let b = lan.router("b", &config(100, 1));
    let one = |lan: &Lan, master: Id, backup: Id| {
        info!("{name}");
        lan.expect(master, Master);
        lan.expect(backup, Backup);
    };
    lan.run(8 * interval);
    one(&lan, a, b);

    lan.stop(a);
    lan.run(skew);
    lan.expect(b, Master);
    lan.start(a);
    lan.run(8 * interval);
    one(&lan, a, b);

    lan.cut(a);
    lan.run(3 * interval + skew);
    lan.expect(b, Master);
    lan.heal(a);
    lan.run(3 * interval);
    one(&lan, a, b);
    for id in [a, b] {
        let mut state = lan.state(id).expect("it runs");
        // The numbers of AH are one sequence for all: who was alone for a while is ahead.
        state
            .refused
            .retain(|refused| refused.reason != "replayed" || !name.starts_with("AH"));
        assert_eq!(state.refused, [], "{name}: {}", lan.transcript());
        assert_eq!(state.statistics.addr_list_err, 0, "{name}");
    }
}

#[test]
fn a_pair_of_every_dialect_hands_over_and_back() {
    let hmac = signed(KEY_1, "active_key 1");
    for (name, more) in [
        ("version 2", ""),
        (
            "PASS",
            "authentication {\nauth_type PASS\nauth_pass 1111\n}",
        ),
        ("AH", AH),
        ("version 3", "version 3"),
        ("message-only", "version 3\nv3_checksum_as_v2"),
        ("another group", "version 3\nmcast_dst_ip 224.0.0.99"),
        ("signed", &hmac),
        ("signed version 3", &format!("version 3\n{hmac}")),
    ] {
        play(name, SEC, &|priority, _| v4(priority, more));
        let unicast = |priority, peer| v4(priority, &format!("{more}\n{}", to_peer(peer, false)));
        if name != "another group" {
            play(&format!("{name}, unicast"), SEC, &unicast);
        }
    }
    for (name, more) in [
        ("IPv6", ""),
        ("version 2 of IPv6", "version 2"),
        ("signed", &*hmac),
    ] {
        play(name, SEC, &|priority, _| v6(priority, more));
        let unicast = |priority, peer| v6(priority, &format!("{more}\n{}", to_peer(peer, true)));
        play(&format!("{name}, unicast"), SEC, &unicast);
    }
}

#[test]
fn version_3_counts_in_hundredths() {
    let fast = |priority, _| v4(priority, "version 3\nadvert_int 0.1");
    play("fast", 100 * MS, &fast);
    play("slow", 2 * SEC, &|priority, _| v6(priority, "advert_int 2"));
}

/// RFC 9568 6.4.2: the interval in the master's adverts is the one that counts.
/// Shows B.1 learned interval, B.5 own interval again, F.7, F.33.
#[test]
fn a_backup_of_version_3_learns_the_interval_of_its_master_and_forgets_it_as_master() {
    let mut lan = Lan::new(2);
    let a = lan.router("a", &v4(150, "version 3\nadvert_int 4"));
    let b = lan.router("b", &v4(100, "version 3\nadvert_int 1"));
    lan.run(60 * SEC);
    // Only b's first master-down interval was its own: it took over once, and gave way.
    lan.expect(a, Master);
    assert_eq!(lan.statistics(b).become_master, 1, "{}", lan.transcript());
    lan.cut(a);
    lan.run(10 * SEC);
    lan.expect(b, Backup);
    lan.run(5 * SEC);
    lan.expect(b, Master);
    // Its own interval again: three times 1 s and a skew of 0.609 s after the fault.
    lan.unplug(b);
    lan.plug(b);
    lan.run(3_600 * MS);
    lan.expect(b, Backup);
    lan.run(20 * MS);
    lan.expect(b, Master);
}

#[test]
fn an_interval_of_zero_is_not_learned() {
    let mut lan = Lan::new(3);
    let a = lan.router("a", &v4(150, "version 3\nv3_checksum_as_v2"));
    let b = lan.router("b", &v4(100, "version 3\nv3_checksum_as_v2"));
    lan.run(10 * SEC);
    lan.cut(a);
    let mut packet = lan.last_sent(a);
    let field = ip::LENGTH + 4..ip::LENGTH + 8;
    let mut sum = u16::from_be_bytes([packet.bytes[field.end - 2], packet.bytes[field.end - 1]]);
    sum += 100;
    let [high, low] = sum.to_be_bytes();
    packet.bytes[field].copy_from_slice(&[0, 0, high, low]);
    lan.inject_packet(&packet);
    assert_eq!(
        lan.state(b).expect("it runs").refused,
        [],
        "{}",
        lan.transcript()
    );
    lan.run(3 * SEC);
    lan.expect(b, Backup);
}

/// Shows F.40.
#[test]
fn of_two_forms_of_a_checksum_the_other_is_taken_while_routers_change_over() {
    let mut lan = Lan::new(4);
    let a = lan.router("a", &v4(150, "version 3"));
    let b = lan.router("b", &v4(100, "version 3\nv3_checksum_as_v2"));
    lan.run(10 * SEC);
    lan.expect(a, Master);
    lan.expect(b, Backup);
    let mut wrong = lan.last_sent(a);
    wrong.bytes[ip::LENGTH + 7] ^= 1;
    lan.cut(a);
    lan.inject_packet(&wrong);
    assert_eq!(lan.statistics(b).chk_err, 1);
}

/// Shows F.10.
#[test]
fn a_peer_with_checksums_of_old_is_understood_and_answered_in_kind() {
    let old = |priority, peer| v4(priority, &format!("version 3\n{}", to_peer(peer, false)));
    let mut lan = Lan::new(5);
    let a = lan.router(
        "a",
        &(old(150, 2)).replace("version 3", "version 3\nold_unicast_checksum"),
    );
    let b = lan.router("b", &old(100, 1));
    lan.run(10 * SEC);
    lan.expect(b, Backup);
    let told = "Setting unicast VRRPv3 checksum to old version";
    assert_eq!(
        lan.transcript().matches(told).count(),
        1,
        "{}",
        lan.transcript()
    );
    lan.stop(a);
    lan.run(SEC);
    lan.expect(b, Master);
    lan.start(a);
    lan.run(8 * SEC);
    assert_eq!(lan.masters(), [a]);

    let never = old(100, 1).replace("version 3", "version 3\nold_unicast_checksum never");
    lan.reload(b, &never);
    lan.stop(b);
    lan.start(b);
    lan.run(8 * SEC);
    assert_eq!(lan.masters(), [a, b]);
    assert!(lan.statistics(b).chk_err > 3);
}

#[test]
fn two_unicast_routers_of_one_number_are_told_apart_by_their_peers() {
    let unicast = |name: &str, priority: u8, vip: &str, peer: u8| {
        instance(priority, vip, &to_peer(peer, false))
            .replace("instance V", &format!("instance {name}"))
    };
    let mut lan = Lan::new(6);
    let both = unicast("ONE", 150, "10.0.0.101", 2) + "\n" + &unicast("TWO", 50, "10.0.0.102", 3);
    let a = lan.router("a", &both);
    let b = lan.router("b", &unicast("V", 100, "10.0.0.101", 1));
    let c = lan.router("c", &unicast("V", 100, "10.0.0.102", 1));
    lan.run(10 * SEC);
    let state = |lan: &Lan, name| lan.instance(a, name).expect("it runs").state;
    assert_eq!((state(&lan, "ONE"), state(&lan, "TWO")), (Master, Backup));
    lan.expect_only_owner(a, "10.0.0.101");
    lan.expect_only_owner(c, "10.0.0.102");
    // A reload that swaps the two in the file, and adds a peer to one, moves nothing.
    let peers = "10.0.0.2\n10.0.0.9";
    let swapped = unicast("TWO", 50, "10.0.0.102", 3)
        + "\n"
        + &unicast("ONE", 150, "10.0.0.101", 2).replace("10.0.0.2\n", &format!("{peers}\n"));
    let transitions = lan
        .instance(a, "ONE")
        .expect("it runs")
        .statistics
        .become_master;
    lan.reload(a, &swapped);
    lan.run(5 * SEC);
    lan.expect_only_owner(a, "10.0.0.101");
    lan.expect_only_owner(c, "10.0.0.102");
    let now = lan
        .instance(a, "ONE")
        .expect("it runs")
        .statistics
        .become_master;
    assert_eq!(now, transitions, "{}", lan.transcript());
    lan.stop(a);
    lan.run(SEC);
    lan.expect_only_owner(b, "10.0.0.101");
}

/// Shows F.13.
#[test]
fn with_check_unicast_src_a_stranger_is_nobody_and_a_peer_must_be_as_far_away_as_it_should() {
    let config = |priority, peer: &str, more: &str| {
        v4(priority, &format!("{more}\nunicast_peer {{\n{peer}\n}}"))
    };
    let mut lan = Lan::new(7);
    let a = lan.router("a", &config(150, "10.0.0.3", "check_unicast_src"));
    let b = lan.router("b", &config(200, "10.0.0.1", ""));
    lan.run(10 * SEC);
    assert_eq!(lan.masters(), [a, b], "{}", lan.transcript());
    let refused = lan.state(a).expect("it runs").refused;
    assert_eq!((refused[0].reason, refused.len()), ("not a peer", 1));
    assert!(refused[0].count > 5 && refused[0].from == Some([10, 0, 0, 2].into()));

    lan.reload(a, &config(150, "10.0.0.2 min_ttl 254", ""));
    lan.run(3 * SEC);
    lan.expect(a, Backup);
    let mut far = lan.last_sent(b);
    far.bytes[8] = 253;
    lan.inject_packet(&far);
    assert_eq!(lan.statistics(a).ip_ttl_err, 1);
    assert!(
        lan.transcript()
            .contains("TTL/HL 253 from 10.0.0.2 not in range [254, 255]")
    );
}

/// Shows B.7 unicast_fault_no_peer, F.39.
#[test]
fn without_a_peer_an_instance_may_be_asked_to_be_in_fault() {
    let mut lan = Lan::new(8);
    let a = lan.router("a", &v4(150, "unicast_fault_no_peer\nunicast_peer {\n}"));
    lan.run(10 * SEC);
    lan.expect(a, Fault);
    assert!(
        lan.transcript().contains("unicast without any peers"),
        "{}",
        lan.transcript()
    );
}

/// Shows F.11.
#[test]
fn a_signed_advert_of_ah_counts_once() {
    let mut lan = Lan::new(9);
    let a = lan.router("a", &v4(150, AH));
    let b = lan.router("b", &v4(100, AH));
    lan.run(10 * SEC);
    let heard = lan.last_sent(a);
    lan.inject_packet(&heard);
    assert_eq!(lan.statistics(b).auth_failure, 1);
    let told = "IPSEC-AH : sequence number 7 already processed. Packet dropped. Local(7)";
    assert!(lan.transcript().contains(told), "{}", lan.transcript());
}

/// Shows B.5 AH sequence, F.11.
#[test]
fn two_masters_of_ah_with_numbers_apart_find_together() {
    let mut lan = Lan::new(10);
    let a = lan.router("a", &v4(150, AH));
    let b = lan.router("b", &v4(100, AH));
    lan.run(10 * SEC);
    lan.cut(b);
    lan.run(60 * SEC);
    assert_eq!(lan.masters(), [a, b]);
    // The stronger one starts again with 1, while the weaker one is far ahead.
    lan.stop(a);
    lan.start(a);
    lan.run(4 * SEC);
    lan.heal(b);
    lan.run(3 * SEC);
    assert_eq!(lan.masters(), [a], "{}", lan.transcript());
    assert!(lan.transcript().contains("IPSEC-AH : Syncing seq_num"));
}

#[test]
fn a_router_of_ah_that_starts_anew_listens_and_takes_over_later() {
    let mut lan = Lan::new(11);
    let a = lan.router("a", &v4(150, AH));
    let b = lan.router("b", &v4(100, AH));
    lan.run(100 * SEC);
    lan.kill(b);
    lan.start(b);
    lan.run(5 * SEC);
    lan.stop(a);
    lan.run(SEC);
    lan.expect(b, Master);
    assert_eq!(lan.statistics(b).auth_failure, 0);
}

/// keepalived's steps from no signature to one that is enforced: at no moment two masters.
#[test]
fn a_pair_climbs_the_ladder_to_signed_adverts_one_router_at_a_time() {
    let mode = |mode: &str| signed(KEY_1, &format!("active_key 1\nmode {mode}"));
    let steps = [
        String::new(),
        mode("receive-only"),
        mode("permissive"),
        mode("enforce"),
    ];
    let mut lan = Lan::new(12);
    let a = lan.router("a", &v4(150, &steps[0]));
    let b = lan.router("b", &v4(100, &steps[0]));
    lan.run(10 * SEC);
    for (at, step) in steps.iter().enumerate().skip(1) {
        for (id, priority) in [(b, 100), (a, 150)] {
            lan.reload(id, &v4(priority, step));
            lan.run(6 * SEC);
            assert_eq!(lan.masters(), [a], "step {at}: {}", lan.transcript());
        }
    }
    assert_eq!(lan.statistics(b).become_master, 0);
    assert_eq!(lan.statistics(b).auth_ext_missing, 0);
    // Down to nothing at once is a step too far.
    lan.reload(a, &v4(150, ""));
    lan.run(6 * SEC);
    assert_eq!(lan.masters(), [a, b]);
    assert!(
        lan.transcript()
            .contains("missing authentication trailer from 10.0.0.1")
    );
}

#[test]
fn keys_are_changed_by_reloads_without_a_gap() {
    let mut lan = Lan::new(13);
    let with = |keys: &str, active: u8| signed(keys, &format!("active_key {active}"));
    let both = format!("{KEY_1}\n{KEY_2}");
    let steps = [
        with(KEY_1, 1),
        with(&both, 1),
        with(&both, 2),
        with(KEY_2, 2),
    ];
    let a = lan.router("a", &v6(150, &steps[0]));
    let b = lan.router("b", &v6(100, &steps[0]));
    lan.run(10 * SEC);
    for step in &steps[1..] {
        for (id, priority) in [(a, 150), (b, 100)] {
            lan.reload(id, &v6(priority, step));
            lan.run(6 * SEC);
        }
    }
    assert_eq!(lan.masters(), [a]);
    assert_eq!(lan.statistics(b).become_master, 0, "{}", lan.transcript());
    lan.reload(b, &v6(100, &steps[0]));
    lan.run(6 * SEC);
    assert_eq!(lan.statistics(b).auth_ext_unknown_key, 6);
    assert!(
        lan.transcript()
            .contains("unknown authentication key id 2 from fe80::1")
    );
}

#[test]
fn a_signed_advert_counts_once_and_only_in_its_time() {
    let mut lan = Lan::new(14);
    let config = |priority| v4(priority, &signed(KEY_1, "active_key 1"));
    let a = lan.router("a", &config(150));
    let b = lan.router("b", &config(100));
    lan.run(10 * SEC);
    let heard = lan.last_sent(a);
    let mut forged = heard.clone();
    forged.bytes[ip::LENGTH + 2] = 255;
    lan.inject_packet(&heard);
    assert_eq!(lan.statistics(b).auth_ext_replay, 1);
    lan.inject_packet(&forged);
    assert_eq!(lan.statistics(b).auth_ext_invalid_hmac, 1);
    // Five seconds is the window of an interval of one.
    lan.run(6 * SEC);
    lan.inject_packet(&heard);
    assert_eq!(lan.statistics(b).auth_ext_stale, 1);
    lan.expect(b, Backup);

    lan.set_clock(b, 4);
    lan.run(2 * SEC);
    lan.expect(b, Backup);
    let told = "authentication clock skew 4 sec from 10.0.0.1 approaching window 5 sec";
    assert!(lan.transcript().contains(told), "{}", lan.transcript());
    lan.set_clock(b, 60);
    lan.run(6 * SEC);
    assert_eq!(lan.masters(), [a, b]);
    assert!(lan.statistics(a).auth_ext_stale > 1);
    lan.set_clock(b, 0);
    lan.run(3 * SEC);
    assert_eq!(lan.masters(), [a], "{}", lan.transcript());
}

#[test]
fn by_a_counter_alone_clocks_may_be_apart() {
    let monotonic = signed(KEY_1, "active_key 1\nanti_replay monotonic");
    let mut lan = Lan::new(15);
    let a = lan.router("a", &v4(150, &monotonic));
    let b = lan.router("b", &v4(100, &monotonic));
    lan.set_clock(b, -100_000);
    lan.run(10 * SEC);
    assert_eq!(lan.masters(), [a]);
    // Set back, a goes on counting, and is understood.
    lan.set_clock(a, -50_000);
    lan.run(10 * SEC);
    assert_eq!(lan.masters(), [a]);
    let heard = lan.last_sent(a);
    lan.inject_packet(&heard);
    assert_eq!(lan.statistics(b).auth_ext_replay, 1, "{}", lan.transcript());
}

#[test]
fn an_address_that_may_be_anothers_is_no_source() {
    let mut lan = Lan::new(16);
    let a = lan.configured("a", &v6(150, ""));
    lan.set_address_flags(a, "fe80::1/64", TENTATIVE);
    lan.start(a);
    lan.run(10 * SEC);
    lan.expect(a, Fault);
    assert!(
        lan.transcript().contains("no IPv6 address for interface"),
        "{}",
        lan.transcript()
    );
    lan.set_address_flags(a, "fe80::1/64", 0);
    lan.run(5 * SEC);
    lan.expect(a, Master);
    lan.set_address_flags(a, "fe80::1/64", DADFAILED);
    lan.expect(a, Fault);
    assert!(lan.owners(&format!("{V6}/128")).is_empty());
}

/// Shows B.8 track_src_ip, B.7 no source.
#[test]
fn with_track_src_ip_an_instance_lives_with_its_source() {
    let config = "mcast_src_ip 10.0.0.77\ntrack_src_ip";
    let mut lan = Lan::new(17);
    let a = lan.router("a", &v4(150, config));
    lan.run(10 * SEC);
    lan.expect(a, Fault);
    assert!(
        lan.transcript().contains("src address not configured"),
        "{}",
        lan.transcript()
    );
    lan.add_address(a, "10.0.0.77/24");
    lan.run(5 * SEC);
    lan.expect(a, Master);
    lan.remove_address(a, "10.0.0.77/24");
    lan.expect(a, Fault);
}

/// Shows B.5 tie.
#[test]
fn equals_of_ipv6_are_parted_by_address_as_a_number() {
    let mut lan = Lan::new(18);
    let ids: Vec<Id> = (0..11)
        .map(|n| lan.router(&format!("r{n}"), &v6(100, "")))
        .collect();
    for id in &ids {
        lan.cut(*id);
    }
    lan.run(5 * SEC);
    assert_eq!(lan.masters().len(), ids.len());
    for id in &ids {
        lan.heal(*id);
    }
    lan.run(2 * SEC);
    // fe80::b is higher than fe80::a and fe80::9.
    assert_eq!(lan.masters(), [ids[10]], "{}", lan.transcript());
}

/// Shows F.38.
#[test]
fn numbers_of_others_are_told_only_when_asked_for() {
    let mut lan = Lan::new(19);
    let other = v4(100, "").replace("51", "52");
    let _a = lan.router("a", &v4(150, ""));
    let b = lan.router("b", &other);
    lan.run(6 * SEC);
    assert!(!lan.transcript().contains("Unknown VRID"));
    lan.reload(
        b,
        &format!("global_defs {{\nlog_unknown_vrids\n}}\n{other}"),
    );
    lan.run(2 * SEC);
    let told = "Unknown VRID(51) received on interface(eth0). ignoring...";
    assert!(lan.transcript().contains(told), "{}", lan.transcript());
}

#[test]
fn a_router_that_uses_our_number_for_something_else_is_named_once() {
    let mut lan = Lan::new(20);
    let a = lan.router("a", &v4(150, AH.replace("AH", "PASS").as_str()));
    let _b = lan.router("b", &v4(100, ""));
    lan.run(60 * SEC);
    let told = "virtual router id 51 is also used by 10.0.0.2 (02:00:00:00:00:02) on eth0";
    assert_eq!(
        lan.transcript().matches(told).count(),
        1,
        "{}",
        lan.transcript()
    );
    let refused = lan.state(a).expect("it runs").refused;
    assert_eq!(refused[0].reason, "other auth type");
}
