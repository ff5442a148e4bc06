//! Whole lives of services: start, failure, return, quorum, stop. The golden lines and commands
//! are those of keepalived for the same story.

use std::fmt::Write;

use crate::world::{Backend, World};

/// The cluster whose run with keepalived 2.2.7 and 2.4 was recorded.
const RECORDED: &str = "
    virtual_server 192.168.200.254 80 {
        delay_loop 6
        warmup 0
        lb_algo wrr
        lb_kind DR
        persistence_timeout 50
        protocol TCP
        real_server 192.168.200.2 80 {
            weight 1
            TCP_CHECK {
                connect_timeout 3
            }
        }
        real_server 192.168.200.3 80 {
            weight 2
            TCP_CHECK {
                connect_timeout 3
            }
        }
    }
";

#[test]
fn the_recorded_run_gives_the_recorded_lines_and_commands() {
    let mut world = World::new();
    world.set("192.168.200.3:80", Backend::Refusing);
    world.reload(RECORDED);
    assert_eq!(world.directing, Some(true));
    world.expect_lines(
        "0 Gained quorum 1+0=1 <= 3 for VS [192.168.200.254]:tcp:80
        0 Activating healthchecker for service [192.168.200.2]:tcp:80 \
        for VS [192.168.200.254]:tcp:80
        0 Activating healthchecker for service [192.168.200.3]:tcp:80 \
        for VS [192.168.200.254]:tcp:80",
    );
    world.expect_requests(
        "0 -A -t 192.168.200.254:80 -s wrr -p 50
        0 -a -t 192.168.200.254:80 -r 192.168.200.2:80 -g -w 1
        0 -a -t 192.168.200.254:80 -r 192.168.200.3:80 -g -w 2",
    );
    world.run(3.0);
    world.expect_lines(
        "1 TCP connection to [192.168.200.2]:tcp:80 success.
        1 TCP_CHECK on service [192.168.200.3]:tcp:80 failed.
        1 Removing service [192.168.200.3]:tcp:80 from VS [192.168.200.254]:tcp:80",
    );
    world.expect_requests("1 -d -t 192.168.200.254:80 -r 192.168.200.3:80");
    // The surviving server is killed ...
    world.set("192.168.200.2:80", Backend::Refusing);
    world.run(7.0);
    world.expect_lines(
        "8 TCP_CHECK on service [192.168.200.2]:tcp:80 failed after 1 retries.
        8 Removing service [192.168.200.2]:tcp:80 from VS [192.168.200.254]:tcp:80
        8 Lost quorum 1-0=1 > 0 for VS [192.168.200.254]:tcp:80",
    );
    world.expect_requests("8 -d -t 192.168.200.254:80 -r 192.168.200.2:80");
    // ... and restarted.
    world.set("192.168.200.2:80", Backend::Accepting);
    world.run(5.0);
    world.expect_lines(
        "14 TCP connection to [192.168.200.2]:tcp:80 success.
        14 Adding service [192.168.200.2]:tcp:80 to VS [192.168.200.254]:tcp:80
        14 Gained quorum 1+0=1 <= 1 for VS [192.168.200.254]:tcp:80",
    );
    world.expect_requests("14 -a -t 192.168.200.254:80 -r 192.168.200.2:80 -g -w 1");
    world.expect_table(
        "-A -t 192.168.200.254:80 -s wrr -p 50
        -a -t 192.168.200.254:80 -r 192.168.200.2:80 -g -w 1",
    );
    world.stop();
    world.expect_lines(
        "15 Shutting down service [192.168.200.2]:tcp:80 from VS [192.168.200.254]:tcp:80
        15 Shutting down service [192.168.200.3]:tcp:80 from VS [192.168.200.254]:tcp:80",
    );
    world.expect_requests(
        // Its destinations go with a service; keepalived removes them one by one before it.
        "15 -D -t 192.168.200.254:80",
    );
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn an_alpha_server_enters_the_table_at_its_first_success() {
    let mut world = World::new();
    world.set("10.0.0.2:80", Backend::Refusing);
    world.reload(
        "virtual_server 10.0.0.1 80 {
            delay_loop 5
            warmup 0
            protocol TCP
            real_server 10.0.0.2 80 {
                alpha
                TCP_CHECK {
                }
            }
        }",
    );
    world.run(2.0);
    // A service that starts without quorum says nothing about it.
    world.expect_lines(
        "0 Activating healthchecker for service [10.0.0.2]:tcp:80 for VS [10.0.0.1]:tcp:80
        1 TCP_CHECK on service [10.0.0.2]:tcp:80 failed.",
    );
    world.expect_requests("0 -A -t 10.0.0.1:80 -s wlc");
    world.set("10.0.0.2:80", Backend::Accepting);
    world.run(5.0);
    world.expect_lines(
        "6 TCP connection to [10.0.0.2]:tcp:80 success.
        6 Adding service [10.0.0.2]:tcp:80 to VS [10.0.0.1]:tcp:80
        6 Gained quorum 1+0=1 <= 1 for VS [10.0.0.1]:tcp:80",
    );
    world.expect_requests("6 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 1");
}

