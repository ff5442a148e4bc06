//! Devices that are made for virtual routers: stories told by hand.

use keepalived::addr::{Cidr, Family, MacAddr};
use keepalived::vrrp::StateName::{Backup, Fault, Master};
use keepalived::wire::nft::Element;
use keepalived::wire::rtnl::{LinkKind, LinkRequest, MacvlanMode, NewLink};

use crate::confs::{VIP, brief as conf};
use crate::kernel::{ETH0, ETH1, Kernel};
use crate::lan::{Id, Lan, MS, SEC};

fn master(lan: &mut Lan, config: &str) -> Id {
    let id = lan.router("a", config);
    lan.run(5 * SEC);
    lan.expect(id, Master);
    id
}

fn place(lan: &Lan, id: Id) -> Option<String> {
    let vip: Cidr = VIP.parse().expect("an address");
    lan.kernel(id).link_of(vip).map(str::to_owned)
}

#[test]
fn a_vmac_is_set_up_before_it_speaks_carries_the_address_and_goes_at_the_end() {
    let mut lan = Lan::new(1);
    let a = lan.configured("a", &conf(150, "use_vmac"));
    // As distributions have it: the filter of reverse paths is on everywhere.
    lan.meddle(a, "is set up by its administrator", |kernel| {
        kernel.preset("ipv4/conf/all/rp_filter", 1);
        kernel.preset("ipv4/conf/eth1/rp_filter", 2);
    });
    let filter = |lan: &Lan, of: &str| {
        let path = format!("ipv4/conf/{of}/rp_filter");
        lan.kernel(a).setting(&path)
    };
    lan.start(a);
    lan.run(5 * SEC);
    lan.expect(a, Master);
    assert_eq!(place(&lan, a).as_deref(), Some("vrrp.51"));
    let device = lan.kernel(a).link("vrrp.51").expect("it is there");
    assert_eq!(device.mac, Some(MacAddr([0, 0, 0x5e, 0, 1, 51])));
    assert_eq!(device.kind, LinkKind::Macvlan(MacvlanMode::Private));
    let filters = ["all", "default", "eth0", "eth1", "vrrp.51"].map(|of| filter(&lan, of));
    assert_eq!(filters, [0, 1, 1, 2, 0]);

    lan.stop(a);
    assert!(lan.kernel(a).link("vrrp.51").is_none());
    let filters = ["all", "default", "eth0", "eth1"].map(|of| filter(&lan, of));
    assert_eq!(filters, [1, 0, 0, 2]);
    assert_eq!(lan.kernel(a).setting("ipv4/conf/eth0/arp_ignore"), 0);
    lan.check_transcript("vmac.txt");
}

/// Shows F.36.
#[test]
fn two_routers_meet_through_their_vmacs_or_what_is_below() {
    for (one, other) in [
        ("use_vmac", "use_vmac"),
        ("use_vmac", ""),
        ("use_vmac\n vmac_xmit_base", "use_vmac"),
    ] {
        let mut lan = Lan::new(2);
        let a = lan.router("a", &conf(150, one));
        let b = lan.router("b", &conf(100, other));
        lan.run(6 * SEC);
        lan.expect_only_owner(a, VIP);
        lan.stop(a);
        lan.run(SEC);
        lan.expect_only_owner(b, VIP);
    }
}

/// Shows B.8 vmac deleted.
#[test]
fn a_vmac_that_is_deleted_is_made_again_and_its_master_stays() {
    let mut lan = Lan::new(3);
    let a = master(&mut lan, &conf(150, "use_vmac"));
    lan.meddle(a, "has its vmac deleted", |kernel| {
        let index = kernel.link("vrrp.51").expect("it is there").index;
        kernel.take_away(index).expect("it is there");
    });
    lan.run(10 * MS);
    lan.expect_only_owner(a, VIP);
    lan.run(5 * SEC);
    lan.expect(a, Master);
    assert_eq!(lan.statistics(a).become_master, 1);

    // Switched off and left: that is meant.
    let index = lan.kernel(a).link("vrrp.51").expect("it is there").index;
    lan.meddle(a, "has its vmac switched off", |kernel| {
        kernel.switch_off(index)
    });
    lan.run(50 * MS);
    lan.expect(a, Master);
    lan.run(100 * MS);
    lan.expect(a, Fault);
    let on = LinkRequest::SwitchOn(index);
    lan.meddle(a, "has its vmac switched on", |kernel| kernel.meddle(&on));
    lan.run(5 * SEC);
    lan.expect(a, Master);
}

