//! Two routers, a client that asks for the address, and the ways in which one takes over from the
//! other: what rooms of scenarios play with different statements.

use std::time::Duration;

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::timeline::Timeline;
use super::wait::{note, stays_so, wait_until};

pub(crate) const VIP: &str = "192.168.16.20";

/// One of the two; PEER in its statements is the address the other one speaks from.
#[derive(Clone, Copy)]
pub(crate) struct Side {
    pub(crate) make: Make,
    pub(crate) statements: &'static str,
    /// What it speaks from.
    pub(crate) source: &'static str,
    /// What its machine needs before.
    pub(crate) prepare: fn(&Host),
}

impl Side {
    fn config(self, priority: u8, peer: &str) -> String {
        let statements = self.statements.replace("PEER", peer);
        format!(
            "global_defs {{
    router_id lab
}}
vrrp_instance VI_1 {{
    virtual_router_id 51
    priority {priority}
    {statements}
    virtual_ipaddress {{
        {VIP} {}
    }}
}}
",
            if self.statements.contains("interface") {
                ""
            } else {
                "dev eth0"
            }
        )
    }
}

/// The first is the better one: it leaves, returns, and dies.
pub(crate) fn play(first: Side, second: Side) {
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    let client = lab.host("client", "192.168.16.90/24");
    (first.prepare)(&high);
    (second.prepare)(&low);
    let timeline = Timeline::watch(&[&high, &low], VIP);
    let high_alone = || high.owns(VIP) && !low.owns(VIP);
    let low_alone = || low.owns(VIP) && !high.owns(VIP);
    let above = first.config(150, second.source);
    let backup = Daemon::start_make(second.make, &low, &second.config(100, first.source));
    let master = Daemon::start_make(first.make, &high, &above);
    wait_until(PATIENCE, "the higher one is master", high_alone);
    stays_so(seconds(2), "one master", high_alone);
    answers(&client);

    master.ask_to_stop();
    let took = wait_until(PATIENCE, "the lower one took over", || low.owns(VIP));
    note(&format!("taken over after {took:.2?}"));
    master.expect_no_complaint();
    master.stop();
    stays_so(seconds(1), "one master", low_alone);
    answers(&client);

    let master = Daemon::start_make(first.make, &high, &above);
    wait_until(PATIENCE, "the higher one preempts", high_alone);
    master.kill();
    let took = wait_until(PATIENCE, "the lower one noticed", || low.owns(VIP));
    note(&format!("after a crash taken over after {took:.2?}"));
    answers(&client);
    backup.expect_no_complaint();
    drop(timeline);
}

fn answers(client: &Host) {
    let ping = ["busybox", "ping", "-c", "1", "-W", "1", VIP];
    wait_until(PATIENCE, "the address answers", || {
        client.try_run(&ping).0 == Some(0)
    });
}

/// These machines are emulated, several scenarios at a time: how fast the protocol is, others show.
pub(crate) const PATIENCE: Duration = seconds(25);
