//! Routes, rules and addresses with all their options: what `ip` shows of them is what it shows
//! with Debian's keepalived and the same configuration, and nothing of it is left in the end.

use std::thread;
use std::time::{Duration, Instant};

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::wait::wait_until;

macro_rules! pictures {
    ($($name:ident: $block:literal { $($line:literal)+ } shows $($words:literal),+;)+) => {
        crate::scenarios!(Namespaces, $($name),+);
        $(
            fn $name() {
                compare($block, &[$($line),+], &[$($words),+]);
            }
        )+
    };
}

// The block, its lines, and what must be in the picture so that it is one at all.
pictures! {
    gateways: "virtual_routes" {
        "10.20.0.0/16 via 192.168.16.254"
        "10.21.0.0/16 via 192.168.16.253 dev eth0"
        "to 10.22.0.0/16 gw 192.168.16.252 dev eth0"
        "10.23.0.1 via 192.168.16.254"
    } shows "10.20.0.0/16 via",
        "10.22.0.0/16 via 192.168.16.252 dev eth0 table main proto keepalived";
    devices: "virtual_routes" {
        "10.20.0.0/16 dev eth1"
        "10.21.0.0/16 dev eth1 scope link"
        "10.22.0.0/16 dev eth1 scope host"
        "10.23.0.0/16 dev eth1 src 10.16.0.21"
        "10.24.0.0/16 oif eth1"
    } shows "10.21.0.0/16 dev eth1 table main proto keepalived scope link", "src 10.16.0.21";
    kinds: "virtual_routes" {
        "blackhole 10.20.0.0/16"
        "unreachable 10.21.0.0/16"
        "prohibit 10.22.0.0/16 table 100"
        "throw 10.23.0.0/16 table 100"
        "local 10.24.0.1 dev eth1 scope host"
        "broadcast 10.24.0.255 dev eth1 scope link table 100"
        "unicast 10.25.0.0/16 dev eth1"
        "multicast 225.0.0.0/8 dev eth1"
    } shows "blackhole 10.20.0.0/16", "throw 10.23.0.0/16 table 100", "local 10.24.0.1 dev eth1";
    tables: "virtual_routes" {
        "10.20.0.0/16 via 192.168.16.254 table 100"
        "10.20.0.0/16 via 192.168.16.254 table 1000"
        "10.20.0.0/16 via 192.168.16.254 table main"
        "10.20.0.0/16 via 192.168.16.254 table 0x64 metric 7"
        "10.20.0.0/16 via 192.168.16.254 table default"
    } shows "table 100 ", "table 1000 ", "table default";
    order: "virtual_routes" {
        "10.20.0.0/16 via 192.168.16.251 metric 5"
        "10.20.0.0/16 via 192.168.16.252 metric 5"
        "10.20.0.0/16 via 192.168.16.253 metric 5 append"
        "10.20.0.0/16 via 192.168.16.254 metric 5 prepend"
        "10.21.0.0/16 via 192.168.16.254 add priority 9"
        "10.22.0.0/16 via 192.168.16.254 preference 9"
    } shows "10.20.0.0/16 via 192.168.16.253",
        "10.22.0.0/16 via 192.168.16.254 dev eth0 table main";
    selectors: "virtual_routes" {
        "10.20.0.0/16 via 192.168.16.254 tos 0x10"
        "10.20.0.0/16 via 192.168.16.254 dsfield 4"
        "10.21.0.0/16 via 192.168.16.254 realms 3/4"
        "10.22.0.0/16 via 192.168.16.254 realms 5"
        "10.23.0.0/16 via 192.168.16.254 protocol static no_track"
        "10.24.0.0/16 via 192.168.16.254 protocol 77 no_track"
        "10.25.0.0/16 via 172.16.0.1 dev eth1 onlink"
    } shows "tos", "realms 3/4", "proto static", "proto 77", "onlink";
    sizes: "virtual_routes" {
        "10.20.0.0/16 dev eth1 mtu 1400"
        "10.21.0.0/16 dev eth1 mtu lock 1400 advmss 1360 reordering 3 cwnd lock 10 ssthresh 5"
        "10.22.0.0/16 dev eth1 window 65535 initcwnd 10 initrwnd 20 hoplimit 64"
        "10.23.0.0/16 dev eth1 features ecn quickack 1 fastopen_no_cookie 1"
    } shows "mtu lock 1400", "cwnd lock 10", "advmss 1360", "initcwnd 10", "ecn", "quickack 1",
        "fastopen_no_cookie 1";
    times: "virtual_routes" {
        "10.20.0.0/16 dev eth1 rtt 300ms rttvar 2s"
        "10.21.0.0/16 dev eth1 rto_min 300ms"
        "10.22.0.0/16 dev eth1 rto_min lock 2s"
        "10.23.0.0/16 dev eth1 rtt 9 rttvar 8"
    } shows "rtt 300ms", "rto_min lock 2";
    congestion: "virtual_routes" {
        "10.20.0.0/16 dev eth1 congctl reno"
        "10.21.0.0/16 dev eth1 congctl lock cubic"
    } shows "congctl";
    several_ways: "virtual_routes" {
        "10.20.0.0/16 nexthop via 192.168.16.251 nexthop via 192.168.16.252 weight 3"
        "10.21.0.0/16 nexthop via 192.168.16.251 dev eth0 weight 256 nexthop dev eth1"
        "10.22.0.0/16 nexthop via 172.16.0.1 dev eth1 onlink nexthop via 192.168.16.252 realms 5"
        "10.23.0.0/16 metric 4 nexthop via 192.168.16.251 nexthop via 10.16.0.9 weight 2"
    } shows "nexthop via 192.168.16.252 dev eth0 weight 3", "onlink";
    default_routes: "virtual_routes" {
        "default via 192.168.16.254 metric 100"
        "default6 via 2001:db8:16::9 metric 100"
        "any dev eth1 metric 200"
        "0.0.0.0/1 via 192.168.16.254"
    } shows "default via 192.168.16.254", "default via 2001:db8:16::9", "0.0.0.0/1";
    ipv6: "virtual_routes" {
        "2001:db8:20::/48 via 2001:db8:16::9"
        "2001:db8:21::/48 dev eth1 metric 7"
        "2001:db8:22::/48 via 2001:db8:16::9 pref high"
        "2001:db8:23::/48 via fe80::9 dev eth0 pref low table 100"
        "2001:db8:24::/48 via 2001:db8:16::9 mtu 1400 hoplimit 3"
        "2001:db8:25::/48 via 2001:db8:16::9 src 2001:db8:16::21"
        "blackhole 2001:db8:26::/48"
        "unreachable 2001:db8:27::/48"
        "2001:db8:28::1 dev eth1"
    } shows "pref high", "pref low", "src 2001:db8:16::21", "hoplimit 3", "2001:db8:28::1 dev eth1";
    several_ways_of_ipv6: "virtual_routes" {
        "2001:db8:20::/48 nexthop via 2001:db8:16::8 nexthop via 2001:db8:16::9 weight 3"
    } shows "2001:db8:20::/48", "weight 3";
    tunnels: "virtual_routes" {
        "10.20.0.0/16 dev eth1 encap ip id 7 dst 192.168.16.9 src 192.168.16.21 tos 1 ttl 64"
        "10.21.0.0/16 dev eth1 encap ip dst 192.168.16.9"
        "2001:db8:20::/48 dev eth1 encap ip6 id 4 dst 2001:db8:16::9 hoplimit 9 tc 1"
    } shows "encap ip id 7", "encap ip6 id 4";
    rules: "virtual_rules" {
        "from 10.20.0.0/16 table 100 preference 100"
        "to 10.20.0.0/16 lookup 100 priority 101"
        "from 10.20.0.1 to 10.21.0.0/24 table main order 102"
        "from all to 10.22.0.0/16 table 1000 preference 103"
        "not from 10.20.0.9 table 100 preference 104"
    } shows "100:", "from 10.20.0.1 to 10.21.0.0/24", "not from 10.20.0.9";
    rules_of_packets: "virtual_rules" {
        "from 10.20.0.1 tos 0x10 table 100 preference 100"
        "fwmark 1 table 100 preference 101"
        "fwmark 0x1/0xff table 100 preference 102"
        "iif eth0 table 100 preference 103"
        "oif eth1 table 100 preference 104"
        "dev eth1 table 100 preference 105"
        "ipproto tcp table 100 preference 106"
        "ipproto udp sport 1024-65534 dport 53-53 table 100 preference 107"
        "uidrange 0-999 table 100 preference 108"
        "tunnel-id 99 table 100 preference 109"
    } shows "fwmark 0x1/0xff", "oif eth1", "sport 1024-65534", "uidrange 0-999", "tun_id 99";
    rules_that_decide: "virtual_rules" {
        "from 10.20.0.1 blackhole preference 100"
        "from 10.20.0.2 unreachable preference 101"
        "from 10.20.0.3 prohibit preference 102"
        "from 10.20.0.4 goto 32766 preference 103"
        "from 10.20.0.5 nop preference 104"
    } shows "blackhole", "unreachable", "prohibit", "goto 32766", "nop";
    rules_that_refuse: "virtual_rules" {
        "from 10.20.0.1 table 100 suppress_prefixlength 0 preference 100"
        "from 10.20.0.2 table 100 suppress_ifgroup 3 preference 101"
        "from 10.20.0.3 table 100 realms 1/2 preference 102"
        "from 10.20.0.4 table 100 suppress_prefixlength 3 suppress_ifgroup 1 preference 103"
        "from 10.20.0.5 table 100 protocol 4 no_track preference 104"
    } shows "suppress_prefixlength 0", "suppress_ifgroup 3", "realms 1/2";
    rules_of_ipv6: "virtual_rules" {
        "from 2001:db8:20::/48 table 100 preference 100"
        "to 2001:db8:21::1 lookup 5 preference 101"
        "from 2001:db8:22::/48 iif eth0 table 100 suppress_prefixlength 0 preference 102"
        "to 2001:db8:23::/48 fwmark 9 prohibit preference 103"
        "from 2001:db8:24::1 ipproto udp dport 53-54 table 100 preference 104"
    } shows "from 2001:db8:20::/48", "suppress_prefixlength 0", "fwmark 0x9";
    addresses: "virtual_ipaddress_excluded" {
        "192.168.16.31"
        "192.168.16.32/24"
        "192.168.17.33/24 dev eth1"
        "10.16.0.34/24 brd 10.16.0.250 dev eth1"
        "10.17.0.35/24 brd + dev eth1"
        "10.18.0.36/24 brd - dev eth1"
        "10.19.0.37/24 broadcast 10.19.0.255 dev eth1"
        "192.168.16.38 label eth0:vip"
        "192.168.16.39 scope link"
        "192.168.16.40 scope host"
        "192.168.16.41 dev eth0 scope site"
        "10.20.0.1/32 peer 10.20.0.2"
        "10.21.0.1 peer 10.21.0.2 dev eth1"
    } shows "eth0:vip", "scope link", "peer 10.20.0.2", "brd 10.17.0.255", "192.168.16.32/24";
    addresses_of_ipv6: "virtual_ipaddress_excluded" {
        "2001:db8:16::31"
        "2001:db8:17::32/64"
        "2001:db8:18::33/64 dev eth1"
        "2001:db8:19::34/64 preferred_lft 0"
        "2001:db8:20::35/64 preferred_lft 3000"
        "2001:db8:21::36 preferred_lft forever"
        "fe80::37/64 dev eth1"
        "2001:db8:22::38 peer 2001:db8:22::39"
    } shows "deprecated", "nodad", "2001:db8:18::33/64", "peer 2001:db8:22::39";
    secondaries: "virtual_ipaddress_excluded" {
        "192.168.16.50/24"
        "192.168.16.51/24"
        "192.168.18.52/24"
        "192.168.18.53/24"
        "192.168.18.54"
    } shows "secondary";
    static_addresses: "static_ipaddress" {
        "192.168.16.60/24 dev eth0"
        "10.20.0.61/24 dev eth1 label eth1:0 scope link"
        "2001:db8:16::62/64 dev eth0"
        "2001:db8:16::63 dev eth1"
    } shows "192.168.16.60/24", "eth1:0", "2001:db8:16::63/128";
    static_routes: "static_routes" {
        "10.20.0.0/16 via 192.168.16.254 dev eth0 metric 3"
        "10.21.0.0/16 dev eth1 scope link mtu 1400 table 100"
        "blackhole 10.22.0.0/16"
        "2001:db8:20::/48 via 2001:db8:16::9 dev eth0"
    } shows "10.20.0.0/16 via 192.168.16.254 dev eth0", "blackhole", "2001:db8:20::/48 via";
    static_rules: "static_rules" {
        "from 10.20.0.0/16 table 100 preference 100"
        "to 2001:db8:20::/48 table 100 preference 101"
        "fwmark 7 prohibit preference 102"
    } shows "from 10.20.0.0/16", "to 2001:db8:20::/48", "fwmark 0x7 prohibit";
}

