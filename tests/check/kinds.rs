//! Every kind of service and destination: addresses, marks, groups, tunnels, thresholds, flags. The
//! table is what keepalived makes of the same text.

use crate::world::{Backend, World};

#[test]
fn a_mark_is_served_without_ports() {
    let mut world = World::running(
        "virtual_server fwmark 5 {
            lb_algo wlc
            lb_kind DR
            persistence_timeout 360
            persistence_granularity 255.255.255.0
            real_server 10.0.0.2 {
            }
        }
        virtual_server fwmark 6 {
            ip_family inet6
            lb_algo wlc
            lb_kind TUN
            real_server 10.0.0.2 {
            }
        }",
    );
    world.expect_table(
        "-A -f 5 -s wlc -p 360 -M 24
        -a -f 5 -r 10.0.0.2:0 -g -w 1
        -A -f 6 -6 -s wlc
        -a -f 6 -6 -r 10.0.0.2:0 -i -w 1",
    );
    world.expect_lines(
        "0 Gained quorum 1+0=1 <= 1 for VS FWM 5
        0 Gained quorum 1+0=1 <= 1 for VS FWM 6",
    );
    world.stop();
    world.expect_lines(
        "0 Shutting down service [10.0.0.2]:none:0 from VS FWM 5
        0 Shutting down service [10.0.0.2]:none:0 from VS FWM 6",
    );
    world.expect_table("");
}

const GROUP: &str = "
    virtual_server_group G {
        10.0.0.8-9 80
        fwmark 7
        10.0.1.4/30 443
    }
    virtual_server group G {
        delay_loop 5
        warmup 0
        lb_algo rr
        lb_kind DR
        protocol TCP
        real_server 10.0.9.1 8080 {
            TCP_CHECK {
                retry 0
            }
        }
        real_server 10.0.9.2 8080 {
            lvs_method NAT
        }
    }
";

