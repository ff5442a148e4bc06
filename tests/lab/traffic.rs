//! Packets through the table: a client and three servers by NAT, direct routing and tunnels, how
//! the schedulers share, and connections that outlive a daemon and a director.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use super::daemon::Daemon;
use super::network::{Background, Host, Lab, seconds};
use super::scripts::realserver;
use super::wait::{note, wait_until};

crate::scenarios!(
    Ipvs,
    clients_are_served_by_nat,
    clients_are_served_by_direct_routing,
    clients_are_served_by_tunnels,
    hashing_schedulers_keep_a_client_with_its_server,
    an_established_connection_outlives_a_crash_of_the_daemon,
    an_established_connection_outlives_the_master_with_the_sync_daemon,
);

const VIP: &str = "10.2.0.100";
const NODES: usize = 3;

/// A director with the virtual address, a client, and servers that answer with their number.
struct Site {
    director: Host,
    client: Host,
    _services: Vec<Background>,
    _lab: Lab,
}

/// How the servers are reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Nat,
    Direct,
    Tunnel,
}

impl Site {
    fn build(way: Way) -> Self {
        let mut lab = Lab::new();
        let director = lab.host("director", "10.2.0.1/24");
        director.ip(&["address", "add", &format!("{VIP}/32"), "dev", "eth0"]);
        // By NAT the servers answer through the director: the client is somewhere else.
        let client = match way {
            Way::Nat => lab.host("client", "10.3.0.9/24"),
            Way::Direct | Way::Tunnel => lab.host("client", "10.2.0.9/24"),
        };
        if way == Way::Nat {
            director.ip(&["address", "add", "10.3.0.1/24", "dev", "eth0"]);
            client.ip(&["route", "add", "default", "via", "10.3.0.1"]);
            set(&director, "net/ipv4/ip_forward", "1");
            set(&director, "net/ipv4/conf/all/send_redirects", "0");
            set(&director, "net/ipv4/conf/eth0/send_redirects", "0");
        }
        let mut services = Vec::new();
        for number in 1..=NODES {
            let node = lab.host(
                &format!("node{number}"),
                &format!("10.2.0.{}/24", 10 + number),
            );
            prepare(&node, way);
            services.extend(serve(&node, number));
        }
        Self {
            director,
            client,
            _services: services,
            _lab: lab,
        }
    }

    /// How many of so many requests each server got.
    fn shares(&self, requests: usize) -> Vec<usize> {
        let script =
            format!("for i in $(busybox seq {requests}); do curl -s -m 3 http://{VIP}/; done");
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in self.client.run(&["sh", "-c", &script]).lines() {
            *counts.entry(line.to_owned()).or_default() += 1;
        }
        let count = |number: usize| counts.get(&number.to_string()).copied().unwrap_or(0);
        (1..=NODES).map(count).collect()
    }
}

/// How a server hears of the virtual address.
fn prepare(node: &Host, way: Way) {
    match way {
        Way::Nat => {
            node.ip(&["route", "add", "default", "via", "10.2.0.1"]);
        }
        Way::Direct => {
            realserver(node, &["start", VIP]);
        }
        Way::Tunnel => {
            realserver(node, &["start", VIP]);
            // Every namespace has one, that takes what no other tunnel does.
            node.ip(&["link", "set", "tunl0", "up"]);
            set(node, "net/ipv4/conf/all/rp_filter", "0");
            set(node, "net/ipv4/conf/tunl0/rp_filter", "0");
        }
    }
}

/// A page with the server's number, and an echo on port 7.
fn serve(node: &Host, number: usize) -> [Background; 2] {
    node.write("index.html", &format!("{number}\n"));
    let directory = node.directory.to_str().expect("UTF-8");
    let http = ["busybox", "httpd", "-f", "-p", "80", "-h", directory];
    let echo = ["busybox", "nc", "-lk", "-p", "7", "-e", "cat"];
    [
        node.spawn(&http, &node.directory.join("http.log")),
        node.spawn(&echo, &node.directory.join("echo.log")),
    ]
}

fn set(host: &Host, key: &str, value: &str) {
    let script = format!("echo {value} > /proc/sys/{key}");
    host.run(&["sh", "-c", &script]);
}

/// Two services, the page and the echo, whose servers have the weights 1, 2 and 3.
fn config(way: Way, scheduler: &str) -> String {
    let method = match way {
        Way::Nat => "NAT",
        Way::Direct => "DR",
        Way::Tunnel => "TUN",
    };
    let mut text = String::new();
    for port in [80, 7] {
        text += &format!(
            "virtual_server {VIP} {port} {{\n    delay_loop 2\n    lb_algo {scheduler}\n    \
             lb_kind {method}\n    protocol TCP\n"
        );
        for number in 1..=NODES {
            text += &format!(
                "    real_server 10.2.0.{} {port} {{\n        weight {number}\n        \
                 TCP_CHECK {{\n            connect_timeout 3\n        }}\n    }}\n",
                10 + number
            );
        }
        text += "}\n";
    }
    text
}

fn clients_are_served_by_nat() {
    clients_are_served(Way::Nat);
}

fn clients_are_served_by_direct_routing() {
    clients_are_served(Way::Direct);
}

fn clients_are_served_by_tunnels() {
    clients_are_served(Way::Tunnel);
}

/// Every request is answered, and each server gets the share that its weight says.
fn clients_are_served(way: Way) {
    let site = Site::build(way);
    let daemon = Daemon::start(&site.director, &config(way, "wrr"));
    wait_until(seconds(5), "somebody answers", || {
        site.shares(1).iter().sum::<usize>() == 1
    });
    assert_eq!(
        site.shares(30),
        [5, 10, 15],
        "wrr with the weights 1, 2 and 3"
    );
    daemon.rewrite(&config(way, "rr"));
    daemon.signal("HUP");
    daemon.wait_for_line("Reload complete");
    assert_eq!(site.shares(18), [6, 6, 6], "rr");
    daemon.stop();
}

