//! Ours and Debian's keepalived as a pair, in both orders: one master always, no complaint.

use std::time::Duration;

use super::daemon::{Daemon, Make};
use super::network::{Lab, seconds};
use super::owners::Owners;
use super::wait::{note, slack, stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    our_master_and_their_backup_without_authentication,
    their_master_and_our_backup_without_authentication,
    our_master_and_their_backup_with_a_password,
    their_master_and_our_backup_with_a_password,
);

const CONFIG: &str = "
global_defs {
    router_id lab
}
vrrp_instance VI_1 {
    state STATE
    interface eth0
    virtual_router_id 51
    priority PRIORITY
    advert_int 1
    AUTHENTICATION
    virtual_ipaddress {
        192.168.16.20
        192.168.16.30/24 dev eth0 label eth0:1
    }
}
";
const PASSWORD: &str = "authentication {
        auth_type PASS
        auth_pass itnihao
    }";
const VIP: &str = "192.168.16.20";

/// Words of a daemon that does not like what it hears.
pub(crate) const COMPLAINTS: [&str; 9] = [
    "invalid",
    "mismatch",
    "wrong",
    "expected",
    "not present",
    "too long",
    "too short",
    "Unknown",
    "error",
];

fn our_master_and_their_backup_without_authentication() {
    play(Make::Ours, Make::Debian, "");
}

fn their_master_and_our_backup_without_authentication() {
    play(Make::Debian, Make::Ours, "");
}

fn our_master_and_their_backup_with_a_password() {
    play(Make::Ours, Make::Debian, PASSWORD);
}

fn their_master_and_our_backup_with_a_password() {
    play(Make::Debian, Make::Ours, PASSWORD);
}

fn play(master: Make, backup: Make, authentication: &str) {
    let text = |state: &str, priority: &str| {
        let text = CONFIG.replace("STATE", state).replace("PRIORITY", priority);
        text.replace("AUTHENTICATION", authentication)
    };
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    let owners = Owners::watch(&[&high, &low], "eth0", VIP);

    let backup = Daemon::start_make(backup, &low, &text("BACKUP", "100"));
    let first = Daemon::start_make(master, &high, &text("MASTER", "150"));
    wait_until(seconds(6), "the higher one is master", || {
        high.has(VIP) && !low.has(VIP)
    });
    stays_so(seconds(4), "one master", || high.has(VIP) && !low.has(VIP));

    first.ask_to_stop();
    let took = wait_until(
        Duration::from_millis(610),
        "the lower one took over",
        || low.has(VIP),
    );
    note(&format!("taken over after {took:.2?}"));
    let first_log = first.log();
    first.stop();
    stays_so(seconds(3), "one master", || low.has(VIP) && !high.has(VIP));

    let second = Daemon::start_make(master, &high, &text("MASTER", "150"));
    wait_until(seconds(6), "the higher one preempts", || {
        high.has(VIP) && !low.has(VIP)
    });
    stays_so(seconds(3), "one master", || high.has(VIP) && !low.has(VIP));

    let both = owners.longest_time_with_two();
    note(&format!("two owners for {both:.2?} at most"));
    // The old master hears the new one a moment after that one has taken the address.
    assert!(both < slack(), "two masters for {both:.2?}");
    for log in [first_log, second.log(), backup.log()] {
        let line = log
            .lines()
            .find(|line| COMPLAINTS.iter().any(|word| line.contains(word)));
        assert_eq!(line, None, "a complaint in\n{log}");
    }
}
