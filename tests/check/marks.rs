//! `nftables_ipvs`: one service for a group, and marks for the packets to its addresses. The marks
//! and tables are those of keepalived 2.2.7.

use std::sync::Arc;

use keepalived::addr::Family;
use keepalived::check::{Core, Effect, Event};
use keepalived::errno::Errno;
use keepalived::time::Instant;
use keepalived::wire::ipvs::ServiceId;
use keepalived::wire::nft::marks::Request;

use crate::world::{World, load};

const GLOBALS: &str = "global_defs {\nnftables_ipvs\n}\n";

const GROUPS: &str = "
    virtual_server_group G {
        10.0.0.1-3 80
        10.0.1.9 443
    }
    virtual_server_group BOTH {
        10.0.2.1 53
        fd00::1-3 53
    }
";

const SERVICES: &str = "
    virtual_server group G {
        lb_algo rr
        lb_kind NAT
        protocol TCP
        real_server 10.9.0.1 80 {
        }
        real_server 10.9.0.2 80 {
        }
    }
    virtual_server group G {
        lb_algo rr
        lb_kind DR
        protocol UDP
        real_server 10.9.0.1 80 {
        }
    }
    virtual_server group BOTH {
        lb_algo rr
        lb_kind TUN
        protocol SCTP
        real_server 10.9.0.1 53 {
        }
    }
";

fn text() -> String {
    format!("{GLOBALS}{GROUPS}{SERVICES}")
}

/// What all of it comes to.
const TABLE: &str = "
    -A -f 1000 -s rr
    -a -f 1000 -r 10.9.0.1:80 -m -w 1
    -a -f 1000 -r 10.9.0.2:80 -m -w 1
    -A -f 1001 -s rr
    -a -f 1001 -r 10.9.0.1:0 -g -w 1
    -A -f 1002 -s rr
    -a -f 1002 -r 10.9.0.1:0 -i -w 1
    -A -f 1002 -6 -s rr
    -a -f 1002 -6 -r 10.9.0.1:0 -i -w 1
";

const FILTER: &str = "
    IPv4 keepalived_ipvs at -1: [Tcp, Udp, Sctp]
    Tcp 10.0.0.1-10.0.0.3 80: 1000
    Tcp 10.0.1.9 443: 1000
    Udp 10.0.0.1-10.0.0.3 80: 1001
    Udp 10.0.1.9 443: 1001
    Sctp 10.0.2.1 53: 1002
    IPv6 keepalived_ipvs at -1: [Sctp]
    Sctp fd00::1-fd00::3 53: 1002
";

/// A group of one address.
fn small(globals: &str, lines: &str) -> String {
    format!(
        "global_defs {{\n{globals}\n}}\nvirtual_server_group G {{\n{lines}\n}}\n\
         virtual_server group G {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n\
         real_server 10.9.0.1 80 {{\n}}\n}}\n"
    )
}

#[test]
fn a_group_of_addresses_is_one_service_for_each_family() {
    let mut world = World::running(&text());
    world.run(0.0);
    world.expect_table(TABLE);
    world.expect_filter(FILTER);
    world.expect_marks(
        "0 try IPv4 keepalived_ipvs
        0 try IPv6 keepalived_ipvs
        0 install IPv4 keepalived_ipvs Tcp 10.0.0.1-10.0.0.3 80: 1000, Tcp 10.0.1.9 443: 1000, \
        Udp 10.0.0.1-10.0.0.3 80: 1001, Udp 10.0.1.9 443: 1001, Sctp 10.0.2.1 53: 1002
        0 install IPv6 keepalived_ipvs Sctp fd00::1-fd00::3 53: 1002",
    );
    world.forget();
    world.stop();
    world.expect_filter("");
    world.expect_table("");
    world.expect_marks(
        "0 uninstall IPv4 keepalived_ipvs
        0 uninstall IPv6 keepalived_ipvs",
    );
}

