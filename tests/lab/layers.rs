//! Adverts over an ipvlan: what the others hear, and what is on the machine, beside Debian's
//! keepalived. The kernels of most machines that build have no ipvlan.

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab};
use super::pair::{PATIENCE, Side, VIP, play};
use super::wait::wait_until;

crate::scenarios!(
    Devices,
    our_ipvlan_and_their_backup,
    their_ipvlan_and_our_backup,
    unicast_to_our_ipvlan_from_their_master,
    the_ipvlan_is_the_one_debians_keepalived_makes,
    an_ipvlan_is_made_again_and_one_of_before_a_crash_is_taken_over,
);

const PLAIN: &str = "interface eth0";
const OVER: &str = "interface eth0\nuse_ipvlan 192.168.16.41/24";

fn side(make: Make, statements: &'static str, source: &'static str) -> Side {
    Side {
        make,
        statements,
        source,
        prepare: |_| {},
    }
}

fn our_ipvlan_and_their_backup() {
    let low = side(Make::Debian, PLAIN, "192.168.16.22");
    play(side(Make::Ours, OVER, "192.168.16.41"), low);
}

fn their_ipvlan_and_our_backup() {
    let low = side(Make::Ours, PLAIN, "192.168.16.22");
    play(side(Make::Debian, OVER, "192.168.16.41"), low);
}

const UNICAST: &str = "interface eth0\nunicast_peer {\n PEER\n}";
const UNICAST_OVER: &str = "interface eth0\nuse_ipvlan 192.168.16.41/24\nunicast_peer {\n PEER\n}";

fn unicast_to_our_ipvlan_from_their_master() {
    let low = side(Make::Ours, UNICAST_OVER, "192.168.16.41");
    play(side(Make::Debian, UNICAST, "192.168.16.21"), low);
}

fn alone(layer: &str, address: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id 51
    priority 150
    {layer}
    virtual_ipaddress {{
        {address}
    }}
}}
"
    )
}

/// Links, addresses, routes and settings, without what the kernel numbers.
fn picture(host: &Host) -> String {
    let script = "ip -d link show | sed 's/^[0-9]*: //; s/link-netns[^ ]* [^ ]*//'
        ip address show | sed 's/^[0-9]*: //; s/link-netns[^ ]* [^ ]*//; s/[0-9]*sec/SEC/g'
        ip route show table all
        cd /proc/sys/net && grep -r . ipv4/conf ipv6/conf 2>/dev/null | grep -v _secret | sort";
    host.run(&["sh", "-c", script])
}

fn the_ipvlan_is_the_one_debians_keepalived_makes() {
    for (layer, address) in [
        ("use_ipvlan 192.168.16.41/24", VIP),
        ("use_ipvlan ipv.51 192.168.16.41 private", VIP),
        ("use_ipvlan fe80::41/64 vepa", "fe80::20"),
    ] {
        let pictures = [Make::Debian, Make::Ours].map(|make| {
            let mut lab = Lab::new();
            let host = lab.host("alone", "192.168.16.21/24");
            // Equal hardware addresses, since link-local ones are made of them.
            host.ip(&["link", "set", "eth0", "down"]);
            host.ip(&["link", "set", "eth0", "address", "02:00:00:00:16:21"]);
            host.ip(&["link", "set", "eth0", "up"]);
            let own = "fe80::ff:fe00:1621";
            wait_until(PATIENCE, "it has its own address", || host.owns(own));
            wait_until(PATIENCE, "its own address is certain", || host.is_settled());
            let before = picture(&host);
            let daemon = Daemon::start_make(make, &host, &alone(layer, address));
            wait_until(PATIENCE, "it is master", || host.owns(address));
            wait_until(PATIENCE, "every address is certain", || host.is_settled());
            let picture = picture(&host);
            daemon.stop();
            if make == Make::Ours {
                assert_eq!(before, self::picture(&host), "everything is given back");
            }
            picture
        });
        let [theirs, ours] = pictures;
        assert!(theirs.contains("mode l2"), "{theirs}");
        assert_eq!(ours, theirs, "{layer}");
    }
}

fn an_ipvlan_is_made_again_and_one_of_before_a_crash_is_taken_over() {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    let config = alone("use_ipvlan 192.168.16.41/24", VIP);
    let daemon = Daemon::start(&host, &config);
    wait_until(PATIENCE, "it is master", || host.owns(VIP));
    host.ip(&["address", "del", "192.168.16.41/24", "dev", "vrrp.51"]);
    wait_until(PATIENCE, "its address is back", || {
        host.has_on("vrrp.51", "192.168.16.41")
    });
    host.ip(&["link", "delete", "vrrp.51"]);
    wait_until(PATIENCE, "it is back with its address", || {
        host.owns("192.168.16.41") && host.owns(VIP)
    });
    assert_eq!(daemon.logged("Entering"), 2, "BACKUP and MASTER, once each");
    let number = |host: &Host| {
        let text = host.ip(&["-o", "link", "show", "dev", "vrrp.51"]);
        text.split(':').next().unwrap_or_default().to_owned()
    };
    let before = number(&host);
    daemon.kill();
    let daemon = Daemon::start(&host, &config);
    wait_until(PATIENCE, "it is master", || {
        daemon.logged("Entering MASTER STATE") == 1
    });
    assert_eq!(number(&host), before, "the very device");
    daemon.stop();
    assert!(!host.ip(&["link", "show"]).contains("vrrp.51"));
}
