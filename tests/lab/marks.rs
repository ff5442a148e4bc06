//! `nftables_ipvs`: what ipvsadm and nft print beside Debian's keepalived, and packets through it.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::tables::{PAIR, service, shown};
use super::traffic::{self, NODES, Site, VIP, Way};
use super::visitor::{echoes, inside, page};
use super::wait::{stays_so, wait_until};

crate::scenarios!(
    Ipvs,
    groups_are_marked_as_by_debians_keepalived,
    clients_are_served_by_marks_and_a_reload_touches_what_changed,
    a_table_of_marks_that_is_deleted_is_made_again,
    packets_are_marked_in_the_namespace_of_ipvs,
);

/// Three groups: of one family, used twice, and of both; one that is left alone.
const GROUPS: &str = "\
virtual_server_group G {
    10.1.0.100-104 80
    10.1.0.110 443
}
virtual_server_group NET {
    10.1.0.104/30 53
}
virtual_server_group BOTH {
    10.1.0.120 53
    fd01::101-103 53
}
virtual_server_group MIXED {
    10.1.0.130 80
    fwmark 7
}
";

/// G and NET, BOTH for each family, and the two lines of MIXED.
const SERVICES: usize = 6;

fn groups_are_marked_as_by_debians_keepalived() {
    let mut lab = Lab::new();
    let director = lab.host("director", "10.1.0.21/16");
    director.ip(&["address", "add", "fd01::21/64", "dev", "eth0", "nodad"]);
    let tunnel = "lb_algo rr;lb_kind TUN;protocol SCTP";
    let services = [
        service("group G", "lb_algo rr;lb_kind NAT;protocol TCP", PAIR),
        service("group NET", "lb_algo wrr;lb_kind DR;protocol UDP", PAIR),
        service("group BOTH", tunnel, PAIR),
        service("group MIXED", "lb_algo rr;lb_kind DR;protocol TCP", PAIR),
    ];
    let text = |globals: &str| {
        let services = services.concat();
        format!("global_defs {{\n    {globals}\n}}\n{GROUPS}{services}")
    };
    for globals in [
        "nftables_ipvs",
        "nftables_ipvs t\n    nftables_ipvs_priority -20\n    nftables_ipvs_start_fwmark 77\n    \
         nftables_counters",
    ] {
        let text = text(globals);
        let [theirs, ours] = [Make::Debian, Make::Ours].map(|make| {
            let daemon = Daemon::start_make(make, &director, &text);
            wait_until(seconds(10), "all is made", || {
                let table = director.run(&["ipvsadm", "-Sn"]);
                let complete = table.matches("-a ").count() == SERVICES * PAIR.len();
                complete && rules(&director).contains("sctp_map")
            });
            // The last to come are marks of IPv6.
            wait_until(seconds(10), "packets of IPv6 are marked", || {
                rules(&director).contains("fd01::101-fd01::103")
            });
            let made = shown(&director, "ipvsadm -Sn") + &rules(&director);
            daemon.stop();
            if make == Make::Debian {
                // It leaves a table behind.
                director.run(&["nft", "flush", "ruleset"]);
            }
            assert_eq!(rules(&director), "", "{make:?}");
            assert_eq!(shown(&director, "ipvsadm -Sn"), "", "{make:?}");
            made
        });
        assert_eq!(ours, theirs);
    }
}

fn rules(host: &Host) -> String {
    host.run(&["nft", "list", "ruleset"])
}

/// The servers of one service for every address of the group.
fn config(lines: &str) -> String {
    let servers: Vec<String> = (1..=NODES)
        .map(|number| format!("10.2.0.{} 80 - weight 1", 10 + number))
        .collect();
    let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    let echoes: Vec<String> = servers
        .iter()
        .map(|server| server.replace(" 80 ", " 7 "))
        .collect();
    let echoes: Vec<&str> = echoes.iter().map(String::as_str).collect();
    let nat = "lb_algo rr;lb_kind NAT;protocol TCP";
    format!(
        "global_defs {{\n    nftables_ipvs\n    lvs_audit_interval 1\n}}\n\
         virtual_server_group PAGES {{\n{lines}\n}}\nvirtual_server_group ECHO {{\n{VIP} 7\n}}\n"
    ) + &service("group PAGES", nat, &servers)
        + &service("group ECHO", nat, &echoes)
}

/// A director whose namespace has more virtual addresses.
fn site() -> Site {
    let site = Site::build(Way::Nat);
    for last in 101..=103 {
        let address = format!("10.2.0.{last}/32");
        site.director
            .ip(&["address", "add", &address, "dev", "eth0"]);
    }
    site
}

/// Whether all servers answer at an address.
fn is_served(site: &Site, last: u8, port: u16) -> bool {
    let to = SocketAddrV4::new(Ipv4Addr::new(10, 2, 0, last), port);
    let answers = inside(&site.client, || {
        let pages = (0..2 * NODES).map(|_| page(None, to));
        pages.collect::<Vec<_>>()
    });
    let shares = traffic::shares(answers.into_iter().flatten());
    shares.iter().all(|share| *share == 2)
}

