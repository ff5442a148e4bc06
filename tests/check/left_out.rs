//! What the core cannot do yet: left out, told once, and without harm to the rest.

use crate::world::{Backend, World};

const MIXED: &str = "
    virtual_server_group G {
        10.0.0.8 80
    }
    virtual_server group G {
        lb_algo rr
        lb_kind DR
        protocol TCP
        real_server 10.0.1.1 80 {
        }
    }
    virtual_server fwmark 5 {
        lb_algo rr
        lb_kind DR
        real_server 10.0.1.1 {
        }
    }
    virtual_server 10.0.0.1 80 {
        warmup 0
        lb_algo sh
        sh-port
        lb_kind DR
        protocol TCP
        sorry_server 10.0.1.9 80
        real_server 10.0.1.1 80 {
            MISC_CHECK {
                misc_path /bin/true
            }
        }
        real_server 10.0.1.2 80 {
            alpha
            MISC_CHECK {
                misc_path /bin/true
            }
        }
        real_server 10.0.1.3 80 {
            TCP_CHECK {
                retry 0
            }
            MISC_CHECK {
                misc_path /bin/true
                alpha
            }
        }
        real_server 10.0.1.4 80 {
            lvs_method TUN type gre
        }
    }
";

/// A server without a check that can be made stays as it is before the first check; one of
/// several checks that cannot be made does not count; other kinds of services and tunnels are not
/// programmed at all.
#[test]
fn what_cannot_be_done_yet_is_left_out_and_told_once() {
    let mut world = World::new();
    world.set("10.0.1.3:80", Backend::Refusing);
    world.reload(MIXED);
    world.expect_requests(
        "0 -A -t 10.0.0.1:80 -s sh -b flag-2
        0 -a -t 10.0.0.1:80 -r 10.0.1.1:80 -g -w 1
        0 -a -t 10.0.0.1:80 -r 10.0.1.3:80 -g -w 1",
    );
    world.expect_lines(
        "0 Gained quorum 1+0=1 <= 2 for VS [10.0.0.1]:tcp:80
        0 MISC_CHECK is not supported yet, left out (VS [10.0.0.1]:tcp:80 and 2 more)
        0 a tunnel of type gue or gre is not supported yet, left out (VS [10.0.0.1]:tcp:80)
        0 sorry_server is not supported yet, left out (VS [10.0.0.1]:tcp:80)
        0 virtual_server fwmark is not supported yet, left out (VS FWM 5)
        0 virtual_server group is not supported yet, left out (VS [G]:0)
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
