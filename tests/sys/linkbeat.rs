//! Interfaces that are asked for their link.

use keepalived::errno::Errno;
use keepalived::sys::linkbeat::Asker;
use keepalived::wire::linkbeat::{Question, Way};

use crate::namespace::{Namespace, eventually, run};

fn question(interface: &str, way: Way) -> Question {
    Question {
        interface: interface.to_owned(),
        way,
    }
}

#[test]
fn a_pulled_cable_is_seen_in_every_way_that_the_driver_knows() {
    let _namespace = Namespace::enter_new();
    run("ip link add eth0 type veth peer name eth1");
    run("ip link set eth0 up");
    run("ip link set eth1 up");
    let mut asker = Asker::default();
    for plugged in [true, false, true] {
        let word = if plugged { "up" } else { "down" };
        run(&format!("ip link set eth1 {word}"));
        for way in [Way::Ethtool, Way::Flags] {
            eventually("the link is what the cable is", || {
                let answer = asker.ask(&question("eth0", way));
                (answer == Ok(plugged)).then_some(())
            });
        }
    }
    // It has no transceiver.
    let answer = asker.ask(&question("eth0", Way::Mii));
    assert_eq!(answer, Err(Errno::EOPNOTSUPP));
    for way in [Way::Mii, Way::Ethtool, Way::Flags] {
        for name in ["eth7", "a name of more than fifteen"] {
            assert_eq!(asker.ask(&question(name, way)), Err(Errno::ENODEV));
        }
    }
}
