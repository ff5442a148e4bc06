//! `--log-events`: what a real pair and a real director were told, told again to new cores.
//!
//! `JOURNALS=DIRECTORY scripts/lab recorded` keeps the journals; in `tests/sim/journals`
//! `cargo test` tells them in every run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use keepalived::journal::{Replayed, replay};

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::wait::{note, wait_until};

crate::scenarios!(
    Namespaces,
    a_fail_over_that_was_recorded_is_replayed,
    checks_that_were_recorded_are_replayed,
    a_file_that_cannot_be_written_is_a_warning_and_no_more,
);

const ROUTER: &str = "
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority PRIORITY
    advert_int 1
    auth_hmac {
        key 1 0123456789abcdef0123456789abcdef
        active_key 1
    }
    virtual_ipaddress {
        192.168.16.20
    }
    virtual_routes {
        10.9.0.0/16 via 192.168.16.1
    }
}
vrrp_instance VI_6 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    version 3
    priority PRIORITY
    advert_int 0.5
    virtual_ipaddress {
        fe80::51
        2001:db8::51
    }
}
";
const VIP: &str = "192.168.16.20";

const DIRECTOR: &str = "
virtual_server 192.168.16.50 80 {
    delay_loop 1
    lb_algo rr
    lb_kind NAT
    protocol TCP
    warmup 0
    real_server 192.168.16.21 81 {
        TCP_CHECK {
            connect_timeout 1
            retry 1
            delay_before_retry 1
        }
    }
    real_server 192.168.16.21 82 {
        HTTP_GET {
            url {
                path /
                status_code 200
            }
            connect_timeout 1
        }
    }
    real_server 192.168.16.21 83 {
        MISC_CHECK {
            misc_path /bin/false
            misc_timeout 1
        }
    }
}
";

fn journal(host: &Host) -> PathBuf {
    host.directory.join("events")
}

fn start(host: &Host, config: &str, more: &[&str]) -> Daemon {
    let file = journal(host).display().to_string();
    let option = format!("--log-events={file}");
    let options: Vec<&str> = more.iter().copied().chain([option.as_str()]).collect();
    Daemon::start_with(Make::Ours, host, config, &options)
}

/// What a daemon that has ended has written is replayed, and kept where that is wanted.
#[track_caller]
fn replayed(host: &Host, name: &str) -> Replayed {
    let path = journal(host);
    let text = fs::read_to_string(&path).expect("it was written");
    if let Some(folder) = env::var_os("JOURNALS") {
        let kept = Path::new(&folder).join(format!("{name}.journal"));
        fs::write(kept, &text).expect("it can be kept");
    }
    let done = replay(&text).unwrap_or_else(|why| panic!("{}: {why}\n{text}", host.name));
    note(&format!("{}: {} octets, {done:?}", host.name, text.len()));
    done
}

fn a_fail_over_that_was_recorded_is_replayed() {
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    let config = |priority: &str| ROUTER.replace("PRIORITY", priority);
    let first = start(&high, &config("150"), &[]);
    let second = start(&low, &config("100"), &[]);
    wait_until(seconds(10), "the higher priority has the address", || {
        high.has(VIP) && !low.has(VIP)
    });
    high.pull_cable();
    wait_until(seconds(10), "the other takes over", || low.has(VIP));
    high.plug_cable();
    wait_until(seconds(10), "the first takes it back", || {
        high.has(VIP) && !low.has(VIP)
    });
    second.rewrite(&config("200"));
    second.signal("HUP");
    wait_until(seconds(10), "the second is stronger", || {
        low.has(VIP) && !high.has(VIP)
    });
    first.stop();
    second.stop();
    for (host, name) in [(&high, "a-pulled-cable"), (&low, "a-take-over")] {
        let done = replayed(host, name);
        assert!(done.transitions >= 6 && done.checks > 20, "{done:?}");
    }
}

/// Without IPVS, and with a web server that is none.
fn checks_that_were_recorded_are_replayed() {
    let mut lab = Lab::new();
    let host = lab.host("director", "192.168.16.21/24");
    let daemon = start(&host, DIRECTOR, &["-C"]);
    wait_until(seconds(15), "all three are down", || {
        daemon.logged("Removing service") >= 3
    });
    daemon.stop();
    let done = replayed(&host, "three-checks");
    assert!(done.inputs >= 10 && done.effects >= 10, "{done:?}");
}

fn a_file_that_cannot_be_written_is_a_warning_and_no_more() {
    let mut lab = Lab::new();
    let host = lab.host("high", "192.168.16.21/24");
    let config = ROUTER.replace("PRIORITY", "150");
    for file in ["/proc/none/events", "/dev/full"] {
        let option = format!("--log-events={file}");
        let daemon = Daemon::start_with(Make::Ours, &host, &config, &[&option]);
        wait_until(seconds(10), "it is master", || host.has(VIP));
        assert_eq!(daemon.logged("cannot write events to"), 1);
        daemon.stop();
    }
}
