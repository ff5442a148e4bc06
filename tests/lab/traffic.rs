//! Packets through the table: a client and three servers by NAT, direct routing and tunnels, how
//! the schedulers share, and connections that outlive a daemon, a server's leave and a director.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use super::daemon::{Daemon, Make};
use super::network::{Background, Host, Lab, seconds};
use super::scripts::realserver;
use super::visitor::{connection, echoes, inside, page};
use super::wait::{note, wait_until};

crate::scenarios!(
    Ipvs,
    clients_are_served_by_nat,
    clients_are_served_by_direct_routing,
    clients_are_served_by_tunnels,
    hashing_schedulers_keep_a_client_with_its_server,
    an_established_connection_outlives_a_crash_of_the_daemon,
    a_server_that_leaves_is_drained,
    an_established_connection_outlives_the_master_with_the_sync_daemon,
    the_sync_daemon_of_an_instance_belongs_to_vrrp_alone,
);

pub(super) const VIP: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 100);
const PAGE: SocketAddrV4 = SocketAddrV4::new(VIP, 80);
const ECHO: SocketAddrV4 = SocketAddrV4::new(VIP, 7);
pub(super) const NODES: usize = 3;

/// A director with the virtual address, a client, and servers that answer with their number.
pub(super) struct Site {
    pub(super) director: Host,
    pub(super) client: Host,
    _services: Vec<Background>,
    lab: Lab,
}

/// How the servers are reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Nat,
    Direct,
    Tunnel,
}

impl Site {
    pub(super) fn build(way: Way) -> Self {
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
        Self::complete(lab, director, client, way)
    }

    /// With the servers.
    fn complete(mut lab: Lab, director: Host, client: Host, way: Way) -> Self {
        let mut services = Vec::new();
        for number in 1..=NODES {
            let address = format!("10.2.0.{}/24", 10 + number);
            let node = lab.host(&format!("node{number}"), &address);
            prepare(&node, way);
            services.extend(serve(&node, number));
        }
        Self {
            director,
            client,
            _services: services,
            lab,
        }
    }

    /// How many of so many requests each server got.
    fn shares(&self, requests: usize) -> Vec<usize> {
        let answers = inside(&self.client, || {
            let pages = (0..requests).map(|_| page(None, PAGE));
            pages.collect::<Vec<_>>()
        });
        shares(answers.into_iter().flatten())
    }

    #[track_caller]
    pub(super) fn wait_for_service(&self) {
        wait_until(seconds(5), "all servers answer", || {
            self.shares(2 * NODES).iter().all(|share| *share > 0)
        });
    }

    /// A connection to the echo, that has been used.
    #[track_caller]
    pub(super) fn talk(&self) -> TcpStream {
        let stream = inside(&self.client, || connection(None, ECHO));
        let mut stream = stream.expect("the echo accepts");
        assert!(echoes(&mut stream, "one\n"));
        stream
    }
}

/// How often each server's number is among the answers.
pub(super) fn shares(answers: impl Iterator<Item = String>) -> Vec<usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer).or_default() += 1;
    }
    let count = |number: usize| counts.get(&number.to_string()).copied().unwrap_or(0);
    (1..=NODES).map(count).collect()
}