const INSTANCE: &str = "vrrp_instance V {
    interface eth0
    state MASTER
    virtual_router_id 51
    priority 255
    garp_master_repeat 1
    virtual_ipaddress {
        192.168.16.20
    }
";

fn config(block: &str, lines: &[&str]) -> String {
    let block = format!("{block} {{\n    {}\n}}\n", lines.join("\n    "));
    if block.starts_with("static") {
        format!("{block}{INSTANCE}}}\n")
    } else {
        format!("{INSTANCE}{block}}}\n")
    }
}

#[track_caller]
fn compare(block: &str, lines: &[&str], words: &[&str]) {
    let config = config(block, lines);
    let [theirs, ours] = [Make::Debian, Make::Ours].map(|make| {
        let (_lab, host) = machine();
        let before = picture(&host);
        let daemon = Daemon::start_make(make, &host, &config);
        daemon.wait_for_line("(V) Entering MASTER STATE");
        let lacks = |picture: &str| words.iter().find(|word| !picture.contains(**word));
        let start = Instant::now();
        let picture = loop {
            let picture = picture(&host);
            let missing = lacks(&picture);
            if missing.is_none() {
                break picture;
            }
            let waits = start.elapsed() < seconds(3);
            assert!(
                waits,
                "{make:?} lacks {missing:?}:\n{picture}\n{}",
                daemon.log()
            );
            thread::sleep(Duration::from_millis(50));
        };
        if make == Make::Ours {
            daemon.stop();
            assert_eq!(self::picture(&host), before, "everything is gone");
        }
        picture
    });
    let (ours, theirs): (Vec<&str>, Vec<&str>) = (ours.lines().collect(), theirs.lines().collect());
    let only = |these: &[&str], those: &[&str]| {
        let only = these.iter().filter(|line| !those.contains(line));
        only.map(|line| format!("{line}\n")).collect::<String>()
    };
    let (more, less) = (only(&ours, &theirs), only(&theirs, &ours));
    assert_eq!(ours, theirs, "only ours:\n{more}only theirs:\n{less}");
}

