//! The rhythm of checks: delay, retry, patience, and what says nothing about a server.

use keepalived::check::{Event, Reason};

use crate::world::{Backend, World};

/// One server, one check with these lines.
fn one_check(check: &str) -> String {
    format!(
        "virtual_server 10.0.0.1 80 {{
            delay_loop 10
            warmup 0
            protocol TCP
            real_server 10.0.0.2 80 {{
                TCP_CHECK {{
                    {check}
                }}
            }}
        }}"
    )
}

const PATIENT: &str = "connect_timeout 2
                    retry 2
                    delay_before_retry 1";

#[test]
fn a_silent_server_is_down_after_its_last_retry_has_timed_out() {
    let mut world = World::running(&one_check(PATIENT));
    world.run(5.0);
    world.forget();
    world.set("10.0.0.2:80", Backend::Silent);
    world.run(40.0);
    // 2 + 1 + 2 + 1 + 2 = 8 s after the first connect; then delay_loop after each end.
    world.expect_connects(
        "11 10.0.0.2:80
        14 10.0.0.2:80
        17 10.0.0.2:80
        29 10.0.0.2:80
        41 10.0.0.2:80",
    );
    world.expect_lines(
        "19 TCP_CHECK on service [10.0.0.2]:tcp:80 failed after 2 retries.
        19 Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        19 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:80",
    );
    world.expect_reasons("19 [10.0.0.2]:tcp:80 by TCP_CHECK: reason 2, timed out in connect");
    let reasons = world.server("10.0.0.2:80").reasons;
    assert_eq!(reasons, [("TCP_CHECK", Reason::ConnectTimeout)]);
}

#[test]
fn the_first_check_has_no_retries() {
    let mut world = World::new();
    world.set("10.0.0.2:80", Backend::Refusing);
    world.reload(&one_check(PATIENT));
    world.run(30.0);
    world.expect_connects("1 10.0.0.2:80\n11 10.0.0.2:80\n21 10.0.0.2:80");
    world.expect_requests(
        "0 -A -t 10.0.0.1:80 -s wlc
        0 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 1
        1 -d -t 10.0.0.1:80 -r 10.0.0.2:80",
    );
}

#[test]
fn a_success_in_between_gives_all_retries_back() {
    let mut world = World::running(&one_check(PATIENT));
    world.run(5.0);
    world.forget();
    for start in [11, 23, 35] {
        world.set("10.0.0.2:80", Backend::Refusing);
        // Two failures at `start` and a second later, then a success.
        world.run(f64::from(start) + 1.5 - world.seconds());
        world.set("10.0.0.2:80", Backend::Accepting);
        world.run(5.0);
    }
    world.expect_lines("");
    world.expect_connects(
        "11 10.0.0.2:80\n12 10.0.0.2:80\n13 10.0.0.2:80
        23 10.0.0.2:80\n24 10.0.0.2:80\n25 10.0.0.2:80
        35 10.0.0.2:80\n36 10.0.0.2:80\n37 10.0.0.2:80",
    );
}

#[test]
fn one_success_brings_a_server_back_and_its_next_failure_is_retried() {
    let mut world = World::new();
    world.set("10.0.0.2:80", Backend::Refusing);
    world.reload(&one_check("retry 1\ndelay_before_retry 3"));
    world.run(5.0);
    world.forget();
    world.set("10.0.0.2:80", Backend::Accepting);
    world.run(10.0);
    world.set("10.0.0.2:80", Backend::Refusing);
    world.run(10.0);
    world.expect_lines(
        "11 TCP connection to [10.0.0.2]:tcp:80 success.
        11 Adding service [10.0.0.2]:tcp:80 to VS [10.0.0.1]:tcp:80
        11 Gained quorum 1+0=1 <= 1 for VS [10.0.0.1]:tcp:80
        24 TCP_CHECK on service [10.0.0.2]:tcp:80 failed after 1 retries.
        24 Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        24 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:80",
    );
}

#[test]
fn an_answer_that_comes_after_the_limit_finds_nobody() {
    let mut world = World::new();
    world.set("10.0.0.2:80", Backend::Silent);
    world.reload(&one_check("connect_timeout 3"));
    world.run(1.0);
    assert_eq!(world.server("10.0.0.2:80").next_check, None);
    let probe = world.last_probe();
    world.run(2.9);
    assert!(world.server("10.0.0.2:80").alive);
    world.run(0.2);
    assert!(!world.server("10.0.0.2:80").alive);
    world.forget();
    world.event(Event::Connected(probe));
    assert!(!world.server("10.0.0.2:80").alive);
    world.expect_lines("");
    world.expect_requests("");
}

#[test]
fn a_check_that_cannot_be_made_here_changes_nothing() {
    let mut world = World::running(&one_check("retry 1\nbindto 192.0.2.9"));
    world.run(5.0);
    world.forget();
    world.set("10.0.0.2:80", Backend::Unbindable);
    world.run(20.0);
    assert!(world.server("10.0.0.2:80").alive);
    // No retry was counted either: the server still has all of them.
    world.set("10.0.0.2:80", Backend::Refusing);
    world.run(10.0);
    world.expect_lines(
        "11 TCP socket bind failed. Rescheduling.
        21 TCP socket bind failed. Rescheduling.
        32 TCP_CHECK on service [10.0.0.2]:tcp:80 failed after 1 retries.
        32 Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        32 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:80",
    );
    // Nor does it bring a server back.
    world.set("10.0.0.2:80", Backend::Unbindable);
    world.run(20.0);
    assert!(!world.server("10.0.0.2:80").alive);
}

#[test]
fn single_failures_are_told_on_demand_while_the_server_is_up() {
    let mut world = World::running(&one_check("log_all_failures\nretry 1\nconnect_timeout 2"));
    world.run(5.0);
    world.forget();
    world.set("10.0.0.2:80", Backend::Silent);
    world.run(8.0);
    world.set("10.0.0.2:80", Backend::Refusing);
    world.run(20.0);
    world.expect_lines(
        "13 TCP connection to [10.0.0.2]:tcp:80 timeout.
        14 TCP connection to [10.0.0.2]:tcp:80 failed.
        14 TCP_CHECK on service [10.0.0.2]:tcp:80 failed after 1 retries.
        14 Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        14 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:80",
    );
}

#[test]
fn first_checks_are_spread_over_a_second_and_the_warmup() {
    let mut starts = Vec::new();
    for seed in 0..200 {
        let mut world = World::with(crate::kernel::Kernel::with_ipvs(), seed);
        world.reload(&one_check("warmup 8"));
        starts.push(
            world
                .server("10.0.0.2:80")
                .next_check
                .unwrap()
                .as_secs_f64(),
        );
    }
    starts.sort_by(f64::total_cmp);
    assert!((1.0..1.5).contains(&starts[0]), "{starts:?}");
    assert!((8.5..=9.0).contains(&starts[199]), "{starts:?}");
    assert!((4.0..6.0).contains(&starts[100]), "{starts:?}");
}
