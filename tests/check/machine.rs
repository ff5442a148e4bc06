//! What is not of single services: kernels of old, timeouts, the sync daemon, the addresses of the
//! machine, the end of the daemon.

use keepalived::addr::IfIndex;
use keepalived::check::Event;
use keepalived::wire::ipvs::Role;
use keepalived::wire::rtnl::{Address, Notice};

use crate::kernel::Kernel;
use crate::world::{Backend, World};

const TUNNELS: &str = "
    virtual_server 10.0.0.1 53 {
        lb_algo rr
        lb_kind TUN
        protocol UDP
        real_server 10.0.0.2 53 {
        }
        real_server 10.0.0.3 53 {
            lvs_method TUN type gre
        }
        real_server 10.0.0.4 53 {
            lvs_method TUN type gue port 5555
        }
        real_server 0a09:0909::3 53 {
        }
    }
";

#[test]
fn what_an_old_kernel_misunderstands_is_taken_out_again() {
    let mut kernel = Kernel::with_ipvs();
    kernel.old_tunnels = true;
    kernel.old_families = true;
    let mut world = World::with(kernel, 1);
    world.reload(TUNNELS);
    // Packets for gue and gre would arrive as IP in IP, and those for IPv6 at 10.9.9.9.
    let table = "-A -u 10.0.0.1:53 -s rr\n-a -u 10.0.0.1:53 -r 10.0.0.2:53 -i -w 1";
    world.expect_table(table);
    world.expect_lines(
        "0 Gained quorum 1+0=1 <= 4 for VS [10.0.0.1]:udp:53
        0 IPVS: this kernel knows no tunnels of type gue or gre (Linux 5.3): left out, 2 in all
        0 IPVS: this kernel knows no servers of another family than the service (Linux 3.18): \
        left out, 1 in all",
    );
    world.run(100.0);
    world.expect_lines("");
    world.reload(TUNNELS);
    world.expect_table(table);
}

#[test]
fn a_kernel_that_understands_is_asked_once() {
    let mut world = World::running(TUNNELS);
    world.expect_table(
        "-A -u 10.0.0.1:53 -s rr
        -a -u 10.0.0.1:53 -r 10.0.0.2:53 -i -w 1
        -a -u 10.0.0.1:53 -r 10.0.0.3:53 -i -w 1 --tun-type gre
        -a -u 10.0.0.1:53 -r 10.0.0.4:53 -i -w 1 --tun-type gue --tun-port 5555
        -a -u 10.0.0.1:53 -r [a09:909::3]:53 -i -w 1",
    );
    assert_eq!(world.kernel.surprises, [""; 0]);
}

const PLAIN: &str = "
    virtual_server 10.0.0.1 80 {
        delay_loop 5
        warmup 0
        protocol TCP
        lb_algo rr
        lb_kind DR
        ha_suspend
        real_server 10.0.0.2 80 {
            TCP_CHECK {
            }
        }
    }
";

fn with_globals(globals: &str) -> String {
    let plain = PLAIN.replace("ha_suspend", "");
    format!("global_defs {{\n{globals}\n}}\n{plain}")
}

#[test]
fn timeouts_are_set_and_put_back() {
    let mut world = World::running(&with_globals("lvs_timeouts tcp 7200 udp 60"));
    assert_eq!(world.requests()[0], "0 --set 7200 120 60");
    world.reload(&with_globals("lvs_timeouts tcp 7200 udp 60"));
    world.expect_requests("");
    world.reload(&with_globals("lvs_timeouts tcpfin 7"));
    world.expect_requests("0 --set 900 7 300");
    world.reload(&with_globals(""));
    world.expect_requests("0 --set 900 120 300");
    world.reload(&with_globals("lvs_timeouts tcp 1"));
    world.forget();
    world.stop();
    world.expect_requests("0 -D -t 10.0.0.1:80\n0 --set 900 120 300");
}