#[test]
fn a_kernel_that_makes_no_device_is_asked_again() {
    let mut lan = Lan::new(4);
    let a = lan.configured("a", &conf(150, "use_vmac"));
    lan.refuse(a, true);
    lan.start(a);
    lan.run(SEC);
    lan.expect(a, Fault);
    lan.refuse(a, false);
    lan.run(10 * SEC);
    lan.expect_only_owner(a, VIP);
}

/// Shows B.7 vmac or its base.
#[test]
fn the_interface_below_takes_its_devices_down_and_up_with_it() {
    let mut lan = Lan::new(5);
    let a = master(&mut lan, &conf(150, "use_vmac"));
    lan.unplug(a);
    lan.run(SEC);
    lan.expect(a, Fault);
    let faults = lan.state(a).expect("it runs").faults;
    assert_eq!(faults, ["interface eth0 down"], "one cause");
    lan.plug(a);
    lan.run(5 * SEC);
    lan.expect_only_owner(a, VIP);
}

#[test]
fn what_a_crash_left_behind_is_taken_over() {
    let mut lan = Lan::new(6);
    let a = master(&mut lan, &conf(150, "use_vmac"));
    let before = lan.kernel(a).link("vrrp.51").expect("it is there").index;
    lan.kill(a);
    assert_eq!(lan.owners(VIP), [a]);
    lan.start(a);
    assert!(lan.owners(VIP).is_empty());
    lan.run(5 * SEC);
    lan.expect_only_owner(a, VIP);
    assert_eq!(
        lan.kernel(a).link("vrrp.51").expect("it is there").index,
        before
    );
}

#[test]
fn what_is_wrong_with_a_device_is_put_right_and_one_elsewhere_goes() {
    let wrong = |below, mode, mac| {
        LinkRequest::Add(NewLink {
            name: "vrrp.51".to_owned(),
            below,
            kind: LinkKind::Macvlan(mode),
            mac,
            master: None,
            group: 0,
        })
    };
    for (below, mode) in [(ETH0, MacvlanMode::Other(4)), (ETH1, MacvlanMode::Private)] {
        let mut lan = Lan::new(7);
        let a = lan.configured("a", &conf(150, "use_vmac"));
        let made = wrong(below, mode, Some(MacAddr([2, 0, 0, 0, 0, 9])));
        lan.meddle(a, "has a macvlan", |kernel| kernel.meddle(&made));
        lan.start(a);
        lan.run(5 * SEC);
        lan.expect_only_owner(a, VIP);
        let device = lan.kernel(a).link("vrrp.51").expect("it is there");
        assert_eq!(device.below, Some(ETH0));
        assert_eq!(device.kind, LinkKind::Macvlan(MacvlanMode::Private));
        assert_eq!(device.mac, Some(MacAddr([0, 0, 0x5e, 0, 1, 51])));
    }
}

#[test]
fn virtual_routers_of_one_number_have_devices_of_other_names() {
    let two = format!(
        "{}\n{}",
        conf(150, "use_vmac"),
        conf(150, "use_vmac")
            .replace("VI_1", "VI_2")
            .replace("eth0", "eth1")
            .replace(VIP, "10.1.0.100")
    );
    let mut lan = Lan::new(8);
    let a = master(&mut lan, &two);
    let below = |name: &str| lan.kernel(a).link(name).map(|link| link.below);
    assert_eq!(below("vrrp.51"), Some(Some(ETH0)));
    assert_eq!(below("vrrp1.51"), Some(Some(ETH1)));

    let prefix = format!(
        "global_defs {{\n vmac_prefix mac\n}}\n{}",
        conf(150, "use_vmac")
    );
    let mut lan = Lan::new(9);
    let a = master(&mut lan, &prefix);
    assert_eq!(place(&lan, a).as_deref(), Some("mac.51"));
}

