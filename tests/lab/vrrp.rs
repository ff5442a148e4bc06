//! Two or more of our own daemons on one network: who owns the virtual address, and when.

use std::thread;

use super::capture::Capture;
use super::daemon::Daemon;
use super::network::{Host, Lab, seconds};
use super::wait::{note, slack, stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    the_higher_priority_holds_the_address_alone,
    a_graceful_stop_hands_over_within_the_skew_time,
    a_killed_master_is_replaced_after_the_master_down_interval,
    a_pulled_cable_is_a_fault_and_the_other_takes_over,
    a_healed_partition_leaves_one_master,
    without_preemption_a_returning_router_waits,
    different_passwords_make_two_masters_and_a_line_in_the_log,
    an_address_deleted_by_hand_is_put_back,
    a_reload_of_the_same_file_is_not_noticed_by_anybody,
    a_reload_applies_what_changed_and_nothing_else,
);

const CONFIG: &str = "
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority PRIORITY
    advert_int 1
    MORE
    virtual_ipaddress {
        192.168.16.20
    }
}
";
const VIP: &str = "192.168.16.20";
/// What the seeds' `ip a` shows on the master.
const VIP_LINE: &str = "192.168.16.20/32 scope global eth0";

/// The skew time of priority 100, rounded up: RFC 3768 6.1, (256 - 100) / 256 s.
const SKEW: std::time::Duration = std::time::Duration::from_millis(610);

struct Pair {
    lab: Lab,
    high: Host,
    low: Host,
}

impl Pair {
    fn new() -> Self {
        let mut lab = Lab::new();
        let high = lab.host("high", "192.168.16.21/24");
        let low = lab.host("low", "192.168.16.22/24");
        Self { lab, high, low }
    }

    /// Starts both and waits until the one of higher priority is master.
    fn start(&self, more: &str) -> (Daemon, Daemon) {
        let high = Daemon::start(&self.high, &config(150, more));
        let low = Daemon::start(&self.low, &config(100, more));
        self.wait_for_high();
        (high, low)
    }

    #[track_caller]
    fn wait_for_high(&self) {
        wait_until(
            seconds(6),
            "the higher priority alone has the address",
            || self.high.has(VIP) && !self.low.has(VIP),
        );
    }
}

fn config(priority: u8, more: &str) -> String {
    CONFIG
        .replace("PRIORITY", &priority.to_string())
        .replace("MORE", more)
}

fn the_higher_priority_holds_the_address_alone() {
    let pair = Pair::new();
    let (high, low) = pair.start("");
    assert!(
        pair.high.addresses().contains(&VIP_LINE.to_owned()),
        "{:?}",
        pair.high.addresses()
    );
    high.wait_for_line("(VI_1) Entering MASTER STATE");
    low.wait_for_line("(VI_1) Entering BACKUP STATE (init)");
    stays_so(seconds(3), "one master", || {
        pair.high.has(VIP) && !pair.low.has(VIP)
    });
    assert_eq!(low.logged("Entering MASTER STATE"), 0);
}

fn a_graceful_stop_hands_over_within_the_skew_time() {
    let pair = Pair::new();
    let (high, _low) = pair.start("");
    let capture = Capture::start(&pair.lab.switch());

    high.ask_to_stop();
    let took = wait_until(SKEW, "the backup has the address", || pair.low.has(VIP));
    note(&format!("taken over after {took:.2?}"));
    high.stop();
    assert!(!pair.high.has(VIP), "a stopped daemon leaves no address");
    let farewell = |a: &super::capture::Advert| a.from == "192.168.16.21" && a.priority == 0;
    wait_until(seconds(1), "priority 0 was sent", || {
        capture.adverts().iter().any(farewell)
    });

    // The old master comes back and preempts.
    let high = Daemon::start(&pair.high, &config(150, ""));
    pair.wait_for_high();
    high.wait_for_line("(VI_1) Entering MASTER STATE");
}

fn a_killed_master_is_replaced_after_the_master_down_interval() {
    let pair = Pair::new();
    let (high, _low) = pair.start("");
    high.kill();
    let took = wait_until(seconds(3) + SKEW, "the backup has the address", || {
        pair.low.has(VIP)
    });
    note(&format!("taken over after {took:.2?}"));
    assert!(
        took > seconds(2),
        "nobody may be declared dead after {took:.2?}"
    );
    assert!(
        pair.high.has(VIP),
        "a killed daemon cannot take its address away"
    );

    // The new start takes the left-over away and waits its turn: one owner in the end.
    let _high = Daemon::start(&pair.high, &config(150, ""));
    wait_until(seconds(2), "the left-over address is removed", || {
        !pair.high.has(VIP)
    });
    pair.wait_for_high();
}

fn a_pulled_cable_is_a_fault_and_the_other_takes_over() {
    let pair = Pair::new();
    let (high, _low) = pair.start("");
    pair.high.pull_cable();
    high.wait_for_line("(VI_1) Entering FAULT STATE");
    let took = wait_until(seconds(3) + SKEW, "the backup has the address", || {
        pair.low.has(VIP)
    });
    note(&format!("taken over after {took:.2?}"));
    assert!(!pair.high.has(VIP), "a router in fault holds no address");

    pair.high.plug_cable();
    pair.wait_for_high();
    stays_so(seconds(3), "one master", || {
        pair.high.has(VIP) && !pair.low.has(VIP)
    });
}

