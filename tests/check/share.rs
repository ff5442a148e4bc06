//! `checker_share_probes`: one attempt for all checks that agree in everything, and everything else
//! as if there had been one for each.

use std::collections::BTreeSet;
use std::time::Duration;

use keepalived::addr::IfIndex;
use keepalived::check::Event;
use keepalived::wire::rtnl::{Address, Notice};

use crate::world::Move::{End, Hear, Pause, Say};
use crate::world::{Backend, World};

const CHECK: &str = "TCP_CHECK {
        retry 2
        delay_before_retry 1
    }";

/// A service of one server, which is the same for all: 10.0.0.9.
fn service(number: usize, lines: &str, check: &str) -> String {
    format!(
        "virtual_server 10.0.0.{number} 80 {{
            delay_loop 6
            warmup 0
            protocol TCP
            lb_algo rr
            lb_kind DR
            {lines}
            real_server 10.0.0.9 80 {{
                {check}
            }}
        }}\n"
    )
}

fn services(numbers: &[usize], check: &str) -> String {
    let services = numbers.iter().map(|&number| service(number, "", check));
    services.collect()
}

fn sharing(text: &str) -> String {
    format!("global_defs {{\nchecker_share_probes\n}}\n{text}")
}

/// Whether the server is alive in these services, in their order.
fn alive(world: &World) -> Vec<bool> {
    let services = world.core.observe(world.now()).services;
    services
        .iter()
        .map(|service| service.servers[0].alive)
        .collect()
}

#[test]
fn without_the_option_everybody_tries_by_himself() {
    let mut world = World::running(&services(&[1, 2], CHECK));
    world.run(8.0);
    world.expect_connects(
        "1 10.0.0.9:80
        1 10.0.0.9:80
        7 10.0.0.9:80
        7 10.0.0.9:80",
    );
    world.stop();
}

#[test]
fn services_with_equal_checks_make_one_attempt() {
    let mut world = World::running(&sharing(&services(&[1, 2], CHECK)));
    world.run(2.0);
    world.forget();
    world.set("10.0.0.9:80", Backend::Refusing);
    world.run(8.0);
    world.expect_connects(
        "7 10.0.0.9:80
        8 10.0.0.9:80
        9 10.0.0.9:80",
    );
    world.expect_lines(
        "9 TCP_CHECK on service [10.0.0.9]:tcp:80 failed after 2 retries.
        9 Removing service [10.0.0.9]:tcp:80 from VS [10.0.0.1]:tcp:80
        9 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:80
        9 TCP_CHECK on service [10.0.0.9]:tcp:80 failed after 2 retries.
        9 Removing service [10.0.0.9]:tcp:80 from VS [10.0.0.2]:tcp:80
        9 Lost quorum 1-0=1 > 0 for VS [10.0.0.2]:tcp:80",
    );
    world.expect_requests(
        "9 -d -t 10.0.0.1:80 -r 10.0.0.9:80
        9 -d -t 10.0.0.2:80 -r 10.0.0.9:80",
    );
    world.stop();
}

/// Every kind of check that connects to something, and an answer that it likes.
const KINDS: [(&str, Backend); 6] = [
    (CHECK, Backend::Accepting),
    (
        "HTTP_GET {
            retry 1
            delay_before_retry 2
            url {
                path /one
            }
            url {
                path /two
            }
        }",
        Backend::Talking(&[Hear, Pause(300), Say(b"HTTP/1.0 200 OK\r\n\r\nhello"), End]),
    ),
    (
        "SMTP_CHECK {
            retry 2
            delay_before_retry 2
        }",
        Backend::Talking(&[
            Say(b"220 ready\r\n"),
            Hear,
            Say(b"250 hello\r\n"),
            Hear,
            Say(b"221 bye\r\n"),
            End,
        ]),
    ),
    (
        "DNS_CHECK {
            retry 1
            name example.org
        }",
        Backend::Refusing,
    ),
    (
        "UDP_CHECK {
            retry 1
        }",
        Backend::Accepting,
    ),
    (
        "PING_CHECK {
            connect_timeout 2
            retry 1
        }",
        Backend::Refusing,
    ),
];