fn hashing_schedulers_keep_a_client_with_its_server() {
    let site = Site::build(Way::Direct);
    for last in 101..=120 {
        let address = format!("10.2.0.{last}/24");
        site.client.ip(&["address", "add", &address, "dev", "eth0"]);
    }
    for scheduler in ["sh", "mh"] {
        let daemon = Daemon::start(&site.director, &config(Way::Direct, scheduler));
        wait_until(seconds(5), "somebody answers", || {
            site.shares(1).iter().sum::<usize>() == 1
        });
        let script = format!(
            "for i in $(busybox seq 101 120); do \
             curl -s -m 3 --interface 10.2.0.$i http://{VIP}/; done"
        );
        let answers = |_: u8| site.client.run(&["sh", "-c", &script]);
        let (first, second) = (answers(1), answers(2));
        assert_eq!(first.lines().count(), 20, "{scheduler}: {first}");
        assert_eq!(first, second, "{scheduler}: each client has its server");
        let count = |number: &str| first.lines().filter(|line| *line == number).count();
        let shares = [count("1"), count("2"), count("3")];
        assert!(
            shares.iter().all(|share| *share > 0),
            "{scheduler}: {shares:?}"
        );
        note(&format!(
            "{scheduler}: {shares:?} of 20 clients, weights 1, 2 and 3"
        ));
        daemon.stop();
    }
}

/// A line now, and one after the pause; what comes back is in the file `echo.out`.
fn talk(client: &Host, pause: u32) -> Background {
    let out = client.directory.join("echo.out");
    let script = format!(
        "(echo one; sleep {pause}; echo two; sleep 3) | busybox nc {VIP} 7 > {}",
        out.display()
    );
    client.spawn(&["sh", "-c", &script], &client.directory.join("talk.log"))
}

fn heard(client: &Host) -> String {
    fs::read_to_string(client.directory.join("echo.out")).unwrap_or_default()
}

fn an_established_connection_outlives_a_crash_of_the_daemon() {
    let site = Site::build(Way::Nat);
    let text = config(Way::Nat, "rr");
    let daemon = Daemon::start(&site.director, &text);
    wait_until(seconds(5), "somebody answers", || {
        site.shares(1).iter().sum::<usize>() == 1
    });
    let _talk = talk(&site.client, 8);
    wait_until(seconds(3), "the first line comes back", || {
        heard(&site.client) == "one\n"
    });
    daemon.kill();
    let daemon = Daemon::start(&site.director, &text);
    daemon.wait_for_line("the number of IPVS operations of this configuration: 0");
    wait_until(seconds(12), "the second line comes back", || {
        heard(&site.client) == "one\ntwo\n"
    });
    daemon.stop();
}

fn vrrp(priority: u8, state: &str) -> String {
    format!(
        "global_defs {{\n    lvs_sync_daemon eth0 inst VI_1\n}}\n\
         vrrp_instance VI_1 {{\n    state {state}\n    interface eth0\n    virtual_router_id 51\n    \
         priority {priority}\n    advert_int 1\n    virtual_ipaddress {{\n        {VIP}\n    }}\n\
         }}\n"
    )
}

fn an_established_connection_outlives_the_master_with_the_sync_daemon() {
    let mut lab = Lab::new();
    let master = lab.host("master", "10.2.0.1/24");
    let backup = lab.host("backup", "10.2.0.2/24");
    let client = lab.host("client", "10.2.0.9/24");
    let mut services = Vec::new();
    for number in 1..=NODES {
        let node = lab.host(
            &format!("node{number}"),
            &format!("10.2.0.{}/24", 10 + number),
        );
        prepare(&node, Way::Direct);
        services.extend(serve(&node, number));
    }
    let services_text = config(Way::Direct, "rr");
    let first = Daemon::start(&master, &(vrrp(150, "MASTER") + &services_text));
    let second = Daemon::start(&backup, &(vrrp(100, "BACKUP") + &services_text));
    wait_until(seconds(8), "the master has the address", || master.has(VIP));
    let daemons = |host: &Host| host.run(&["ipvsadm", "-Ln", "--daemon"]);
    let runs = |host: &Host, role: &str| {
        let text = daemons(host);
        text.starts_with(&format!("{role} sync daemon")) && text.lines().count() == 1
    };
    wait_until(
        seconds(5),
        "master and backup run their sync daemons",
        || runs(&master, "master") && runs(&backup, "backup"),
    );
    assert!(
        daemons(&master).contains("syncid=51"),
        "{}",
        daemons(&master)
    );

    let _talk = talk(&client, 14);
    wait_until(seconds(3), "the first line comes back", || {
        heard(&client) == "one\n"
    });
    let known = |host: &Host| host.run(&["ipvsadm", "-Lnc"]).contains("ESTABLISHED");
    wait_until(seconds(8), "the backup knows the connection", || {
        known(&backup)
    });
    first.stop();
    wait_until(seconds(5), "the backup has the address", || backup.has(VIP));
    wait_until(seconds(5), "and runs the sync daemon of a master", || {
        runs(&backup, "master")
    });
    wait_until(seconds(18), "the second line comes back", || {
        heard(&client) == "one\ntwo\n"
    });
    assert_eq!(
        daemons(&master),
        "",
        "a stopped daemon leaves no sync daemon"
    );
    thread::sleep(seconds(1));
    second.stop();
    assert_eq!(daemons(&backup), "");
}
