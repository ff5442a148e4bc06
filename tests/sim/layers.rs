//! Adverts over an ipvlan, and routing domains: stories told by hand.

use std::net::IpAddr;

use keepalived::addr::{Cidr, IfIndex};
use keepalived::vrrp::StateName::{Backup, Fault, Master};
use keepalived::wire::linkbeat::Way;
use keepalived::wire::rtnl::{IpvlanMode, LinkKind, LinkRequest, NewLink};

use crate::confs::{VIP, brief as conf};
use crate::kernel::{ETH0, ETH1, Kernel};
use crate::lan::{Id, Lan, MS, SEC};

const OWN: &str = "10.0.0.41";

fn place(lan: &Lan, id: Id, address: &str) -> Option<String> {
    let cidr: Cidr = address.parse().expect("an address");
    lan.kernel(id).link_of(cidr).map(str::to_owned)
}

fn index(lan: &Lan, id: Id, name: &str) -> IfIndex {
    lan.kernel(id).link(name).expect("it is there").index
}

fn device(name: &str, below: IfIndex, kind: LinkKind) -> LinkRequest {
    LinkRequest::Add(NewLink {
        name: name.to_owned(),
        below,
        kind,
        mac: None,
        master: None,
        group: 0,
    })
}

#[test]
fn an_ipvlan_speaks_from_its_own_address_and_the_virtual_ones_stay_below_it() {
    let mut lan = Lan::new(401);
    let a = lan.router("a", &conf(150, "use_ipvlan 10.0.0.41/24 private"));
    let b = lan.router("b", &conf(100, ""));
    lan.run(5 * SEC);
    lan.expect_only_owner(a, VIP);
    lan.expect(b, Backup);
    let made = lan.kernel(a).link("vrrp.51").expect("it is there");
    assert_eq!(made.kind, LinkKind::Ipvlan(IpvlanMode::Private));
    assert_eq!(place(&lan, a, "10.0.0.41/24").as_deref(), Some("vrrp.51"));
    assert_eq!(place(&lan, a, VIP).as_deref(), Some("eth0"));
    let heard = lan.state(b).expect("it runs").master;
    assert_eq!(heard, Some(OWN.parse().expect("an address")));

    lan.stop(a);
    assert!(lan.kernel(a).link("vrrp.51").is_none());
    lan.check_transcript("ipvlan.txt");
    lan.run(SEC);
    lan.expect_only_owner(b, VIP);
}

#[test]
fn an_ipvlan_hears_unicast_adverts_to_its_address() {
    let peer = |peer: &str| format!("unicast_peer {{\n {peer}\n}}");
    let mut lan = Lan::new(402);
    let over = format!("use_ipvlan 10.0.0.41/24\n{}", peer("10.0.0.2"));
    let a = lan.router("a", &conf(100, &over));
    let b = lan.router("b", &conf(150, &peer(OWN)));
    lan.run(6 * SEC);
    lan.expect_only_owner(b, VIP);
    lan.expect(a, Backup);
    lan.stop(b);
    lan.run(SEC);
    lan.expect_only_owner(a, VIP);
}

#[test]
fn an_ipvlan_without_an_address_of_its_own_is_a_fault_unless_it_is_of_ipv6() {
    let mut lan = Lan::new(403);
    let a = lan.router("a", &conf(150, "use_ipvlan"));
    lan.run(5 * SEC);
    lan.expect(a, Fault);
    let faults = lan.state(a).expect("it runs").faults;
    assert_eq!(faults, ["no IPv4 address for interface"]);

    let six = conf(150, "use_ipvlan").replace(VIP, "fe80::100/64");
    let mut lan = Lan::new(404);
    let a = lan.configured("a", &six);
    lan.meddle(a, "has link-local addresses everywhere", |kernel| {
        kernel.is_old = true
    });
    lan.start(a);
    lan.run(5 * SEC);
    lan.expect(a, Master);
    let source = lan.state(a).expect("it runs").source;
    let of_base: IpAddr = "fe80::1".parse().expect("an address");
    assert!(source.is_some_and(|source| source != of_base), "{source:?}");
}

#[test]
fn the_address_of_an_ipvlan_and_the_ipvlan_come_back() {
    let mut lan = Lan::new(405);
    let a = lan.router("a", &conf(150, "use_ipvlan 10.0.0.41/24"));
    lan.run(5 * SEC);
    lan.expect(a, Master);
    lan.remove_address(a, "10.0.0.41/24");
    lan.run(10 * MS);
    assert_eq!(place(&lan, a, "10.0.0.41/24").as_deref(), Some("vrrp.51"));

    let before = index(&lan, a, "vrrp.51");
    lan.meddle(a, "has its ipvlan deleted", |kernel: &mut Kernel| {
        kernel.take_away(before).expect("it is there");
    });
    lan.run(10 * MS);
    assert_ne!(index(&lan, a, "vrrp.51"), before);
    assert_eq!(place(&lan, a, "10.0.0.41/24").as_deref(), Some("vrrp.51"));
    lan.run(5 * SEC);
    lan.expect_only_owner(a, VIP);
    assert_eq!(lan.statistics(a).become_master, 1);
}