/// One address comes and goes; the service and its connections stay, as they do in a crash.
fn clients_are_served_by_marks_and_a_reload_touches_what_changed() {
    let site = site();
    let first = config("10.2.0.100-101 80\n10.2.0.102 8080");
    let daemon = Daemon::start(&site.director, &first);
    site.wait_for_service();
    for (last, port) in [(100, 80), (101, 80), (102, 8080)] {
        assert!(is_served(&site, last, port), "10.2.0.{last}:{port}");
    }
    let table = || site.director.run(&["ipvsadm", "-Sn"]);
    let whole = table();
    assert_eq!(whole.matches("-A -f 100").count(), 2, "{whole}");
    assert!(!whole.contains("-t "), "{whole}");
    let mut connections: Vec<_> = (0..NODES).map(|_| site.talk()).collect();

    daemon.rewrite(&config("10.2.0.100-101 80\n10.2.0.102 8080\n10.2.0.103 80"));
    daemon.signal("HUP");
    wait_until(seconds(5), "the new address is served", || {
        is_served(&site, 103, 80)
    });
    daemon.rewrite(&config("10.2.0.100-101 80\n10.2.0.103 80"));
    daemon.signal("HUP");
    wait_until(seconds(5), "the old address is not marked", || {
        !rules(&site.director).contains("8080")
    });
    assert!(is_served(&site, 100, 80));
    assert_eq!(
        daemon.logged("the number of IPVS operations of this configuration: 0"),
        2,
        "neither came to a change of the table"
    );
    assert!(connections.iter_mut().all(|stream| echoes(stream, "two\n")));

    let marked = rules(&site.director);
    daemon.kill();
    assert!(is_served(&site, 101, 80), "without a daemon");
    let daemon = Daemon::start(&site.director, &config("10.2.0.100-101 80\n10.2.0.103 80"));
    daemon.wait_for_line("the number of IPVS operations of this configuration: 0");
    stays_so(seconds(1), "what is marked stays marked", || {
        rules(&site.director) == marked
    });
    assert_eq!(table(), whole);
    assert!(
        connections
            .iter_mut()
            .all(|stream| echoes(stream, "three\n"))
    );

    // Without marks at all, and back.
    let plain = config("10.2.0.100-101 80").replace("nftables_ipvs\n", "");
    daemon.rewrite(&plain);
    daemon.signal("HUP");
    wait_until(seconds(5), "address by address", || {
        table().contains("-A -t 10.2.0.101:80") && rules(&site.director).is_empty()
    });
    assert!(is_served(&site, 101, 80));
    daemon.rewrite(&first);
    daemon.signal("HUP");
    wait_until(seconds(5), "by marks again", || {
        rules(&site.director).contains("8080") && !table().contains("-t ")
    });
    assert!(is_served(&site, 102, 8080));
    assert!(
        connections
            .iter_mut()
            .all(|stream| echoes(stream, "four\n"))
    );
    daemon.expect_no_complaint();
    daemon.stop();
    assert_eq!(rules(&site.director), "");
    assert_eq!(table(), "");
}

/// As every reload of a firewall does.
fn a_table_of_marks_that_is_deleted_is_made_again() {
    let site = site();
    let daemon = Daemon::start(&site.director, &config("10.2.0.100-101 80"));
    site.wait_for_service();
    let marked = rules(&site.director);
    site.director.run(&["nft", "flush", "ruleset"]);
    daemon.wait_for_line(
        "nftables: table keepalived_ipvs, IPv4, is not as it was made (No such file or directory), \
         making it again",
    );
    wait_until(seconds(5), "it is there again", || {
        rules(&site.director) == marked
    });
    assert!(is_served(&site, 101, 80));
    // The next reload finds it out as well.
    site.director.run(&["nft", "flush", "ruleset"]);
    daemon.rewrite(&config("10.2.0.100-101 80\n10.2.0.103 80"));
    daemon.signal("HUP");
    wait_until(seconds(5), "the new address is served", || {
        is_served(&site, 103, 80)
    });
    daemon.stop();
    assert_eq!(rules(&site.director), "");
}

fn packets_are_marked_in_the_namespace_of_ipvs() {
    let mut lab = Lab::new();
    let daemons = lab.host("director", "10.2.0.1/24");
    let tables = lab.host("tables", "10.2.0.2/24");
    let namespace = format!("net_namespace_ipvs {}\n", tables.namespace());
    let text = namespace + &config("10.2.0.100-101 80");
    let daemon = Daemon::start(&daemons, &text);
    wait_until(seconds(5), "packets are marked there", || {
        rules(&tables).contains("10.2.0.100/31 . 80")
    });
    assert_eq!(rules(&daemons), "");
    daemon.stop();
    assert_eq!(rules(&tables), "");
}