#[test]
fn an_address_elsewhere_has_a_device_of_its_own_if_it_is_to() {
    let extra = "virtual_ipaddress_excluded {
        10.1.0.100 dev eth1 use_vmac
        10.1.0.101 dev eth1
    }";
    let on = |lan: &Lan, a, address: &str| {
        let cidr: Cidr = address.parse().expect("an address");
        lan.kernel(a).link_of(cidr).map(str::to_owned)
    };
    let mut lan = Lan::new(10);
    let a = master(&mut lan, &conf(150, extra));
    assert_eq!(on(&lan, a, VIP).as_deref(), Some("eth0"));
    assert_eq!(on(&lan, a, "10.1.0.100").as_deref(), Some("vrrp.51"));
    assert_eq!(on(&lan, a, "10.1.0.101").as_deref(), Some("eth1"));
    lan.stop(a);
    assert!(lan.kernel(a).link("vrrp.51").is_none());

    let mut lan = Lan::new(11);
    let all = format!("use_vmac own.51\n use_vmac_addr\n{extra}");
    let a = master(&mut lan, &conf(150, &all));
    assert_eq!(on(&lan, a, VIP).as_deref(), Some("own.51"));
    assert_eq!(on(&lan, a, "10.1.0.101").as_deref(), Some("vrrp.51"));
}

#[test]
fn a_reload_moves_addresses_onto_a_device_renames_it_and_takes_it_away() {
    let mut lan = Lan::new(12);
    let a = master(&mut lan, &conf(150, ""));
    lan.reload(a, &conf(150, "use_vmac"));
    lan.run(5 * SEC);
    assert_eq!(place(&lan, a).as_deref(), Some("vrrp.51"));
    let same = lan.kernel(a).link("vrrp.51").expect("it is there").index;

    lan.reload(a, &conf(200, "use_vmac"));
    lan.run(SEC);
    lan.expect(a, Master);
    assert_eq!(
        lan.kernel(a).link("vrrp.51").expect("it is there").index,
        same
    );

    lan.reload(a, &conf(200, "use_vmac other.51"));
    lan.run(2 * SEC);
    lan.expect(a, Master);
    assert_eq!(place(&lan, a).as_deref(), Some("other.51"));
    assert!(lan.kernel(a).link("vrrp.51").is_none());

    lan.reload(a, &conf(200, ""));
    lan.run(5 * SEC);
    assert_eq!(place(&lan, a).as_deref(), Some("eth0"));
    assert!(lan.kernel(a).link("other.51").is_none());
    assert_eq!(lan.kernel(a).setting("ipv4/conf/eth0/arp_ignore"), 0);
}

#[test]
fn settings_of_an_interface_are_borrowed_while_an_instance_wants_them() {
    let promote = |lan: &Lan, a| {
        let path = "ipv4/conf/eth0/promote_secondaries";
        lan.kernel(a).setting(path)
    };
    let mut lan = Lan::new(13);
    let a = master(&mut lan, &conf(150, "promote_secondaries"));
    assert_eq!(promote(&lan, a), 1);
    lan.reload(a, &conf(150, ""));
    assert_eq!(promote(&lan, a), 0);

    let quiet = format!("global_defs {{\n disable_local_igmp\n}}\n{}", conf(150, ""));
    let igmp = "ipv4/igmp_link_local_mcast_reports";
    let mut lan = Lan::new(14);
    let b = lan.configured("b", &quiet);
    lan.meddle(b, "tells its groups", |kernel: &mut Kernel| {
        kernel.preset(igmp, 1)
    });
    lan.start(b);
    assert_eq!(lan.kernel(b).setting(igmp), 0);
    lan.expect(b, Backup);
    lan.stop(b);
    assert_eq!(lan.kernel(b).setting(igmp), 1);
}

/// What the filter of a machine knows, by family.
fn filtered(lan: &Lan, id: Id, family: Family) -> Option<Vec<String>> {
    let elements = lan.kernel(id).filtered(family)?;
    let shown = elements.iter().map(|element| match element {
        Element::Device { device, base } => format!("{} over {}", device.0, base.0),
        Element::Address { address, .. } => address.to_string(),
    });
    Some(shown.collect())
}

