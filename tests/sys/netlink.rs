//! Links and addresses: commands, snapshots, and the monitor.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use keepalived::addr::{Cidr, IfIndex, MacAddr};
use keepalived::errno::Errno;
use keepalived::sys::host::interface_index;
use keepalived::sys::netlink::{Monitor, RouteCommand, Snapshot};
use keepalived::wire::netlink::{Draft, HEADER_LENGTH};
use keepalived::wire::rtnl::{ADDRESS_NODAD, Address, Link, Notice, Request};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, getsockname, sendto,
    setsockopt, socket, sockopt,
};

use crate::namespace::{Namespace, eventually, run};

/// A namespace with eth0 and eth1 plugged into each other; both are down.
fn with_cable() -> (Namespace, IfIndex) {
    let namespace = Namespace::enter_new();
    plug();
    (namespace, interface_index("eth0").unwrap())
}

fn plug() {
    run("ip link add eth0 address 02:00:00:00:00:01 type veth peer name eth1");
}

fn address(link: IfIndex, cidr: &str) -> Address {
    Address::new(link, cidr.parse().unwrap())
}

/// The next notice of that kind; others are passed over.
fn wait_for<T>(monitor: &mut Monitor, what: &str, pick: impl Fn(Notice) -> Option<T>) -> T {
    eventually(what, || {
        monitor.recv().unwrap()?.into_iter().find_map(&pick)
    })
}

fn link_named(name: &str) -> impl Fn(Notice) -> Option<Link> {
    move |notice| match notice {
        Notice::Link(link) if link.name == name => Some(link),
        _ => None,
    }
}

fn drain(monitor: &mut Monitor) -> Vec<Notice> {
    let mut notices = Vec::new();
    while let Some(more) = monitor.recv().unwrap() {
        notices.extend(more);
    }
    notices
}

#[test]
fn the_monitor_sees_a_link_appear_run_lose_its_peer_and_go() {
    let _namespace = Namespace::enter_new();
    let mut monitor = Monitor::open(0).unwrap();
    plug();
    let link = wait_for(&mut monitor, "a new link", link_named("eth0"));
    assert_eq!(link.index, interface_index("eth0").unwrap());
    assert_eq!(link.mac, Some(MacAddr([2, 0, 0, 0, 0, 1])));
    assert_eq!(link.mtu, 1500);
    assert!(link.multicast && !link.running && !link.no_arp);

    run("ip link set eth1 up");
    run("ip link set eth0 up");
    let running = |notice| link_named("eth0")(notice).filter(|link| link.running);
    wait_for(&mut monitor, "a running link", running);
    run("ip link set eth1 down");
    let stopped = |notice| link_named("eth0")(notice).filter(|link| !link.running);
    wait_for(&mut monitor, "the peer went down", stopped);
    run("ip link set eth0 mtu 1400");
    let smaller = |notice| link_named("eth0")(notice).filter(|link| link.mtu == 1400);
    wait_for(&mut monitor, "another mtu", smaller);
    run("ip link delete eth0");
    wait_for(&mut monitor, "the link is gone", |notice| {
        (notice == Notice::LinkGone(link.index)).then_some(())
    });
}

#[test]
fn a_port_that_leaves_its_bridge_is_not_gone() {
    let (_namespace, eth0) = with_cable();
    run("ip link add br0 type bridge");
    run("ip link set eth0 master br0");
    let mut monitor = Monitor::open(0).unwrap();
    run("ip link set eth0 nomaster");
    let told = drain(&mut monitor);
    assert!(
        told.iter()
            .any(|n| matches!(n, Notice::Link(link) if link.index == eth0)),
        "{told:?}"
    );
    assert!(!told.contains(&Notice::LinkGone(eth0)), "{told:?}");
}