/// The same story with and without: half the attempts, and the same of everything else.
#[test]
fn what_is_said_told_and_asked_is_the_same_with_half_the_attempts() {
    // One that starts down agrees with its like only.
    let lines = [
        "alpha",
        "inhibit_on_failure\nquorum_down /bin/down",
        "sorry_server 10.0.0.8 80",
        "alpha\nquorum_up /bin/up",
    ];
    for (check, good) in KINDS {
        let services = lines.iter().enumerate();
        let text: String = services
            .map(|(number, lines)| service(number + 1, lines, check))
            .collect();
        let [alone, together] = [text.clone(), sharing(&text)].map(|text| {
            let mut world = World::running(&text);
            for backend in [good, Backend::Refusing, Backend::Silent, good, good] {
                for port in ["80", "25", "53", "0"] {
                    world.set(&format!("10.0.0.9:{port}"), backend);
                }
                world.run(31.0);
            }
            let tried = world.connects().len();
            let told = [world.lines(), world.requests(), world.notices()];
            world.stop();
            (tried, told)
        });
        let (by_subject, same) = (sorted(alone.1), sorted(together.1));
        assert_eq!(by_subject, same, "{check}");
        assert!(alone.0 > 20, "{check}: {}", alone.0);
        assert_eq!(alone.0, 2 * together.0, "{check}");
    }
}

/// Those who have their verdict at the same time tell of it in any order.
fn sorted(mut told: [Vec<String>; 3]) -> [Vec<String>; 3] {
    told.iter_mut().for_each(|lines| lines.sort());
    told
}

#[test]
fn who_differs_in_anything_tries_by_himself() {
    for other in [
        CHECK.replace("retry 2", "retry 1"),
        CHECK.replace("delay_before_retry 1", "delay_before_retry 2"),
        CHECK.replace('}', "warmup 1\n}"),
        CHECK.replace('}', "alpha\n}"),
        CHECK.replace('}', "delay_loop 5\n}"),
        CHECK.replace('}', "connect_timeout 4\n}"),
        CHECK.replace('}', "connect_ip 10.0.0.8\n}"),
        CHECK.replace('}', "connect_port 81\n}"),
        CHECK.replace('}', "bindto 10.0.0.7\n}"),
        CHECK.replace('}', "bind_port 7000\n}"),
        CHECK.replace('}', "bind_if eth0\n}"),
        CHECK.replace('}', "fwmark 3\n}"),
        CHECK.replace("TCP_CHECK", "SMTP_CHECK"),
    ] {
        let text = services(&[1], CHECK) + &services(&[2], &other);
        let mut world = World::running(&sharing(&text));
        world.run(2.5);
        assert_eq!(world.connects().len(), 2, "{other}");
    }
    let page = |url: &str| format!("HTTP_GET {{\nretry 1\nurl {{\n{url}\n}}\n}}");
    let plain = page("path /");
    for other in [
        page("path /other"),
        page("path /\nstatus_code 200"),
        page("path /\nvirtualhost www"),
        page("path /\nregex x"),
        page("path /\ndigest 5d41402abc4b2a76b9719d911017c592"),
        plain.replace("retry 1", "retry 1\nhttp_protocol 1.1"),
        plain.replace("HTTP_GET", "SSL_GET"),
    ] {
        let text = services(&[1], &plain) + &services(&[2], &other);
        let mut world = World::running(&sharing(&text));
        world.run(2.0);
        assert_eq!(world.connects().len(), 2, "{other}");
    }
}

/// The random part of the warm-up is everybody's own; the first one tries for all.
#[test]
fn the_first_to_be_due_tries_for_all() {
    let check = CHECK.replace('}', "warmup 60\n}");
    let mut world = World::running(&sharing(&services(&[1, 2, 3, 4, 5], &check)));
    world.run(61.0);
    let tried: BTreeSet<String> = world.connects().into_iter().collect();
    // One after the other, 6 s apart, and none of them twice.
    let lines = world.lines();
    let first: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("success"))
        .collect();
    assert_eq!(first.len(), 5, "{lines:?}");
    let time = |line: &str| line.split(' ').next().unwrap().to_owned();
    let times: BTreeSet<String> = first.iter().map(|line| time(line)).collect();
    assert_eq!(times.len(), 1, "{lines:?}");
    let earliest = tried.iter().map(|line| time(line).parse::<f64>().unwrap());
    let earliest = earliest.fold(f64::MAX, f64::min);
    assert!((1.0..61.0).contains(&earliest));
    let rounds = ((61.0 - earliest) / 6.0).floor() + 1.0;
    assert!((tried.len() as f64 - rounds).abs() < 0.5, "{tried:?}");
}