fn a_healed_partition_leaves_one_master() {
    let pair = Pair::new();
    let (high, _low) = pair.start("");
    // The link stays up on both sides: each must believe that the other is dead.
    pair.high.isolate();
    wait_until(seconds(3) + SKEW, "both are master", || {
        pair.low.has(VIP) && pair.high.has(VIP)
    });
    pair.high.rejoin();
    pair.wait_for_high();
    assert_eq!(
        high.logged("Entering MASTER STATE"),
        1,
        "the higher priority never gave way"
    );
}

fn without_preemption_a_returning_router_waits() {
    let pair = Pair::new();
    let (high, low) = pair.start("nopreempt");
    high.stop();
    wait_until(SKEW, "the backup has the address", || pair.low.has(VIP));

    let high = Daemon::start(&pair.high, &config(150, "nopreempt"));
    high.wait_for_line("(VI_1) Entering BACKUP STATE (init)");
    stays_so(seconds(6), "the lower one is master", || {
        pair.low.has(VIP) && !pair.high.has(VIP)
    });

    low.stop();
    wait_until(SKEW, "the higher one takes over at last", || {
        pair.high.has(VIP)
    });
}

fn different_passwords_make_two_masters_and_a_line_in_the_log() {
    let pair = Pair::new();
    let password = |word: &str| {
        format!("authentication {{\n        auth_type PASS\n        auth_pass {word}\n    }}")
    };
    let high = Daemon::start(&pair.high, &config(150, &password("itnihao")));
    let low = Daemon::start(&pair.low, &config(100, &password("1111")));
    wait_until(seconds(6), "both are master", || {
        pair.high.has(VIP) && pair.low.has(VIP)
    });
    for daemon in [&high, &low] {
        daemon.wait_for_line("received an invalid passwd");
    }
}

fn an_address_deleted_by_hand_is_put_back() {
    let pair = Pair::new();
    let (_high, low) = pair.start("");
    // Past the announcements of the take-over.
    thread::sleep(seconds(1));
    pair.high
        .ip(&["address", "delete", "192.168.16.20/32", "dev", "eth0"]);
    let took = wait_until(seconds(1), "the address is back", || pair.high.has(VIP));
    note(&format!("back after {took:.2?}"));
    stays_so(seconds(2), "one master", || {
        pair.high.has(VIP) && !pair.low.has(VIP)
    });
    assert_eq!(low.logged("Entering MASTER STATE"), 0);
}

fn a_reload_of_the_same_file_is_not_noticed_by_anybody() {
    let pair = Pair::new();
    let (high, low) = pair.start("");
    let capture = Capture::start(&pair.lab.switch());
    thread::sleep(seconds(2));
    let transitions = |daemon: &Daemon| daemon.logged("Entering ");
    let before = (transitions(&high), transitions(&low));

    high.signal("HUP");
    low.signal("HUP");
    stays_so(seconds(4), "one master", || {
        pair.high.has(VIP) && !pair.low.has(VIP)
    });
    assert_eq!(
        before,
        (transitions(&high), transitions(&low)),
        "a transition was logged"
    );
    assert!(high.logged("Reloading") > 0, "the reload is logged");
    let gap = capture.longest_gap("192.168.16.21", 51);
    note(&format!("longest silence of the master {gap:.2} s"));
    assert!(
        gap < 1.0 + slack().as_secs_f64(),
        "the master was silent for {gap:.2} s"
    );
}

const TWO_INSTANCES: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority PRIORITY
    virtual_ipaddress {
        192.168.16.20
        MORE
    }
}

vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    priority 150
    virtual_ipaddress {
        192.168.16.30
    }
}
";

fn a_reload_applies_what_changed_and_nothing_else() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let text = |priority: &str, more: &str| {
        TWO_INSTANCES
            .replace("PRIORITY", priority)
            .replace("MORE", more)
    };
    let daemon = Daemon::start(&host, &text("150", ""));
    wait_until(seconds(6), "both instances are master", || {
        host.has("192.168.16.20") && host.has("192.168.16.30")
    });
    let capture = Capture::start(&lab.switch());
    // Past the second round of announcements, five seconds after the first.
    thread::sleep(seconds(6));
    let lines_before = daemon.logged("(VI_2)");

    daemon.rewrite(&text("120", "192.168.16.25"));
    daemon.signal("HUP");
    wait_until(seconds(2), "the new address is there", || {
        host.has("192.168.16.25")
    });
    let changed = |a: &super::capture::Advert| a.vrid == 51 && a.priority == 120;
    wait_until(seconds(2), "the new priority is told", || {
        capture.adverts().iter().any(changed)
    });
    stays_so(seconds(2), "the other addresses stay", || {
        host.has("192.168.16.20") && host.has("192.168.16.30")
    });
    assert!(capture.longest_gap("192.168.16.21", 52) < 1.0 + slack().as_secs_f64());
    assert_eq!(
        daemon.logged("Entering BACKUP STATE\n"),
        0,
        "an instance gave way"
    );
    assert_eq!(
        lines_before,
        daemon.logged("(VI_2)"),
        "the unchanged instance has something to say"
    );

    // And back: what the file no longer says is taken away.
    daemon.rewrite(&text("150", ""));
    daemon.signal("HUP");
    wait_until(seconds(2), "the address is gone", || {
        !host.has("192.168.16.25")
    });
    assert!(host.has("192.168.16.20") && host.has("192.168.16.30"));
}
