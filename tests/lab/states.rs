//! Sync groups and the options of preemption, ours beside Debian's keepalived in both orders.

use super::daemon::{Daemon, Make};
use super::interop::COMPLAINTS;
use super::network::{Host, Lab, seconds};
use super::owners::Owners;
use super::wait::{note, slack, stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    a_group_of_ours_hands_over_to_one_of_theirs_and_back,
    a_group_of_theirs_hands_over_to_one_of_ours_and_back,
    our_nopreempt_waits_for_their_master_to_leave,
    their_nopreempt_waits_for_our_master_to_leave,
    our_preempt_delay_lets_their_master_be_for_a_while,
    their_preempt_delay_lets_our_master_be_for_a_while,
);

const OUTSIDE: &str = "192.168.16.20";
const INSIDE: &str = "10.16.0.20";

/// The skew time of priority 100, rounded up.
const SKEW: std::time::Duration = std::time::Duration::from_millis(610);

fn instance(name: &str, priority: u8, extra: &str) -> String {
    let (interface, vrid, address) = match name {
        "OUT" => ("eth0", 51, OUTSIDE),
        _ => ("eth1", 52, INSIDE),
    };
    format!(
        "vrrp_instance {name} {{
    state BACKUP
    interface {interface}
    virtual_router_id {vrid}
    priority {priority}
    advert_int 1
    {extra}
    virtual_ipaddress {{
        {address}
    }}
}}
"
    )
}

fn group(priority: u8) -> String {
    let group = "vrrp_sync_group G {\n    group {\n        OUT\n        IN\n    }\n}\n";
    group.to_owned() + &instance("OUT", priority, "") + &instance("IN", priority, "")
}

fn a_group_of_ours_hands_over_to_one_of_theirs_and_back() {
    play_group(Make::Ours, Make::Debian);
}

fn a_group_of_theirs_hands_over_to_one_of_ours_and_back() {
    play_group(Make::Debian, Make::Ours);
}

fn play_group(first: Make, second: Make) {
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    lab.second_cable(&high, "10.16.0.21/24");
    lab.second_cable(&low, "10.16.0.22/24");
    let owners = [
        Owners::watch(&[&high, &low], "eth0", OUTSIDE),
        Owners::watch(&[&high, &low], "eth1", INSIDE),
    ];
    let has_all = |host: &Host| host.has(OUTSIDE) && host.has_on("eth1", INSIDE);
    let has_any = |host: &Host| host.has(OUTSIDE) || host.has_on("eth1", INSIDE);

    let backup = Daemon::start_make(second, &low, &group(100));
    let master = Daemon::start_make(first, &high, &group(150));
    wait_until(seconds(6), "the higher group is master", || {
        has_all(&high) && !has_any(&low)
    });
    stays_so(seconds(3), "one group", || has_all(&high) && !has_any(&low));

    // The cable of one: the other member says goodbye, this one cannot.
    high.pull_second_cable();
    let took = wait_until(seconds(3) + SKEW, "the lower group took over", || {
        has_all(&low) && !has_any(&high)
    });
    note(&format!("after a pulled cable {took:.2?}"));
    high.plug_second_cable();
    wait_until(seconds(6), "the higher group is back", || {
        has_all(&high) && !has_any(&low)
    });
    stays_so(seconds(2), "one group", || has_all(&high) && !has_any(&low));

    master.ask_to_stop();
    let took = wait_until(SKEW, "the lower group took over", || has_all(&low));
    note(&format!("after a stop {took:.2?}"));
    let log = master.log();
    master.stop();
    let again = Daemon::start_make(first, &high, &group(150));
    wait_until(seconds(6), "the higher group preempts", || {
        has_all(&high) && !has_any(&low)
    });
    for owners in owners {
        let both = owners.longest_time_with_two();
        note(&format!("two owners for {both:.2?} at most"));
        assert!(both < slack(), "two masters for {both:.2?}");
    }
    no_complaints(&[log, again.log(), backup.log()]);
    for log in [again.log(), backup.log()] {
        let line = "VRRP_Group(G) Syncing instances to MASTER state";
        assert!(log.contains(line), "{log}");
    }
}

fn our_nopreempt_waits_for_their_master_to_leave() {
    play_nopreempt(Make::Ours, Make::Debian);
}

fn their_nopreempt_waits_for_our_master_to_leave() {
    play_nopreempt(Make::Debian, Make::Ours);
}

fn play_nopreempt(waiting: Make, first: Make) {
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    let owners = Owners::watch(&[&high, &low], "eth0", OUTSIDE);
    let first = Daemon::start_make(first, &low, &instance("OUT", 100, ""));
    wait_until(seconds(5), "the first one is master", || low.has(OUTSIDE));
    let second = Daemon::start_make(waiting, &high, &instance("OUT", 150, "nopreempt"));
    stays_so(seconds(7), "it stays master", || {
        low.has(OUTSIDE) && !high.has(OUTSIDE)
    });
    first.ask_to_stop();
    // The skew of priority 150.
    let took = wait_until(SKEW, "the higher one takes over", || high.has(OUTSIDE));
    note(&format!("taken over after {took:.2?}"));
    let log = first.log();
    first.stop();
    let both = owners.longest_time_with_two();
    assert!(both < slack(), "two masters for {both:.2?}");
    no_complaints(&[log, second.log()]);
}

fn our_preempt_delay_lets_their_master_be_for_a_while() {
    play_delay(Make::Ours, Make::Debian);
}

fn their_preempt_delay_lets_our_master_be_for_a_while() {
    play_delay(Make::Debian, Make::Ours);
}

/// The delay begins with the first advert of the weaker master; what is left of the master-down
/// interval after the last advert of the delay comes on top.
fn play_delay(waiting: Make, first: Make) {
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    let owners = Owners::watch(&[&high, &low], "eth0", OUTSIDE);
    let first = Daemon::start_make(first, &low, &instance("OUT", 100, ""));
    wait_until(seconds(5), "the first one is master", || low.has(OUTSIDE));
    let second = Daemon::start_make(waiting, &high, &instance("OUT", 150, "preempt_delay 3"));
    stays_so(seconds(5), "it stays master for the delay", || {
        low.has(OUTSIDE) && !high.has(OUTSIDE)
    });
    let took = wait_until(seconds(3), "the higher one takes over", || {
        high.has(OUTSIDE) && !low.has(OUTSIDE)
    });
    note(&format!("taken over after 5 s and {took:.2?}"));
    let both = owners.longest_time_with_two();
    assert!(both < slack(), "two masters for {both:.2?}");
    no_complaints(&[first.log(), second.log()]);
}

#[track_caller]
fn no_complaints(logs: &[String]) {
    for log in logs {
        let line = log
            .lines()
            .find(|line| COMPLAINTS.iter().any(|word| line.contains(word)));
        assert_eq!(line, None, "a complaint in\n{log}");
    }
}
