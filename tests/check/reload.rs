//! A new configuration for running services: what is the same is not disturbed.

use crate::world::{Backend, World, load};

const TWO: &str = "
    virtual_server 10.0.0.1 80 {
        delay_loop 6
        warmup 0
        lb_algo rr
        lb_kind DR
        protocol TCP
        real_server 10.0.0.2 80 {
            TCP_CHECK {
                retry 0
            }
        }
        real_server 10.0.0.3 80 {
            TCP_CHECK {
                retry 0
            }
        }
    }
";

/// Running for two seconds; the second server is down.
fn half_down() -> World {
    let mut world = World::new();
    world.set("10.0.0.3:80", Backend::Refusing);
    world.reload(TWO);
    world.run(2.0);
    world.forget();
    world
}

#[test]
fn an_unchanged_configuration_changes_nothing() {
    let mut world = half_down();
    let now = world.now();
    let before = (world.core.observe(now), world.core.deadline());
    world.reload(TWO);
    assert_eq!((world.core.observe(now), world.core.deadline()), before);
    world.expect_requests("");
    world.expect_lines("");
    // Upstream would start the timers anew and check at second 3.
    world.run(6.0);
    world.expect_connects("7 10.0.0.2:80\n7 10.0.0.3:80");
}

#[test]
fn a_check_in_flight_survives_a_reload() {
    let mut world = World::new();
    world.set("10.0.0.2:80", Backend::Silent);
    world.reload(TWO);
    world.run(3.0);
    world.reload(TWO);
    world.run(3.5);
    assert!(
        !world.server("10.0.0.2:80").alive,
        "5 s after the connect, not after the reload"
    );
}

