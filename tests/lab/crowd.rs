//! As many virtual routers as one interface can have, at ten adverts a second, on a busy machine;
//! and a router beside the largest director that is known of.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use super::capture::Capture;
use super::daemon::Daemon;
use super::network::{Background, Host, Lab, seconds};
use super::stall::Stalls;
use super::wait::{note, wait_until};

crate::scenarios!(
    Namespaces,
    all_numbers_of_an_interface_are_steady_under_load,
    adverts_are_on_time_while_the_largest_director_comes_changes_and_goes,
);

const ROUTERS: usize = 255;

fn config(priority: u8) -> String {
    let mut text = String::from("global_defs {\n    vrrp_min_garp\n}\n");
    for number in 1..=ROUTERS {
        let _ = write!(
            text,
            "vrrp_instance V{number} {{
    interface eth0
    version 3
    advert_int 0.1
    virtual_router_id {number}
    priority {priority}
    virtual_ipaddress {{
        10.51.0.{number}
    }}
}}
"
        );
    }
    text
}

fn all_numbers_of_an_interface_are_steady_under_load() {
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    let owned = |host: &Host| {
        let addresses = host.addresses();
        addresses
            .iter()
            .filter(|line| line.starts_with("10.51."))
            .count()
    };
    let master = Daemon::start(&high, &config(150));
    wait_until(seconds(20), "the first one has all", || {
        owned(&high) == ROUTERS
    });
    let backup = Daemon::start(&low, &config(100));
    backup.wait_for_line("(V255) Entering BACKUP STATE (init)");
    thread::sleep(seconds(2));

    let alone = || owned(&high) == ROUTERS && owned(&low) == 0;
    let _busy: Vec<Background> = (0..2).map(|number| spin(&low, number)).collect();
    let mut minutes = 0;
    while !is_steady_for_a_minute(&[&master, &backup], alone) {
        minutes += 1;
        assert!(minutes < MINUTES_MAX, "this machine stands still too often");
        wait_until(seconds(10), "all are where they belong", alone);
    }
    for daemon in [&master, &backup] {
        note(&format!("processor time {}", daemon.processor_time()));
    }
}

/// False when somebody changed its state, but in a minute in which the whole machine stood still
/// for so long that no backup could tell that from a master's death. Panics when that is no excuse.
fn is_steady_for_a_minute(daemons: &[&Daemon], alone: impl Fn() -> bool) -> bool {
    let transitions = || -> usize { daemons.iter().map(|one| one.logged("Entering ")).sum() };
    let (before, stalls) = (transitions(), Stalls::watch());
    let start = Instant::now();
    let mut steady = true;
    while steady && start.elapsed() < MINUTE {
        // A look at so many addresses is work, too.
        thread::sleep(Duration::from_millis(500));
        steady = alone() && transitions() == before;
    }
    let stalled = stalls.longest();
    note(&format!(
        "the longest the machine stood still was {stalled:?}"
    ));
    assert!(steady || stalled > STALL, "somebody changed its state");
    steady
}

/// 2,277 virtual and 37,205 real servers: what is read, compared and applied takes longer than a
/// backup waits, and the loop turns all the while. At the stop the neighbours hear of it before the
/// table is cleared.
fn adverts_are_on_time_while_the_largest_director_comes_changes_and_goes() {
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    let capture = Capture::start(&lab.switch());
    let stalls = Stalls::watch();
    let (alone, whole) = (router(255), router(255) + &largest());
    let master = Daemon::start(&high, &whole);
    wait_until(seconds(60), "the master has the address", || {
        high.has("192.168.16.20")
    });
    let backup = Daemon::start(&low, &router(100));
    backup.wait_for_line("(VI_1) Entering BACKUP STATE");
    let files = [
        whole.clone(),
        whole.replacen("weight 3", "weight 4", 1),
        whole.replace("weight 3", "weight 5"),
        alone,
        whole,
    ];
    for (round, file) in files.iter().enumerate() {
        master.rewrite(file);
        let begin = Instant::now();
        master.signal("HUP");
        wait_until(seconds(60), "the file is read", || {
            master.logged("Reload complete") > round
        });
        note(&format!("a reload took {:.2?}", begin.elapsed()));
        // What is left is applied in portions.
        thread::sleep(seconds(1));
    }
    assert_eq!(backup.logged("Entering MASTER STATE"), 0);
    let begin = Instant::now();
    master.stop();
    note(&format!("the stop took {:.2?}", begin.elapsed()));
    backup.wait_for_line("Entering MASTER STATE");
    backup.stop();
    let (gap, stalled) = (capture.longest_gap("192.168.16.21", 51), stalls.longest());
    note(&format!(
        "longest silence {gap:.3} s, adverts every 0.200 s; the machine stood still for {stalled:?}"
    ));
    assert!(gap < 0.4 + stalled.as_secs_f64(), "a silence of {gap} s");
    let adverts = capture.adverts();
    let last = adverts.iter().rfind(|one| one.from == "192.168.16.21");
    assert_eq!(last.map(|advert| advert.priority), Some(0));
}

fn router(priority: u8) -> String {
    format!(
        "vrrp_instance VI_1 {{\n    interface eth0\n    version 3\n    advert_int 0.2\n    \
         virtual_router_id 51\n    priority {priority}\n    virtual_ipaddress {{\n        \
         192.168.16.20\n    }}\n}}\n"
    )
}

fn largest() -> String {
    let (services, servers) = (2_277, 37_205);
    let mut text = String::new();
    let mut server = 0;
    for service in 0..services {
        let (high, low) = (service / 250, service % 250);
        let _ = write!(
            text,
            "virtual_server 10.{high}.{low}.1 80 {{\n    protocol TCP\n"
        );
        text += "    lb_algo wrr\n    lb_kind DR\n";
        while server < servers * (service + 1) / services {
            let (a, b, c) = (server / 62_500, server / 250 % 250, server % 250 + 1);
            let _ = writeln!(text, "    real_server 10.{}.{b}.{c} 80 {{", 100 + a);
            text += "        weight 3\n    }\n";
            server += 1;
        }
        text += "}\n";
    }
    text
}

/// Keeps one processor busy.
fn spin(host: &Host, number: usize) -> Background {
    let words = ["busybox", "sh", "-c", "while :; do :; done"];
    host.spawn(&words, &host.directory.join(format!("spin-{number}.txt")))
}

const MINUTE: Duration = Duration::from_secs(60);
/// Two adverts out of the three that a backup waits for.
const STALL: Duration = Duration::from_millis(200);
const MINUTES_MAX: usize = 3;
