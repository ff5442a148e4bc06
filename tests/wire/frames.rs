//! Whole frames of Debian's keepalived 2.2.7, of every format it has, both ways: a core of ours
//! with the same configuration sends the same octets, and one that waits takes them for those of
//! its master.
//!
//! Every file of `frames` is a configuration, a line `--`, and the frames of a router that starts,
//! announces its addresses and says goodbye, one a line: what was seen between two namespaces with
//!
//! ```text
//! ip netns exec listener tcpdump -i eth0 -n -l -xx 'ip proto 112 or ip6 proto 112 or ...' &
//! ip netns exec speaker keepalived -n -l -D -f FILE
//! ```
//!
//! which `UPDATE=1 scripts/lab octets` does for all of them.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use keepalived::addr::{IfIndex, MacAddr};
use keepalived::time::Instant;
use keepalived::vrrp::{Effect, Event, StateName};
use keepalived::wire::ip::Datagram;
use keepalived::wire::rtnl::{Link, LinkKind, MacvlanMode};

use crate::machine::{Machine, eth0};
use crate::octets;

const MAC: MacAddr = MacAddr([0xb6, 0xb4, 0x9a, 0x35, 0xf0, 0x35]);
const SPEAKER: [&str; 2] = ["10.9.0.1/24", "fe80::b4b4:9aff:fe35:f035/64"];
const LISTENER: [&str; 2] = ["10.9.0.2/24", "fe80::2/64"];

/// One file.
struct Story {
    name: String,
    config: String,
    /// The first and the last.
    adverts: Vec<Vec<u8>>,
    announcements: Vec<Vec<u8>>,
}

fn stories() -> Vec<Story> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/frames");
    let files = fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let stories = paths.iter().map(|path| {
        let text = fs::read_to_string(path).unwrap();
        let (config, frames) = text.split_once("--\n").unwrap();
        let frames = frames.lines().map(octets);
        let (announcements, adverts) = frames.partition(|frame| is_announcement(frame));
        Story {
            name: path.display().to_string(),
            config: config.to_owned(),
            adverts,
            announcements,
        }
    });
    stories.collect()
}

fn is_announcement(frame: &[u8]) -> bool {
    match frame[ETHERTYPE..] {
        [8, 6, ..] => true,
        [0x86, 0xdd, ..] => frame[HEADER + 6] == 58,
        _ => false,
    }
}

fn is_v6(frame: &[u8]) -> bool {
    frame[ETHERTYPE..].starts_with(&[0x86, 0xdd])
}

impl Story {
    /// What the listener has instead.
    fn mirrored(&self) -> String {
        let config = self.config.replace("state MASTER", "state BACKUP");
        let config = config.replace("priority 255", "priority 100");
        let peers = [
            ("        10.9.0.2\n    }", "        10.9.0.1\n    }"),
            (
                "        fe80::2\n    }",
                "        fe80::b4b4:9aff:fe35:f035\n    }",
            ),
            ("unicast_src_ip fe80::b4b4:9aff:fe35:f035", ""),
        ];
        peers
            .iter()
            .fold(config, |text, (one, other)| text.replace(one, other))
    }

    /// The interfaces of a machine: with use_vmac the device is there already.
    fn links(&self) -> Vec<Link> {
        let base = Link {
            mac: Some(MAC),
            ..eth0()
        };
        let (_, vrid) = self.config.split_once("virtual_router_id ").unwrap();
        let vrid: u8 = vrid.lines().next().unwrap().parse().unwrap();
        let family = if self.config.contains("fe80") { 2 } else { 1 };
        let device = Link {
            index: IfIndex(7),
            name: format!("vrrp.{vrid}"),
            mac: Some(MacAddr([0, 0, 0x5e, 0, family, vrid])),
            kind: LinkKind::Macvlan(MacvlanMode::Private),
            below: Some(base.index),
            ..base.clone()
        };
        if self.config.contains("use_vmac") {
            vec![base, device]
        } else {
            vec![base]
        }
    }

    fn machine(&self, config: &str, own: &[&str]) -> Machine {
        Machine::with_links(config, &self.links(), own, Duration::ZERO)
    }
}

