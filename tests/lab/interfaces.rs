//! Interfaces that vanish, are renamed, come later and change, under instances that use them.

use super::capture::Capture;
use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::wait::{stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    an_interface_that_comes_later_is_used_then,
    an_interface_that_vanishes_and_returns_is_used_again,
    an_interface_that_is_renamed_is_gone_and_comes_back_under_its_name,
    the_source_follows_the_addresses_of_the_interface,
    a_smaller_mtu_is_followed,
);

const VIP: &str = "192.168.16.20";

fn config(interface: &str, extra: &str) -> String {
    format!(
        "global_defs {{
    dynamic_interfaces
}}
vrrp_instance VI_1 {{
    interface {interface}
    virtual_router_id 51
    priority 150
    {extra}
    virtual_ipaddress {{
        {VIP}
    }}
}}
"
    )
}

/// A second cable to nowhere, with an address.
fn plug(host: &Host, name: &str) {
    host.ip(&["link", "add", name, "type", "veth", "peer", "name", "far"]);
    host.ip(&["link", "set", "far", "up"]);
    host.ip(&["link", "set", name, "up"]);
    host.ip(&["address", "add", "192.168.17.1/24", "dev", name]);
}

fn unplug(host: &Host, name: &str) {
    host.ip(&["link", "delete", name]);
}

fn an_interface_that_comes_later_is_used_then() {
    for layer in ["", "use_vmac"] {
        let mut lab = Lab::new();
        let host = lab.host("alone", "192.168.16.21/24");
        let daemon = Daemon::start(&host, &config("lan0", layer));
        daemon.wait_for_line("entering FAULT state (interface lan0 does not exist)");
        daemon.wait_for_line("Entering FAULT STATE (init)");
        plug(&host, "lan0");
        wait_until(seconds(6), "it is master", || host.owns(VIP));
        daemon.stop();
    }
}

fn an_interface_that_vanishes_and_returns_is_used_again() {
    for layer in ["", "use_vmac"] {
        let mut lab = Lab::new();
        let host = lab.host("alone", "192.168.16.21/24");
        plug(&host, "lan0");
        let daemon = Daemon::start(&host, &config("lan0", layer));
        wait_until(seconds(6), "it is master", || host.owns(VIP));
        for round in 1..=2 {
            unplug(&host, "lan0");
            daemon.wait_for_line("Interface lan0 deleted");
            wait_until(seconds(2), "it is in fault", || {
                daemon.logged("Entering FAULT STATE") == round
            });
            plug(&host, "lan0");
            wait_until(seconds(6), "it is master again", || host.owns(VIP));
        }
        daemon.stop();
    }
}

fn an_interface_that_is_renamed_is_gone_and_comes_back_under_its_name() {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    plug(&host, "lan0");
    let daemon = Daemon::start(&host, &config("lan0", "use_vmac"));
    wait_until(seconds(6), "it is master", || host.owns(VIP));
    host.ip(&["link", "set", "lan0", "name", "lan1"]);
    daemon.wait_for_line("Interface name has changed from lan0 to lan1");
    daemon.wait_for_line("entering FAULT state (interface lan0 does not exist)");
    wait_until(seconds(2), "a router in fault has no address", || {
        !host.owns(VIP)
    });
    host.ip(&["link", "set", "lan1", "name", "lan0"]);
    wait_until(seconds(6), "it is master again", || host.owns(VIP));
    daemon.stop();
    assert!(!host.ip(&["link", "show"]).contains("vrrp.51"));
}

fn the_source_follows_the_addresses_of_the_interface() {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    let other = lab.host("other", "192.168.16.22/24");
    let backup = Daemon::start_make(
        Make::Debian,
        &other,
        &config("eth0", "").replace("150", "100"),
    );
    let capture = Capture::start(&lab.switch());
    let daemon = Daemon::start(&host, &config("eth0", ""));
    wait_until(seconds(6), "it is master", || host.owns(VIP));
    let from = |source: &str| {
        let adverts = capture.adverts();
        adverts.iter().any(|advert| advert.from == source)
    };
    wait_until(seconds(3), "the first address speaks", || {
        from("192.168.16.21")
    });
    host.ip(&["address", "add", "192.168.16.29/24", "dev", "eth0"]);
    host.ip(&["address", "delete", "192.168.16.21/24", "dev", "eth0"]);
    // The kernel takes the second of one network away with the first.
    host.ip(&["address", "replace", "192.168.16.29/24", "dev", "eth0"]);
    wait_until(seconds(3), "the second address speaks", || {
        from("192.168.16.29")
    });
    host.ip(&["address", "delete", "192.168.16.29/24", "dev", "eth0"]);
    daemon.wait_for_line("entering FAULT state (no IPv4 address for interface)");
    wait_until(seconds(4), "the other took over", || other.owns(VIP));
    host.ip(&["address", "add", "192.168.16.21/24", "dev", "eth0"]);
    wait_until(seconds(6), "it is master again", || {
        host.owns(VIP) && !other.owns(VIP)
    });
    daemon.stop();
    backup.stop();
}

fn a_smaller_mtu_is_followed() {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    let daemon = Daemon::start(&host, &config("eth0", "use_vmac"));
    wait_until(seconds(6), "it is master", || host.owns(VIP));
    for mtu in ["1280", "1500"] {
        host.ip(&["link", "set", "eth0", "mtu", mtu]);
        stays_so(seconds(2), "it is master", || host.owns(VIP));
    }
    assert_eq!(daemon.logged("Entering"), 2, "BACKUP and MASTER, once each");
    daemon.stop();
}
