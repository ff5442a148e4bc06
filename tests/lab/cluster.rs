//! The clusters of the seeds with their exact configurations: two directors, web nodes, a client,
//! direct routing through a real IPVS.

use std::thread;
use std::time::{Duration, Instant};

use super::daemon::{Daemon, Make};
use super::network::{Background, Host, Lab, seconds};
use super::scripts::realserver;
use super::wait::{note, slack, wait_until};

crate::scenarios!(
    Ipvs,
    the_cluster_of_seed_000,
    the_cluster_of_seed_003,
    the_cluster_of_seed_004,
    the_table_is_the_one_debians_keepalived_makes,
);

/// Name and text of every configuration of the seeds.
pub(crate) const SEEDS: [(&str, &str); 7] = [
    (
        "000-master.conf",
        include_str!("../config/seeds/000-master.conf"),
    ),
    (
        "000-backup.conf",
        include_str!("../config/seeds/000-backup.conf"),
    ),
    (
        "003-master.conf",
        include_str!("../config/seeds/003-master.conf"),
    ),
    (
        "003-backup.conf",
        include_str!("../config/seeds/003-backup.conf"),
    ),
    (
        "004-master.conf",
        include_str!("../config/seeds/004-master.conf"),
    ),
    (
        "004-backup.conf",
        include_str!("../config/seeds/004-backup.conf"),
    ),
    (
        "004-annotated.conf",
        include_str!("../config/seeds/004-annotated.conf"),
    ),
];

/// A cluster as a seed describes it.
struct Seed {
    master: &'static str,
    backup: &'static str,
    vip: &'static str,
    master_address: &'static str,
    backup_address: &'static str,
    client: &'static str,
    nodes: &'static [&'static str],
    /// The service's line of `ipvsadm -Ln`.
    service: &'static str,
    delay_loop: Duration,
    /// Skew time of the backup: (256 - priority) / 256 s.
    skew: Duration,
}

fn the_cluster_of_seed_000() {
    play(Seed {
        master: include_str!("../config/seeds/000-master.conf"),
        backup: include_str!("../config/seeds/000-backup.conf"),
        vip: "192.168.16.20",
        master_address: "192.168.16.21",
        backup_address: "192.168.16.22",
        client: "192.168.16.90",
        nodes: &["192.168.16.2", "192.168.16.3", "192.168.16.4"],
        service: "TCP 192.168.16.20:80 rr persistent 50",
        delay_loop: seconds(2),
        skew: Duration::from_millis(614),
    });
}

fn the_cluster_of_seed_003() {
    play(Seed {
        master: include_str!("../config/seeds/003-master.conf"),
        backup: include_str!("../config/seeds/003-backup.conf"),
        vip: "192.168.140.140",
        master_address: "192.168.140.141",
        backup_address: "192.168.140.143",
        client: "192.168.140.130",
        nodes: &["192.168.140.137", "192.168.140.139"],
        service: "TCP 192.168.140.140:80 wrr persistent 50",
        delay_loop: seconds(6),
        skew: Duration::from_millis(610),
    });
}

fn the_cluster_of_seed_004() {
    play(Seed {
        master: include_str!("../config/seeds/004-master.conf"),
        backup: include_str!("../config/seeds/004-backup.conf"),
        vip: "192.168.200.254",
        master_address: "192.168.200.201",
        backup_address: "192.168.200.202",
        client: "192.168.200.90",
        nodes: &["192.168.200.203", "192.168.200.204"],
        service: "TCP 192.168.200.254:80 wrr",
        delay_loop: seconds(6),
        skew: Duration::from_millis(805),
    });
}

fn play(seed: Seed) {
    let mut cluster = Cluster::build(seed);
    let (master, backup) = cluster.start();
    cluster.a_reload_touches_nothing(&master, &backup);
    cluster.a_dead_node_leaves_and_returns();
    let master = cluster.a_graceful_stop_and_a_return(master);
    cluster.a_pulled_cable(&master);

    master.stop();
    backup.stop();
    for director in [&cluster.master, &cluster.backup] {
        assert_eq!(
            table(director),
            Vec::<String>::new(),
            "the table is cleared on stop"
        );
        assert!(
            !director.has(cluster.seed.vip),
            "a stopped daemon leaves no address"
        );
    }
}

struct Cluster {
    seed: Seed,
    master: Host,
    backup: Host,
    client: Host,
    nodes: Vec<Node>,
    _lab: Lab,
}