#[test]
fn the_sync_daemon_without_an_instance_is_both() {
    let mut world = World::running(&with_globals("lvs_sync_daemon eth0 id 7"));
    let requests = world.requests();
    assert_eq!(
        requests[..4],
        [
            "0 --stop-daemon master --syncid 7",
            "0 --stop-daemon backup --syncid 7",
            "0 --start-daemon master --mcast-interface eth0 --syncid 7",
            "0 --start-daemon backup --mcast-interface eth0 --syncid 7",
        ]
    );
    // That nothing ran before is no news.
    assert!(world.lines().iter().all(|line| !line.contains("IPVS cmd")));
    world.reload(&with_globals("lvs_sync_daemon eth0 id 7"));
    world.expect_requests("");
    world.reload(&with_globals("lvs_sync_daemon eth1 id 7"));
    world.expect_requests(
        "0 --stop-daemon master --syncid 7
        0 --stop-daemon backup --syncid 7
        0 --start-daemon master --mcast-interface eth1 --syncid 7
        0 --start-daemon backup --mcast-interface eth1 --syncid 7",
    );
    world.stop();
    assert!(world.kernel.daemons.is_empty());
}

#[test]
fn the_sync_daemon_follows_its_instance_even_without_services() {
    let text = "
        global_defs {
            lvs_sync_daemon eth0 inst VI_1
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress {
                10.0.0.1
            }
        }
    ";
    let mut world = World::running(text);
    assert_eq!(world.core.follows(), Some("VI_1"));
    world.expect_requests(
        "0 --stop-daemon master --syncid 51
        0 --stop-daemon backup --syncid 51
        0 --start-daemon backup --mcast-interface eth0 --syncid 51",
    );
    world.event(Event::Master(true));
    world.expect_requests(
        "0 --stop-daemon backup --syncid 51
        0 --start-daemon master --mcast-interface eth0 --syncid 51",
    );
    world.reload(text);
    world.expect_requests("");
    world.event(Event::Master(false));
    assert!(world.kernel.daemons.contains_key(&Role::Backup));
    assert_eq!(world.kernel.daemons.len(), 1);
    world.forget();
    world.stop();
    world.expect_requests("0 --stop-daemon backup --syncid 51");
    world.expect_lines("");
}

pub(crate) fn vip() -> Address {
    Address::new(IfIndex(2), "10.0.0.1/32".parse().unwrap())
}

#[test]
fn a_service_with_ha_suspend_is_checked_only_where_its_address_is() {
    let mut world = World::running(PLAIN);
    world.expect_lines(
        "0 Gained quorum 1+0=1 <= 1 for VS [10.0.0.1]:tcp:80
        0 Deactivating healthchecker for service [10.0.0.2]:tcp:80 for VS [10.0.0.1]:tcp:80",
    );
    world.run(30.0);
    world.expect_connects("");
    world.event(Event::Network(Notice::Address(vip())));
    world.run(7.0);
    world.expect_connects("31 10.0.0.2:80\n36 10.0.0.2:80");
    // The same address on a second interface goes first.
    let second = Address {
        link: IfIndex(3),
        ..vip()
    };
    world.event(Event::Network(Notice::Address(second.clone())));
    world.event(Event::Network(Notice::AddressGone(second)));
    world.expect_lines(
        "30 Activating healthchecker for service [10.0.0.2]:tcp:80 for VS [10.0.0.1]:tcp:80
        31 TCP connection to [10.0.0.2]:tcp:80 success.",
    );
    world.event(Event::Network(Notice::AddressGone(vip())));
    world.run(30.0);
    world.expect_connects("");
    world.expect_lines(
        "37 Suspending healthchecker for service [10.0.0.2]:tcp:80 for VS [10.0.0.1]:tcp:80",
    );
    // The table does not follow: keepalived leaves the last word of the checks in it, too.
    world.expect_table("-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 1");
    world.reload(&PLAIN.replace("ha_suspend", ""));
    world.run(2.0);
    assert!(!world.lines().is_empty());
    world.stop();
}