#[test]
fn each_address_of_a_group_is_a_service_with_all_servers() {
    let mut world = World::running(GROUP);
    let table = "
        -A -t 10.0.0.8:80 -s rr
        -a -t 10.0.0.8:80 -r 10.0.9.1:80 -g -w 1
        -a -t 10.0.0.8:80 -r 10.0.9.2:8080 -m -w 1
        -A -t 10.0.0.9:80 -s rr
        -a -t 10.0.0.9:80 -r 10.0.9.1:80 -g -w 1
        -a -t 10.0.0.9:80 -r 10.0.9.2:8080 -m -w 1
        -A -t 10.0.1.4:443 -s rr
        -a -t 10.0.1.4:443 -r 10.0.9.1:443 -g -w 1
        -a -t 10.0.1.4:443 -r 10.0.9.2:8080 -m -w 1
        -A -t 10.0.1.5:443 -s rr
        -a -t 10.0.1.5:443 -r 10.0.9.1:443 -g -w 1
        -a -t 10.0.1.5:443 -r 10.0.9.2:8080 -m -w 1
        -A -t 10.0.1.6:443 -s rr
        -a -t 10.0.1.6:443 -r 10.0.9.1:443 -g -w 1
        -a -t 10.0.1.6:443 -r 10.0.9.2:8080 -m -w 1
        -A -t 10.0.1.7:443 -s rr
        -a -t 10.0.1.7:443 -r 10.0.9.1:443 -g -w 1
        -a -t 10.0.1.7:443 -r 10.0.9.2:8080 -m -w 1
        -A -f 7 -s rr
        -a -f 7 -r 10.0.9.1:0 -g -w 1
        -a -f 7 -r 10.0.9.2:8080 -m -w 1";
    world.expect_table(table);
    world.forget();
    // A failure is one line, and a request for each service.
    world.set("10.0.9.1:8080", Backend::Refusing);
    world.run(2.0);
    world.expect_lines(
        "1 TCP_CHECK on service [10.0.9.1]:tcp:8080 failed.
        1 Removing service [10.0.9.1]:tcp:8080 from VS [G]:0",
    );
    assert_eq!(world.requests().len(), 7);
    world.set("10.0.9.1:8080", Backend::Accepting);
    world.run(5.0);
    world.expect_table(table);
    world.stop();
    world.expect_table("");
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn lines_of_a_group_come_and_go_without_touching_the_others() {
    let mut world = World::running(GROUP);
    world.run(2.0);
    world.forget();
    world.reload(&GROUP.replace("10.0.1.4/30 443", "10.0.1.9 443"));
    world.expect_lines(
        "2 VS [[10.0.1.4]:tcp:443-[10.0.1.7]:tcp:443] in group G no longer exists
        2 VS [[10.0.1.9]:tcp:443] added into group G",
    );
    world.expect_requests(
        "2 -D -t 10.0.1.7:443
        2 -D -t 10.0.1.6:443
        2 -D -t 10.0.1.5:443
        2 -D -t 10.0.1.4:443
        2 -A -t 10.0.1.9:443 -s rr
        2 -a -t 10.0.1.9:443 -r 10.0.9.1:443 -g -w 1
        2 -a -t 10.0.1.9:443 -r 10.0.9.2:8080 -m -w 1",
    );
    // The port of a destination depends on how it is reached.
    world.reload(
        &GROUP
            .replace("10.0.1.4/30 443", "10.0.1.9 443")
            .replace("10.0.0.8-9 80", "10.0.0.8 80")
            .replace("lvs_method NAT", "lvs_method TUN"),
    );
    world.expect_table(
        "-A -t 10.0.0.8:80 -s rr
        -a -t 10.0.0.8:80 -r 10.0.9.1:80 -g -w 1
        -a -t 10.0.0.8:80 -r 10.0.9.2:80 -i -w 1
        -A -t 10.0.1.9:443 -s rr
        -a -t 10.0.1.9:443 -r 10.0.9.1:443 -g -w 1
        -a -t 10.0.1.9:443 -r 10.0.9.2:443 -i -w 1
        -A -f 7 -s rr
        -a -f 7 -r 10.0.9.1:0 -g -w 1
        -a -f 7 -r 10.0.9.2:0 -i -w 1",
    );
    world.forget();
    world.reload("");
    world.expect_lines(
        "2 Removing Virtual Server Group [G]
        2 Removing service [10.0.9.1]:tcp:8080 from VS [G]:0
        2 Removing service [10.0.9.2]:tcp:8080 from VS [G]:0",
    );
    world.expect_table("");
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn a_mark_of_two_services_lives_as_long_as_one_of_them() {
    let second = "
        virtual_server group G {
            lb_algo rr
            lb_kind DR
            protocol UDP
            real_server 10.0.9.3 80 {
            }
        }
    ";
    let group = "
        virtual_server_group G {
            10.0.0.8 80
            fwmark 7
        }
        virtual_server group G {
            lb_algo rr
            lb_kind DR
            protocol TCP
            real_server 10.0.9.1 80 {
            }
        }
    ";
    let both = format!("{group}{second}");
    let mut world = World::running(&both);
    world.expect_table(
        "-A -t 10.0.0.8:80 -s rr
        -a -t 10.0.0.8:80 -r 10.0.9.1:80 -g -w 1
        -A -u 10.0.0.8:80 -s rr
        -a -u 10.0.0.8:80 -r 10.0.9.3:80 -g -w 1
        -A -f 7 -s rr
        -a -f 7 -r 10.0.9.1:0 -g -w 1
        -a -f 7 -r 10.0.9.3:0 -g -w 1",
    );
    world.forget();
    world.reload(group);
    world.expect_requests("0 -D -u 10.0.0.8:80\n0 -d -f 7 -r 10.0.9.3:0");
    world.reload(&both);
    world.reload("");
    world.expect_table("");
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn flags_thresholds_engines_and_tunnels_reach_the_kernel() {
    let text = "virtual_server 10.0.0.1 5060 {
            lb_algo sh
            sh-port
            sh-fallback
            lb_kind TUN type gue port 5555 csum
            persistence_timeout 50
            persistence_engine sip
            protocol UDP
            real_server 10.0.0.2 5060 {
                weight 3
                uthreshold 100
                lthreshold 50
            }
            real_server 10.0.0.3 5060 {
                lvs_method TUN type gre
            }
        }
        virtual_server 10.0.0.1 53 {
            lb_algo wrr
            ops
            lb_kind TUN
            protocol UDP
            real_server fd00::3 53 {
            }
        }
        virtual_server 10.0.0.1 132 {
            lb_algo rr
            flag-3
            lb_kind NAT
            protocol SCTP
            real_server 10.0.0.3 132 {
            }
        }";
    let mut world = World::running(text);
    world.expect_table(
        "-A -u 10.0.0.1:53 -s wrr -o
        -a -u 10.0.0.1:53 -r [fd00::3]:53 -i -w 1
        -A -u 10.0.0.1:5060 -s sh -p 50 -b flag-1 -b flag-2 --pe sip
        -a -u 10.0.0.1:5060 -r 10.0.0.2:5060 -i -w 3 --tun-type gue --tun-port 5555 -x 100 -y 50
        -a -u 10.0.0.1:5060 -r 10.0.0.3:5060 -i -w 1 --tun-type gre
        -A --sctp-service 10.0.0.1:132 -s rr -b flag-3
        -a --sctp-service 10.0.0.1:132 -r 10.0.0.3:132 -m -w 1",
    );
    assert_eq!(
        world.modules,
        ["ip_vs_sh", "ip_vs_pe_sip", "ip_vs_wrr", "ip_vs_rr"]
    );
    // keepalived keeps the old ones until something else changes.
    world.forget();
    world.reload(&text.replace("uthreshold 100", "uthreshold 200"));
    world.expect_requests(
        "0 -e -u 10.0.0.1:5060 -r 10.0.0.2:5060 -i -w 3 --tun-type gue --tun-port 5555 \
        -x 200 -y 50",
    );
}
