//! Many configurations, each given to ours and to Debian's keepalived on the same machine: the
//! table, the timeouts and the sync daemons must be the same text.

use std::thread;
use std::time::Duration;

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::wait::{note, wait_until};

crate::scenarios!(
    Ipvs,
    every_kind_of_service_is_programmed_as_by_debians_keepalived,
    what_is_left_in_the_table_is_put_right,
);

/// One service: what stands in it before its servers, and its servers as `ADDRESS - SETTINGS`.
fn service(key: &str, settings: &str, servers: &[&str]) -> String {
    let mut text = format!("virtual_server {key} {{\n");
    for line in settings.split(';').map(str::trim) {
        text += &format!("    {line}\n");
    }
    for server in servers {
        let (address, settings) = server.split_once(" - ").expect("servers have settings");
        text += &format!("    real_server {address} {{\n");
        for line in settings.split(';').map(str::trim) {
            text += &format!("        {line}\n");
        }
        text += "    }\n";
    }
    text + "}\n"
}

const PAIR: &[&str] = &["10.1.0.2 80 - weight 1", "10.1.0.3 80 - weight 2"];
const VIP: &str = "10.1.0.100 80";

/// Name and settings of services of one address and two servers.
const SETTINGS: &[(&str, &str)] = &[
    ("rr", "lb_algo rr;lb_kind DR;protocol TCP"),
    ("wrr", "lb_algo wrr;lb_kind DR;protocol TCP"),
    ("lc", "lb_algo lc;lb_kind DR;protocol TCP"),
    ("wlc", "lb_algo wlc;lb_kind DR;protocol TCP"),
    ("lblc", "lb_algo lblc;lb_kind DR;protocol TCP"),
    ("lblcr", "lb_algo lblcr;lb_kind DR;protocol TCP"),
    ("dh", "lb_algo dh;lb_kind DR;protocol TCP"),
    ("sh", "lb_algo sh;lb_kind DR;protocol TCP"),
    ("mh", "lb_algo mh;lb_kind DR;protocol TCP"),
    ("sed", "lb_algo sed;lb_kind DR;protocol TCP"),
    ("nq", "lb_algo nq;lb_kind DR;protocol TCP"),
    ("fo", "lb_algo fo;lb_kind DR;protocol TCP"),
    ("ovf", "lb_algo ovf;lb_kind DR;protocol TCP"),
    ("nat", "lb_algo rr;lb_kind NAT;protocol TCP"),
    ("tun", "lb_algo rr;lb_kind TUN;protocol TCP"),
    (
        "gue",
        "lb_algo rr;lb_kind TUN type gue port 5555;protocol TCP",
    ),
    (
        "gue csum",
        "lb_algo rr;lb_kind TUN type gue port 5555 csum;protocol TCP",
    ),
    (
        "gue remcsum",
        "lb_algo rr;lb_kind TUN type gue port 5555 remcsum;protocol TCP",
    ),
    ("gre", "lb_algo rr;lb_kind TUN type gre;protocol TCP"),
    (
        "gre csum",
        "lb_algo rr;lb_kind TUN type gre csum;protocol TCP",
    ),
    ("udp", "lb_algo rr;lb_kind DR;protocol UDP"),
    ("sctp", "lb_algo rr;lb_kind NAT;protocol SCTP"),
    ("no protocol", "lb_algo rr;lb_kind NAT"),
    ("ops", "lb_algo rr;ops;lb_kind NAT;protocol UDP"),
    (
        "sh flags",
        "lb_algo sh;sh-port;sh-fallback;lb_kind DR;protocol TCP",
    ),
    (
        "mh flags",
        "lb_algo mh;mh-port;mh-fallback;lb_kind DR;protocol TCP",
    ),
    (
        "plain flags",
        "lb_algo rr;flag-1;flag-3;lb_kind DR;protocol TCP",
    ),
    (
        "persistent",
        "lb_algo rr;lb_kind DR;persistence_timeout 50;protocol TCP",
    ),
    (
        "persistent by default",
        "lb_algo rr;lb_kind DR;persistence_timeout;protocol TCP",
    ),
    (
        "granular",
        "lb_algo rr;lb_kind DR;persistence_timeout 50;persistence_granularity 255.255.255.0;\
         protocol TCP",
    ),
    (
        "sip",
        "lb_algo rr;lb_kind NAT;persistence_timeout 50;persistence_engine sip;protocol UDP",
    ),
    ("old names", "lvs_sched wrr;lvs_method DR;protocol TCP"),
    (
        "quorum",
        "lb_algo rr;lb_kind NAT;protocol TCP;quorum 2;hysteresis 1",
    ),
    (
        "sorry and alive",
        "lb_algo rr;lb_kind NAT;protocol TCP;quorum 2;sorry_server 10.1.0.9 8080",
    ),
    (
        "inhibited sorry and alive",
        "lb_algo rr;lb_kind NAT;protocol TCP;sorry_server 10.1.0.9 8080;sorry_server_inhibit",
    ),
];

