//! Sync groups and the options of preemption, ours beside Debian's keepalived in both orders and
//! beside itself: a hand-over, the way back and a crash each.

use std::time::Duration;

use super::daemon::{Daemon, Make};
use super::dialects::expect_take_over;
use super::network::{Host, Lab, seconds};
use super::timeline::Timeline;
use super::wait::{note, stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    a_group_of_ours_hands_over_to_one_of_theirs_and_back,
    a_group_of_theirs_hands_over_to_one_of_ours_and_back,
    a_group_of_ours_hands_over_to_another_of_ours_and_back,
    our_nopreempt_waits_for_their_master_to_leave,
    their_nopreempt_waits_for_our_master_to_leave,
    our_nopreempt_waits_for_our_master_to_leave,
    our_preempt_delay_lets_their_master_be_for_a_while,
    their_preempt_delay_lets_our_master_be_for_a_while,
    our_preempt_delay_lets_our_master_be_for_a_while,
    a_reload_of_our_master_and_of_their_backup_moves_nobody,
    a_reload_of_their_master_and_of_our_backup_moves_nobody,
);

const OUTSIDE: &str = "192.168.16.20";
const INSIDE: &str = "10.16.0.20";

const INTERVAL: Duration = Duration::from_secs(1);
/// The skew time of priority 100, rounded up; that of priority 150 is shorter.
const SKEW: Duration = Duration::from_millis(610);

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

/// The two of every scenario.
fn pair() -> (Lab, Host, Host) {
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    (lab, high, low)
}

/// Asks the master to leave, and waits for its end.
fn leave(master: Daemon, taken_over: impl FnMut() -> bool) {
    master.ask_to_stop();
    let took = wait_until(SKEW, "the other one takes over", taken_over);
    note(&format!("after a stop {took:.2?}"));
    master.expect_no_complaint();
    master.stop();
}

fn a_group_of_ours_hands_over_to_one_of_theirs_and_back() {
    play_group(Make::Ours, Make::Debian);
}

fn a_group_of_theirs_hands_over_to_one_of_ours_and_back() {
    play_group(Make::Debian, Make::Ours);
}

fn a_group_of_ours_hands_over_to_another_of_ours_and_back() {
    play_group(Make::Ours, Make::Ours);
}

fn play_group(first: Make, second: Make) {
    let (lab, high, low) = pair();
    lab.second_cable(&high, "10.16.0.21/24");
    lab.second_cable(&low, "10.16.0.22/24");
    let timelines = [
        Timeline::watch(&[&high, &low], OUTSIDE),
        Timeline::watch(&[&high, &low], INSIDE),
    ];
    let has_all = |host: &Host| host.owns(OUTSIDE) && host.owns(INSIDE);
    let has_any = |host: &Host| host.owns(OUTSIDE) || host.owns(INSIDE);
    let high_alone = || has_all(&high) && !has_any(&low);

    let backup = Daemon::start_make(second, &low, &group(100));
    let master = Daemon::start_make(first, &high, &group(150));
    wait_until(seconds(6), "the higher group is master", high_alone);
    stays_so(seconds(3), "one group", high_alone);

    // The cable of one: the other member says goodbye, this one cannot.
    high.pull_second_cable();
    let took = wait_until(seconds(3) + SKEW, "the lower group took over", || {
        has_all(&low) && !has_any(&high)
    });
    note(&format!("after a pulled cable {took:.2?}"));
    high.plug_second_cable();
    wait_until(seconds(6), "the higher group is back", high_alone);
    stays_so(seconds(2), "one group", high_alone);

    leave(master, || has_all(&low));
    let again = Daemon::start_make(first, &high, &group(150));
    wait_until(seconds(6), "the higher group preempts", high_alone);
    stays_so(seconds(2), "one group", high_alone);
    for timeline in timelines {
        // The pulled cable is what takes longest.
        timeline.expect_one_owner(3 * INTERVAL + SKEW);
    }
    for daemon in [&again, &backup] {
        let line = "VRRP_Group(G) Syncing instances to MASTER state";
        assert!(daemon.logged(line) > 0, "{}", daemon.log());
    }

    again.expect_no_complaint();
    again.kill();
    expect_take_over(&low, INSIDE, INTERVAL, SKEW);
    wait_until(SKEW, "the lower group has both", || has_all(&low));
    backup.expect_no_complaint();
}

fn our_nopreempt_waits_for_their_master_to_leave() {
    play_nopreempt(Make::Ours, Make::Debian);
}

fn their_nopreempt_waits_for_our_master_to_leave() {
    play_nopreempt(Make::Debian, Make::Ours);
}

fn our_nopreempt_waits_for_our_master_to_leave() {
    play_nopreempt(Make::Ours, Make::Ours);
}

