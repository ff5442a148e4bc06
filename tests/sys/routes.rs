//! Routes and rules: what is asked for, and what the monitor tells of others.

use keepalived::addr::Family;
use keepalived::errno::Errno;
use keepalived::sys::netlink::{Monitor, RouteCommand};
use keepalived::wire::rtnl::{
    Action, Create, Hop, Notice, PROTOCOL_KEEPALIVED, Request, Route, Rule, TABLE_MAIN,
};

use crate::namespace::{Namespace, run};

fn with_network() -> Namespace {
    let namespace = Namespace::enter_new();
    run("ip link add eth0 type veth peer name eth1");
    run("ip address add 10.9.0.1/24 dev eth0");
    run("ip link set eth0 up");
    run("ip link set eth1 up");
    namespace
}

fn route(destination: &str, gateway: &str) -> Route {
    Route {
        destination: destination.parse().unwrap(),
        table: TABLE_MAIN,
        kind: 1,
        protocol: PROTOCOL_KEEPALIVED,
        scope: None,
        tos: 0,
        metric: None,
        source: None,
        from: None,
        hop: Hop {
            gateway: Some(gateway.parse().unwrap()),
            ..Hop::default()
        },
        hops: Vec::new(),
        metrics: Vec::new(),
        preference: None,
        expires: None,
        ttl_propagate: None,
        create: Create::Prepend,
    }
}

fn rule(preference: u32) -> Rule {
    Rule {
        family: Family::V4,
        preference,
        from: Some("10.20.0.0/16".parse().unwrap()),
        to: None,
        invert: false,
        tos: 0,
        action: Action::Table(300),
        mark: None,
        mark_mask: None,
        from_interface: None,
        to_interface: None,
        tunnel: None,
        users: None,
        protocol: PROTOCOL_KEEPALIVED,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        suppress_prefix: None,
        suppress_group: None,
        realms: None,
    }
}

/// What was told, but for the carrier of the new cable, which on a busy machine comes late.
fn drain(monitor: &mut Monitor) -> Vec<Notice> {
    let mut notices = Vec::new();
    while let Some(more) = monitor.recv().unwrap() {
        notices.extend(more);
    }
    notices.retain(|notice| !matches!(notice, Notice::Link(_)));
    notices
}

#[test]
fn a_route_is_made_once_replaced_and_removed() {
    let _namespace = with_network();
    let mut command = RouteCommand::open().unwrap();
    let ours = Box::new(route("10.20.0.0/16", "10.9.0.2"));
    let add = Request::AddRoute(ours.clone());
    command.perform(&add).unwrap();
    assert_eq!(command.perform(&add), Err(Errno::EEXIST));
    let better = Box::new(route("10.20.0.0/16", "10.9.0.3"));
    command
        .perform(&Request::ReplaceRoute(better.clone()))
        .unwrap();
    let shown = run("ip route show 10.20.0.0/16");
    assert_eq!(
        shown.trim(),
        "10.20.0.0/16 via 10.9.0.3 dev eth0 proto keepalived"
    );
    command
        .perform(&Request::RemoveRoute(better.clone()))
        .unwrap();
    let again = command.perform(&Request::RemoveRoute(better));
    assert_eq!(again, Err(Errno::ESRCH));
    let unreachable = Box::new(route("10.21.0.0/16", "10.77.0.2"));
    let refused = command.perform(&Request::AddRoute(unreachable));
    assert_eq!(refused, Err(Errno::ENETUNREACH));
}

#[test]
fn the_monitor_tells_of_routes_with_our_protocol_that_others_remove_and_of_no_others() {
    let _namespace = with_network();
    let mut command = RouteCommand::open().unwrap();
    let mut monitor = Monitor::open(command.port()).unwrap();
    let ours = Box::new(route("10.20.0.0/16", "10.9.0.2"));
    let kept = Box::new(route("10.21.0.0/16", "10.9.0.2"));
    command.perform(&Request::AddRoute(ours.clone())).unwrap();
    command.perform(&Request::AddRoute(kept.clone())).unwrap();
    command.perform(&Request::RemoveRoute(kept)).unwrap();
    run("ip route add 10.30.0.0/16 via 10.9.0.2");
    run("ip route delete 10.30.0.0/16");
    run("ip route delete 10.20.0.0/16");
    let notices = drain(&mut monitor);
    let [Notice::RouteGone(gone)] = notices.as_slice() else {
        panic!("{notices:?}")
    };
    assert!(ours.has_key(gone), "{gone:?}");
}

#[test]
fn a_rule_is_made_once_read_back_and_told_of_when_others_remove_it() {
    let _namespace = with_network();
    let mut command = RouteCommand::open().unwrap();
    let mut monitor = Monitor::open(command.port()).unwrap();
    let ours = Box::new(rule(1000));
    let add = Request::AddRule(ours.clone());
    command.perform(&add).unwrap();
    assert_eq!(command.perform(&add), Err(Errno::EEXIST));
    let rules = command.snapshot().unwrap().rules;
    assert!(rules.iter().any(|read| ours.is_same(read)), "{rules:?}");
    assert_eq!(drain(&mut monitor), []);
    run("ip rule delete preference 1000");
    let notices = drain(&mut monitor);
    let [Notice::RuleGone(gone)] = notices.as_slice() else {
        panic!("{notices:?}")
    };
    assert!(ours.is_same(gone), "{gone:?}");
    let again = command.perform(&Request::RemoveRule(ours));
    assert_eq!(again, Err(Errno::ENOENT));
}