/// The packet as a core has it: of IPv6 without its header, and without the checksum that is the
/// kernel's to fill in.
fn packet(frame: &[u8]) -> Vec<u8> {
    let (start, checksum) = if is_v6(frame) {
        (HEADER + 40, 6..8)
    } else {
        (HEADER, 10..12)
    };
    let mut packet = frame[start..].to_vec();
    packet[checksum].fill(0);
    packet
}

fn datagram(frame: &[u8]) -> Datagram<'_> {
    if !is_v6(frame) {
        return Datagram::V4(&frame[HEADER..]);
    }
    let address = |at: usize| {
        let octets: [u8; 16] = frame[HEADER + at..HEADER + at + 16].try_into().unwrap();
        Ipv6Addr::from(octets)
    };
    Datagram::V6 {
        source: address(8),
        destination: Some(address(24)),
        hop_limit: Some(frame[HEADER + 7]),
        payload: &frame[HEADER + 40..],
    }
}

/// Shows F.9, F.11, F.12, F.14: every octet of adverts, goodbyes and announcements.
#[test]
fn we_send_what_keepalived_sends() {
    let stories = stories();
    assert_eq!(stories.len(), 16);
    for story in stories {
        let mut machine = story.machine(&story.config, &SPEAKER);
        machine.run(Duration::from_secs(1));
        machine.tell(Event::Stop);
        let (mut adverts, mut announcements) = (Vec::new(), Vec::new());
        for effect in &machine.effects {
            match effect {
                Effect::Advertise { packet, .. } => adverts.push(packet.clone()),
                Effect::Announce { frame, .. } => announcements.push(frame.clone()),
                _ => {}
            }
        }
        let expected: Vec<_> = story.adverts.iter().map(|frame| packet(frame)).collect();
        assert_eq!(adverts, expected, "{}", story.name);
        assert_eq!(announcements, story.announcements, "{}", story.name);
    }
}

#[test]
fn adverts_leave_for_where_keepalived_sends_them() {
    for story in stories() {
        let mut machine = story.machine(&story.config, &SPEAKER);
        machine.run(Duration::from_secs(1));
        let sent = machine.effects.iter().find_map(|effect| match effect {
            Effect::Advertise { to, from, ttl, .. } => Some((*to, *from, *ttl)),
            _ => None,
        });
        let (to, from, ttl) = sent.unwrap();
        assert_eq!(ttl, 255, "{}", story.name);
        let (source, destination) = match datagram(&story.adverts[0]) {
            Datagram::V4(bytes) => {
                let address = |at: usize| {
                    let octets: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
                    Ipv4Addr::from(octets).into()
                };
                (address(12), address(16))
            }
            Datagram::V6 {
                source,
                destination,
                ..
            } => (source.into(), destination.unwrap().into()),
        };
        assert_eq!((from, to), (source, destination), "{}", story.name);
    }
}

#[test]
fn we_take_what_keepalived_sends() {
    for story in stories() {
        let mut machine = story.machine(&story.mirrored(), &LISTENER);
        machine.run(Duration::ZERO);
        let on = machine.socket();
        for (frame, zeros) in [(&story.adverts[0], 0), (&story.adverts[1], 1)] {
            let datagram = datagram(frame);
            machine.tell(Event::Datagram { on, datagram });
            let state = machine.state();
            assert_eq!(state.refused, [], "{}", story.name);
            assert_eq!(state.statistics.advert_rcvd, 1 + zeros, "{}", story.name);
            assert_eq!(state.statistics.pri_zero_rcvd, zeros, "{}", story.name);
            assert_eq!(state.statistics.addr_list_err, 0, "{}", story.name);
            assert_eq!(state.state, StateName::Backup, "{}", story.name);
        }
        // Only the skew is left: less than one of three seconds.
        let deadline = machine.core.deadline().unwrap();
        assert!(
            deadline < Instant::ZERO + Duration::from_secs(2),
            "{}",
            story.name
        );
    }
}

/// Of an Ethernet frame.
const ETHERTYPE: usize = 12;
const HEADER: usize = 14;