#[test]
fn servers_and_services_come_and_go() {
    let mut world = half_down();
    world.reload(
        &TWO.replace("10.0.0.2 80", "10.0.0.4 80")
            .replace("10.0.0.3 80", "10.0.0.2 80"),
    );
    world.expect_lines(
        "2 service [10.0.0.3]:tcp:80 no longer exist
        2 Activating healthchecker for service [10.0.0.4]:tcp:80 for VS [10.0.0.1]:tcp:80",
    );
    world.expect_requests("2 -a -t 10.0.0.1:80 -r 10.0.0.4:80 -g -w 1");
    world.reload(TWO);
    world.expect_lines(
        "2 service [10.0.0.4]:tcp:80 no longer exist
        2 Removing service [10.0.0.4]:tcp:80 from VS [10.0.0.1]:tcp:80
        2 Activating healthchecker for service [10.0.0.3]:tcp:80 for VS [10.0.0.1]:tcp:80",
    );
    world.expect_requests(
        "2 -d -t 10.0.0.1:80 -r 10.0.0.4:80
        2 -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 1",
    );
    world.reload(&TWO.replace("10.0.0.1 80", "10.0.0.9 80"));
    world.expect_lines(
        "2 Removing Virtual Server [10.0.0.1]:tcp:80
        2 Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        2 Removing service [10.0.0.3]:tcp:80 from VS [10.0.0.1]:tcp:80
        2 Gained quorum 1+0=1 <= 2 for VS [10.0.0.9]:tcp:80
        2 Activating healthchecker for service [10.0.0.2]:tcp:80 for VS [10.0.0.9]:tcp:80
        2 Activating healthchecker for service [10.0.0.3]:tcp:80 for VS [10.0.0.9]:tcp:80",
    );
    world.expect_requests(
        "2 -D -t 10.0.0.1:80
        2 -A -t 10.0.0.9:80 -s rr
        2 -a -t 10.0.0.9:80 -r 10.0.0.2:80 -g -w 1
        2 -a -t 10.0.0.9:80 -r 10.0.0.3:80 -g -w 1",
    );
    world.run(20.0);
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn what_changed_is_set_and_the_dead_stay_dead() {
    let mut world = half_down();
    world.reload(&TWO.replace("lb_algo rr", "lb_algo wrr\npersistence_timeout 50"));
    world.expect_requests("2 -E -t 10.0.0.1:80 -s wrr -p 50");
    // Upstream's SET_DEST for the dead server brings it back untracked.
    world.reload(&TWO.replace("lb_kind DR", "lb_kind TUN"));
    world.expect_requests(
        "2 -E -t 10.0.0.1:80 -s rr
        2 -e -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 1",
    );
    world.expect_lines("");
    world.reload(&TWO.replace("80 {\n            TCP", "80 {\nweight 5\n            TCP"));
    world.expect_lines(
        "2 Changing weight from 1 to 5 for active service [10.0.0.2]:tcp:80 \
        of VS [10.0.0.1]:tcp:80
        2 Changing weight from 1 to 5 for inactive service [10.0.0.3]:tcp:80 \
        of VS [10.0.0.1]:tcp:80",
    );
    world.expect_requests("2 -e -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 5");
    world.set("10.0.0.3:80", Backend::Accepting);
    world.run(6.0);
    world.expect_requests("7 -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 5");
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn a_changed_check_has_to_pass_before_a_dead_server_returns() {
    let mut world = half_down();
    world.reload(&TWO.replace("retry 0", "retry 0\nconnect_port 81"));
    world.expect_lines(
        "2 Activating healthchecker for service [10.0.0.2]:tcp:80 for VS [10.0.0.1]:tcp:80
        2 Activating healthchecker for service [10.0.0.3]:tcp:80 for VS [10.0.0.1]:tcp:80",
    );
    world.expect_requests("");
    world.run(2.0);
    world.expect_lines(
        "3 TCP connection to [10.0.0.2]:tcp:80 success.
        3 TCP connection to [10.0.0.3]:tcp:80 success.
        3 Adding service [10.0.0.3]:tcp:80 to VS [10.0.0.1]:tcp:80",
    );
    world.expect_requests("3 -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 1");
}

#[test]
fn a_dead_server_without_checks_is_alive() {
    let mut world = half_down();
    let unchecked = "
        real_server 10.0.0.3 80 {
        }
    }
    ";
    let (kept, _) = TWO.split_once("        real_server 10.0.0.3").unwrap();
    world.reload(&format!("{kept}{unchecked}"));
    world.expect_lines("2 Adding service [10.0.0.3]:tcp:80 to VS [10.0.0.1]:tcp:80");
    world.expect_requests("2 -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 1");
}

#[test]
fn a_shorter_period_counts_at_once() {
    let mut world = half_down();
    world.reload(&TWO.replace("delay_loop 6", "delay_loop 2"));
    world.run(5.0);
    world.expect_connects(
        "4 10.0.0.2:80\n4 10.0.0.3:80
        6 10.0.0.2:80\n6 10.0.0.3:80",
    );
    world.expect_requests("");
}

#[test]
fn a_quorum_lost_by_configuration_is_told_as_a_start() {
    let mut world = half_down();
    world.reload(&TWO.replace("delay_loop 6", "delay_loop 6\nquorum 2"));
    world.expect_lines("2 Starting with quorum down 2-0=2 > 1 for VS [10.0.0.1]:tcp:80");
    world.reload(TWO);
    world.expect_lines("2 Gained quorum 1+0=1 <= 1 for VS [10.0.0.1]:tcp:80");
    world.expect_requests("");
}

#[test]
fn inhibition_begins_and_ends_with_the_configuration() {
    let mut world = half_down();
    world.reload(&TWO.replace("lb_kind DR", "lb_kind DR\ninhibit_on_failure"));
    world.expect_requests("2 -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 0");
    world.reload(TWO);
    world.expect_requests("2 -d -t 10.0.0.1:80 -r 10.0.0.3:80");
}

#[test]
fn the_second_of_two_equals_is_ignored() {
    let mut world = half_down();
    let mut config = load(TWO);
    let service = &mut config.virtual_servers[0];
    service.real_servers[1].address = service.real_servers[0].address;
    config
        .virtual_servers
        .push(load(TWO).virtual_servers.remove(0));
    world.apply(&config);
    world.expect_lines(
        "2 VS [10.0.0.1]:tcp:80 is duplicated - ignoring the second
        2 service [10.0.0.3]:tcp:80 no longer exist
        2 VS [10.0.0.1]:tcp:80: real server [10.0.0.2]:tcp:80 is duplicated - removing second rs",
    );
    world.stop();
    assert_eq!(world.kernel.show(), [""; 0]);
}