#[test]
fn an_address_that_comes_or_goes_is_one_element_and_the_services_stay() {
    let mut world = World::running(&text());
    world.run(0.0);
    world.forget();
    world.reload(&text().replace("10.0.1.9 443", "10.0.1.9 443\n10.0.7.7 80"));
    world.run(0.0);
    world.expect_marks("0 add IPv4 keepalived_ipvs Tcp 10.0.7.7 80: 1000, Udp 10.0.7.7 80: 1001");
    world.expect_lines(
        "0 VS [[10.0.7.7]:tcp:80] added into group G
        0 VS [[10.0.7.7]:udp:80] added into group G",
    );
    world.reload(&text());
    world.run(0.0);
    world
        .expect_marks("0 remove IPv4 keepalived_ipvs Tcp 10.0.7.7 80: 1000, Udp 10.0.7.7 80: 1001");
    world.expect_requests("");
    world.expect_filter(FILTER);
    world.reload(&text());
    world.run(0.0);
    world.expect_marks("");
    // The last address of a family.
    world.reload(&text().replace("fd00::1-3 53", ""));
    world.run(0.0);
    world.expect_marks(
        "0 remove IPv6 keepalived_ipvs Sctp fd00::1-fd00::3 53: 1002
        0 uninstall IPv6 keepalived_ipvs",
    );
    world.expect_requests("0 -D -f 1002 -6");
}

#[test]
fn a_mark_stays_with_its_virtual_server_and_the_next_one_gets_a_free_one() {
    let (first, rest) = SERVICES.split_at(SERVICES.rfind("virtual_server group BOTH").unwrap());
    let mut world = World::running(&format!("{GLOBALS}{GROUPS}{rest}"));
    world.run(0.0);
    world.expect_filter(
        "IPv4 keepalived_ipvs at -1: [Sctp]
        Sctp 10.0.2.1 53: 1000
        IPv6 keepalived_ipvs at -1: [Sctp]
        Sctp fd00::1-fd00::3 53: 1000",
    );
    world.forget();
    // 1001 is one of theirs.
    let own =
        "virtual_server fwmark 1001 {\nlb_algo rr\nlb_kind DR\nreal_server 10.9.0.1 {\n}\n}\n";
    let all = format!("{GLOBALS}{GROUPS}{first}{rest}{own}");
    world.reload(&all);
    world.run(0.0);
    world.expect_marks(
        "0 extend IPv4 keepalived_ipvs [Tcp, Udp]
        0 add IPv4 keepalived_ipvs Tcp 10.0.0.1-10.0.0.3 80: 1002, Tcp 10.0.1.9 443: 1002, \
        Udp 10.0.0.1-10.0.0.3 80: 1003, Udp 10.0.1.9 443: 1003",
    );
    world.reload(&format!("{GLOBALS}{GROUPS}{first}{own}"));
    world.run(0.0);
    world.expect_marks(
        "0 remove IPv4 keepalived_ipvs Sctp 10.0.2.1 53: 1000
        0 remove IPv6 keepalived_ipvs Sctp fd00::1-fd00::3 53: 1000
        0 uninstall IPv6 keepalived_ipvs",
    );
    // Somebody names a mark that was given; the service of the one before is on its way out.
    world.reload(&all.replace("1001", "1003"));
    world.run(0.0);
    assert_eq!(world.filter.surprises, [""; 0]);
    world.expect_filter(
        "IPv4 keepalived_ipvs at -1: [Sctp, Tcp, Udp]
        Tcp 10.0.0.1-10.0.0.3 80: 1002
        Tcp 10.0.1.9 443: 1002
        Udp 10.0.0.1-10.0.0.3 80: 1000
        Udp 10.0.1.9 443: 1000
        Sctp 10.0.2.1 53: 1004
        IPv6 keepalived_ipvs at -1: [Sctp]
        Sctp fd00::1-fd00::3 53: 1004",
    );
}

#[test]
fn a_group_with_marks_or_without_ports_is_programmed_line_by_line() {
    for line in ["fwmark 5", "10.0.0.2"] {
        let lines = format!("10.0.0.1 80\n{line}");
        let mut world = World::running(&small("nftables_ipvs", &lines));
        world.run(0.0);
        world.expect_filter("");
        assert!(world.kernel.show()[0].starts_with("-A -t 10.0.0."));
    }
}