fn play_nopreempt(waiting: Make, first: Make) {
    let (_lab, high, low) = pair();
    let low_alone = || low.owns(OUTSIDE) && !high.owns(OUTSIDE);
    let high_alone = || high.owns(OUTSIDE) && !low.owns(OUTSIDE);
    let timeline = Timeline::watch(&[&high, &low], OUTSIDE);
    let weak = Daemon::start_make(first, &low, &instance("OUT", 100, ""));
    wait_until(seconds(5), "the first one is master", low_alone);
    let text = instance("OUT", 150, "nopreempt");
    let strong = Daemon::start_make(waiting, &high, &text);
    stays_so(seconds(7), "it stays master", low_alone);

    leave(weak, high_alone);
    let weak = Daemon::start_make(first, &low, &instance("OUT", 100, ""));
    stays_so(seconds(5), "the stronger one is master", high_alone);
    timeline.expect_one_owner(SKEW);

    strong.expect_no_complaint();
    strong.kill();
    expect_take_over(&low, OUTSIDE, INTERVAL, SKEW);
    // It takes away what the crash has left, and waits again.
    let strong = Daemon::start_make(waiting, &high, &text);
    wait_until(seconds(2), "the left-over is gone", low_alone);
    stays_so(seconds(5), "it stays master", low_alone);
    strong.expect_no_complaint();
    weak.expect_no_complaint();
}

fn our_preempt_delay_lets_their_master_be_for_a_while() {
    play_delay(Make::Ours, Make::Debian);
}

fn their_preempt_delay_lets_our_master_be_for_a_while() {
    play_delay(Make::Debian, Make::Ours);
}

fn our_preempt_delay_lets_our_master_be_for_a_while() {
    play_delay(Make::Ours, Make::Ours);
}

/// The delay begins with the first advert of the weaker master; what is left of the master-down
/// interval after the last advert of the delay comes on top.
fn play_delay(waiting: Make, first: Make) {
    let (_lab, high, low) = pair();
    let low_alone = || low.owns(OUTSIDE) && !high.owns(OUTSIDE);
    let high_alone = || high.owns(OUTSIDE) && !low.owns(OUTSIDE);
    let timeline = Timeline::watch(&[&high, &low], OUTSIDE);
    let weak = Daemon::start_make(first, &low, &instance("OUT", 100, ""));
    wait_until(seconds(5), "the first one is master", low_alone);
    let text = instance("OUT", 150, "preempt_delay 3");
    let takes_its_time = || {
        let strong = Daemon::start_make(waiting, &high, &text);
        stays_so(seconds(5), "it stays master for the delay", low_alone);
        let took = wait_until(seconds(3), "the higher one takes over", high_alone);
        note(&format!("taken over after 5 s and {took:.2?}"));
        strong
    };
    let strong = takes_its_time();
    leave(strong, low_alone);
    let strong = takes_its_time();
    timeline.expect_one_owner(SKEW);

    strong.expect_no_complaint();
    strong.kill();
    expect_take_over(&low, OUTSIDE, INTERVAL, SKEW);
    weak.expect_no_complaint();
}

fn a_reload_of_our_master_and_of_their_backup_moves_nobody() {
    play_reload(Make::Ours, Make::Debian);
}

fn a_reload_of_their_master_and_of_our_backup_moves_nobody() {
    play_reload(Make::Debian, Make::Ours);
}

/// The addresses stand in another order in the other file, which is the same to both.
fn play_reload(first: Make, second: Make) {
    let (_lab, high, low) = pair();
    let other = "192.168.16.30";
    let text = |priority, addresses: [&str; 2]| {
        instance("OUT", priority, "").replace(OUTSIDE, &addresses.join("\n        "))
    };
    let high_alone = || {
        let all = high.owns(OUTSIDE) && high.owns(other);
        all && !low.owns(OUTSIDE) && !low.owns(other)
    };
    let timeline = Timeline::watch(&[&high, &low], OUTSIDE);
    let backup = Daemon::start_make(second, &low, &text(100, [other, OUTSIDE]));
    let master = Daemon::start_make(first, &high, &text(150, [OUTSIDE, other]));
    wait_until(seconds(6), "the higher one is master", high_alone);
    let taken = |daemon: &Daemon| daemon.logged("Entering MASTER STATE");
    let before = (taken(&master), taken(&backup));
    for daemon in [&master, &backup, &master] {
        daemon.signal("HUP");
        stays_so(seconds(4), "one master", high_alone);
    }
    assert_eq!((taken(&master), taken(&backup)), before);
    timeline.expect_one_owner(Duration::ZERO);
    master.expect_no_complaint();
    backup.expect_no_complaint();
}