#[test]
fn an_inhibited_server_stays_with_weight_zero() {
    let mut world = World::running(
        "virtual_server 10.0.0.1 80 {
            delay_loop 5
            warmup 0
            lb_kind TUN
            inhibit_on_failure
            protocol TCP
            real_server 10.0.0.2 80 {
                weight 7
                TCP_CHECK {
                    retry 0
                }
            }
            real_server 10.0.0.3 80 {
                alpha
                TCP_CHECK {
                    connect_port 81
                }
            }
        }",
    );
    world.set("10.0.0.3:81", Backend::Refusing);
    world.run(2.0);
    world.expect_requests(
        "0 -A -t 10.0.0.1:80 -s wlc
        0 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 7
        0 -a -t 10.0.0.1:80 -r 10.0.0.3:80 -i -w 0",
    );
    world.forget();
    world.set("10.0.0.2:80", Backend::Refusing);
    world.run(5.0);
    world.set("10.0.0.2:80", Backend::Accepting);
    world.run(5.0);
    world.expect_lines(
        "6 TCP_CHECK on service [10.0.0.2]:tcp:80 failed.
        6 Disabling service [10.0.0.2]:tcp:80 of VS [10.0.0.1]:tcp:80
        6 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:80
        11 TCP connection to [10.0.0.2]:tcp:80 success.
        11 Enabling service [10.0.0.2]:tcp:80 of VS [10.0.0.1]:tcp:80
        11 Gained quorum 1+0=1 <= 7 for VS [10.0.0.1]:tcp:80",
    );
    world.expect_requests(
        "6 -e -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 0
        11 -e -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 7",
    );
    world.stop();
    world.expect_lines(
        "12 Shutting down service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        12 Shutting down (inhibited) service [10.0.0.3]:tcp:80 from VS [10.0.0.1]:tcp:80",
    );
    world.expect_requests("12 -D -t 10.0.0.1:80");
}

#[test]
fn a_quorum_is_gained_above_and_lost_below_its_hysteresis() {
    let mut world = World::running(
        "virtual_server fd00::1 53 {
            delay_loop 5
            warmup 0
            quorum 8
            hysteresis 3
            protocol UDP
            real_server fd00::2 53 {
                weight 10
                TCP_CHECK {
                    retry 0
                }
            }
            real_server fd00::3 53 {
                weight 5
                TCP_CHECK {
                    retry 0
                }
            }
        }",
    );
    world.expect_requests(
        "0 -A -u [fd00::1]:53 -s wlc
        0 -a -u [fd00::1]:53 -r [fd00::2]:53 -m -w 10
        0 -a -u [fd00::1]:53 -r [fd00::3]:53 -m -w 5",
    );
    world.run(2.0);
    world.forget();
    // 5 is all that is left, and enough to keep what was gained.
    world.set("[fd00::2]:53", Backend::Refusing);
    world.run(5.0);
    world.set("[fd00::3]:53", Backend::Refusing);
    world.run(5.0);
    // 10 is not enough to gain it again.
    world.set("[fd00::2]:53", Backend::Accepting);
    world.run(5.0);
    world.set("[fd00::3]:53", Backend::Accepting);
    world.run(5.0);
    world.expect_lines(
        "6 TCP_CHECK on service [fd00::2]:udp:53 failed.
        6 Removing service [fd00::2]:udp:53 from VS [fd00::1]:udp:53
        11 TCP_CHECK on service [fd00::3]:udp:53 failed.
        11 Removing service [fd00::3]:udp:53 from VS [fd00::1]:udp:53
        11 Lost quorum 8-3=5 > 0 for VS [fd00::1]:udp:53
        16 TCP connection to [fd00::2]:udp:53 success.
        16 Adding service [fd00::2]:udp:53 to VS [fd00::1]:udp:53
        21 TCP connection to [fd00::3]:udp:53 success.
        21 Adding service [fd00::3]:udp:53 to VS [fd00::1]:udp:53
        21 Gained quorum 8+3=11 <= 15 for VS [fd00::1]:udp:53",
    );
}

#[test]
fn a_server_is_up_only_when_all_its_checks_pass() {
    let mut world = World::running(
        "virtual_server 10.0.0.1 80 {
            delay_loop 5
            warmup 0
            retry 1
            protocol TCP
            real_server 10.0.0.2 80 {
                TCP_CHECK {
                }
                TCP_CHECK {
                    connect_port 81
                }
            }
        }",
    );
    world.set("10.0.0.2:80", Backend::Refusing);
    world.run(2.0);
    world.set("10.0.0.2:81", Backend::Refusing);
    world.run(6.0);
    assert_eq!(world.server("10.0.0.2:80").failed_checks, 2);
    world.set("10.0.0.2:80", Backend::Accepting);
    world.run(8.0);
    assert!(!world.server("10.0.0.2:80").alive);
    world.set("10.0.0.2:81", Backend::Accepting);
    world.run(5.0);
    assert!(world.server("10.0.0.2:80").alive);
    world.expect_requests(
        "0 -A -t 10.0.0.1:80 -s wlc
        0 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 1
        1 -d -t 10.0.0.1:80 -r 10.0.0.2:80
        17 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 1",
    );
}

#[test]
fn one_failure_among_ten_thousand_servers_is_one_request() {
    let mut text = "virtual_server 10.0.0.1 80 {
        delay_loop 60
        protocol TCP
    "
    .to_owned();
    for number in 0..10_000 {
        let (high, low) = (number / 250, number % 250 + 1);
        let server = format!("real_server 10.1.{high}.{low} 80 {{\nTCP_CHECK {{\n}}\n}}");
        writeln!(text, "{server}").unwrap();
    }
    text += "}";
    let mut world = World::running(&text);
    // In shares, between which everything else has its turn.
    assert!(world.kernel.show().len() < 1_000);
    world.run(0.0);
    assert_eq!(world.kernel.show().len(), 10_001);
    world.run(61.0);
    world.forget();
    world.set("10.1.39.250:80", Backend::Refusing);
    world.run(62.0);
    let now = world.now();
    let snapshot = world.core.observe(now);
    assert_eq!(
        snapshot.services[0]
            .servers
            .iter()
            .filter(|server| !server.alive)
            .count(),
        1
    );
    assert_eq!(world.kernel.show().len(), 10_000);
    assert_eq!(world.requests().len(), 1);
}
