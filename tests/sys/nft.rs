//! The packet filter: what we write, as nft(8) prints it.

use keepalived::addr::{Family, IfIndex};
use keepalived::errno::Errno;
use keepalived::sys::host::interface_index;
use keepalived::sys::nft::PacketFilter;
use keepalived::wire::nft::{Element, Reports, Request, Rules, Table, marks};

use crate::namespace::{Namespace, run};

fn table(family: Family) -> Table {
    Table {
        family,
        name: String::from("keepalived"),
    }
}

const EVERYTHING: Rules = Rules {
    priority: -1,
    counters: false,
    reports: Some(Reports::ByKind),
    addresses: true,
    link_local: true,
};

fn address(ip: &str, link: u32) -> Element {
    Element::Address {
        address: ip.parse().unwrap(),
        link: IfIndex(link),
    }
}

/// A namespace with eth0 and a device on it.
fn with_device() -> (Namespace, Element) {
    let namespace = Namespace::enter_new();
    run("ip link add eth0 type veth peer name eth1");
    run("ip link add link eth0 name vrrp.51 type macvlan mode private");
    let device = Element::Device {
        device: interface_index("vrrp.51").unwrap(),
        base: interface_index("eth0").unwrap(),
    };
    (namespace, device)
}

fn install(filter: &mut PacketFilter, family: Family, rules: Rules, elements: Vec<Element>) {
    let install = Request::Install {
        table: table(family),
        rules,
        elements,
    };
    filter.perform(&install).unwrap();
}

// Printed by nft 1.0.6 after keepalived 2.2.7 of Debian with use_vmac and no_accept.
const V4: &str = include_str!("nft/v4.ruleset");

const V6: &str = include_str!("nft/v6.ruleset");

#[test]
fn both_tables_are_those_of_debians_keepalived() {
    let (_namespace, device) = with_device();
    let Element::Device { device: on, .. } = device else {
        panic!("{device:?}")
    };
    let mut filter = PacketFilter::default();
    let v4 = ["10.9.0.100", "10.9.0.102"].map(|ip| address(ip, on.0));
    install(
        &mut filter,
        Family::V4,
        EVERYTHING,
        [&[device][..], &v4].concat(),
    );
    assert_eq!(run("nft list ruleset"), V4);
    let v6 = ["fe80::100", "2001:db8::100"].map(|ip| address(ip, on.0));
    install(
        &mut filter,
        Family::V6,
        EVERYTHING,
        [&[device][..], &v6].concat(),
    );
    assert_eq!(run("nft list table ip6 keepalived"), V6);

    // Again, as after a crash.
    install(
        &mut filter,
        Family::V4,
        EVERYTHING,
        [&[device][..], &v4].concat(),
    );
    assert_eq!(run("nft list table ip keepalived"), V4);
    for family in [Family::V4, Family::V6] {
        let uninstall = Request::Uninstall(table(family));
        filter.perform(&uninstall).unwrap();
        filter.perform(&uninstall).unwrap();
    }
    assert_eq!(run("nft list ruleset"), "");
}

#[test]
fn elements_come_and_go_and_rules_may_count() {
    let (_namespace, device) = with_device();
    let mut filter = PacketFilter::default();
    let rules = Rules {
        priority: 7,
        counters: true,
        ..EVERYTHING
    };
    install(&mut filter, Family::V4, rules, Vec::new());
    let many: Vec<_> = (0..1_200)
        .map(|number: u32| Element::Address {
            address: std::net::Ipv4Addr::from(0x0a00_0000 + number).into(),
            link: IfIndex(1),
        })
        .collect();
    let of_table = || table(Family::V4);
    filter
        .perform(&Request::Add(of_table(), many.clone()))
        .unwrap();
    filter
        .perform(&Request::Add(of_table(), vec![device]))
        .unwrap();
    let text = run("nft list ruleset");
    assert!(text.contains("filter + 7"), "{text}");
    assert!(
        text.contains("ip daddr @vips counter packets 0 bytes 0 drop"),
        "{text}"
    );
    assert!(text.contains("10.0.4.175"), "the last of them is there");
    filter.perform(&Request::Remove(of_table(), many)).unwrap();
    filter
        .perform(&Request::Remove(of_table(), vec![device]))
        .unwrap();
    assert!(!run("nft list ruleset").contains("elements"));
}

#[test]
fn a_batch_is_done_whole_or_not_at_all_and_its_error_is_told() {
    let (_namespace, device) = with_device();
    let mut filter = PacketFilter::default();
    let absent = Request::Add(table(Family::V4), vec![address("10.0.0.1", 1)]);
    assert_eq!(filter.perform(&absent), Err(Errno::ENOENT));
    install(
        &mut filter,
        Family::V4,
        EVERYTHING,
        vec![address("10.0.0.1", 1)],
    );
    let elements = vec![address("10.0.0.1", 1), address("10.0.0.2", 1)];
    let mixed = Request::Remove(table(Family::V4), elements);
    assert_eq!(filter.perform(&mixed), Err(Errno::ENOENT));
    assert!(
        run("nft list ruleset").contains("10.0.0.1"),
        "it is still there"
    );
    filter
        .perform(&Request::Add(table(Family::V4), vec![device]))
        .unwrap();
}

// Printed by nft 1.0.6 after keepalived 2.2.7 of Debian with nftables_ipvs and nftables_counters.
const MARKS_V4: &str = include_str!("nft/marks-v4.ruleset");

