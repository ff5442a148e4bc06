//! Links that are made on top of others.

use keepalived::addr::{IfIndex, MacAddr};
use keepalived::errno::Errno;
use keepalived::sys::host::interface_index;
use keepalived::sys::netlink::{Monitor, RouteCommand};
use keepalived::wire::rtnl::{Link, LinkKind, LinkRequest, MacvlanMode, NewLink, Notice, Request};

use crate::namespace::{Namespace, eventually, run};

const MAC: MacAddr = MacAddr([0, 0, 0x5e, 0, 1, 51]);

fn vmac(below: IfIndex) -> NewLink {
    NewLink {
        name: String::from("vrrp.51"),
        below,
        kind: LinkKind::Macvlan(MacvlanMode::Private),
        mac: Some(MAC),
        master: None,
        group: 0,
    }
}

fn told(monitor: &mut Monitor, pick: impl Fn(&Link) -> bool) -> Link {
    eventually("a notice of the link", || {
        let notices = monitor.recv().unwrap()?;
        notices.into_iter().find_map(|notice| match notice {
            Notice::Link(link) if pick(&link) => Some(link),
            _ => None,
        })
    })
}

/// What `ip` shows, without what differs from one interface to the next.
fn shown() -> String {
    let text = run("ip -d link show dev vrrp.51");
    text.split_once(": ").unwrap().1.to_owned()
}

#[test]
fn a_macvlan_of_ours_is_the_one_that_ip_makes_and_is_told_of_to_ourselves() {
    let _namespace = Namespace::enter_new();
    run("ip link add eth0 type veth peer name eth1");
    run("ip link set eth0 up");
    run("ip link set eth1 up");
    let eth0 = interface_index("eth0").unwrap();
    let mut command = RouteCommand::open().unwrap();
    // What this port asks for is left out, but for links.
    let mut monitor = Monitor::open(command.port()).unwrap();
    let mut ask = |request| command.perform(&Request::Link(request));

    ask(LinkRequest::Add(vmac(eth0))).unwrap();
    let made = told(&mut monitor, |link| link.name == "vrrp.51");
    assert_eq!(
        (made.mac, made.below, made.up),
        (Some(MAC), Some(eth0), false)
    );
    assert_eq!(made.kind, LinkKind::Macvlan(MacvlanMode::Private));
    assert_eq!(ask(LinkRequest::Add(vmac(eth0))), Err(Errno::EEXIST));
    ask(LinkRequest::NoOwnAddress(made.index)).unwrap();
    ask(LinkRequest::SwitchOn(made.index)).unwrap();
    let up = told(&mut monitor, |link| {
        link.index == made.index && link.running
    });
    assert!(up.up && up.multicast);
    let ours = shown();
    let addresses = run("ip -6 -o address show dev vrrp.51");
    assert_eq!(addresses, "", "the kernel gave it none");

    ask(LinkRequest::Remove(made.index)).unwrap();
    eventually("the link is gone", || {
        let notices = monitor.recv().unwrap()?;
        notices
            .contains(&Notice::LinkGone(made.index))
            .then_some(())
    });
    assert_eq!(ask(LinkRequest::Remove(made.index)), Err(Errno::ENODEV));

    run("ip link add link eth0 name vrrp.51 address 00:00:5e:00:01:33 type macvlan mode private");
    run("ip link set vrrp.51 addrgenmode none");
    run("ip link set vrrp.51 up");
    assert_eq!(ours, shown());
}

#[test]
fn a_macvlan_that_is_not_right_is_put_right_in_place() {
    let _namespace = Namespace::enter_new();
    run("ip link add eth0 type veth peer name eth1");
    run("ip link add link eth0 name vrrp.51 type macvlan mode bridge");
    let index = interface_index("vrrp.51").unwrap();
    let mut command = RouteCommand::open().unwrap();
    for request in [
        LinkRequest::SetMac(index, MAC),
        LinkRequest::SetKind(index, LinkKind::Macvlan(MacvlanMode::Private)),
    ] {
        command.perform(&Request::Link(request)).unwrap();
    }
    let links = command.snapshot().unwrap().links;
    let link = links.iter().find(|link| link.index == index).unwrap();
    assert_eq!(link.mac, Some(MAC));
    assert_eq!(link.kind, LinkKind::Macvlan(MacvlanMode::Private));
}