/// How a server hears of the virtual address.
fn prepare(node: &Host, way: Way) {
    let vip = VIP.to_string();
    match way {
        Way::Nat => {
            node.ip(&["route", "add", "default", "via", "10.2.0.1"]);
        }
        Way::Direct => {
            realserver(node, &["start", &vip]);
        }
        Way::Tunnel => {
            realserver(node, &["start", &vip]);
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
    let echo = ["busybox", "nc", "-ll", "-p", "7", "-e", "/bin/cat"];
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
    site.wait_for_service();
    let shared = site.shares(60);
    assert_eq!(shared, [10, 20, 30], "wrr with the weights 1, 2 and 3");
    daemon.rewrite(&config(way, "rr"));
    daemon.signal("HUP");
    daemon.wait_for_line("Reload complete");
    assert_eq!(site.shares(60), [20, 20, 20], "rr");
    // No new connection, by the everyday way to take a server out of service.
    daemon.rewrite(&config(way, "rr").replace("weight 3", "weight 0"));
    daemon.signal("HUP");
    daemon.wait_for_line("Changing weight from 3 to 0");
    assert_eq!(site.shares(20), [10, 10, 0], "rr with weight 0");
    daemon.stop();
}

fn hashing_schedulers_keep_a_client_with_its_server() {
    let site = Site::build(Way::Direct);
    // Two hundred clients in one host.
    let local = ["route", "add", "local", "10.2.1.0/24", "dev", "lo"];
    site.client.ip(&local);
    for number in 1..=NODES {
        let node = site.lab.existing(&format!("node{number}"));
        node.ip(&["route", "add", "10.2.1.0/24", "dev", "eth0"]);
    }
    // Each time from a port of its own: the kernel goes on with a connection that it remembers, and
    // it remembers those of the other scheduler for two minutes.
    let mut ports = 20_001..;
    for scheduler in ["sh", "mh"] {
        let daemon = Daemon::start(&site.director, &config(Way::Direct, scheduler));
        wait_until(seconds(5), "somebody answers", || {
            site.shares(1).iter().sum::<usize>() == 1
        });
        let mut answers = || {
            let port = ports.next().expect("there are ports");
            inside(&site.client, || {
                let clients = (1..=CLIENTS).map(|last| Ipv4Addr::new(10, 2, 1, last));
                let clients = clients.map(|client| SocketAddrV4::new(client, port));
                let pages = clients.filter_map(|client| page(Some(client), PAGE));
                pages.collect::<Vec<_>>()
            })
        };
        let (first, second) = (answers(), answers());
        assert_eq!(
            first.len(),
            usize::from(CLIENTS),
            "{scheduler}: all are served"
        );
        assert_eq!(first, second, "{scheduler}: each client has its server");
        let shared = shares(first.into_iter());
        note(&format!(
            "{scheduler}: {shared:?} of {CLIENTS}, weights 1, 2 and 3"
        ));
        // The weights say 33, 67 and 100 of 200; a hash is no more than about right.
        let near = |share: usize, ideal: usize| share * 3 >= ideal * 2 && share * 2 <= ideal * 3;
        let all = shared.iter().zip([33, 67, 100]);
        assert!(
            all.into_iter().all(|(share, ideal)| near(*share, ideal)),
            "{scheduler}: {shared:?}"
        );
        daemon.stop();
    }
}

const CLIENTS: u8 = 200;

/// What is right in the table is not touched, so nobody's connection is.
fn an_established_connection_outlives_a_crash_of_the_daemon() {
    let site = Site::build(Way::Nat);
    let text = config(Way::Nat, "rr");
    let daemon = Daemon::start(&site.director, &text);
    site.wait_for_service();
    let table = || site.director.run(&["ipvsadm", "-Sn"]);
    let whole = table();
    let mut connections: Vec<TcpStream> = (0..NODES).map(|_| site.talk()).collect();
    daemon.kill();
    assert!(connections.iter_mut().all(|stream| echoes(stream, "two\n")));
    let daemon = Daemon::start(&site.director, &text);
    daemon.wait_for_line("the number of IPVS operations of this configuration: 0");
    assert!(
        connections
            .iter_mut()
            .all(|stream| echoes(stream, "three\n"))
    );
    assert_eq!(table(), whole);

    // Another crash, and somebody takes a server out meanwhile: it comes back, the others stay.
    daemon.kill();
    let gone = ["ipvsadm", "-d", "-t", "10.2.0.100:80", "-r", "10.2.0.13:80"];
    site.director.run(&gone);
    let daemon = Daemon::start(&site.director, &text);
    daemon.wait_for_line("the number of IPVS operations of this configuration: 1");
    wait_until(seconds(5), "the table is right", || table() == whole);
    assert!(
        connections
            .iter_mut()
            .all(|stream| echoes(stream, "four\n"))
    );
    site.wait_for_service();
    daemon.stop();
}

/// `lvs_drain_timeout`: who is connected goes on, who is new goes elsewhere.
fn a_server_that_leaves_is_drained() {
    let site = Site::build(Way::Direct);
    let drain = "global_defs {\n    lvs_drain_timeout 600\n}\n";
    let whole = drain.to_owned() + &config(Way::Direct, "rr");
    let daemon = Daemon::start(&site.director, &whole);
    site.wait_for_service();
    let mut connections: Vec<TcpStream> = (0..NODES).map(|_| site.talk()).collect();
    daemon.rewrite(&whole.replace("real_server 10.2.0.13 7 ", "real_server 10.2.0.12 9 "));
    daemon.signal("HUP");
    daemon.wait_for_line("Draining service [10.2.0.13]:tcp:7 of VS [10.2.0.100]:tcp:7");
    let table = || site.director.run(&["ipvsadm", "-Sn"]);
    let leaving = "-a -t 10.2.0.100:7 -r 10.2.0.13:7 -g -w 0\n";
    wait_until(seconds(5), "it takes no new client", || {
        table().contains(leaving)
    });
    assert!(connections.iter_mut().all(|stream| echoes(stream, "two\n")));
    assert!(table().contains(leaving), "it stays while it is used");
    drop(connections);
    wait_until(seconds(10), "it goes with its last client", || {
        !table().contains("10.2.0.13:7")
    });
    daemon.wait_for_line("0 connections left");
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
    let site = Site::complete(lab, master.clone(), client, Way::Direct);
    let services = config(Way::Direct, "rr");
    let first_text = vrrp(150, "MASTER") + &services;
    let first = Daemon::start(&master, &first_text);
    let second = Daemon::start(&backup, &(vrrp(100, "BACKUP") + &services));
    let vip = VIP.to_string();
    wait_until(seconds(8), "the master has the address", || {
        master.has(&vip)
    });
    wait_for_roles(&master, "master", &backup, "backup");

    site.wait_for_service();
    let mut connections: Vec<TcpStream> = (0..NODES).map(|_| site.talk()).collect();
    // The kernel tells a connection when it has seen some packets of it.
    let known = || backup.run(&["ipvsadm", "-Lnc"]).matches(":7 ").count();
    wait_until(seconds(8), "the backup knows the connections", || {
        let alive = connections
            .iter_mut()
            .all(|stream| echoes(stream, "more\n"));
        alive && known() >= NODES
    });
    first.stop();
    wait_until(seconds(5), "the backup has the address", || {
        backup.has(&vip)
    });
    assert!(connections.iter_mut().all(|stream| echoes(stream, "two\n")));
    assert_eq!(
        daemons(&master),
        "",
        "a stopped daemon leaves no sync daemon"
    );
    wait_until(seconds(5), "the new master tells", || {
        runs(&backup, "master")
    });

    // And back to the first one.
    let first = Daemon::start(&master, &first_text);
    wait_until(seconds(8), "the master is back", || {
        master.has(&vip) && !backup.has(&vip)
    });
    wait_for_roles(&master, "master", &backup, "backup");
    first.stop();
    second.stop();
    assert_eq!(daemons(&backup), "");
}

/// As with Debian's: `-P` is enough for it, and with `-C` there is none.
fn the_sync_daemon_of_an_instance_belongs_to_vrrp_alone() {
    let mut lab = Lab::new();
    let director = lab.host("director", "10.2.0.1/24");
    let text = vrrp(150, "MASTER") + &config(Way::Direct, "rr");
    let table = || director.run(&["ipvsadm", "-Sn"]);
    for make in [Make::Debian, Make::Ours] {
        let daemon = Daemon::start_with(make, &director, &text, &["-P"]);
        wait_until(seconds(8), "the master tells", || runs(&director, "master"));
        assert_eq!(table(), "", "{make:?}: services are for others");
        daemon.stop();
        assert_eq!(daemons(&director), "", "{make:?}");

        let daemon = Daemon::start_with(make, &director, &text, &["-C"]);
        wait_until(seconds(8), "the services are there", || {
            table().lines().count() == 2 * (1 + NODES)
        });
        assert_eq!(daemons(&director), "", "{make:?}");
        daemon.stop();
        assert_eq!(table(), "", "{make:?}");
    }
}

fn daemons(host: &Host) -> String {
    host.run(&["ipvsadm", "-Ln", "--daemon"])
}

/// One sync daemon and no other, on the interface and with the number of the instance.
fn runs(host: &Host, role: &str) -> bool {
    let wanted = format!("{role} sync daemon (mcast=eth0, syncid=51, ");
    let text = daemons(host);
    text.starts_with(&wanted) && text.lines().count() == 1
}

#[track_caller]
fn wait_for_roles(one: &Host, its_role: &str, other: &Host, role_of_other: &str) {
    wait_until(seconds(8), "both run the sync daemons they should", || {
        runs(one, its_role) && runs(other, role_of_other)
    });
}