const MARKS_V6: &str = include_str!("nft/marks-v6.ruleset");

fn ipvs(family: Family) -> Table {
    Table {
        family,
        name: String::from("keepalived_ipvs"),
    }
}

fn counting(protocols: &[marks::Protocol]) -> marks::Rules {
    marks::Rules {
        priority: -1,
        counters: true,
        protocols: protocols.to_vec(),
    }
}

fn marked(protocol: marks::Protocol, range: [&str; 2], port: u16, mark: u32) -> marks::Element {
    let [first, last] = range.map(|ip| ip.parse().unwrap());
    marks::Element {
        protocol,
        first,
        last,
        port,
        mark,
    }
}

#[test]
fn tables_of_marks_are_those_of_debians_keepalived() {
    use marks::Protocol::{Sctp, Tcp, Udp};
    let _namespace = Namespace::enter_new();
    let mut filter = PacketFilter::default();
    let v4 = vec![
        marked(Tcp, ["10.0.0.1", "10.0.0.3"], 80, 1000),
        marked(Tcp, ["10.0.1.9"; 2], 443, 1000),
        marked(Tcp, ["10.0.4.1"; 2], 0, 1003),
        marked(Tcp, ["10.0.4.8", "10.0.4.9"], 0, 1003),
        marked(Udp, ["10.0.0.1", "10.0.0.3"], 80, 1001),
        marked(Udp, ["10.0.1.9"; 2], 443, 1001),
        marked(Sctp, ["10.0.2.1"; 2], 53, 1002),
    ];
    let rules = counting(&[Tcp, Udp, Sctp]);
    let tried = marks::Request::Try(ipvs(Family::V4), rules.clone());
    filter.mark(&tried).unwrap();
    assert_eq!(run("nft list ruleset"), "", "nothing is left of it");
    // Twice, as after a crash.
    for _ in 0..2 {
        let install = marks::Request::Install {
            table: ipvs(Family::V4),
            rules: rules.clone(),
            elements: v4.clone(),
        };
        filter.mark(&install).unwrap();
        assert_eq!(run("nft list ruleset"), MARKS_V4);
    }
    let install = marks::Request::Install {
        table: ipvs(Family::V6),
        rules: counting(&[Sctp]),
        elements: vec![marked(Sctp, ["fd00::1", "fd00::3"], 53, 1002)],
    };
    filter.mark(&install).unwrap();
    assert_eq!(run("nft list table ip6 keepalived_ipvs"), MARKS_V6);
    for family in [Family::V4, Family::V6] {
        let uninstall = marks::Request::Uninstall(ipvs(family));
        filter.mark(&uninstall).unwrap();
        filter.mark(&uninstall).unwrap();
    }
    assert_eq!(run("nft list ruleset"), "");
}

#[test]
fn marks_come_and_go_one_by_one_and_who_deletes_the_table_is_noticed() {
    use marks::Protocol::{Tcp, Udp};
    let _namespace = Namespace::enter_new();
    let mut filter = PacketFilter::default();
    let of_table = || ipvs(Family::V4);
    let look = |protocols: &[_]| marks::Request::Look(of_table(), protocols.to_vec());
    assert_eq!(filter.mark(&look(&[Tcp])), Err(Errno::ENOENT));
    let one = marked(Tcp, ["10.0.0.1"; 2], 80, 7);
    let other = marked(Tcp, ["10.0.0.2", "10.0.0.9"], 80, 8);
    let late = marked(Udp, ["10.0.0.1"; 2], 53, 9);
    let rules = marks::Rules {
        counters: false,
        ..counting(&[Tcp])
    };
    let install = marks::Request::Install {
        table: of_table(),
        rules: rules.clone(),
        elements: vec![one],
    };
    filter.mark(&install).unwrap();
    filter.mark(&look(&[Tcp])).unwrap();
    assert_eq!(filter.mark(&look(&[Tcp, Udp])), Err(Errno::ENOENT));
    let protocols = vec![Udp];
    let rules = marks::Rules { protocols, ..rules };
    filter
        .mark(&marks::Request::Extend(of_table(), rules))
        .unwrap();
    filter
        .mark(&marks::Request::Add(of_table(), vec![other, late]))
        .unwrap();
    filter.mark(&look(&[Tcp, Udp])).unwrap();
    filter
        .mark(&marks::Request::Remove(of_table(), vec![one]))
        .unwrap();
    let text = run("nft list ruleset");
    assert!(!text.contains("10.0.0.1 . 80"), "{text}");
    assert!(
        text.contains("10.0.0.2-10.0.0.9 . 80 : 0x00000008"),
        "{text}"
    );
    assert!(text.contains("10.0.0.1 . 53 : 0x00000009"), "{text}");
    run("nft flush ruleset");
    assert_eq!(filter.mark(&look(&[Tcp])), Err(Errno::ENOENT));
    let add = marks::Request::Add(of_table(), vec![one]);
    assert_eq!(filter.mark(&add), Err(Errno::ENOENT));

    let many: Vec<_> = (0..500u32)
        .map(|number| {
            let ip = std::net::Ipv4Addr::from(0x0a00_0000 + number).into();
            marks::Element {
                first: ip,
                last: ip,
                ..one
            }
        })
        .collect();
    let install = marks::Request::Install {
        table: of_table(),
        rules: counting(&[Tcp]),
        elements: many,
    };
    filter.mark(&install).unwrap();
    assert!(run("nft list ruleset").contains("10.0.1.243 . 80"));
}