#[test]
fn who_leaves_passes_its_attempt_on() {
    let mut world = World::new();
    world.set("10.0.0.9:80", Backend::Silent);
    world.reload(&sharing(&services(&[1, 2, 3], CHECK)));
    world.run(2.0);
    // Whoever made it; the second to go may be the heir.
    world.reload(&sharing(&services(&[2, 3], CHECK)));
    world.run(1.0);
    world.reload(&sharing(&services(&[2], CHECK)));
    world.run(2.5);
    world.expect_connects("1 10.0.0.9:80");
    assert_eq!(alive(&world), [true]);
    // Five seconds after the connect.
    world.run(1.0);
    assert_eq!(alive(&world), [false]);
    world.run(6.0);
    world.expect_connects("12 10.0.0.9:80");
    world.reload("global_defs {\nchecker_share_probes\n}");
    world.run(20.0);
    world.expect_connects("");
    world.stop();
}

#[test]
fn who_leaves_between_attempts_leaves_the_next_one_to_others() {
    let mut world = World::running(&sharing(&services(&[1, 2, 3, 4], CHECK)));
    world.run(2.0);
    for rest in [[2, 3, 4].as_slice(), &[3, 4], &[3]] {
        world.reload(&sharing(&services(rest, CHECK)));
        world.run(6.0);
    }
    world.expect_connects("1 10.0.0.9:80\n7 10.0.0.9:80\n13 10.0.0.9:80\n19 10.0.0.9:80");
    // It comes back behind the others.
    world.reload(&sharing(&services(&[1, 3], CHECK)));
    world.run(6.0);
    world.expect_connects("21 10.0.0.9:80");
    world.set("10.0.0.9:80", Backend::Refusing);
    world.run(8.0);
    assert_eq!(alive(&world), [false, false]);
    world.expect_connects("27 10.0.0.9:80\n28 10.0.0.9:80\n29 10.0.0.9:80");
    world.stop();
}

#[test]
fn who_leaves_while_others_try_is_forgotten() {
    let mut world = World::new();
    world.set("10.0.0.9:80", Backend::Silent);
    world.reload(&sharing(&services(&[1, 2, 3], CHECK)));
    world.run(2.0);
    world.reload(&sharing(&services(&[1], CHECK)));
    world.forget();
    world.run(5.0);
    world.expect_lines(
        "6 TCP_CHECK on service [10.0.0.9]:tcp:80 failed.
        6 Removing service [10.0.0.9]:tcp:80 from VS [10.0.0.1]:tcp:80
        6 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:80",
    );
    world.stop();
}

#[test]
fn who_comes_while_an_attempt_is_under_way_waits_for_what_it_finds() {
    let mut world = World::running(&sharing(&services(&[1], CHECK)));
    world.run(6.5);
    world.set("10.0.0.9:80", Backend::Silent);
    // The attempt of second 7 lasts until 12; the newcomer is due at 9.
    world.run(1.5);
    world.reload(&sharing(&services(&[1, 2], CHECK)));
    world.forget();
    world.run(5.0);
    world.expect_connects("13 10.0.0.9:80");
    assert_eq!(
        alive(&world),
        [true, false],
        "its first check has no retries"
    );
    world.run(5.0);
    world.expect_connects("");
    // The first one's second retry, at which the other is looked at, too.
    world.run(2.0);
    world.expect_connects("19 10.0.0.9:80");
    world.run(5.0);
    assert_eq!(alive(&world), [false, false]);
    world.forget();
    world.set("10.0.0.9:80", Backend::Accepting);
    world.run(13.0);
    world.expect_connects("30 10.0.0.9:80\n36 10.0.0.9:80");
    assert_eq!(alive(&world), [true, true]);
    world.stop();
}

/// Its check says down every two seconds, and must not use up the other's retry, which is ten
/// seconds away.
#[test]
fn who_is_between_retries_keeps_its_patience() {
    let check = "TCP_CHECK {
        delay_loop 2
        retry 1
        delay_before_retry 10
    }";
    let mut world = World::running(&sharing(&services(&[1], check)));
    world.run(2.5);
    world.set("10.0.0.9:80", Backend::Refusing);
    world.run(1.0);
    world.reload(&sharing(&services(&[1, 2], check)));
    world.forget();
    world.run(1.1);
    assert_eq!(alive(&world), [true, false]);
    world.run(8.3);
    assert_eq!(alive(&world), [true, false]);
    world.run(0.2);
    assert_eq!(alive(&world), [false, false]);
    world.expect_connects(
        "4.5 10.0.0.9:80
        6.5 10.0.0.9:80
        8.5 10.0.0.9:80
        10.5 10.0.0.9:80
        12.5 10.0.0.9:80
        13 10.0.0.9:80",
    );
    world.run(4.5);
    world.expect_connects("15 10.0.0.9:80\n17 10.0.0.9:80");
    world.stop();
}