const BOTH: &str = "no_accept
    virtual_ipaddress_excluded {
        fd00::100
    }";

/// Shows B.12 no_accept.
#[test]
fn what_is_not_accepted_is_behind_the_filter_before_it_comes_and_until_it_has_gone() {
    let mut lan = Lan::new(20);
    let a = lan.router("a", &conf(150, BOTH));
    lan.expect(a, Backup);
    assert_eq!(filtered(&lan, a, Family::V4), Some(Vec::new()));
    lan.run(5 * SEC);
    lan.expect(a, Master);
    let of_v4 = Some(vec![VIP.to_owned()]);
    assert_eq!(filtered(&lan, a, Family::V4), of_v4);
    assert_eq!(
        filtered(&lan, a, Family::V6),
        Some(vec!["fd00::100".to_owned()])
    );
    lan.check_transcript("no_accept.txt");

    lan.unplug(a);
    lan.run(SEC);
    assert_eq!(filtered(&lan, a, Family::V4), Some(Vec::new()));
    lan.plug(a);
    lan.run(5 * SEC);
    assert_eq!(filtered(&lan, a, Family::V4), of_v4);
    lan.stop(a);
    assert_eq!(filtered(&lan, a, Family::V4), None);
    assert_eq!(filtered(&lan, a, Family::V6), None);
}

#[test]
fn a_reload_puts_what_is_held_behind_the_filter_and_takes_it_out_again() {
    let mut lan = Lan::new(21);
    let a = master(&mut lan, &conf(150, ""));
    assert_eq!(filtered(&lan, a, Family::V4), None);
    lan.reload(a, &conf(150, "no_accept"));
    lan.expect(a, Master);
    assert_eq!(filtered(&lan, a, Family::V4), Some(vec![VIP.to_owned()]));
    lan.reload(a, &conf(150, "use_vmac"));
    lan.run(5 * SEC);
    assert_eq!(
        filtered(&lan, a, Family::V4),
        Some(vec!["4 over 2".to_owned()])
    );
    lan.reload(a, &conf(150, ""));
    lan.run(5 * SEC);
    assert_eq!(filtered(&lan, a, Family::V4), None);
}

#[test]
fn the_filter_knows_the_devices_there_are() {
    let mut lan = Lan::new(22);
    let a = master(&mut lan, &conf(150, "use_vmac\n no_accept"));
    let known = |device: &str| Some(vec![device.to_owned(), VIP.to_owned()]);
    assert_eq!(filtered(&lan, a, Family::V4), known("4 over 2"));
    assert_eq!(
        filtered(&lan, a, Family::V6),
        None,
        "nothing of IPv6 is on it"
    );
    lan.meddle(a, "has its vmac deleted", |kernel| {
        let index = kernel.link("vrrp.51").expect("it is there").index;
        kernel.take_away(index).expect("it is there");
    });
    lan.run(SEC);
    assert_eq!(filtered(&lan, a, Family::V4), known("5 over 2"));
}

#[test]
fn a_kernel_with_less_of_a_filter_is_asked_for_less() {
    for (ability, known) in [(3, true), (2, true), (1, false), (0, false)] {
        let mut lan = Lan::new(23);
        let a = lan.configured("a", &conf(150, "use_vmac\n no_accept"));
        lan.meddle(a, "has an old kernel", |kernel| {
            kernel.filter_ability = ability
        });
        lan.start(a);
        lan.run(5 * SEC);
        lan.expect_only_owner(a, VIP);
        let found = filtered(&lan, a, Family::V4);
        assert_eq!(found.is_some(), ability > 0, "{ability}");
        let found = found.unwrap_or_default();
        assert_eq!(found.contains(&"4 over 2".to_owned()), known, "{ability}");
        assert_eq!(found.contains(&VIP.to_owned()), ability > 0, "{ability}");
        let complaints = lan.transcript().matches("nftables: ").count();
        assert_eq!(
            complaints,
            usize::from(ability == 1) + 2 * usize::from(ability == 0)
        );
        lan.stop(a);
    }
}