struct Node {
    host: Host,
    page: String,
    http: Option<Background>,
}

impl Cluster {
    fn build(seed: Seed) -> Self {
        let mut lab = Lab::new();
        let mut host = |name: &str, address: &str| lab.host(name, &format!("{address}/24"));
        let master = host("master", seed.master_address);
        let backup = host("backup", seed.backup_address);
        let client = host("client", seed.client);
        let nodes = seed.nodes.iter().map(|address| {
            // The seed's pages: "this is 0.2" from 192.168.16.2.
            let number = address.rsplit('.').next().expect("an address has dots");
            let host = host(&format!("node{number}"), address);
            realserver(&host, &["start", seed.vip]);
            let mut node = Node {
                host,
                page: format!("this is 0.{number}\n"),
                http: None,
            };
            node.start();
            node
        });
        let nodes = nodes.collect();
        Self {
            seed,
            master,
            backup,
            client,
            nodes,
            _lab: lab,
        }
    }

    fn start(&self) -> (Daemon, Daemon) {
        let master = Daemon::start(&self.master, self.seed.master);
        let backup = Daemon::start(&self.backup, self.seed.backup);
        self.wait_for_master();
        let line = format!("{}/32 scope global eth0", self.seed.vip);
        assert!(
            self.master.addresses().contains(&line),
            "{:?}",
            self.master.addresses()
        );
        self.wait_for_tables(&self.seed.table(), seconds(1));
        self.client_is_served();
        (master, backup)
    }

    /// The counters are the kernel's: they begin at zero for an entry that was made anew.
    fn a_reload_touches_nothing(&self, master: &Daemon, backup: &Daemon) {
        // The kernel adds them up every two seconds.
        wait_until(seconds(3), "the client is counted", || {
            connections(&self.master)[0] > 0
        });
        let before = connections(&self.master);
        for daemon in [master, backup] {
            daemon.signal("HUP");
            daemon.wait_for_line("Reload complete");
        }
        let after = connections(&self.master);
        let kept = after.len() == before.len() && after.iter().zip(&before).all(|(a, b)| a >= b);
        assert!(kept, "an entry was made anew: {before:?}, now {after:?}");
        assert!(self.master.has(self.seed.vip) && !self.backup.has(self.seed.vip));
        self.client_is_served();
    }

    /// The first node's server ends; both directors notice after the retries, and not before.
    fn a_dead_node_leaves_and_returns(&mut self) {
        let retries = seconds(3 * 3);
        let full = self.seed.table();
        let node = self.nodes.first_mut().expect("a cluster has nodes");
        node.http = None;
        let start = Instant::now();
        let rest = [&full[..1], &full[2..]].concat();
        self.wait_for_tables(&rest, self.seed.delay_loop + retries);
        let took = start.elapsed();
        note(&format!("dead node out of both tables after {took:.1?}"));
        assert!(
            took + slack() > retries,
            "removed after {took:.1?}, before its retries were over"
        );
        self.client_is_served();

        self.nodes.first_mut().expect("a cluster has nodes").start();
        let start = Instant::now();
        // It comes back as the last one of the list.
        let again = [&rest[..], &full[1..2]].concat();
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        wait_until(
            self.seed.delay_loop + seconds(1),
            "the node is back in both tables",
            || {
                let back = |host: &Host| sorted(table(host)) == sorted(again.clone());
                back(&self.master) && back(&self.backup)
            },
        );
        note(&format!("and back after {:.1?}", start.elapsed()));
    }

    fn a_graceful_stop_and_a_return(&self, master: Daemon) -> Daemon {
        master.ask_to_stop();
        let vip = self.seed.vip;
        let took = wait_until(self.seed.skew, "the backup has the address", || {
            self.backup.has(vip)
        });
        note(&format!("graceful take-over after {took:.2?}"));
        self.client_is_served();
        master.stop();
        assert_eq!(
            table(&self.master),
            Vec::<String>::new(),
            "the table is cleared on stop"
        );

        let master = Daemon::start(&self.master, self.seed.master);
        self.wait_for_master();
        self.client_is_served();
        master
    }

