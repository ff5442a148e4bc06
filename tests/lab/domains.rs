//! Interfaces that are ports of a VRF: adverts, addresses, routes and rules in its table, beside
//! Debian's keepalived. The kernels of most machines that build have no VRF.

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::pair::{PATIENCE, Side, VIP, play};
use super::wait::{stays_so, wait_until};

crate::scenarios!(
    Devices,
    our_master_in_a_domain_and_their_backup,
    their_master_in_a_domain_and_our_backup,
    our_vmac_in_a_domain_and_theirs,
    unicast_in_a_domain_without_an_interface,
    routes_and_rules_of_a_domain_are_those_of_debians_keepalived,
    an_interface_moves_into_a_domain_and_out_of_it_with_its_vmac,
    a_dummy_may_carry_addresses_and_be_tracked,
);

const PLAIN: &str = "interface eth0";
const VMAC: &str = "interface eth0\nuse_vmac";

fn enter(host: &Host) {
    host.ip(&["link", "add", "red", "type", "vrf", "table", "100"]);
    host.ip(&["link", "set", "red", "up"]);
    host.ip(&["link", "set", "eth0", "master", "red"]);
}

fn side(make: Make, statements: &'static str, source: &'static str) -> Side {
    Side {
        make,
        statements,
        source,
        prepare: enter,
    }
}

fn our_master_in_a_domain_and_their_backup() {
    let low = side(Make::Debian, PLAIN, "192.168.16.22");
    play(side(Make::Ours, PLAIN, "192.168.16.21"), low);
}

fn their_master_in_a_domain_and_our_backup() {
    let low = side(Make::Ours, PLAIN, "192.168.16.22");
    play(side(Make::Debian, PLAIN, "192.168.16.21"), low);
}

fn our_vmac_in_a_domain_and_theirs() {
    let low = side(Make::Debian, VMAC, "192.168.16.22");
    play(side(Make::Ours, VMAC, "192.168.16.21"), low);
}

fn unicast_in_a_domain_without_an_interface() {
    let high = "vrf red\nunicast_src_ip 192.168.16.21\nunicast_peer {\n PEER\n}";
    let low = "vrf red\nunicast_src_ip 192.168.16.22\nunicast_peer {\n PEER\n}";
    play(
        side(Make::Ours, high, "192.168.16.21"),
        side(Make::Ours, low, "192.168.16.22"),
    );
}

const ROUTED: &str = "vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    virtual_ipaddress {
        192.168.16.20
    }
    virtual_routes {
        10.1.0.0/24 via 192.168.16.90 dev eth0 vrf red
        10.2.0.0/24 via 192.168.16.90 dev eth0 table 77 metric 3 mtu 1400
        10.3.0.0/24 dev eth0 vrf red scope link
        blackhole 10.4.0.0/24 vrf red
    }
    virtual_rules {
        from 10.9.0.0/24 lookup 77 priority 500
        l3mdev priority 999
    }
}
static_routes {
    10.99.0.0/24 via 192.168.16.90 dev eth0 vrf red
}
static_rules {
    from 10.66.0.0/16 lookup 100 priority 777
}
";

fn routing(host: &Host) -> String {
    host.run(&["sh", "-c", "ip rule; ip route show table all | sort"])
}

fn routes_and_rules_of_a_domain_are_those_of_debians_keepalived() {
    let pictures = [Make::Debian, Make::Ours].map(|make| {
        let mut lab = Lab::new();
        let host = lab.host("alone", "192.168.16.21/24");
        host.ip(&["link", "set", "eth0", "address", "02:00:00:00:16:21"]);
        enter(&host);
        let own = "fe80::ff:fe00:1621";
        wait_until(PATIENCE, "it has its own address", || host.owns(own));
        std::thread::sleep(seconds(2));
        let before = routing(&host);
        let daemon = Daemon::start_make(make, &host, ROUTED);
        wait_until(PATIENCE, "it is master", || {
            routing(&host).contains("10.4.0.0/24")
        });
        std::thread::sleep(seconds(1));
        let picture = routing(&host);
        daemon.stop();
        if make == Make::Ours {
            assert_eq!(before, routing(&host), "everything is taken back");
        }
        picture
    });
    let [theirs, ours] = pictures;
    assert_eq!(
        theirs.matches("table 100 proto keepalived").count(),
        4,
        "{theirs}"
    );
    assert_eq!(ours, theirs);
}

fn an_interface_moves_into_a_domain_and_out_of_it_with_its_vmac() {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    host.ip(&["link", "add", "red", "type", "vrf", "table", "100"]);
    host.ip(&["link", "set", "red", "up"]);
    let config = ROUTED
        .split("    virtual_routes")
        .next()
        .unwrap_or_default();
    let config = config.replace("priority 150", "priority 150\n use_vmac") + "}\n";
    let daemon = Daemon::start(&host, &config);
    wait_until(PATIENCE, "it is master", || host.owns(VIP));
    let device = || host.ip(&["link", "show", "dev", "vrrp.51"]);
    assert!(!device().contains("master"), "{}", device());
    host.ip(&["link", "set", "eth0", "master", "red"]);
    wait_until(PATIENCE, "its device is in the domain", || {
        device().contains("master red")
    });
    wait_until(PATIENCE, "it is master", || host.owns(VIP));
    stays_so(seconds(2), "it is master", || host.owns(VIP));
    host.ip(&["link", "set", "eth0", "nomaster"]);
    wait_until(PATIENCE, "its device is out of the domain", || {
        !device().contains("master")
    });
    wait_until(PATIENCE, "it is master", || host.owns(VIP));
    daemon.expect_no_complaint();
    daemon.stop();
    assert!(!host.ip(&["link", "show"]).contains("vrrp.51"));
}

fn a_dummy_may_carry_addresses_and_be_tracked() {
    let config = "vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    virtual_ipaddress {
        192.168.16.20
        192.168.30.1/24 dev dummy0
    }
    track_interface {
        dummy0
    }
}
";
    for make in [Make::Debian, Make::Ours] {
        let mut lab = Lab::new();
        let host = lab.host("alone", "192.168.16.21/24");
        host.ip(&["link", "add", "dummy0", "type", "dummy"]);
        host.ip(&["link", "set", "dummy0", "up"]);
        let daemon = Daemon::start_make(make, &host, config);
        let both = || host.owns(VIP) && host.has_on("dummy0", "192.168.30.1");
        wait_until(PATIENCE, "it is master", both);
        host.ip(&["link", "set", "dummy0", "down"]);
        wait_until(PATIENCE, "it is in fault", || !host.owns(VIP));
        host.ip(&["link", "set", "dummy0", "up"]);
        wait_until(PATIENCE, "it is master again", both);
        daemon.stop();
    }
}
