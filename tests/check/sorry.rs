//! Quorums with a sorry server, and who is told of what. The lines are those of recorded runs.

use crate::world::{Backend, World};

const RECORDED: &str = "
    virtual_server 192.168.200.254 80 {
        delay_loop 5
        warmup 0
        lb_algo wrr
        lb_kind NAT
        quorum 8
        hysteresis 3
        alpha
        omega
        protocol TCP
        sorry_server 192.168.200.9 8080
        real_server 192.168.200.2 80 {
            weight 10
            TCP_CHECK {
                retry 0
            }
        }
        real_server 192.168.200.3 80 {
            weight 5
            TCP_CHECK {
                retry 0
            }
        }
    }
";

#[test]
fn the_recorded_run_with_a_sorry_server() {
    let mut world = World::running(RECORDED);
    world.expect_lines(
        "0 Starting with quorum down 8-3=11 > 0 for VS [192.168.200.254]:tcp:80
        0 Adding sorry server [192.168.200.9]:tcp:8080 to VS [192.168.200.254]:tcp:80
        0 Removing alive servers from the pool for VS [192.168.200.254]:tcp:80
        0 Activating healthchecker for service [192.168.200.2]:tcp:80 \
        for VS [192.168.200.254]:tcp:80
        0 Activating healthchecker for service [192.168.200.3]:tcp:80 \
        for VS [192.168.200.254]:tcp:80",
    );
    world.expect_requests(
        "0 -A -t 192.168.200.254:80 -s wrr
        0 -a -t 192.168.200.254:80 -r 192.168.200.9:8080 -m -w 1",
    );
    world.expect_notices("0 VS [192.168.200.254]:tcp:80 DOWN");
    world.run(2.0);
    world.expect_lines(
        "1 TCP connection to [192.168.200.2]:tcp:80 success.
        1 Adding service [192.168.200.2]:tcp:80 to VS [192.168.200.254]:tcp:80
        1 TCP connection to [192.168.200.3]:tcp:80 success.
        1 Adding service [192.168.200.3]:tcp:80 to VS [192.168.200.254]:tcp:80
        1 Gained quorum 8+3=11 <= 15 for VS [192.168.200.254]:tcp:80
        1 Removing sorry server [192.168.200.9]:tcp:8080 from VS [192.168.200.254]:tcp:80
        1 Adding alive servers to the pool for VS [192.168.200.254]:tcp:80",
    );
    world.expect_requests(
        "1 -d -t 192.168.200.254:80 -r 192.168.200.9:8080
        1 -a -t 192.168.200.254:80 -r 192.168.200.2:80 -m -w 10
        1 -a -t 192.168.200.254:80 -r 192.168.200.3:80 -m -w 5",
    );
    world.expect_notices(
        "1 RS [192.168.200.2]:tcp:80 [192.168.200.254]:tcp:80 UP
        1 [192.168.200.2]:tcp:80 [192.168.200.254]:tcp:80 TCP CHECK succeed on service
        1 RS [192.168.200.3]:tcp:80 [192.168.200.254]:tcp:80 UP
        1 VS [192.168.200.254]:tcp:80 UP
        1 [192.168.200.3]:tcp:80 [192.168.200.254]:tcp:80 TCP CHECK succeed on service",
    );
    world.set("192.168.200.2:80", Backend::Refusing);
    world.set("192.168.200.3:80", Backend::Refusing);
    world.run(5.0);
    // While the sorry server is in use, servers come and go in the books only.
    world.set("192.168.200.3:80", Backend::Accepting);
    world.run(5.0);
    world.expect_lines(
        "6 TCP_CHECK on service [192.168.200.2]:tcp:80 failed.
        6 Removing service [192.168.200.2]:tcp:80 from VS [192.168.200.254]:tcp:80
        6 TCP_CHECK on service [192.168.200.3]:tcp:80 failed.
        6 Removing service [192.168.200.3]:tcp:80 from VS [192.168.200.254]:tcp:80
        6 Lost quorum 8-3=5 > 0 for VS [192.168.200.254]:tcp:80
        6 Adding sorry server [192.168.200.9]:tcp:8080 to VS [192.168.200.254]:tcp:80
        6 Removing alive servers from the pool for VS [192.168.200.254]:tcp:80
        11 TCP connection to [192.168.200.3]:tcp:80 success.
        11 Adding service [192.168.200.3]:tcp:80 to VS [192.168.200.254]:tcp:80",
    );
    world.expect_requests(
        "6 -d -t 192.168.200.254:80 -r 192.168.200.2:80
        6 -d -t 192.168.200.254:80 -r 192.168.200.3:80
        6 -a -t 192.168.200.254:80 -r 192.168.200.9:8080 -m -w 1",
    );
    world.forget();
    world.stop();
    // Servers are told of only where they serve.
    world.expect_notices("12 VS [192.168.200.254]:tcp:80 DOWN");
    world.expect_table("");
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn inhibited_servers_and_an_inhibited_sorry_server_stay_with_weight_zero() {
    let text = RECORDED
        .replace("        alpha\n", "        inhibit_on_failure\n")
        .replace("9 8080", "9 8080\nsorry_server_inhibit");
    let mut world = World::new();
    world.set("192.168.200.2:80", Backend::Refusing);
    world.reload(&text);
    world.expect_requests(
        "0 -A -t 192.168.200.254:80 -s wrr
        0 -a -t 192.168.200.254:80 -r 192.168.200.2:80 -m -w 10
        0 -a -t 192.168.200.254:80 -r 192.168.200.3:80 -m -w 5
        0 -a -t 192.168.200.254:80 -r 192.168.200.9:8080 -m -w 0",
    );
    world.forget();
    world.set("192.168.200.3:80", Backend::Refusing);
    world.run(2.0);
    world.expect_requests(
        "1 -e -t 192.168.200.254:80 -r 192.168.200.2:80 -m -w 0
        1 -e -t 192.168.200.254:80 -r 192.168.200.3:80 -m -w 0
        1 -e -t 192.168.200.254:80 -r 192.168.200.9:8080 -m -w 1",
    );
    assert!(
        world
            .lines()
            .iter()
            .any(|line| line.contains("Enabling sorry server"))
    );
    world.set("192.168.200.2:80", Backend::Accepting);
    world.set("192.168.200.3:80", Backend::Accepting);
    world.run(5.0);
    world.expect_requests(
        "6 -e -t 192.168.200.254:80 -r 192.168.200.9:8080 -m -w 0
        6 -e -t 192.168.200.254:80 -r 192.168.200.2:80 -m -w 10
        6 -e -t 192.168.200.254:80 -r 192.168.200.3:80 -m -w 5",
    );
}

#[test]
fn a_sorry_server_that_is_a_real_server_is_one_destination() {
    let text = RECORDED.replace("192.168.200.9 8080", "192.168.200.3 80");
    let mut world = World::running(&text.replace("        alpha\n", ""));
    world.run(2.0);
    world.forget();
    world.set("192.168.200.2:80", Backend::Refusing);
    world.set("192.168.200.3:80", Backend::Refusing);
    world.run(5.0);
    // keepalived has a moment without any destination here.
    world.expect_table(
        "-A -t 192.168.200.254:80 -s wrr
        -a -t 192.168.200.254:80 -r 192.168.200.3:80 -m -w 1",
    );
    world.set("192.168.200.2:80", Backend::Accepting);
    world.set("192.168.200.3:80", Backend::Accepting);
    world.run(5.0);
    world.expect_table(
        "-A -t 192.168.200.254:80 -s wrr
        -a -t 192.168.200.254:80 -r 192.168.200.2:80 -m -w 10
        -a -t 192.168.200.254:80 -r 192.168.200.3:80 -m -w 5",
    );
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn a_sorry_server_that_goes_gives_way_to_the_living() {
    let mut world = World::new();
    world.set("192.168.200.2:80", Backend::Refusing);
    world.reload(RECORDED);
    world.run(2.0);
    world.forget();
    world.reload(&RECORDED.replace("192.168.200.9 8080", "192.168.200.8 8080"));
    world.expect_lines(
        "2 Removing sorry server [192.168.200.9]:tcp:8080 from VS [192.168.200.254]:tcp:80
        2 Starting with quorum down 8-3=11 > 5 for VS [192.168.200.254]:tcp:80
        2 Adding sorry server [192.168.200.8]:tcp:8080 to VS [192.168.200.254]:tcp:80
        2 Removing alive servers from the pool for VS [192.168.200.254]:tcp:80",
    );
    world.reload(&RECORDED.replace("sorry_server 192.168.200.9 8080", ""));
    world.expect_lines(
        "2 Removing sorry server [192.168.200.8]:tcp:8080 from VS [192.168.200.254]:tcp:80",
    );
    world.expect_table(
        "-A -t 192.168.200.254:80 -s wrr
        -a -t 192.168.200.254:80 -r 192.168.200.3:80 -m -w 5",
    );
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn an_alpha_server_that_was_never_up_is_told_down_once() {
    let mut world = World::new();
    world.set("192.168.200.2:80", Backend::Refusing);
    world.set("192.168.200.3:80", Backend::Refusing);
    world.reload(&RECORDED.replace("sorry_server 192.168.200.9 8080", ""));
    // Without a sorry server a quorum that never was is not told of.
    world.expect_notices("");
    world.run(30.0);
    world.expect_notices(
        "1 RS [192.168.200.2]:tcp:80 [192.168.200.254]:tcp:80 DOWN
        1 RS [192.168.200.3]:tcp:80 [192.168.200.254]:tcp:80 DOWN",
    );
}

#[test]
fn omega_tells_at_the_end_and_rs_init_notifies_at_the_beginning() {
    let text = RECORDED.replace("        alpha\n", "");
    let mut world = World::running(&format!("global_defs {{\nrs_init_notifies\n}}\n{text}"));
    world.expect_notices(
        "0 RS [192.168.200.2]:tcp:80 [192.168.200.254]:tcp:80 UP
        0 RS [192.168.200.3]:tcp:80 [192.168.200.254]:tcp:80 UP
        0 VS [192.168.200.254]:tcp:80 UP",
    );
    world.stop();
    world.expect_notices(
        "0 RS [192.168.200.2]:tcp:80 [192.168.200.254]:tcp:80 DOWN
        0 RS [192.168.200.3]:tcp:80 [192.168.200.254]:tcp:80 DOWN
        0 VS [192.168.200.254]:tcp:80 DOWN",
    );
}

/// At the end a server is told of that was alive, and every service, with or without its quorum.
#[test]
fn omega_does_not_tell_again_of_servers_that_are_down() {
    let mut world = World::new();
    world.set("192.168.200.2:80", Backend::Refusing);
    world.set("192.168.200.3:80", Backend::Refusing);
    world.reload(RECORDED);
    world.run(30.0);
    world.forget();
    world.stop();
    world.expect_notices("30 VS [192.168.200.254]:tcp:80 DOWN");
    let mut world = World::running(RECORDED);
    world.run(10.0);
    world.set("192.168.200.3:80", Backend::Refusing);
    world.run(20.0);
    world.forget();
    world.stop();
    world.expect_notices(
        "30 RS [192.168.200.2]:tcp:80 [192.168.200.254]:tcp:80 DOWN
        30 VS [192.168.200.254]:tcp:80 DOWN",
    );
}

#[test]
fn who_leaves_the_configuration_is_told_down() {
    let text = RECORDED.replace("        alpha\n", "");
    let mut world = World::running(&text);
    world.forget();
    world.reload(&text.replace("real_server 192.168.200.3", "real_server 192.168.200.4"));
    world.expect_notices("0 RS [192.168.200.3]:tcp:80 [192.168.200.254]:tcp:80 DOWN");
    world.reload("");
    world.expect_notices(
        "0 RS [192.168.200.2]:tcp:80 [192.168.200.254]:tcp:80 DOWN
        0 RS [192.168.200.4]:tcp:80 [192.168.200.254]:tcp:80 DOWN
        0 VS [192.168.200.254]:tcp:80 DOWN",
    );
}
