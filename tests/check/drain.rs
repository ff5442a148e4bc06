//! Servers that leave the configuration and may finish their connections.

use crate::world::{Backend, World};

const TWO: &str = "
    global_defs {
        lvs_drain_timeout 30
    }
    virtual_server 10.0.0.1 80 {
        warmup 0
        lb_algo rr
        lb_kind DR
        protocol TCP
        real_server 10.0.0.2 80 {
            weight 3
        }
        real_server 10.0.0.3 80 {
            weight 3
            TCP_CHECK {
                retry 0
            }
        }
    }
";

fn without_the_second() -> String {
    let (head, _) = TWO.split_once("        real_server 10.0.0.3").unwrap();
    format!("{head}    }}")
}

fn connected(world: &mut World, count: u32) {
    let address = "10.0.0.3:80".parse().unwrap();
    world.kernel.active.insert(address, count);
}

#[test]
fn a_server_that_leaves_goes_when_its_connections_are_over() {
    let mut world = World::running(TWO);
    world.run(2.0);
    connected(&mut world, 2);
    world.forget();
    world.reload(&without_the_second());
    world.expect_requests("2 -e -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 0");
    world.run(9.5);
    world.expect_requests("");
    connected(&mut world, 0);
    world.run(1.0);
    world.expect_requests("12 -d -t 10.0.0.1:80 -r 10.0.0.3:80");
    world.expect_lines(
        "2 service [10.0.0.3]:tcp:80 no longer exist
        2 Removing service [10.0.0.3]:tcp:80 from VS [10.0.0.1]:tcp:80
        2 Draining service [10.0.0.3]:tcp:80 of VS [10.0.0.1]:tcp:80
        12 IPVS: 10.0.0.1:tcp:80 -> 10.0.0.3:80 is removed, 0 connections left",
    );
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn nobody_is_waited_for_longer_than_configured() {
    let mut world = World::running(TWO);
    connected(&mut world, 7);
    world.reload(&without_the_second());
    world.forget();
    world.run(40.0);
    world.expect_requests("30 -d -t 10.0.0.1:80 -r 10.0.0.3:80");
    world.expect_lines("30 IPVS: 10.0.0.1:tcp:80 -> 10.0.0.3:80 is removed, 7 connections left");
}

#[test]
fn a_service_that_leaves_waits_for_its_last_server() {
    let mut world = World::running(TWO);
    connected(&mut world, 1);
    world.forget();
    world.reload("global_defs {\nlvs_drain_timeout 30\n}");
    world.run(5.0);
    world.expect_table("-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 0");
    connected(&mut world, 0);
    world.run(1.0);
    world.expect_table("");
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn who_comes_back_while_draining_is_as_before() {
    for gone in [
        without_the_second(),
        "global_defs {\nlvs_drain_timeout 30\n}".to_owned(),
    ] {
        let mut world = World::running(TWO);
        connected(&mut world, 1);
        let before = world.kernel.show();
        world.reload(&gone);
        world.run(5.0);
        world.reload(TWO);
        world.run(5.0);
        assert_eq!(world.kernel.show(), before);
        connected(&mut world, 0);
        world.run(60.0);
        assert_eq!(world.kernel.show(), before);
        assert_eq!(world.kernel.surprises, [""; 0]);
    }
}

#[test]
fn a_stop_waits_for_nobody_and_a_failure_neither() {
    let mut world = World::running(TWO);
    connected(&mut world, 1);
    world.set("10.0.0.3:80", Backend::Refusing);
    world.run(2.0);
    world.expect_table("-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 3");
    world.reload("global_defs {\nlvs_drain_timeout 30\n}");
    world.stop();
    world.expect_table("");
}
