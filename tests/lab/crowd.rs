//! As many virtual routers as one interface can have, at ten adverts a second, on a busy machine.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use super::daemon::Daemon;
use super::network::{Background, Host, Lab, seconds};
use super::wait::{note, stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    all_numbers_of_an_interface_are_steady_under_load
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

    let transitions = |daemon: &Daemon| daemon.logged("Entering ");
    let before = (transitions(&master), transitions(&backup));
    let busy: Vec<Background> = (0..2).map(|number| spin(&low, number)).collect();
    stays_so(MINUTE, "the first one has all", || {
        // A look at so many addresses is work, too.
        thread::sleep(Duration::from_millis(500));
        owned(&high) == ROUTERS && owned(&low) == 0
    });
    drop(busy);
    let after = (transitions(&master), transitions(&backup));
    assert_eq!(before, after, "somebody changed its state");
    for daemon in [&master, &backup] {
        note(&format!("processor time {}", daemon.processor_time()));
    }
}

/// Keeps one processor busy.
fn spin(host: &Host, number: usize) -> Background {
    let words = ["busybox", "sh", "-c", "while :; do :; done"];
    host.spawn(&words, &host.directory.join(format!("spin-{number}.txt")))
}

const MINUTE: Duration = Duration::from_secs(60);
