//! What is on the cable, octet by octet: the frames of Debian's keepalived are those of
//! `tests/wire/frames`, and ours are the same.
//!
//! Every file there is a configuration, a line `--`, and one frame a line: what tcpdump saw from
//! the start of a router to its end. `UPDATE=1 scripts/lab octets` captures them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::wait::wait_until;

macro_rules! formats {
    ($($name:ident),+ $(,)?) => {
        crate::scenarios!(Namespaces, $($name),+);
        $(
            fn $name() {
                play(stringify!($name));
            }
        )+
    };
}

formats!(
    version_2,
    password,
    signed,
    version_2_unicast,
    signed_unicast,
    version_2_vmac,
    version_3,
    version_3_unicast,
    version_3_unicast_of_old,
    version_3_to_another_group,
    version_3_vmac,
    ipv6,
    ipv6_unicast,
    ipv6_vmac,
    version_2_over_ipv6,
    excluded_addresses,
);

/// Hardware addresses, so that the files do not depend on the machine.
const SPEAKER: &str = "b6:b4:9a:35:f0:35";
const LISTENER: &str = "b6:b4:9a:35:f0:36";

fn play(name: &str) {
    let path = format!(
        "{}/tests/wire/frames/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let path = PathBuf::from(path);
    let text = fs::read_to_string(&path).expect("there is a file of that name");
    let (config, expected) = text.split_once("--\n").expect("the frames come behind");
    let theirs = record(Make::Debian, config);
    if std::env::var_os("UPDATE").is_some() {
        let frames: String = theirs.iter().map(|frame| frame.clone() + "\n").collect();
        fs::write(&path, format!("{config}--\n{frames}")).expect("our own file");
    } else {
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(theirs, expected, "Debian's keepalived");
    }
    let ours = record(Make::Ours, config);
    let theirs: Vec<String> = theirs.iter().map(|frame| with_our_limit(frame)).collect();
    assert_eq!(ours, theirs, "ours");
}

/// The frames of a router that starts, becomes master, and is asked to leave.
fn record(make: Make, config: &str) -> Vec<String> {
    let mut lab = Lab::new();
    let speaker = lab.host("speaker", "10.9.0.1/24");
    let listener = lab.host("listener", "10.9.0.2/24");
    settle(&speaker, SPEAKER, "fe80::b4b4:9aff:fe35:f035");
    settle(&listener, LISTENER, "fe80::b4b4:9aff:fe35:f036");
    listener.ip(&["address", "add", "fe80::2/64", "dev", "eth0", "nodad"]);
    let file = listener.directory.join("frames.txt");
    let words = ["tcpdump", "-i", "eth0", "-n", "-l", "-xx", FILTER];
    let _tcpdump = listener.spawn(&words, &file);
    let text = || fs::read_to_string(&file).unwrap_or_default();
    wait_until(seconds(5), "tcpdump listens", || {
        text().contains("listening on")
    });

    let daemon = Daemon::start_make(make, &speaker, config);
    let adverts = || {
        let frames = frames(&text());
        frames
            .iter()
            .filter(|frame| !is_announcement(frame))
            .count()
    };
    wait_until(seconds(6), "an advert", || adverts() == 1);
    // The announcements are a matter of milliseconds, the next advert comes after three seconds.
    thread::sleep(seconds(1));
    daemon.ask_to_stop();
    wait_until(seconds(2), "a goodbye", || adverts() == 2);
    thread::sleep(Duration::from_millis(100));
    daemon.stop();
    frames(&text())
}

/// Gives it a hardware address, and the link-local address that follows from that.
fn settle(host: &Host, mac: &str, local: &str) {
    host.ip(&["link", "set", "eth0", "down"]);
    host.ip(&["link", "set", "eth0", "address", mac]);
    host.run(&[
        "sh",
        "-c",
        "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad",
    ]);
    host.ip(&["link", "set", "eth0", "up"]);
    wait_until(seconds(5), "there is a link-local address", || {
        host.has(local)
    });
}

/// The frames of a dump that are adverts or announcements, in hexadecimal digits.
fn frames(dump: &str) -> Vec<String> {
    let mut all: BTreeMap<usize, String> = BTreeMap::new();
    let mut number = 0;
    for line in dump.lines() {
        match line.trim_start().split_once(":  ") {
            Some((at, octets)) if at.starts_with("0x") => {
                let octets = octets.split_whitespace();
                all.entry(number).or_default().extend(octets);
            }
            _ => number += 1,
        }
    }
    let frames = all.into_values().map(|frame| without_label(&frame));
    frames.filter(|frame| is_ours(frame)).collect()
}

/// Without the flow label, which the kernel draws by lot.
fn without_label(frame: &str) -> String {
    match &frame[24..28] {
        "86dd" => format!("{}00000{}", &frame[..31], &frame[36..]),
        _ => frame.to_owned(),
    }
}

/// Not what kernels ask each other.
fn is_ours(frame: &str) -> bool {
    let to_all = [BROADCAST, ALL_NODES].contains(&&frame[..12]);
    match &frame[24..28] {
        ARP => to_all && frame[56..64] == frame[76..84],
        "86dd" if &frame[40..42] == ICMPV6 => to_all && &frame[108..110] == ADVERTISEMENT,
        _ => true,
    }
}

fn is_announcement(frame: &str) -> bool {
    &frame[24..28] == ARP || &frame[24..28] == "86dd" && &frame[40..42] == ICMPV6
}

/// Ours has 255 in its unicast adverts of IPv6 as in all others.
fn with_our_limit(frame: &str) -> String {
    let is_unicast = !frame.starts_with("3333");
    match &frame[24..28] {
        "86dd" if is_unicast => format!("{}ff{}", &frame[..42], &frame[44..]),
        _ => frame.to_owned(),
    }
}

/// All of it, as long as it comes from the speaker or its device.
const FILTER: &str = "(ether src b6:b4:9a:35:f0:35 or ether[6:4] == 0x00005e00) and \
                      (ip proto 112 or ip proto 51 or ip6 proto 112 or arp or icmp6)";
/// Hexadecimal digits of an Ethernet header, and of what follows.
const BROADCAST: &str = "ffffffffffff";
const ALL_NODES: &str = "333300000001";
const ARP: &str = "0806";
const ICMPV6: &str = "3a";
const ADVERTISEMENT: &str = "88";