#[test]
fn a_snapshot_holds_all_links_and_addresses() {
    let (_namespace, eth0) = with_cable();
    run("ip address add 192.168.16.20/32 dev eth0");
    run(
        "ip address add 10.0.0.1 peer 10.0.0.2/24 broadcast 10.0.0.255 \
         label eth0:vip scope link noprefixroute dev eth0",
    );
    run("ip address add fd00::1/64 dev eth0 nodad");
    let snapshot = RouteCommand::open().unwrap().snapshot().unwrap();
    let names: Vec<&str> = snapshot.links.iter().map(|link| &*link.name).collect();
    assert_eq!(names, ["lo", "eth1", "eth0"]);
    assert!(snapshot.links[0].no_arp && snapshot.links[0].running);

    let found = |cidr: &str| {
        let same = |address: &&Address| address.link == eth0 && address.cidr.to_string() == cidr;
        snapshot.addresses.iter().find(same).unwrap()
    };
    assert_eq!(snapshot.addresses.len(), 2 + 3, "two on lo, three on eth0");
    let host = found("192.168.16.20");
    assert_eq!((host.peer, host.scope), (None, 0));
    assert_eq!(found("fd00::1/64").flags & ADDRESS_NODAD, ADDRESS_NODAD);
    let with_peer = found("10.0.0.1/24");
    assert_eq!(with_peer.peer, Some("10.0.0.2".parse().unwrap()));
    assert_eq!(with_peer.broadcast, Some(Ipv4Addr::new(10, 0, 0, 255)));
    assert_eq!(with_peer.label.as_deref(), Some("eth0:vip"));
    assert_eq!(with_peer.scope, 253);
    assert_eq!(with_peer.flags & 0x200, 0x200, "IFA_F_NOPREFIXROUTE");
}

/// Adds 10.0.0.0 and the following addresses.
fn add_many(command: &mut RouteCommand, link: IfIndex, count: u32) {
    for number in 0..count {
        let vip = Address {
            cidr: Ipv4Addr::from(0x0a00_0000 + number).into(),
            ..address(link, "10.0.0.0")
        };
        command.perform(&Request::AddAddress(vip)).unwrap();
    }
}

/// How many of those are in the snapshot; one that was dumped twice counts once.
fn count_many(snapshot: &Snapshot, link: IfIndex) -> usize {
    let many: Cidr = "10.0.0.0/16".parse().unwrap();
    let among = |a: &&Address| a.link == link && many.contains(a.cidr.address());
    let found = snapshot.addresses.iter().filter(among).map(|a| a.cidr);
    found.collect::<BTreeSet<Cidr>>().len()
}

#[test]
fn a_snapshot_of_thousands_of_addresses_comes_in_many_datagrams() {
    let (_namespace, eth0) = with_cable();
    let mut command = RouteCommand::open().unwrap();
    add_many(&mut command, eth0, 3000);
    assert_eq!(count_many(&command.snapshot().unwrap(), eth0), 3000);
}

#[test]
fn a_snapshot_is_made_again_when_the_table_changes_under_it() {
    // An entry that goes between two datagrams of a dump lets another one slip through. The kernel
    // says so afterwards, but for a change that is in the list and not yet in its counter: one
    // such moment is granted. Without a second reading, far more are missed.
    let (namespace, eth0) = with_cable();
    let mut command = RouteCommand::open().unwrap();
    // Scope link: the kernel keeps it in front of all global ones.
    let restless = Address {
        scope: 253,
        ..address(eth0, "10.9.9.9")
    };
    add_many(&mut command, eth0, 1000);
    let stop = AtomicBool::new(false);
    let snapshots: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| {
            namespace.enter();
            let mut other = RouteCommand::open().unwrap();
            while !stop.load(Ordering::Relaxed) {
                for request in [Request::AddAddress, Request::RemoveAddress] {
                    other.perform(&request(restless.clone())).unwrap();
                    thread::sleep(Duration::from_millis(2));
                }
            }
        });
        let snapshots = (0..40).map(|_| command.snapshot()).collect();
        stop.store(true, Ordering::Relaxed);
        snapshots
    });
    let incomplete = snapshots
        .iter()
        .filter(|snapshot| count_many(snapshot.as_ref().unwrap(), eth0) < 1000);
    assert!(incomplete.count() <= 1);
}