/// Name, key, settings and servers of services. Checks wait for a minute.
const SERVICES: &[(&str, &str, &str, &[&str])] = &[
    ("all ports", "10.1.0.100 0", DR, &["10.1.0.2 0 - weight 1"]),
    ("without a port", "10.1.0.100", DR, &["10.1.0.2 - weight 1"]),
    (
        "other ports",
        VIP,
        NAT,
        &["10.1.0.2 8080 - weight 1", "10.1.0.3 - weight 1"],
    ),
    (
        "weights",
        VIP,
        NAT,
        &["10.1.0.2 80 - weight 0", "10.1.0.3 80 - weight 65535"],
    ),
    (
        "thresholds",
        VIP,
        NAT,
        &["10.1.0.2 80 - uthreshold 100;lthreshold 50"],
    ),
    (
        "all methods at once",
        VIP,
        NAT,
        &[
            "10.1.0.2 8080 - lvs_method NAT",
            "10.1.0.3 80 - lvs_method DR",
            "10.1.0.4 80 - lvs_method TUN",
        ],
    ),
    (
        "alpha servers that are down",
        VIP,
        "lb_algo rr;lb_kind NAT;protocol TCP;alpha;warmup 60",
        CHECKED,
    ),
    (
        "a sorry server in use",
        VIP,
        "lb_algo rr;lb_kind NAT;protocol TCP;alpha;warmup 60;sorry_server 10.1.0.9 8080",
        CHECKED,
    ),
    (
        "inhibited servers that are down",
        VIP,
        "lb_algo rr;lb_kind NAT;protocol TCP;alpha;warmup 60;inhibit_on_failure",
        CHECKED,
    ),
    ("six", "fd01::100 80", DR, SIX),
    (
        "six, granular",
        "fd01::100 80",
        "lb_algo rr;lb_kind DR;protocol TCP;persistence_timeout 600;persistence_granularity 64",
        SIX,
    ),
    (
        "six by four",
        "fd01::100 80",
        TUN,
        &["10.1.0.2 80 - weight 1"],
    ),
    ("four by six", VIP, TUN, &["fd01::2 80 - weight 1"]),
    (
        "mark",
        "fwmark 5",
        "lb_algo wlc;lb_kind DR",
        &["10.1.0.2 - weight 1"],
    ),
    (
        "mark, NAT",
        "fwmark 5",
        "lb_algo rr;lb_kind NAT",
        &["10.1.0.2 8080 - weight 1"],
    ),
    (
        "mark, persistent",
        "fwmark 9",
        "lb_algo wlc;lb_kind DR;persistence_timeout 360",
        &["10.1.0.2 - weight 1"],
    ),
    (
        "mark of six",
        "fwmark 6",
        "lb_algo wlc;lb_kind DR;ip_family inet6",
        &["fd01::2 - weight 1"],
    ),
];

/// Name, group and settings of services of a group.
const GROUPS: &[(&str, &str, &str, &[&str])] = &[
    ("group", "10.1.0.100 80\n10.1.0.101 443", DR, PAIR),
    ("group of a range", "10.1.0.100-104 80", DR, PAIR),
    ("group of a network", "10.1.0.104/30 80", DR, PAIR),
    ("group of a mark", "fwmark 7", DR, PAIR),
    (
        "mixed group",
        "10.1.0.100 80\nfwmark 7\n10.1.0.104-105 443",
        DR,
        PAIR,
    ),
    (
        "group, NAT",
        "10.1.0.100 80\nfwmark 7\n10.1.0.101 443",
        NAT,
        PAIR,
    ),
    ("group of six", "fd01::100-103 80", DR, SIX),
];

/// Name and line of global settings.
const GLOBALS: &[(&str, &str)] = &[
    ("timeouts", "lvs_timeouts tcp 7200 tcpfin 30 udp 60"),
    ("one timeout", "lvs_timeouts udp 60"),
    ("sync daemon", "lvs_sync_daemon eth0"),
    (
        "sync daemon with everything",
        "lvs_sync_daemon eth0 id 7 maxlen 1400 port 8849 ttl 4 group 224.0.0.82",
    ),
];

const DR: &str = "lb_algo rr;lb_kind DR;protocol TCP";
const NAT: &str = "lb_algo rr;lb_kind NAT;protocol TCP";
const TUN: &str = "lb_algo rr;lb_kind TUN;protocol TCP";
const SIX: &[&str] = &["fd01::2 80 - weight 1", "fd01::3 80 - weight 2"];
const CHECKED: &[&str] = &["10.1.0.2 80 - TCP_CHECK {;connect_timeout 1;}"];

