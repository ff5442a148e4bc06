//! The end: with `-V` everything stays that instances have, in the kernel and on the wire; and
//! neighbours have a second to hear that groups are left. Beside Debian's keepalived.

use std::time::{Duration, Instant};

use super::capture::Capture;
use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::wait::{note, slack, wait_until};

crate::scenarios!(
    Namespaces,
    what_instances_have_stays_when_it_is_not_to_be_released,
    a_vmac_lives_until_its_group_is_left_for_a_second,
);

const VIP: &str = "192.168.16.20";

fn config(host: &Host, layer: &str) -> String {
    let notes = host.directory.join("notes");
    let script = host.write(
        "note.sh",
        &format!("#!/bin/sh\necho \"$@\" >>{}\n", notes.display()),
    );
    format!(
        "global_defs {{
    router_id lab
    script_user root
}}
vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id 51
    priority 150
    {layer}
    virtual_ipaddress {{
        {VIP}
        192.168.16.30/24
    }}
    virtual_routes {{
        10.1.0.0/24 via 192.168.16.90 dev eth0
    }}
    virtual_rules {{
        from 10.9.0.0/24 lookup 77 priority 500
    }}
    notify \"/bin/sh {}\"
}}
static_ipaddress {{
    192.168.99.1/24 dev lo
}}
static_rules {{
    from 10.66.0.0/16 lookup 100 priority 777
}}
",
        script.display()
    )
}

/// Addresses, routes and rules, without what the kernel numbers.
fn belongings(host: &Host) -> String {
    let script = "ip -4 address show | sed 's/^[0-9]*: //; s/link-netns[^ ]* [^ ]*//'
        ip rule; ip -4 route show table all | sort";
    host.run(&["sh", "-c", script])
}

fn what_instances_have_stays_when_it_is_not_to_be_released() {
    for layer in ["", "use_vmac"] {
        let outcomes = [Make::Debian, Make::Ours].map(|make| {
            let mut lab = Lab::new();
            let host = lab.host("alone", "192.168.16.21/24");
            let adverts = Capture::start(&lab.switch());
            let config = config(&host, layer);
            let mut daemon = Daemon::start_with(make, &host, &config, &["-V"]);
            let is_whole = || belongings(&host).contains("10.9.0.0/24");
            wait_until(seconds(6), "it is master", is_whole);
            let began = Instant::now();
            daemon.ask_to_stop();
            assert!(daemon.stopped().success());
            let took = began.elapsed();
            note(&format!("{make:?} ended in {took:.2?}"));
            assert!(took > Duration::from_millis(900), "{took:?}");
            assert!(took < Duration::from_secs(1) + slack(), "{took:?}");
            let notes = host.run(&["cat", &host.directory.join("notes").display().to_string()]);
            let adverts = adverts.adverts();
            assert!(adverts.iter().all(|advert| advert.priority == 150));
            (belongings(&host), notes)
        });
        let [theirs, ours] = outcomes;
        assert!(theirs.0.contains(VIP), "{}", theirs.0);
        assert!(!theirs.0.contains("192.168.99.1"), "{}", theirs.0);
        assert!(
            theirs.1.ends_with("INSTANCE VI_1 STOP 150\n"),
            "{}",
            theirs.1
        );
        assert_eq!(ours, theirs, "{layer}");
    }
}

fn a_vmac_lives_until_its_group_is_left_for_a_second() {
    for make in [Make::Debian, Make::Ours] {
        let mut lab = Lab::new();
        let host = lab.host("alone", "192.168.16.21/24");
        let mut daemon = Daemon::start_make(make, &host, &config(&host, "use_vmac"));
        wait_until(seconds(6), "it is master", || host.owns(VIP));
        daemon.ask_to_stop();
        wait_until(Duration::from_millis(200), "the address goes", || {
            !host.owns(VIP)
        });
        let has_device = || host.ip(&["link", "show"]).contains("vrrp.51");
        assert!(has_device(), "{make:?}");
        assert!(daemon.stopped().success());
        assert!(!has_device(), "{make:?}");
    }
}
