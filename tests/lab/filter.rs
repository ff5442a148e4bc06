//! The packet filter: beside that of Debian's keepalived, and what it does to packets.

use std::fs;
use std::time::Duration;

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::wait::{stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    the_tables_are_those_of_debians_keepalived,
    an_address_that_is_not_accepted_is_not_spoken_to,
    reports_of_a_vmac_leave_with_the_address_of_the_interface_below,
);

const VIP: &str = "192.168.16.20";
const VIP6: &str = "fd00:16::20";

fn config(layer: &str) -> String {
    format!(
        "global_defs {{
    router_id lab
    vrrp_version 3
}}
vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.2
    {layer}
    virtual_ipaddress {{
        {VIP}
        192.168.16.30/24
    }}
    virtual_ipaddress_excluded {{
        192.168.16.40
    }}
}}
vrrp_instance VI_6 {{
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.2
    {layer}
    virtual_ipaddress {{
        fe80::16:20/64
        {VIP6}/64
    }}
}}
"
    )
}

fn master(make: Make, host: &Host, layer: &str) -> Daemon {
    let daemon = Daemon::start_make(make, host, &config(layer));
    wait_until(seconds(8), "it is master of both", || {
        host.owns(VIP) && host.owns(VIP6)
    });
    daemon
}

fn the_tables_are_those_of_debians_keepalived() {
    for layer in ["use_vmac", "no_accept", "use_vmac\n no_accept"] {
        let [theirs, ours] = [Make::Debian, Make::Ours].map(|make| {
            let mut lab = Lab::new();
            let host = lab.host("alone", "192.168.16.21/24");
            let daemon = master(make, &host, layer);
            let text = host.run(&["nft", "list", "ruleset"]);
            daemon.stop();
            assert_eq!(host.run(&["nft", "list", "ruleset"]), "");
            text
        });
        assert!(theirs.contains("table ip6 keepalived"), "{theirs}");
        assert_eq!(ours, theirs, "{layer}");
    }
}

/// Whether a host answers one of three pings.
fn answers(from: &Host, address: &str) -> bool {
    let words = [
        "busybox", "ping", "-c", "3", "-i", "0.2", "-W", "1", address,
    ];
    from.try_run(&words).1.contains("bytes from")
}

fn an_address_that_is_not_accepted_is_not_spoken_to() {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    let client = lab.host("client", "192.168.16.90/24");
    client.ip(&["address", "add", "fd00:16::90/64", "dev", "eth0", "nodad"]);
    let daemon = master(Make::Ours, &host, "no_accept");
    for address in [VIP, "192.168.16.40", VIP6] {
        assert!(!answers(&client, address), "{address} is not accepted");
    }
    assert!(answers(&client, "192.168.16.21"));
    // It can be found, for those who pass it on the way.
    let known = client.ip(&["neighbour", "show", VIP, "dev", "eth0"]);
    assert!(known.contains("lladdr"), "{known}");
    let known = client.ip(&["neighbour", "show", VIP6, "dev", "eth0"]);
    assert!(known.contains("lladdr"), "{known}");

    // A crash leaves the table behind; the next start takes it over.
    daemon.kill();
    let daemon = Daemon::start(&host, &config(""));
    daemon.wait_for_line("Entering BACKUP STATE (init)");
    daemon.stop();
    let daemon = master(Make::Ours, &host, "no_accept");
    assert!(!answers(&client, VIP));
    daemon.rewrite(&config("accept"));
    daemon.signal("HUP");
    wait_until(seconds(3), "it is accepted now", || answers(&client, VIP));
    assert!(answers(&client, VIP6));
    assert_eq!(host.run(&["nft", "list", "ruleset"]), "");
    daemon.stop();
}

fn reports_of_a_vmac_leave_with_the_address_of_the_interface_below() {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    let switch = lab.switch();
    let file = switch.directory.join("reports.txt");
    // IGMP, and MLDv2 behind a hop-by-hop header.
    let filter = "igmp or (ip6 and ip6[6] = 0 and ip6[48] = 143)";
    let words = ["tcpdump", "-i", "br0", "-n", "-e", "-v", "-l", filter];
    let _tcpdump = switch.spawn(&words, &file);
    let text = || fs::read_to_string(&file).unwrap_or_default();
    wait_until(seconds(5), "tcpdump listens", || {
        text().contains("listening on")
    });
    let daemon = master(Make::Ours, &host, "use_vmac");
    wait_until(seconds(5), "the groups are told", || {
        text().contains("224.0.0.18") && text().contains("ff02::12")
    });
    stays_so(
        Duration::from_secs(2),
        "nobody tells the virtual address",
        || !text().contains("00:00:5e:00:0"),
    );
    daemon.stop();
}