#[test]
fn an_ipvlan_of_before_is_taken_over_put_right_or_replaced() {
    for (below, mode) in [(ETH0, IpvlanMode::Vepa), (ETH1, IpvlanMode::Bridge)] {
        let mut lan = Lan::new(406);
        let a = lan.configured("a", &conf(150, "use_ipvlan 10.0.0.41/24"));
        let old = device("vrrp.51", below, LinkKind::Ipvlan(mode));
        lan.meddle(a, "has an ipvlan", |kernel| kernel.meddle(&old));
        lan.start(a);
        lan.run(5 * SEC);
        lan.expect_only_owner(a, VIP);
        let now = lan.kernel(a).link("vrrp.51").expect("it is there");
        assert_eq!(now.below, Some(ETH0));
        assert_eq!(now.kind, LinkKind::Ipvlan(IpvlanMode::Bridge));
    }
}

#[test]
fn a_reload_goes_from_a_vmac_to_an_ipvlan_and_back() {
    let mut lan = Lan::new(407);
    let a = lan.router("a", &conf(150, "use_vmac"));
    lan.run(5 * SEC);
    assert_eq!(place(&lan, a, VIP).as_deref(), Some("vrrp.51"));
    lan.reload(a, &conf(150, "use_ipvlan ipv.51 10.0.0.41/24"));
    lan.run(6 * SEC);
    lan.expect(a, Master);
    assert_eq!(place(&lan, a, VIP).as_deref(), Some("eth0"));
    assert!(lan.kernel(a).link("vrrp.51").is_none());
    lan.reload(a, &conf(150, "use_vmac"));
    lan.run(6 * SEC);
    lan.expect(a, Master);
    assert_eq!(place(&lan, a, VIP).as_deref(), Some("vrrp.51"));
    assert!(lan.kernel(a).link("ipv.51").is_none());
}

#[test]
fn a_device_is_in_the_routing_domain_of_the_interface_below_it() {
    for layer in ["use_vmac", "use_ipvlan 10.0.0.41/24"] {
        let mut lan = Lan::new(408);
        let a = lan.configured("a", &conf(150, layer));
        let red = device("red", ETH0, LinkKind::Vrf(100));
        lan.meddle(a, "has a domain", |kernel| kernel.meddle(&red));
        let red = index(&lan, a, "red");
        let enslave = |lan: &mut Lan, master| {
            let port = LinkRequest::SetMaster(ETH0, master);
            lan.meddle(a, "moves eth0", |kernel| kernel.meddle(&port));
        };
        enslave(&mut lan, Some(red));
        lan.start(a);
        lan.run(5 * SEC);
        lan.expect_only_owner(a, VIP);
        let master = |lan: &Lan| lan.kernel(a).link("vrrp.51").expect("it is there").master;
        assert_eq!(master(&lan), Some(red));
        enslave(&mut lan, None);
        lan.run(SEC);
        assert_eq!(master(&lan), None);
        enslave(&mut lan, Some(red));
        lan.run(SEC);
        assert_eq!(master(&lan), Some(red));
    }
}

#[test]
fn unicast_without_an_interface_is_bound_to_its_routing_domain() {
    let conf = conf(
        150,
        "vrf red\n unicast_src_ip 10.0.0.1\n unicast_peer {\n 10.0.0.2\n}",
    );
    let conf = conf.replace("interface eth0", "");
    let conf = conf.replace(VIP, "10.0.0.100 dev eth0");
    let mut lan = Lan::new(409);
    let a = lan.router("a", &conf);
    lan.run(SEC);
    lan.expect(a, Fault);
    let faults = lan.state(a).expect("it runs").faults;
    assert_eq!(faults, ["interface red does not exist"]);
    let red = device("red", ETH0, LinkKind::Vrf(100));
    lan.meddle(a, "gets a domain", |kernel| kernel.meddle(&red));
    lan.run(5 * SEC);
    lan.expect(a, Master);
    let red = index(&lan, a, "red");
    lan.meddle(a, "loses its domain", |kernel| {
        kernel.take_away(red).expect("it is there");
    });
    lan.expect(a, Fault);
}