/// With hardware addresses of its own.
fn machine() -> (Lab, Host) {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    lab.second_cable(&host, "10.16.0.21/24");
    for (link, mac) in [("eth0", "b6:b4:9a:35:f0:35"), ("eth1", "b6:b4:9a:35:f0:36")] {
        host.ip(&["link", "set", link, "down"]);
        host.ip(&["link", "set", link, "address", mac]);
        let quick = format!("echo 0 >/proc/sys/net/ipv6/conf/{link}/accept_dad");
        host.run(&["sh", "-c", &quick]);
        host.ip(&["link", "set", link, "up"]);
    }
    host.ip(&[
        "address",
        "add",
        "2001:db8:16::21/64",
        "dev",
        "eth0",
        "nodad",
    ]);
    wait_until(seconds(5), "the addresses are there", || {
        host.has_on("eth1", "fe80::b4b4:9aff:fe35:f036") && host.has("2001:db8:16::21")
    });
    (lab, host)
}

/// All of it, but for the links, of which others tell.
fn picture(host: &Host) -> String {
    let addresses = host.ip(&["-d", "address"]);
    let is_of_address = |line: &&str| line.contains("inet") || line.contains("_lft");
    let mut all: String = addresses
        .lines()
        .filter(is_of_address)
        .map(|line| format!("{line}\n"))
        .collect();
    for words in [
        &["-4", "-d", "route", "show", "table", "all"][..],
        &["-6", "-d", "route", "show", "table", "all"],
        &["-4", "-d", "rule"],
        &["-6", "-d", "rule"],
    ] {
        all += &host.ip(words);
    }
    all
}