    fn a_pulled_cable(&self, master: &Daemon) {
        self.master.pull_cable();
        let limit = seconds(3) + self.seed.skew;
        let vip = self.seed.vip;
        let took = wait_until(limit, "the backup has the address", || self.backup.has(vip));
        note(&format!("take-over after a pulled cable {took:.2?}"));
        master.wait_for_line("(VI_1) Entering FAULT STATE");
        self.client_is_served();

        self.master.plug_cable();
        self.wait_for_master();
        thread::sleep(seconds(2));
        self.wait_for_master();
        // The checks ran into nothing meanwhile: a director without servers serves nobody.
        wait_until(
            self.seed.delay_loop + seconds(12),
            "the client is served again",
            || self.answer().is_some(),
        );
    }

    #[track_caller]
    fn wait_for_master(&self) {
        let vip = self.seed.vip;
        wait_until(seconds(6), "the master alone has the address", || {
            self.master.has(vip) && !self.backup.has(vip)
        });
    }

    #[track_caller]
    fn wait_for_tables(&self, wanted: &[String], limit: Duration) {
        wait_until(limit, &format!("both tables are {wanted:#?}"), || {
            table(&self.master) == wanted && table(&self.backup) == wanted
        });
    }

    /// Through the virtual address, by a node that is alive.
    #[track_caller]
    fn client_is_served(&self) {
        wait_until(seconds(2), "the client is served", || {
            self.answer().is_some_and(|page| {
                self.nodes
                    .iter()
                    .any(|node| node.http.is_some() && node.page == page)
            })
        });
    }

    fn answer(&self) -> Option<String> {
        let url = format!("http://{}/", self.seed.vip);
        let (status, text) = self.client.try_run(&["curl", "-s", "-m", "2", &url]);
        (status == Some(0)).then_some(text)
    }
}

impl Node {
    fn start(&mut self) {
        self.host.write("index.html", &self.page);
        let directory = self.host.directory.to_str().expect("UTF-8");
        let words = ["busybox", "httpd", "-f", "-p", "80", "-h", directory];
        self.http = Some(
            self.host
                .spawn(&words, &self.host.directory.join("http.log")),
        );
    }
}

impl Seed {
    /// The lines of `ipvsadm -Ln` as the seeds print them.
    fn table(&self) -> Vec<String> {
        let nodes = self
            .nodes
            .iter()
            .map(|node| format!("-> {node}:80 Route 1"));
        std::iter::once(self.service.to_owned())
            .chain(nodes)
            .collect()
    }
}

/// `ipvsadm -Ln` without its headings and counters, blanks made one.
pub(crate) fn table(host: &Host) -> Vec<String> {
    let text = host.run(&["ipvsadm", "-Ln"]);
    let lines = text.lines().skip(3).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let kept = if words.first() == Some(&"->") {
            &words[..4]
        } else {
            &words[..]
        };
        kept.join(" ")
    });
    lines.collect()
}

/// How many connections each line of the table has seen; the service is the first.
fn connections(host: &Host) -> Vec<u32> {
    let text = host.run(&["ipvsadm", "-Ln", "--stats", "--exact"]);
    let lines = text.lines().skip(3);
    lines
        .map(|line| {
            line.split_whitespace()
                .nth(2)
                .and_then(|n| n.parse().ok())
                .unwrap_or(0)
        })
        .collect()
}

fn the_table_is_the_one_debians_keepalived_makes() {
    for (name, text) in SEEDS {
        let ours = whole_table(Make::Ours, text);
        let theirs = whole_table(Make::Debian, text);
        assert_eq!(ours, theirs, "{name}");
    }
}

/// What a director makes of a configuration: columns, counters and flags included.
fn whole_table(make: Make, text: &str) -> String {
    let servers: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("real_server "))
        .filter_map(|rest| rest.split_whitespace().next())
        .collect();
    let (network, _) = servers[0].rsplit_once('.').expect("an address has dots");
    let mut lab = Lab::new();
    let director = lab.host("director", &format!("{network}.21/24"));
    // All servers are one host, so that the checks find what they look for.
    let node = lab.host("node", &format!("{network}.90/24"));
    for server in &servers {
        node.ip(&["address", "add", &format!("{server}/24"), "dev", "eth0"]);
    }
    let _http = node.spawn(
        &["busybox", "httpd", "-f", "-p", "80", "-h", "/tmp"],
        &node.directory.join("http.log"),
    );

    let daemon = Daemon::start_make(make, &director, text);
    wait_until(seconds(3), "the table is complete", || {
        table(&director).len() == 1 + servers.len()
    });
    let tables = director.run(&["ipvsadm", "-Ln"]) + &director.run(&["ipvsadm", "-Sn"]);
    daemon.stop();
    tables
}
