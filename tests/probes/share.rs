//! `checker_share_probes` on real sockets: what arrives at a server that two services have.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{Check, Daemon};
use crate::namespace::{Namespace, eventually};
use crate::servers::{hear_request, say};

/// Several rounds, and less than one more.
const ROUNDS: usize = 5;
const WATCHED: Duration = Duration::from_millis(4_500);

/// How many connections such a daemon makes in five rounds of two services, which are told apart in
/// its log.
fn connections(name: &str, head: &str) -> usize {
    let _namespace = Namespace::enter_new();
    let listener = TcpListener::bind("127.0.0.1:80").unwrap();
    let times = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&times);
    thread::spawn(move || {
        // The first one to come behind the last round finds nobody any more.
        for mut connection in listener.incoming().flatten() {
            let now = Instant::now();
            let mut list = list.lock().unwrap();
            list.push(now);
            if now > list[0] + WATCHED {
                return;
            }
            hear_request(&mut connection);
            say(&mut connection, b"HTTP/1.0 200 OK\r\n\r\nhello");
        }
    });
    let page = "HTTP_GET {\nretry 0\nurl {\npath /\n}\n}";
    let check = || Check::new("127.0.0.1 80", page);
    let daemon = Daemon::start(name, head, "TCP", &[check(), check()]);
    let ended = || Arc::strong_count(&times) == 1;
    eventually("five rounds have passed", || ended().then_some(()));
    for service in ["10.9.0.1", "10.9.0.2"] {
        let service = format!("VS [{service}]:tcp:80");
        daemon.expect_once(&format!("Gained quorum 1+0=1 <= 1 for {service}"));
        daemon.expect_once(&format!(
            "Removing service [127.0.0.1]:tcp:80 from {service}"
        ));
    }
    daemon.expect(
        "Remote Web server [127.0.0.1]:tcp:80 succeed on service.",
        2,
    );
    let times = times.lock().unwrap();
    let counted = times.iter().filter(|&&time| time <= times[0] + WATCHED);
    counted.count()
}

#[test]
fn two_services_with_one_server_make_one_connection_in_a_round() {
    let shared = connections("shared", "global_defs {\nchecker_share_probes\n}");
    let alone = connections("alone", "");
    println!("{ROUNDS} rounds: {shared} connections shared, {alone} without");
    // A machine that stands still may miss a round.
    assert!((ROUNDS - 1..=ROUNDS).contains(&shared), "{shared}");
    assert!((2 * ROUNDS - 2..=2 * ROUNDS).contains(&alone), "{alone}");
}