/// Each has to have seen both pages before it is up; then they go on together.
#[test]
fn who_is_at_another_page_makes_its_own_attempt() {
    let (check, good) = KINDS[1];
    let mut world = World::new();
    world.set("10.0.0.9:80", good);
    world.reload(&sharing(&service(1, "alpha", check)));
    world.run(2.5);
    let text = service(1, "alpha", check) + &service(2, "alpha", check);
    world.reload(&sharing(&text));
    world.run(26.0);
    world.expect_connects(
        "1 10.0.0.9:80
        3.5 10.0.0.9:80
        7.3 10.0.0.9:80
        13.6 10.0.0.9:80
        19.9 10.0.0.9:80
        26.2 10.0.0.9:80",
    );
    let asked = world.sent();
    let pages = asked.iter().map(|text| text.split(' ').nth(1).unwrap());
    let pages: Vec<&str> = pages.collect();
    let both = ["/one", "/two"];
    assert_eq!(
        pages,
        [["/one"; 2].as_slice(), &["/two"], &both, &["/one"]].concat()
    );
    assert_eq!(alive(&world), [true, true]);
    world.stop();
}

/// The first and the second go together, and so do the third and the fourth, until the latter are
/// due first.
#[test]
fn those_who_go_together_fall_in_with_others() {
    let mut world = World::running(&sharing(&services(&[1, 2], CHECK)));
    world.run(2.0);
    world.reload(&sharing(&services(&[1, 2, 3, 4], CHECK)));
    world.run(6.0);
    world.expect_connects("1 10.0.0.9:80\n3 10.0.0.9:80");
    world.set("10.0.0.9:80", Backend::Refusing);
    world.run(4.0);
    world.expect_connects("9 10.0.0.9:80\n10 10.0.0.9:80\n11 10.0.0.9:80");
    assert_eq!(alive(&world), [false; 4]);
    world.stop();
}

/// As above, with pauses of one length: who is between retries waits for the same moment as who is
/// down, but not for an earlier one.
#[test]
fn who_is_between_retries_does_not_go_with_who_is_down() {
    let check = "TCP_CHECK {
        delay_loop 4
        retry 1
        delay_before_retry 4
    }";
    let mut world = World::running(&sharing(&services(&[1], check)));
    world.run(2.0);
    world.set("10.0.0.9:80", Backend::Refusing);
    world.reload(&sharing(&services(&[1, 2], check)));
    world.run(2.0);
    world.reload(&sharing(&services(&[1, 2, 3], check)));
    world.run(1.5);
    assert_eq!(alive(&world), [true, false, false]);
    world.run(1.4);
    assert_eq!(alive(&world), [true, false, false]);
    world.run(0.2);
    assert_eq!(alive(&world), [false, false, false]);
    world.expect_connects("1 10.0.0.9:80\n3 10.0.0.9:80\n5 10.0.0.9:80\n7 10.0.0.9:80");
    world.stop();
}

/// The first one's page was right at its retry, and it goes on to the next; the other was down by
/// then, and begins again.
#[test]
fn who_goes_on_to_another_page_goes_alone() {
    let (check, good) = KINDS[1];
    let mut world = World::new();
    world.set("10.0.0.9:80", good);
    world.reload(&sharing(&service(1, "", check)));
    // Its first page is due again at second 13.6.
    world.run(9.0);
    world.set("10.0.0.9:80", Backend::Refusing);
    world.reload(&sharing(&services(&[1, 2], check)));
    world.run(1.5);
    world.set("10.0.0.9:80", good);
    assert_eq!(alive(&world), [true, false]);
    world.run(1.8);
    world.sent();
    world.forget();
    world.run(7.0);
    let asked = world.sent();
    let pages = asked.iter().map(|text| text.split(' ').nth(1).unwrap());
    let pages: Vec<&str> = pages.collect();
    assert_eq!(pages, ["/two", "/one"], "{:?}", world.connects());
    world.stop();
}

fn vip(number: u8) -> Address {
    Address::new(IfIndex(2), format!("10.0.0.{number}/32").parse().unwrap())
}

