//! Many configurations, each given to Debian's keepalived and to ours on the same machine: what
//! `ipvsadm` then prints is the text of `tables.txt`, for both.
//!
//! `LAB_UPDATE=1` prints what Debian's makes of them, in the form of that file.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab};
use super::wait::{note, slack};

crate::scenarios!(
    Ipvs,
    schedulers_are_programmed_as_by_debians_keepalived,
    methods_and_protocols_are_programmed_as_by_debians_keepalived,
    flags_and_persistence_are_programmed_as_by_debians_keepalived,
    servers_are_programmed_as_by_debians_keepalived,
    families_and_marks_are_programmed_as_by_debians_keepalived,
    groups_are_programmed_as_by_debians_keepalived,
    timeouts_and_sync_daemons_are_programmed_as_by_debians_keepalived,
);

/// One service: what stands in it before its servers, and its servers as `ADDRESS - SETTINGS`.
pub(super) fn service(key: &str, settings: &str, servers: &[&str]) -> String {
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

pub(super) const PAIR: &[&str] = &["10.1.0.2 80 - weight 1", "10.1.0.3 80 - weight 2"];
pub(super) const VIP: &str = "10.1.0.100 80";

/// Name and settings of services of one address and two servers.
const SCHEDULERS: &[(&str, &str)] = &[
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
];

const METHODS: &[(&str, &str)] = &[
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
    ("old names", "lvs_sched wrr;lvs_method DR;protocol TCP"),
];

const FLAGS: &[(&str, &str)] = &[
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
const SERVERS: &[(&str, &str, &str, &[&str])] = &[
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
];

const FAMILIES: &[(&str, &str, &str, &[&str])] = &[
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

/// Services that the seeds make, by keepalived or by hand.
const SEEDS: &[(&str, &str, &str, &[&str])] = &[
    (
        "a seed's web cluster",
        "192.168.16.20 80",
        "lb_algo rr;lb_kind DR;persistence_timeout 50;protocol TCP",
        &["192.168.16.2 80 - weight 1", "192.168.16.3 80 - weight 1"],
    ),
    (
        "a seed's databases",
        "10.0.0.30 3306",
        "lb_algo rr;lb_kind DR;persistence_timeout 20;protocol TCP",
        &["10.0.0.10 3306 - weight 1", "10.0.0.11 3306 - weight 1"],
    ),
    (
        "a seed's translation",
        "192.168.130.130 80",
        "lb_algo rr;lb_kind NAT;protocol TCP",
        &[
            "192.168.140.133 80 - weight 1",
            "192.168.140.134 80 - weight 1",
        ],
    ),
    (
        "a seed's tunnel",
        "192.168.140.128 80",
        "lb_algo wrr;lb_kind TUN;persistence_timeout 3600;protocol TCP",
        &[
            "192.168.140.133 80 - weight 10",
            "192.168.140.134 80 - weight 20",
        ],
    ),
];

/// Name and text.
type Case = (String, String);

fn schedulers_are_programmed_as_by_debians_keepalived() {
    compare(&of_settings(SCHEDULERS), TABLE);
}

fn methods_and_protocols_are_programmed_as_by_debians_keepalived() {
    compare(&of_settings(METHODS), TABLE);
}

fn flags_and_persistence_are_programmed_as_by_debians_keepalived() {
    compare(&of_settings(FLAGS), TABLE);
}

fn servers_are_programmed_as_by_debians_keepalived() {
    compare(&[of_services(SERVERS), of_services(SEEDS)].concat(), TABLE);
}

fn families_and_marks_are_programmed_as_by_debians_keepalived() {
    compare(&of_services(FAMILIES), TABLE);
}

fn groups_are_programmed_as_by_debians_keepalived() {
    let mut cases: Vec<Case> = Vec::new();
    for (name, lines, settings, servers) in GROUPS {
        let group = format!("virtual_server_group G {{\n{lines}\n}}\n");
        cases.push((
            (*name).to_owned(),
            group + &service("group G", settings, servers),
        ));
    }
    let udp = "lb_algo wrr;lb_kind NAT;protocol UDP";
    let others = service(VIP, DR, PAIR) + &service("10.1.0.101 53", udp, PAIR);
    cases.push(("two services".to_owned(), others));
    let group = "virtual_server_group G {\n10.1.0.100 80\n}\n";
    let two = service("group G", DR, PAIR) + &service("group G", udp, PAIR);
    cases.push(("group of two services".to_owned(), format!("{group}{two}")));
    compare(&cases, TABLE);
}

fn timeouts_and_sync_daemons_are_programmed_as_by_debians_keepalived() {
    let plain = service(VIP, DR, PAIR);
    let cases = GLOBALS.iter().map(|(name, globals)| {
        let text = format!("global_defs {{\n    {globals}\n}}\n{plain}");
        ((*name).to_owned(), text)
    });
    compare(&cases.collect::<Vec<_>>(), EVERYTHING);
}

fn of_settings(all: &[(&str, &str)]) -> Vec<Case> {
    let text = |settings| service(VIP, settings, PAIR);
    let cases = all.iter();
    cases
        .map(|(name, settings)| ((*name).to_owned(), text(settings)))
        .collect()
}

fn of_services(all: &[(&str, &str, &str, &[&str])]) -> Vec<Case> {
    let cases = all.iter().map(|(name, key, settings, servers)| {
        let text = service(key, settings, servers);
        ((*name).to_owned(), text)
    });
    cases.collect()
}

/// Gives each to both in turn, and collects what is not as the file says.
fn compare(cases: &[Case], look: &str) {
    let mut lab = Lab::new();
    let director = lab.host("director", "10.1.0.21/16");
    director.ip(&["address", "add", "fd01::21/64", "dev", "eth0", "nodad"]);
    let expected = expected();
    let mut different = Vec::new();
    for (name, text) in cases {
        if std::env::var_os("LAB_UPDATE").is_some() {
            let theirs = made_by(Make::Debian, &director, text, look, None);
            note(&format!("\n== {name}\n{theirs}"));
            continue;
        }
        let wanted = expected.get(name.as_str()).copied().unwrap_or_default();
        for make in [Make::Debian, Make::Ours] {
            let made = made_by(make, &director, text, look, Some(wanted));
            if made != wanted {
                different.push(format!("{name}, {make:?}:\n{text}\n{made}\nnot\n{wanted}"));
            }
        }
    }
    note(&format!("{} configurations", cases.len()));
    assert_eq!(shown(&director, EVERYTHING), NOTHING, "something is left");
    let all = different.join("\n----\n");
    assert!(different.is_empty(), "{} differ:\n{all}", different.len());
}

/// What one makes of it: as soon as it is what is wanted, else when it had time enough.
fn made_by(make: Make, director: &Host, text: &str, look: &str, wanted: Option<&str>) -> String {
    let daemon = Daemon::start_make(make, director, text);
    daemon.wait_for_line(match make {
        Make::Debian => "Activating BFD healthchecker",
        Make::Ours => "the number of IPVS operations of this configuration",
    });
    let end = Instant::now() + 2 * slack();
    let mut made = shown(director, look);
    while wanted != Some(made.as_str()) && Instant::now() < end {
        thread::sleep(Duration::from_millis(200));
        made = shown(director, look);
    }
    daemon.stop();
    made
}

/// The output of commands, without the headings and without blanks at the ends of lines. The kernel
/// lists services in the order of a hash: here they are sorted.
pub(super) fn shown(director: &Host, look: &str) -> String {
    let text = director.run(&["sh", "-c", look]);
    let mut blocks: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        let begins = |words: &&str| line.starts_with(words);
        if HEADINGS.iter().any(begins) {
            continue;
        }
        match blocks.last_mut() {
            Some(block) if DESTINATIONS.iter().any(begins) => *block += line,
            _ => blocks.push(line.to_owned()),
        }
        *blocks.last_mut().expect("it has been begun") += "\n";
    }
    blocks.sort();
    blocks.concat()
}

/// The sections of the file by their names.
fn expected() -> BTreeMap<&'static str, &'static str> {
    let sections = include_str!("tables.txt").split("== ").skip(1);
    sections
        .filter_map(|section| section.split_once('\n'))
        .collect()
}

const HEADINGS: [&str; 3] = [
    "IP Virtual Server",
    "Prot LocalAddress",
    "  -> RemoteAddress",
];
/// What belongs to the service above it.
const DESTINATIONS: [&str; 2] = ["-a ", "  -> "];
const TABLE: &str = "ipvsadm -Sn; ipvsadm -Ln";
const EVERYTHING: &str = "ipvsadm -Sn; ipvsadm -Ln; ipvsadm -Ln --timeout; ipvsadm -Ln --daemon";
/// What is left when nothing is.
const NOTHING: &str = "Timeout (tcp tcpfin udp): 900 120 300\n";