#[test]
fn an_address_is_added_and_removed_as_ip_shows_it() {
    let (_namespace, eth0) = with_cable();
    run("ip link set eth1 up");
    run("ip link set eth0 up");
    let mut command = RouteCommand::open().unwrap();
    let vip = address(eth0, "192.168.16.20");
    command.perform(&Request::AddAddress(vip.clone())).unwrap();
    let shown = run("ip -oneline -4 address show dev eth0");
    assert!(
        shown.contains("inet 192.168.16.20/32 scope global eth0\\"),
        "{shown}"
    );
    assert_eq!(
        command.perform(&Request::AddAddress(vip.clone())),
        Err(Errno::EEXIST)
    );
    command
        .perform(&Request::RemoveAddress(vip.clone()))
        .unwrap();
    assert_eq!(run("ip -oneline -4 address show dev eth0"), "");
    assert_eq!(
        command.perform(&Request::RemoveAddress(vip)),
        Err(Errno::EADDRNOTAVAIL)
    );
    assert_eq!(
        command.perform(&Request::AddAddress(address(IfIndex(4711), "10.0.0.1"))),
        Err(Errno::ENODEV)
    );
}

#[test]
fn every_detail_of_an_address_arrives_in_the_kernel() {
    let (_namespace, eth0) = with_cable();
    let mut command = RouteCommand::open().unwrap();
    let vip = Address {
        peer: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2))),
        broadcast: Some(Ipv4Addr::new(10, 0, 0, 255)),
        label: Some(String::from("eth0:vip")),
        scope: 253,
        flags: 0x200, // IFA_F_NOPREFIXROUTE
        ..address(eth0, "10.0.0.1/24")
    };
    command.perform(&Request::AddAddress(vip.clone())).unwrap();
    let shown = run("ip -oneline -4 address show dev eth0");
    assert!(
        shown.contains(
            "inet 10.0.0.1 peer 10.0.0.2/24 brd 10.0.0.255 scope link noprefixroute eth0:vip"
        ),
        "{shown}"
    );
    let too_long = Address {
        label: Some("eth0:far-too-long-a-label".into()),
        ..vip.clone()
    };
    assert!(command.perform(&Request::AddAddress(too_long)).is_err());
    command.perform(&Request::RemoveAddress(vip)).unwrap();
}

#[test]
fn removing_takes_the_entry_with_this_prefix_and_peer_and_no_other() {
    let (_namespace, eth0) = with_cable();
    run("ip address add 10.0.0.1/24 dev eth0");
    run("ip address add 10.0.0.1/32 dev eth0");
    run("ip address add 10.0.0.1 peer 10.9.9.9/32 dev eth0");
    let mut command = RouteCommand::open().unwrap();
    command
        .perform(&Request::RemoveAddress(address(eth0, "10.0.0.1/32")))
        .unwrap();
    let shown = run("ip -oneline -4 address show dev eth0");
    assert!(!shown.contains("10.0.0.1/32"), "{shown}");
    assert!(shown.contains("10.0.0.1/24"), "{shown}");
    assert!(shown.contains("10.0.0.1 peer 10.9.9.9/32"), "{shown}");
}

#[test]
fn an_ipv6_address_is_deprecated_when_it_is_a_host_and_used_without_detection() {
    let (_namespace, eth0) = with_cable();
    let mut command = RouteCommand::open().unwrap();
    let vip = Address {
        flags: ADDRESS_NODAD,
        preferred: Some(0),
        ..address(eth0, "fd00::100")
    };
    command.perform(&Request::AddAddress(vip.clone())).unwrap();
    let network = address(eth0, "fd00::200/64");
    command
        .perform(&Request::AddAddress(network.clone()))
        .unwrap();
    let shown = run("ip -oneline -6 address show dev eth0");
    let host = shown.lines().find(|line| line.contains("fd00::100/128"));
    let host = host.unwrap_or_else(|| panic!("{shown}"));
    assert!(
        host.contains("nodad") && host.contains("deprecated"),
        "{shown}"
    );
    let other = shown.lines().find(|line| line.contains("fd00::200/64"));
    assert!(
        other.is_some_and(|line| !line.contains("deprecated")),
        "{shown}"
    );
    for gone in [vip, network] {
        command.perform(&Request::RemoveAddress(gone)).unwrap();
    }
    assert!(!run("ip -oneline -6 address show dev eth0").contains("fd00::"));
}