#[test]
fn who_is_suspended_holds_nobody_up_and_is_not_taken_along() {
    let mut world = World::new();
    world.addresses.push(vip(1));
    let text = service(1, "ha_suspend", CHECK) + &services(&[2], CHECK);
    world.reload(&sharing(&text));
    world.run(2.0);
    world.expect_connects("1 10.0.0.9:80");
    world.event(Event::Network(Notice::AddressGone(vip(1))));
    world.set("10.0.0.9:80", Backend::Refusing);
    world.run(8.0);
    world.expect_connects("7 10.0.0.9:80\n8 10.0.0.9:80\n9 10.0.0.9:80");
    assert_eq!(alive(&world), [true, false]);
    // Back again it is taken along at its next check, or the other's.
    world.event(Event::Network(Notice::Address(vip(1))));
    world.run(4.0);
    world.expect_connects(
        "11 10.0.0.9:80
        12 10.0.0.9:80
        13 10.0.0.9:80",
    );
    assert_eq!(alive(&world), [false, false]);
    world.stop();
}

#[test]
fn who_is_suspended_while_others_try_hears_of_that_and_of_nothing_more() {
    let mut world = World::new();
    world.addresses.extend([vip(1), vip(2)]);
    world.set("10.0.0.9:80", Backend::Silent);
    let text = [1, 2].map(|number| service(number, "ha_suspend", CHECK));
    world.reload(&sharing(&text.concat()));
    world.run(2.0);
    world.event(Event::Network(Notice::AddressGone(vip(2))));
    world.run(5.0);
    assert_eq!(alive(&world), [false, false]);
    world.set("10.0.0.9:80", Backend::Accepting);
    world.run(20.0);
    assert_eq!(alive(&world), [true, false]);
    world.stop();
}

/// The second of three, which has no timer of its own; then the first, which has.
#[test]
fn who_is_suspended_between_attempts_does_not_make_the_next() {
    let mut world = World::new();
    world.addresses.extend([vip(1), vip(2), vip(3)]);
    let text = [1, 2, 3].map(|number| service(number, "ha_suspend", CHECK));
    world.reload(&sharing(&text.concat()));
    world.run(2.0);
    world.event(Event::Network(Notice::AddressGone(vip(2))));
    world.run(6.0);
    world.event(Event::Network(Notice::AddressGone(vip(1))));
    world.set("10.0.0.9:80", Backend::Refusing);
    world.run(8.0);
    world.expect_connects(
        "1 10.0.0.9:80
        7 10.0.0.9:80
        13 10.0.0.9:80
        14 10.0.0.9:80
        15 10.0.0.9:80",
    );
    assert_eq!(alive(&world), [true, true, false]);
    world.event(Event::Network(Notice::AddressGone(vip(3))));
    world.run(20.0);
    world.expect_connects("");
    world.event(Event::Network(Notice::Address(vip(2))));
    world.event(Event::Network(Notice::Address(vip(1))));
    world.run(4.0);
    world.expect_connects("37 10.0.0.9:80\n38 10.0.0.9:80\n39 10.0.0.9:80");
    assert_eq!(alive(&world), [false, false, false]);
    world.stop();
}

/// The one that made the attempt; what it finds counts for all of them, also for itself.
#[test]
fn who_is_suspended_in_the_middle_of_an_attempt_hears_of_its_end() {
    let mut world = World::new();
    world.addresses.extend([vip(1), vip(2)]);
    let text = service(1, "ha_suspend", CHECK) + &service(2, "ha_suspend", CHECK);
    world.set("10.0.0.9:80", Backend::Silent);
    world.reload(&sharing(&text));
    world.run(2.0);
    world.event(Event::Network(Notice::AddressGone(vip(1))));
    world.run(1.0);
    world.event(Event::Network(Notice::AddressGone(vip(2))));
    world.event(Event::Network(Notice::Address(vip(2))));
    world.run(4.0);
    assert_eq!(alive(&world), [false, false]);
    world.run(6.0);
    world.expect_connects("1 10.0.0.9:80\n12 10.0.0.9:80");
    world.stop();
}

#[test]
fn a_reload_begins_and_ends_it() {
    let text = services(&[1, 2], CHECK);
    let mut world = World::running(&text);
    world.run(2.0);
    world.reload(&sharing(&text));
    world.forget();
    world.run(12.0);
    world.expect_connects("7 10.0.0.9:80\n13 10.0.0.9:80");
    world.set("10.0.0.9:80", Backend::Silent);
    world.run(6.0);
    world.expect_connects("19 10.0.0.9:80");
    // Who waits for the attempt of second 19 still hears of it.
    world.reload(&text);
    world.run(4.0);
    world.set("10.0.0.9:80", Backend::Accepting);
    world.run(7.5);
    world.expect_connects("25 10.0.0.9:80\n25 10.0.0.9:80\n31 10.0.0.9:80\n31 10.0.0.9:80");
    world.expect_lines("");
    world.stop();
}