#[test]
fn marks_come_and_go_with_the_setting_at_a_reload() {
    let mut world = World::running(&small("", "10.0.0.1 80"));
    world.run(0.0);
    let plain = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.9.0.1:80 -m -w 1";
    world.expect_table(plain);
    world.expect_marks("");
    let marked = small("nftables_ipvs\nnftables_ipvs_start_fwmark 7", "10.0.0.1 80");
    world.reload(&marked);
    world.run(0.0);
    world.expect_table("-A -f 7 -s rr\n-a -f 7 -r 10.9.0.1:80 -m -w 1");
    // Another table, another place, counters.
    world.forget();
    let other = "nftables_ipvs t\nnftables_ipvs_start_fwmark 7\nnftables_ipvs_priority 5\n\
                 nftables_counters";
    world.reload(&small(other, "10.0.0.1 80"));
    world.run(0.0);
    world.expect_marks(
        "0 try IPv4 t
        0 install IPv4 t Tcp 10.0.0.1 80: 7
        0 uninstall IPv4 keepalived_ipvs
        0 uninstall IPv6 t",
    );
    world.expect_filter("IPv4 t at 5, counting: [Tcp]\nTcp 10.0.0.1 80: 7");
    world.expect_requests("");
    world.reload(&small("", "10.0.0.1 80"));
    world.run(0.0);
    world.expect_filter("");
    world.expect_table(plain);
}

#[test]
fn a_kernel_without_nf_tables_is_told_of_once_and_the_group_programmed_plainly() {
    let mut world = World::new();
    world.filter.without = [Family::V4, Family::V6].into();
    world.reload(&text());
    world.run(0.0);
    let told = "nftables: not usable for nftables_ipvs, IPv4 (";
    let lines = world.lines();
    let count = lines.iter().filter(|line| line.contains(told)).count();
    assert_eq!(count, 1, "{lines:?}");
    assert_eq!(
        world.kernel.show().first().unwrap(),
        "-A -t 10.0.0.1:80 -s rr"
    );
    assert!(!world.kernel.show().join(" ").contains("-f"));
    assert!(
        !world.requests().join(" ").contains("-f"),
        "not even at first"
    );
    world.reload(&text().replace("10.0.1.9 443", ""));
    world.run(60.0);
    assert!(!world.lines().join("\n").contains("nftables:"), "once");
    world.expect_marks(
        "0 try IPv4 keepalived_ipvs
        0 try IPv6 keepalived_ipvs
        0 uninstall IPv4 keepalived_ipvs
        0 uninstall IPv6 keepalived_ipvs",
    );
    world.stop();
    world.expect_marks("");
}

#[test]
fn a_table_that_somebody_deletes_is_made_again() {
    let mut world = World::running(&text());
    world.run(1.0);
    world.forget();
    world.filter.tables.clear();
    world.run(10.0);
    world.expect_filter(FILTER);
    world.expect_requests("");
    world.expect_lines(
        "10 nftables: table keepalived_ipvs, IPv4, is not as it was made (No such file or \
        directory), making it again
        10 nftables: table keepalived_ipvs, IPv6, is not as it was made (No such file or \
        directory), making it again",
    );
    world.forget();
    world.run(10.0);
    world.expect_marks(
        "20 look IPv4 keepalived_ipvs
        20 look IPv6 keepalived_ipvs",
    );
    // What a reload changes finds it as well.
    world.filter.tables.clear();
    world.reload(&text().replace("10.0.1.9 443", "10.0.1.10 443"));
    world.run(0.0);
    world.expect_filter(&FILTER.replace("10.0.1.9", "10.0.1.10").replace(
        "IPv6 keepalived_ipvs at -1: [Sctp]\n    Sctp fd00::1-fd00::3 53: 1002\n",
        "",
    ));
    world.run(10.0);
    world.expect_filter(&FILTER.replace("10.0.1.9", "10.0.1.10"));
}

#[test]
fn a_table_that_cannot_be_made_is_tried_again() {
    let mut world = World::new();
    world.kernel.present = false;
    world.reload(&text());
    world.run(1.0);
    world.expect_filter("");
    world.forget();
    world.filter.refusing = Some(Errno::ENOMEM);
    world.kernel.present = true;
    world.run(25.0);
    world.expect_filter("");
    let lines = world.lines();
    let told = lines
        .iter()
        .filter(|line| line.contains("cannot make table"));
    assert_eq!(told.count(), 1, "{lines:?}");
    world.filter.refusing = None;
    world.run(10.0);
    world.expect_filter(FILTER);
    world.expect_table(TABLE);
}