#[test]
fn what_others_do_to_addresses_is_told_and_what_we_do_is_not() {
    let (_namespace, eth0) = with_cable();
    run("ip link set eth0 up");
    let mut command = RouteCommand::open().unwrap();
    let mut monitor = Monitor::open(command.port()).unwrap();
    let ours = address(eth0, "192.168.16.20");
    command.perform(&Request::AddAddress(ours.clone())).unwrap();
    run("ip address add 192.168.16.30/32 dev eth0");
    run("ip address delete 192.168.16.20/32 dev eth0");
    command.perform(&Request::AddAddress(ours.clone())).unwrap();
    command.perform(&Request::RemoveAddress(ours)).unwrap();

    // All of it has happened: the kernel queues a notice before the request is acknowledged.
    let told: Vec<String> = drain(&mut monitor)
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Address(address) => Some(format!("+{}", address.cidr)),
            Notice::AddressGone(address) => Some(format!("-{}", address.cidr)),
            _ => None,
        })
        .filter(|told| told.contains("192.168"))
        .collect();
    assert_eq!(told, ["+192.168.16.30", "-192.168.16.20"]);
}

#[test]
fn an_address_that_goes_with_the_one_we_remove_is_told() {
    let (_namespace, eth0) = with_cable();
    run("sysctl -q net.ipv4.conf.all.promote_secondaries=0");
    run("sysctl -q net.ipv4.conf.eth0.promote_secondaries=0");
    let mut command = RouteCommand::open().unwrap();
    let vips = ["10.0.0.100/24", "10.0.0.101/24", "10.0.0.102/24"].map(|vip| address(eth0, vip));
    for vip in &vips {
        command.perform(&Request::AddAddress(vip.clone())).unwrap();
    }
    let mut monitor = Monitor::open(command.port()).unwrap();
    let [first, ..] = vips;
    command
        .perform(&Request::RemoveAddress(first.clone()))
        .unwrap();
    assert_eq!(run("ip -oneline -4 address show dev eth0"), "");
    let gone: Vec<String> = drain(&mut monitor)
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::AddressGone(address) => Some(address.cidr.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(gone, ["10.0.0.101/24", "10.0.0.102/24"]);

    // A removal without consequences, and the next, stay our own business.
    for _ in 0..2 {
        command
            .perform(&Request::AddAddress(first.clone()))
            .unwrap();
        command
            .perform(&Request::RemoveAddress(first.clone()))
            .unwrap();
    }
    assert_eq!(drain(&mut monitor), []);
}

#[test]
fn a_full_buffer_comes_out_as_enobufs_and_the_monitor_lives_on() {
    let (_namespace, eth0) = with_cable();
    let mut command = RouteCommand::open().unwrap();
    let mut monitor = Monitor::open(0).unwrap();
    setsockopt(&monitor, sockopt::RcvBuf, &1).unwrap();
    for number in 0..50 {
        let vip = address(eth0, &format!("10.0.0.{number}"));
        command.perform(&Request::AddAddress(vip)).unwrap();
    }
    let mut outcomes = Vec::new();
    loop {
        match monitor.recv() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => outcomes.push(error),
        }
        assert!(outcomes.len() < 10, "{outcomes:?}");
    }
    assert_eq!(outcomes, [Errno::ENOBUFS]);
    // What was lost is in a snapshot; what comes now is told again.
    assert!(command.snapshot().unwrap().addresses.len() >= 50);
    run("ip address add 10.1.0.1/32 dev eth0");
    wait_for(
        &mut monitor,
        "a notice after the overrun",
        |notice| match notice {
            Notice::Address(new) if new.cidr == "10.1.0.1".parse().unwrap() => Some(()),
            _ => None,
        },
    );
}

#[test]
fn a_message_of_another_process_is_not_believed() {
    let (_namespace, eth0) = with_cable();
    let mut monitor = Monitor::open(0).unwrap();
    let to: NetlinkAddr = getsockname(monitor.as_raw_fd()).unwrap();
    let liar = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::empty(),
        SockProtocol::NetlinkRoute,
    )
    .unwrap();
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&eth0.0.to_ne_bytes());
    let lie = Draft::new(0x11, 0, 0, &fixed).finish(); // RTM_DELLINK
    assert_eq!(lie.len(), HEADER_LENGTH + 16);
    sendto(liar.as_raw_fd(), &lie, &to, MsgFlags::empty()).unwrap();
    assert_eq!(drain(&mut monitor), []);
    run("ip link delete eth0");
    wait_for(&mut monitor, "the truth", |notice| {
        (notice == Notice::LinkGone(eth0)).then_some(())
    });
}
