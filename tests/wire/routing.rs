//! Requests of iproute2 for routes and rules, and ours for the same ones. Attributes may stand in
//! any order, all else is the same octet by octet.
//!
//! The files of `rtnl` have three lines for each: what iproute2 was asked for, what our
//! configuration has instead, and the message, captured in a namespace whose `eth0` and `eth1` are
//! the interfaces 2 and 3:
//!
//! ```text
//! strace -e trace=sendmsg -e write=all ip route prepend 10.20.0.0/16 dev eth1 proto 18
//! ```
//!
//! The sequence number is zero there.

use std::time::Duration;

use keepalived::addr::IfIndex;
use keepalived::vrrp::Effect;
use keepalived::wire::rtnl::{Link, Request};

use crate::machine::{Machine, eth0};
use crate::octets;

const ROUTES: &str = include_str!("rtnl/routes.txt");
const RULES: &str = include_str!("rtnl/rules.txt");

/// One request, as far as the order of attributes does not count.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    kind: u16,
    flags: u16,
    fixed: Vec<u8>,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Message {
    fn new(bytes: &[u8]) -> Self {
        assert_eq!(usize::try_from(number(&bytes[..4])).unwrap(), bytes.len());
        let fixed = bytes[NETLINK..NETLINK + FIXED].to_vec();
        let mut attributes = attributes(&bytes[NETLINK + FIXED..]);
        // A destination of no bits says nothing.
        attributes.retain(|(kind, _)| *kind != RTA_DST || fixed[1] != 0);
        Self {
            kind: u16::from_ne_bytes(bytes[4..6].try_into().unwrap()),
            flags: u16::from_ne_bytes(bytes[6..8].try_into().unwrap()),
            fixed,
            attributes,
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes.try_into().unwrap())
}

/// In the order of their kinds, those within others, too.
fn attributes(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_ne_bytes(bytes[..2].try_into().unwrap()));
        let kind = u16::from_ne_bytes(bytes[2..4].try_into().unwrap()) & !NESTED;
        let value = &bytes[4..length];
        let value = match kind {
            RTA_METRICS | RTA_ENCAP if value.len() > 4 => {
                let inner = attributes(value).into_iter();
                inner
                    .flat_map(|(kind, value)| [&kind.to_ne_bytes()[..], &value].concat())
                    .collect()
            }
            _ => value.to_vec(),
        };
        all.push((kind, value));
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    all.sort();
    all
}

/// What a router with this line in that block asks the kernel for first of all.
fn asked(block: &str, line: &str) -> Vec<u8> {
    let config = format!(
        "vrrp_instance V {{\ninterface eth0\nstate MASTER\nvirtual_router_id 51\npriority 255\n\
         virtual_ipaddress {{\n192.168.16.20\n}}\n{block} {{\n{line}\n}}\n}}\n"
    );
    let eth1 = Link {
        index: IfIndex(3),
        name: "eth1".to_owned(),
        ..eth0()
    };
    let own = ["192.168.16.21/24", "2001:db8:16::21/64"];
    let mut machine = Machine::with_links(&config, &[eth0(), eth1], &own, Duration::ZERO);
    machine.run(Duration::from_secs(1));
    let request = machine.effects.iter().find_map(|effect| match effect {
        Effect::Kernel(request @ (Request::AddRoute(..) | Request::AddRule(..))) => Some(request),
        _ => None,
    });
    request.unwrap_or_else(|| panic!("{line}")).emit(0)
}

#[track_caller]
fn compare(block: &str, file: &str, count: usize) {
    let entries: Vec<&str> = file.split("\n\n").collect();
    assert_eq!(entries.len(), count);
    for entry in entries {
        let mut lines = entry.lines();
        let (command, line) = (lines.next().unwrap(), lines.next().unwrap());
        let digits: String = lines.collect();
        let theirs = Message::new(&octets(&digits));
        assert_eq!(Message::new(&asked(block, line)), theirs, "{command}");
    }
}

/// Shows F.41.
#[test]
fn routes_are_asked_for_as_iproute2_does() {
    compare("virtual_routes", ROUTES, 22);
}

#[test]
fn rules_are_asked_for_as_iproute2_does() {
    compare("virtual_rules", RULES, 19);
}

/// Of the header of netlink, and of those of routes and rules.
const NETLINK: usize = 16;
const FIXED: usize = 12;
/// Of rules it is FRA_DST, and the second octet the length of their destination as well.
const RTA_DST: u16 = 1;
const RTA_METRICS: u16 = 8;
const RTA_ENCAP: u16 = 22;
/// NLA_F_NESTED, which iproute2 sets and older programs do not.
const NESTED: u16 = 0x8000;