/// The attempt of before lasts longer than the pause before the first one of after.
#[test]
fn an_attempt_that_outlives_a_suspension_is_the_only_one() {
    let mut world = World::new();
    world.addresses.push(vip());
    world.set("10.0.0.2:80", Backend::Silent);
    world.reload(PLAIN);
    world.run(2.0);
    world.event(Event::Network(Notice::AddressGone(vip())));
    world.event(Event::Network(Notice::Address(vip())));
    world.run(9.5);
    world.expect_connects("1 10.0.0.2:80\n11 10.0.0.2:80");
    world.stop();
}

#[test]
fn an_address_that_is_there_at_the_start_counts() {
    let mut world = World::new();
    world.addresses.push(vip());
    world.reload(PLAIN);
    world.run(2.0);
    world.expect_connects("1 10.0.0.2:80");
    world.reload(PLAIN);
    world.run(5.0);
    world.expect_connects("6 10.0.0.2:80");
    world.stop();
}

#[test]
fn the_table_is_flushed_at_the_end_when_that_is_wanted() {
    let mut world = World::running(&with_globals("lvs_flush_on_stop"));
    world.forget();
    world.stop();
    world.expect_requests("0 -C");
    world.expect_lines("");
    let mut world = World::running(&with_globals("lvs_flush_on_stop VS"));
    world.forget();
    world.stop();
    world.expect_requests("0 -D -t 10.0.0.1:80");
    world.expect_lines("");
}

#[test]
fn what_others_do_is_undone_when_that_is_wanted() {
    let text = with_globals("lvs_audit_interval 3\nlvs_audit_undo");
    let mut world = World::running(&text);
    let before = world.kernel.show();
    for entry in world.kernel.table.values_mut() {
        entry.0.scheduler = "wlc".to_owned();
        let mut dests = entry.1.values_mut();
        let dest = dests.next().unwrap();
        dest.options.weight = 0;
        let mut foreign = *dest;
        foreign.address.set_port(81);
        entry.1.insert(foreign.address, foreign);
    }
    world.forget();
    world.run(3.0);
    assert_eq!(world.kernel.show(), before);
    assert_eq!(
        world
            .lines()
            .iter()
            .filter(|line| line.contains("undoing it"))
            .count(),
        3
    );
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn the_table_is_not_read_back_when_that_is_not_wanted() {
    let mut world = World::running(&with_globals("lvs_audit_interval 0"));
    world.run(2.0);
    world.kernel.table.clear();
    world.run(100.0);
    world.expect_table("");
}

/// A thousand services of ten servers: what a reload costs is what it changes.
#[test]
fn a_reload_of_ten_thousand_servers_asks_for_what_changed() {
    let mut text = String::new();
    for service in 0..1_000 {
        let (high, low) = (service / 250, service % 250 + 1);
        text += &format!("virtual_server 10.{high}.{low}.1 80 {{\nprotocol TCP\nlb_algo rr\n");
        text += "lb_kind DR\n";
        for server in 1..=10 {
            text += &format!("real_server 10.100.{low}.{server} 80 {{\nweight 5\n}}\n");
        }
        text += "}\n";
    }
    let mut world = World::running(&text);
    world.run(0.0);
    assert_eq!(world.operations, Some(11_000));
    world.forget();
    world.reload(&text);
    world.run(0.0);
    assert_eq!(world.operations, Some(0));
    world.reload(&text.replacen("weight 5", "weight 6", 1));
    world.run(0.0);
    assert_eq!(world.operations, Some(1));
    assert_eq!(world.requests().len(), 1);
    world.stop();
    assert_eq!(world.requests().len(), 1_000);
    assert_eq!(world.kernel.surprises, [""; 0]);
}
