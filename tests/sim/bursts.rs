//! When addresses are announced, how often, and when no more.

use std::time::Duration;

use keepalived::time::Instant;
use keepalived::vrrp::StateName::{Backup, Master};
use keepalived::wire::vrrp::Auth;

use crate::lan::{Id, Lan, SEC};
use crate::packets::{PASSWORD, advert};

const VIP: &str = "10.0.0.100";

fn conf(extra: &str) -> String {
    format!(
        "vrrp_instance VI {{
            interface eth0
            virtual_router_id 51
            priority 150
            authentication {{
                auth_type PASS
                auth_pass 1111
            }}
            virtual_ipaddress {{
                {VIP}
                10.0.0.101
            }}
            virtual_ipaddress_excluded {{
                10.0.0.102
                fd00::100
            }}
            {extra}
        }}"
    )
}

fn global(lines: &str) -> String {
    format!("global_defs {{\n{lines}\n}}\n")
}

/// When this machine announced its first address after that moment, in milliseconds, and with how
/// many frames.
fn bursts(lan: &Lan, since: Duration) -> Vec<(u128, usize)> {
    let transcript = lan.transcript();
    let mut bursts: Vec<(u128, usize)> = Vec::new();
    for line in transcript.lines() {
        let told = line.trim_start().split_once(" a gratuitous ARP for ");
        let Some((time, told)) = told else { continue };
        let (address, times) = match told.split_once(" x") {
            Some((address, times)) => (address, times.parse().expect("a number")),
            None => (told, 1),
        };
        let micros: u64 = time.replace('.', "").parse().expect("six decimals");
        let at = Duration::from_micros(micros).checked_sub(since);
        let Some(at) = at.filter(|_| address == VIP) else {
            continue;
        };
        match bursts.last_mut() {
            Some((last, count)) if *last == at.as_millis() => *count += times,
            _ => bursts.push((at.as_millis(), times)),
        }
    }
    bursts
}

/// How long the story has been going on.
fn so_far(lan: &Lan) -> Duration {
    lan.now.since(Instant::ZERO)
}

/// Past its beginning, which was at 3.414 s.
const BEGAN: Duration = Duration::from_micros(3_414_062);

fn master(lan: &mut Lan, config: &str) -> Id {
    let id = lan.router("a", config);
    lan.run(BEGAN);
    lan.expect(id, Master);
    id
}

/// B.9 first burst: five frames for each address, the excluded ones too, F.14. B.9 rounds: they
/// are outside, so that the frames of one address are spread; F.15.
#[test]
fn the_first_burst_is_five_rounds_of_all_addresses() {
    let mut lan = Lan::new(801);
    let _a = master(&mut lan, &conf(""));
    let said = lan.transcript();
    let frames = said.lines().filter_map(|line| {
        let (_, told) = line.split_once(" a ")?;
        let told = told.strip_prefix("gratuitous ARP for ");
        told.or_else(|| {
            line.split_once("neighbour advertisement for ")
                .map(|(_, v6)| v6)
        })
    });
    let round = [VIP, "10.0.0.101", "10.0.0.102", "fd00::100"];
    let frames: Vec<&str> = frames.collect();
    assert_eq!(frames, [round; 5].concat(), "{said}");
}

/// B.9 garp_master_delay: the second burst, as large as the first, five seconds later unless it is
/// said otherwise; none with 0.
#[test]
fn the_second_burst_comes_after_the_delay() {
    for (extra, expected) in [
        ("", vec![(0, 5), (5_000, 5)]),
        (
            "garp_master_delay 2\ngarp_master_repeat 3",
            vec![(0, 3), (2_000, 3)],
        ),
        ("garp_master_delay 0", vec![(0, 5)]),
    ] {
        let mut lan = Lan::new(802);
        let _a = master(&mut lan, &conf(extra));
        lan.run(60 * SEC);
        assert_eq!(bursts(&lan, BEGAN), expected, "{extra}");
    }
}

/// B.9 garp_master_refresh: begins after the delay and goes on. B.9 refresh ends: with the
/// master, and begins anew, once, with the next time; F.15.
#[test]
fn a_refresh_goes_on_as_long_as_the_master() {
    let refresh = "garp_master_delay 2\ngarp_master_repeat 3\ngarp_master_refresh 10";
    for (repeat, times) in [("", 1), ("\ngarp_master_refresh_repeat 2", 2)] {
        let mut lan = Lan::new(803);
        let a = master(&mut lan, &conf(&format!("{refresh}{repeat}")));
        lan.run(35 * SEC);
        let mut expected = vec![(0, 3), (2_000, 3)];
        expected.extend([12_000, 22_000, 32_000].map(|at| (at, times)));
        assert_eq!(bursts(&lan, BEGAN), expected);
        for _ in 0..3 {
            lan.inject(&advert(51, 200, PASSWORD));
            lan.expect(a, Backup);
            lan.run(BEGAN);
            lan.expect(a, Master);
        }
        let again = so_far(&lan);
        lan.run(35 * SEC);
        assert_eq!(bursts(&lan, again), expected);
    }
}

/// B.9 garp_lower_prio_delay, B.5 garp_lower_prio: after a weaker master was heard, by default
/// with the global numbers of a new master, in strict mode not at all. When it has been silent for
/// 3.414 s, everything is announced once more in any case.
#[test]
fn a_weaker_master_makes_for_two_bursts_more() {
    let strict = conf("").replace("PASS", "NONE");
    for (text, expected) in [
        (conf(""), vec![(0, 5), (3_414, 5), (5_000, 5)]),
        (
            global("vrrp_garp_master_delay 3\nvrrp_garp_master_repeat 2") + &conf(""),
            vec![(0, 2), (3_000, 2), (3_414, 2)],
        ),
        (
            conf("garp_master_repeat 1\ngarp_master_delay 1"),
            vec![(0, 5), (3_414, 1), (5_000, 5)],
        ),
        (
            conf("garp_lower_prio_repeat 4\ngarp_lower_prio_delay 7"),
            vec![(0, 4), (3_414, 5), (7_000, 4)],
        ),
        (
            conf("garp_lower_prio_repeat 4\ngarp_lower_prio_delay 0"),
            vec![(0, 4), (3_414, 5)],
        ),
        (conf("garp_lower_prio_repeat 0"), vec![(3_414, 5)]),
        (global("vrrp_strict") + &strict, vec![(3_414, 5)]),
    ] {
        let mut lan = Lan::new(804);
        let _a = master(&mut lan, &text);
        lan.run(30 * SEC);
        let is_strict = text.contains("strict");
        let auth = if is_strict { Auth::None } else { PASSWORD };
        let heard = so_far(&lan);
        lan.inject(&advert(51, 100, auth));
        lan.run(30 * SEC);
        assert_eq!(bursts(&lan, heard), expected, "{text}");
    }
}

/// B.9 vrrp_min_garp: one frame for each address, and never again.
#[test]
fn with_min_garp_an_address_is_announced_once() {
    let mut lan = Lan::new(805);
    let _a = master(&mut lan, &(global("vrrp_min_garp") + &conf("")));
    lan.run(60 * SEC);
    assert_eq!(bursts(&lan, BEGAN), [(0, 1)]);
}