#[test]
fn a_reload_between_attempts_ends_it_and_disturbs_no_rhythm() {
    let text = services(&[1, 2, 3], CHECK);
    let mut world = World::running(&sharing(&text));
    world.run(2.0);
    let before = world.core.observe(world.now());
    world.reload(&text);
    assert_eq!(
        world.core.observe(world.now()),
        before,
        "the next check comes when it was to"
    );
    world.run(6.0);
    world.expect_connects("1 10.0.0.9:80\n7 10.0.0.9:80\n7 10.0.0.9:80\n7 10.0.0.9:80");
    world.reload(&sharing(&text));
    world.run(6.0);
    world.expect_connects("13 10.0.0.9:80");
    // One of them gets another rhythm, which counts from now on.
    let faster = CHECK.replace('}', "delay_loop 2\n}");
    world.reload(&sharing(
        &(services(&[1, 3], CHECK) + &services(&[2], &faster)),
    ));
    world.run(4.5);
    world.expect_connects("16 10.0.0.9:80\n18 10.0.0.9:80");
    world.stop();
}

/// The probe is the same, and the rhythm is not: who changes belongs to others from then on.
#[test]
fn who_is_configured_anew_shares_with_others() {
    let faster = CHECK.replace('}', "delay_loop 4\n}");
    let mut world = World::new();
    world.set("10.0.0.9:80", Backend::Silent);
    world.reload(&sharing(&services(&[1, 2], CHECK)));
    world.run(2.0);
    world.reload(&sharing(
        &(services(&[1], &faster) + &services(&[2], CHECK)),
    ));
    world.run(3.9);
    world.expect_connects("1 10.0.0.9:80");
    world.set("10.0.0.9:80", Backend::Accepting);
    world.run(7.0);
    assert_eq!(alive(&world), [true, true]);
    world.expect_connects("10 10.0.0.9:80\n12 10.0.0.9:80");
    world.reload(&sharing(&services(&[1, 2], &faster)));
    world.run(10.0);
    world.expect_connects("14 10.0.0.9:80\n18 10.0.0.9:80\n22 10.0.0.9:80");
    world.stop();
}

/// Its pauses are those of the others, and still it is not the same check.
#[test]
fn who_is_configured_anew_while_others_try_leaves_them() {
    let other = CHECK.replace("retry 2", "retry 1");
    let mut world = World::new();
    world.set("10.0.0.9:80", Backend::Silent);
    world.reload(&sharing(&services(&[1, 2], CHECK)));
    world.run(2.0);
    let text = services(&[1], CHECK) + &services(&[2], &other);
    world.reload(&sharing(&text));
    world.set("10.0.0.9:80", Backend::Accepting);
    world.run(11.0);
    world.expect_connects("1 10.0.0.9:80\n12 10.0.0.9:80\n12 10.0.0.9:80");
    world.stop();
}

#[test]
fn programs_are_not_shared() {
    let check = "MISC_CHECK {
        misc_path /bin/true
        user root
    }";
    let mut world = World::new();
    world.programs.insert("/bin/true".to_owned(), 0);
    world.reload(&sharing(&services(&[1, 2], check)));
    world.run(2.0);
    world.expect_runs("1 /bin/true\n1 /bin/true");
    world.stop();
}

#[test]
fn each_server_is_told_that_the_certificate_expires() {
    let check = "SSL_GET {
        retry 0
        tls_expiry_warning 30
        url {
            path /
        }
    }";
    let mut world = World::new();
    world.set("10.0.0.9:80", Backend::Talking(&[]));
    world.reload(&sharing(&services(&[1, 2], check)));
    world.run(1.5);
    world.forget();
    let probe = world.last_probe();
    let days_left = Some(12);
    world.event(Event::Secured { probe, days_left });
    world.hear(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n");
    let lines = world.lines();
    let warned = lines
        .iter()
        .filter(|line| line.contains("expires in 12 days"));
    assert_eq!(warned.count(), 2, "{lines:?}");
    world.run_for(Duration::from_secs(1));
    world.stop();
}