/// Shows B.8 linkbeat.
#[test]
fn a_link_that_is_not_told_of_is_asked_for_every_second() {
    for (statements, ways, asked) in [
        (
            "linkbeat_interfaces {\n eth0\n}",
            [Way::Mii, Way::Ethtool],
            Way::Mii,
        ),
        (
            "linkbeat_use_polling",
            [Way::Ethtool, Way::Flags],
            Way::Ethtool,
        ),
        (
            "linkbeat_interfaces {\n eth0 ETHTOOL\n}",
            [Way::Mii, Way::Ethtool],
            Way::Ethtool,
        ),
        (
            "linkbeat_interfaces {\n eth0 IOCTL\n}",
            [Way::Mii, Way::Flags],
            Way::Flags,
        ),
    ] {
        let mut lan = Lan::new(410);
        let a = lan.configured("a", &format!("{statements}\n{}", conf(150, "")));
        let cable = |lan: &mut Lan, plugged| {
            lan.meddle(a, "has another cable", |kernel| {
                kernel.beats = ways.map(|way| (way, plugged)).into();
            });
        };
        cable(&mut lan, true);
        lan.start(a);
        lan.run(5 * SEC);
        lan.expect(a, Master);
        let asks = format!("asks eth0 by {asked:?}");
        assert!(
            lan.transcript().matches(&asks).count() >= 5,
            "{}",
            lan.transcript()
        );
        cable(&mut lan, false);
        lan.run(SEC);
        lan.expect(a, Fault);
        // What the kernel tells of the cable does not count.
        lan.plug(a);
        lan.expect(a, Fault);
        cable(&mut lan, true);
        lan.run(5 * SEC);
        lan.expect_only_owner(a, VIP);
        assert!(lan.transcript().contains("Linkbeat reports eth0 down"));
        lan.reload(a, &conf(150, ""));
        lan.unplug(a);
        lan.expect(a, Fault);
    }
}

#[test]
fn a_link_that_cannot_be_asked_for_is_believed() {
    let mut lan = Lan::new(411);
    let a = lan.router("a", &format!("linkbeat_use_polling\n{}", conf(150, "")));
    lan.run(5 * SEC);
    lan.expect(a, Master);
    let said = lan.transcript();
    assert_eq!(said.matches("asks eth0").count(), 3, "once each way");
    assert_eq!(said.matches("the kernel is believed").count(), 1);
    lan.unplug(a);
    lan.expect(a, Fault);
}

#[test]
fn an_interface_that_may_come_later_is_told_of_once() {
    let text = conf(150, "track_interface {\n lan0\n vrrp.51\n}\n use_vmac");
    let text = format!("global_defs {{\n dynamic_interfaces\n}}\n{text}");
    let mut lan = Lan::new(412);
    let a = lan.router("a", &text);
    lan.run(SEC);
    lan.expect(a, Fault);
    let said = lan.transcript();
    let line = "Configuration specifies interface lan0 which doesn't currently exist - will use if \
                created";
    assert_eq!(said.matches(line).count(), 1, "{said}");
    assert!(!said.contains("specifies interface vrrp.51"), "{said}");
    let lan0 = device("lan0", ETH0, LinkKind::Other);
    lan.meddle(a, "gets an interface", |kernel| {
        kernel.meddle(&lan0);
        let index = kernel.link("lan0").expect("it is there").index;
        kernel.meddle(&LinkRequest::SwitchOn(index));
    });
    lan.run(6 * SEC);
    lan.expect_only_owner(a, VIP);
}

/// As Linux before 3.14 might: it has no attribute for flags beyond the eighth.
#[test]
fn a_kernel_that_knows_no_newer_flags_of_addresses_is_asked_without_them() {
    let text = conf(150, "").replace(VIP, "fe80::100/64\n fd00::100/64 noprefixroute");
    for knows in [true, false] {
        let mut lan = Lan::new(413);
        let a = lan.configured("a", &text);
        lan.meddle(a, "has an old kernel", |kernel| {
            kernel.refuses_newer_flags = !knows
        });
        lan.start(a);
        lan.run(5 * SEC);
        lan.expect_only_owner(a, "fd00::100/64");
        let cidr: Cidr = "fd00::100/64".parse().expect("an address");
        let addresses = lan.kernel(a).addresses();
        let added = addresses.iter().find(|address| address.cidr == cidr);
        let flags = added.expect("it is there").flags;
        assert_eq!(flags > 0xff, knows, "{flags:#x}");
        lan.run(10 * SEC);
        let said = lan.transcript();
        assert_eq!(
            said.matches("+ fd00::100/64").count(),
            if knows { 1 } else { 2 },
            "{said}"
        );
        lan.stop(a);
        assert!(lan.owners("fd00::100/64").is_empty());
    }
}
