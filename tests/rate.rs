//! One daemon and many servers to check: how late its checks are, and what they cost.
//!
//! Everything happens in a network namespace of its own: the daemon, and a server that answers at
//! once on as many addresses as are wanted and writes down when each was asked. A server is asked
//! again `delay_loop` after it has answered, so what lies between two questions beyond that is what
//! the check took and what it was late; all of it is called lateness here.
//!
//! `scripts/bench checks` runs it: it needs root.
//!
//!     rate PROGRAM TCP HTTP EVERY SECONDS
//!
//! checks TCP and HTTP servers of those numbers every EVERY seconds, and looks for SECONDS. It
//! prints one line of names and numbers.

#![expect(clippy::unwrap_used, reason = "a measurement that fails panics")]

use std::thread;
use std::time::{Duration, Instant};

#[path = "rate/daemon.rs"]
mod daemon;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "sys/namespace.rs"]
mod namespace;
#[path = "rate/server.rs"]
mod server;

use daemon::Daemon;
use namespace::Namespace;
use server::{Kind, Server};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [program, numbers @ ..] = words.as_slice() else {
        panic!("which program?");
    };
    let numbers: Vec<u32> = numbers.iter().map(|word| word.parse().unwrap()).collect();
    let &[tcp, http, every, seconds] = numbers.as_slice() else {
        panic!("rate PROGRAM TCP HTTP EVERY SECONDS");
    };
    let _namespace = Namespace::enter_new();
    namespace::run(&format!("ip route add local {} dev lo", server::ADDRESSES));
    let servers = [(Kind::Tcp, tcp), (Kind::Http, http)].map(|(kind, count)| {
        let server = Server::start(kind, count);
        (server, count)
    });
    let daemon = Daemon::start(program, &daemon::config([tcp, http], every));
    wait_until_all_are_checked(&servers, every);
    let before = daemon.processor_time();
    servers.iter().for_each(|(server, _)| server.forget());
    let mut descriptors = 0;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds.into()) {
        thread::sleep(Duration::from_millis(250));
        descriptors = descriptors.max(daemon.descriptors());
    }
    let after = daemon.processor_time();
    let [own, kernel] = [0, 1].map(|part| (after[part] - before[part]).as_millis());
    let memory = daemon.memory();
    let period = Duration::from_secs(every.into());
    let mut line = format!(
        "processor_ms {} own_ms {own} pss_kb {} private_kb {} descriptors {descriptors}",
        own + kernel,
        memory.pss,
        memory.private,
    );
    for (server, count) in servers {
        if count > 0 {
            line += &server.lateness(period).to_string();
        }
    }
    println!("{line}");
}

/// Not only asked once: the memory of everything that a check needs is there.
fn wait_until_all_are_checked(servers: &[(Server, u32)], every: u32) {
    let patience = Duration::from_secs(u64::from(every) * 4 + 60);
    let start = Instant::now();
    for (server, _) in servers {
        while !server.all_asked_twice() {
            assert!(
                start.elapsed() < patience,
                "some servers are never checked: {}",
                server.missing()
            );
            thread::sleep(Duration::from_millis(100));
        }
    }
}