/// Name and text of each.
fn cases() -> Vec<(String, String)> {
    let mut cases = Vec::new();
    let mut add = |name: &str, text: String| cases.push((name.to_owned(), text));
    for (name, settings) in SETTINGS {
        add(name, service(VIP, settings, PAIR));
    }
    for (name, key, settings, servers) in SERVICES {
        add(name, service(key, settings, servers));
    }
    for (name, lines, settings, servers) in GROUPS {
        let group = format!("virtual_server_group G {{\n{lines}\n}}\n");
        add(name, group + &service("group G", settings, servers));
    }
    let plain = service(VIP, DR, PAIR);
    for (name, globals) in GLOBALS {
        add(name, format!("global_defs {{\n    {globals}\n}}\n{plain}"));
    }
    let udp = "lb_algo wrr;lb_kind NAT;protocol UDP";
    let others = service("10.1.0.101 53", udp, PAIR);
    add("two services", format!("{plain}{others}"));
    let group = "virtual_server_group G {\n10.1.0.100 80\n}\n";
    let two = service("group G", DR, PAIR) + &service("group G", udp, PAIR);
    add("group of two services", format!("{group}{two}"));
    cases
}

fn every_kind_of_service_is_programmed_as_by_debians_keepalived() {
    let mut lab = Lab::new();
    let director = lab.host("director", "10.1.0.21/16");
    director.ip(&["address", "add", "fd01::21/64", "dev", "eth0", "nodad"]);
    let cases = cases();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let mut different = Vec::new();
    for (name, text) in &cases {
        let theirs = made_by(Make::Debian, &director, text);
        let daemon = Daemon::start(&director, text);
        let mut ours = String::new();
        for _ in 0..40 {
            ours = state(&director);
            if ours == theirs {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        daemon.stop();
        if ours != theirs {
            different.push(format!("{name}:\n{text}\nours:\n{ours}\ntheirs:\n{theirs}"));
        }
        assert_eq!(services(&director), "", "{name}: something is left");
    }
    note(&format!("{} configurations", cases.len()));
    let all = different.join("\n----\n");
    assert!(different.is_empty(), "{} differ:\n{all}", different.len());
}

/// What Debian's makes of it, when it holds still.
fn made_by(make: Make, director: &Host, text: &str) -> String {
    let daemon = Daemon::start_make(make, director, text);
    wait_until(seconds(5), "there is a service", || {
        !services(director).is_empty()
    });
    let mut before = String::new();
    let mut now = state(director);
    while now != before {
        thread::sleep(Duration::from_millis(300));
        before = std::mem::replace(&mut now, state(director));
    }
    daemon.stop();
    now
}

fn services(director: &Host) -> String {
    director.run(&["ipvsadm", "-Sn"])
}

/// Everything that IPVS has to say.
fn state(director: &Host) -> String {
    let list = director.run(&["ipvsadm", "-Ln"]);
    let timeouts = director.run(&["ipvsadm", "-Ln", "--timeout"]);
    let daemons = director.run(&["ipvsadm", "-Ln", "--daemon"]);
    services(director) + &list + &timeouts + &daemons
}

/// A crash leaves the table; what is right in it is not touched, and its counters go on.
fn what_is_left_in_the_table_is_put_right() {
    let mut lab = Lab::new();
    let director = lab.host("director", "10.1.0.21/16");
    let text = service(VIP, "lb_algo rr;lb_kind NAT;protocol TCP", PAIR);
    let wanted = made_by(Make::Ours, &director, &text);
    let daemon = Daemon::start(&director, &text);
    wait_until(seconds(5), "the table is there", || {
        state(&director) == wanted
    });
    daemon.kill();
    assert_eq!(state(&director), wanted, "a crash leaves the table");
    director.run(&[
        "ipvsadm",
        "-a",
        "-t",
        "10.1.0.100:80",
        "-r",
        "10.1.0.7:80",
        "-m",
    ]);
    director.run(&["ipvsadm", "-d", "-t", "10.1.0.100:80", "-r", "10.1.0.3:80"]);
    director.run(&["ipvsadm", "-A", "-t", "10.1.0.101:80"]);
    let foreign = "-A -t 10.1.0.101:80 -s wlc\n";

    let daemon = Daemon::start(&director, &text);
    wait_until(seconds(5), "the table is put right", || {
        services(&director).replace(foreign, "") == wanted[..wanted.find("IP Virtual").unwrap_or(0)]
    });
    daemon.wait_for_line("the number of IPVS operations of this configuration: 2");
    // Deleted by hand, both come back.
    director.run(&["ipvsadm", "-D", "-t", "10.1.0.100:80"]);
    wait_until(seconds(12), "the service is back", || {
        services(&director).contains("-a -t 10.1.0.100:80 -r 10.1.0.3:80 -m -w 2")
    });
    daemon.stop();
    assert_eq!(services(&director), foreign, "what is not ours stays");
}
