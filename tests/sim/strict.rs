//! Strict mode, and options that do not go together.

use keepalived::addr::Family;
use keepalived::vrrp::StateName::{Backup, Fault, Master};
use keepalived::wire::vrrp::Auth;

use crate::lan::{Lan, MS, SEC};
use crate::packets::advert;

const STRICT: &str = "global_defs {\nvrrp_strict\n}\n";
const V4: &str = "10.0.0.100";
const V6: &str = "fe80::100";

fn instance(addresses: &str, lines: &str) -> String {
    format!(
        "vrrp_instance VI {{
            interface eth0
            virtual_router_id 51
            {lines}
            virtual_ipaddress {{
                {addresses}
            }}
        }}"
    )
}

fn strict(addresses: &str, lines: &str) -> String {
    STRICT.to_owned() + &instance(addresses, lines)
}

/// Whether packets to the address of a master are kept from the machine.
fn is_kept_out(text: &str, family: Family) -> bool {
    let mut lan = Lan::new(901);
    let a = lan.router("a", text);
    lan.run(5 * SEC);
    lan.expect(a, Master);
    let filtered = lan.kernel(a).filtered(family);
    filtered.is_some_and(|elements| !elements.is_empty())
}

/// B.12 accept: by default in every version, in strict mode only of an owner, or where version 3 is
/// told to. B.12 no_accept: the addresses are behind the filter, of an owner as well.
#[test]
fn packets_to_the_addresses_are_taken_unless_they_are_not_to_be() {
    for (text, kept_out) in [
        (instance(V4, "priority 150"), false),
        (instance(V4, "priority 150\nversion 3"), false),
        (instance(V4, "priority 150\nversion 3\naccept"), false),
        (instance(V4, "priority 150\nversion 3\nno_accept"), true),
        (instance(V4, "priority 150\nno_accept"), true),
        (instance(V4, "priority 255\nno_accept"), true),
        (strict(V4, "priority 150"), true),
        (strict(V4, "priority 150\nversion 3"), true),
        (strict(V4, "priority 150\nversion 3\naccept"), false),
        (strict(V4, "priority 255"), false),
    ] {
        assert_eq!(is_kept_out(&text, Family::V4), kept_out, "{text}");
    }
    assert!(!is_kept_out(&instance(V6, "priority 150"), Family::V6));
    assert!(is_kept_out(&strict(V6, "priority 150"), Family::V6));
}

/// B.12 strict sends: no authentication, version 3 for IPv6, three adverts that may be missed, no
/// answer to a weaker master and none to a stronger one.
#[test]
fn strict_mode_speaks_as_the_rfc_wants_it() {
    let auth = "authentication {\nauth_type PASS\nauth_pass 1111\n}";
    let mut lan = Lan::new(902);
    let options = "priority 150\nhigher_prio_send_advert\ndown_timer_adverts 5";
    let a = lan.router("a", &strict(V4, &format!("{options}\n{auth}")));
    lan.run(3_414 * MS);
    lan.expect(a, Backup);
    lan.run(MS);
    lan.expect(a, Master);
    let packet = lan.last_sent(a);
    assert_eq!(
        &packet.bytes[24..26],
        [0, 1],
        "no authentication, one second"
    );
    lan.run(500 * MS);
    let sent = lan.statistics(a).advert_sent;
    for priority in [100, 200] {
        lan.inject(&advert(51, priority, Auth::None));
    }
    lan.expect(a, Backup);
    assert_eq!(lan.statistics(a).advert_sent, sent);

    let mut lan = Lan::new(903);
    let a = lan.router("a", &strict(V6, "version 2\npriority 255"));
    lan.run(SEC);
    assert_eq!(lan.last_sent(a).bytes[0], 0x31);
}

/// B.12 strict adopts: no preempt_delay, and an owner that hears nobody; B.6 owner_ignore_adverts.
#[test]
fn strict_mode_waits_for_nothing_and_its_owners_hear_nobody() {
    let mut lan = Lan::new(904);
    let b = lan.router("b", &strict(V4, "priority 100"));
    lan.run(4 * SEC);
    let a = lan.router("a", &strict(V4, "priority 150\npreempt_delay 60"));
    lan.run(5 * SEC);
    assert_eq!(lan.masters(), [a]);
    lan.expect(b, Backup);

    let mut lan = Lan::new(905);
    let a = lan.router("a", &strict(V4, "priority 255"));
    lan.run(SEC);
    lan.inject(&advert(51, 255, Auth::None));
    assert_eq!(lan.statistics(a).advert_rcvd, 0);
    lan.expect(a, Master);
}

/// B.12 strict refuses: unicast where there is multicast is told of as an error, and an instance
/// without an address is none.
#[test]
fn strict_mode_tells_what_it_does_not_want() {
    let told = |text: &str| {
        let host = &keepalived::config::AnyHost;
        let loaded = keepalived::config::load_text("test.conf", text, host);
        loaded.diagnostics.render(false)
    };
    for (text, words) in [
        (
            strict(V4, "priority 150\nunicast_peer {\n10.0.0.2\n}"),
            "strict mode has no unicast where there is multicast",
        ),
        (
            strict(V4, "use_vmac\nvmac_xmit_base"),
            "strict mode has no `vmac_xmit_base`",
        ),
        (
            strict("2001:db8::100", "priority 150"),
            "the first address of an IPv6 instance should be a link-local one",
        ),
        (strict("", "priority 150"), "has no address"),
    ] {
        let said = told(&text);
        assert!(said.contains(words), "{said}");
    }
}

/// B.12 incompatible pairs: an owner preempts, and nopreempt needs no delay.
#[test]
fn of_two_options_that_do_not_go_together_one_counts() {
    let mut lan = Lan::new(906);
    let a = lan.router("a", &instance(V4, "priority 255\nnopreempt"));
    lan.inject(&advert(51, 200, Auth::None));
    lan.run(SEC);
    lan.expect(a, Master);
    lan.unplug(a);
    lan.expect(a, Fault);
    lan.plug(a);
    for _ in 0..5 {
        lan.inject(&advert(51, 200, Auth::None));
        lan.run(SEC);
    }
    lan.expect(a, Master);

    let mut lan = Lan::new(907);
    let a = lan.router(
        "a",
        &instance(V4, "priority 150\nnopreempt\npreempt_delay 3"),
    );
    for _ in 0..30 {
        lan.inject(&advert(51, 100, Auth::None));
        lan.run(SEC);
    }
    lan.expect(a, Backup);
}
