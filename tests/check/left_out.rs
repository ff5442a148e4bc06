//! What the core cannot do yet: left out, told once, and without harm to the rest.

use crate::world::{Backend, World};

const MIXED: &str = "
    bfd_instance neighbour {
        neighbor_ip 10.0.9.9
    }
    virtual_server 10.0.0.1 80 {
        warmup 0
        lb_algo rr
        lb_kind DR
        protocol TCP
        quorum_up /bin/true
        real_server 10.0.1.1 80 {
            BFD_CHECK {
                name neighbour
            }
        }
        real_server 10.0.1.2 80 {
            alpha
            BFD_CHECK {
                name neighbour
            }
        }
        real_server 10.0.1.3 80 {
            TCP_CHECK {
                retry 0
            }
            BFD_CHECK {
                name neighbour
                alpha
            }
        }
    }
";

/// A server without a check that can be made stays as it is before the first check; one of
/// several checks that cannot be made does not count.
#[test]
fn what_cannot_be_done_yet_is_left_out_and_told_once() {
    let mut world = World::new();
    world.set("10.0.1.3:80", Backend::Refusing);
    world.reload(MIXED);
    world.expect_requests(
        "0 -A -t 10.0.0.1:80 -s rr
        0 -a -t 10.0.0.1:80 -r 10.0.1.1:80 -g -w 1
        0 -a -t 10.0.0.1:80 -r 10.0.1.3:80 -g -w 1",
    );
    world.expect_lines(
        "0 Gained quorum 1+0=1 <= 2 for VS [10.0.0.1]:tcp:80
        0 BFD_CHECK is not supported yet, left out (VS [10.0.0.1]:tcp:80 and 2 more)
        0 Activating healthchecker for service [10.0.1.3]:tcp:80 for VS [10.0.0.1]:tcp:80",
    );
    world.run(3.0);
    assert!(world.server("10.0.1.1:80").alive);
    assert!(!world.server("10.0.1.2:80").alive);
    assert!(!world.server("10.0.1.3:80").alive);
    world.expect_requests("1 -d -t 10.0.0.1:80 -r 10.0.1.3:80");
    // What stands unmade for one server does not hold up the next configuration.
    world.reload(&MIXED.replace("alpha", "").replace("10.0.1.3", "10.0.1.5"));
    assert!(world.server("10.0.1.2:80").alive);
}