#[test]
fn what_a_crash_left_is_replaced_or_removed() {
    let mut world = World::running(&text());
    world.run(0.0);
    let (kernel, filter) = (world.kernel, world.filter);
    // The same again: the services are adopted, the tables replaced.
    let mut world = World::with(kernel, 2);
    world.filter = filter;
    world.reload(&text());
    world.run(0.0);
    world.expect_requests("");
    world.expect_filter(FILTER);
    // Without a word of IPv6.
    let (kernel, filter) = (world.kernel, world.filter);
    let mut world = World::with(kernel, 3);
    world.filter = filter;
    world.reload(&text().replace("fd00::1-3 53", ""));
    world.run(0.0);
    assert_eq!(world.filter.tables.len(), 1);
}

#[test]
fn a_server_that_goes_takes_no_mark_along_and_a_service_only_with_its_own() {
    let text = format!("{GLOBALS}{GROUPS}{SERVICES}")
        .replace("nftables_ipvs\n", "nftables_ipvs\nlvs_drain_timeout 30\n");
    let mut world = World::running(&text);
    world.run(0.0);
    world.kernel.active.insert("10.9.0.1:0".parse().unwrap(), 3);
    world.forget();
    let (first, _) = SERVICES.split_at(SERVICES.rfind("virtual_server group G").unwrap());
    let globals = "global_defs {\nnftables_ipvs\nlvs_drain_timeout 30\n}\n";
    world.reload(&format!("{globals}{GROUPS}{first}"));
    world.run(2.0);
    // Its connections go on, and nobody new comes.
    assert!(world.kernel.show().contains(&"-A -f 1001 -s rr".to_owned()));
    assert!(!world.filter.show().join(" ").contains("1001"));
    // The marks of services that are on their way out are not given away.
    world.reload(&text);
    world.run(0.0);
    let filter = world.filter.show();
    assert!(
        filter.contains(&"Udp 10.0.1.9 443: 1003".to_owned()),
        "{filter:?}"
    );
}

#[test]
fn a_service_with_ha_suspend_goes_by_the_addresses_of_its_group() {
    let text = small("nftables_ipvs", "10.0.0.1-9 80")
        .replace("protocol TCP\n", "protocol TCP\nha_suspend\n");
    let mut world = World::running(&text);
    world.run(0.0);
    assert!(world.core.observe(world.now()).services[0].suspended);
    let address = |text: &str| keepalived::wire::rtnl::Address {
        cidr: text.parse().unwrap(),
        ..crate::machine::vip()
    };
    world.event(Event::Addresses(vec![address("10.0.0.9/32")]));
    assert!(!world.core.observe(world.now()).services[0].suspended);
    world.event(Event::Addresses(vec![address("10.0.0.10/32")]));
    assert!(world.core.observe(world.now()).services[0].suspended);
}

/// Its answer never counts, and nobody waits for it.
#[test]
fn a_service_given_up_while_it_is_read_holds_nobody_up() {
    let mut core = Core::new(1);
    let now = Instant::ZERO;
    let mut tell = |event: Event<'_>| {
        let mut out = Vec::new();
        core.on_event(now, event, &mut out);
        out
    };
    let mark = |mark| ServiceId::Fwmark {
        mark,
        family: Family::V4,
    };
    let old = small("nftables_ipvs", "fwmark 5");
    tell(Event::Reload(&Arc::new(load(&old))));
    let asked = tell(Event::Director(Ok(0x01_0201)));
    assert!(asked.contains(&Effect::ReadIpvs(mark(5))), "{asked:?}");
    let new = small("nftables_ipvs", "10.0.0.1 80");
    let asked = tell(Event::Reload(&Arc::new(load(&new))));
    assert!(asked.contains(&Effect::ReadIpvs(mark(1_000))), "{asked:?}");
    for id in [mark(5), mark(1_000)] {
        let answer = Ok(None);
        tell(Event::IpvsRead { id, answer });
    }
    let (module, success) = (String::from("ip_vs_rr"), true);
    tell(Event::ModuleLoaded { module, success });
    let mut out = Vec::new();
    core.on_time(now, &mut out);
    let is_install = |effect: &Effect| {
        let Effect::Mark { request, .. } = effect else {
            return false;
        };
        matches!(request, Request::Install { .. })
    };
    assert!(out.iter().any(is_install), "{out:?}");
}
