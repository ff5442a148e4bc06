//! A kernel without IPVS: who would swallow its clients steps back, everything else runs on, and
//! all is well soon after IPVS is there. Runs in a freshly booted machine of its own.

use std::fs;
use std::path::Path;
use std::thread;

use super::cluster::table;
use super::daemon::Daemon;
use super::network::{Lab, seconds};
use super::wait::{note, wait_until};

crate::scenarios!(
    Ipvs,
    without_ipvs_its_addresses_stay_away_until_it_is_loaded
);

const CONFIG: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        192.168.16.20
    }
}

vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    virtual_ipaddress {
        192.168.16.30
    }
}

virtual_server 192.168.16.20 80 {
    lb_algo rr
    lb_kind DR
    protocol TCP
    real_server 192.168.16.2 80 {
        TCP_CHECK {
            connect_timeout 3
        }
    }
}
";

fn without_ipvs_its_addresses_stay_away_until_it_is_loaded() {
    assert!(
        !Path::new("/proc/net/ip_vs").exists(),
        "IPVS is loaded: this needs a fresh machine"
    );
    let mut lab = Lab::new();
    let host = lab.host("director", "192.168.16.21/24");
    // The path the kernel and the daemon take, once the network has got its modules.
    fs::write("/proc/sys/kernel/modprobe", "/bin/false").expect("we are root");
    let daemon = Daemon::start(&host, CONFIG);

    wait_until(seconds(5), "the instance without servers is master", || {
        host.has("192.168.16.30")
    });
    daemon.wait_for_line("(VI_1) Entering FAULT STATE");
    thread::sleep(seconds(12));
    assert!(
        !host.has("192.168.16.20"),
        "a director without a table holds the address"
    );
    let complaints = daemon.logged("IPVS: Can't initialize ipvs");
    assert_eq!(complaints, 1, "one error line, not one for each try");

    fs::write("/proc/sys/kernel/modprobe", "/sbin/modprobe").expect("we are root");
    host.run(&["modprobe", "ip_vs"]);
    let took = wait_until(seconds(11), "the table is there", || {
        !table(&host).is_empty()
    });
    note(&format!("table there {took:.1?} after IPVS was loaded"));
    wait_until(seconds(5), "the instance is master", || {
        host.has("192.168.16.20")
    });
    daemon.stop();
}
