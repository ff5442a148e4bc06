//! Pairs in every dialect, ours with Debian's keepalived in both orders and with itself: one owner
//! at any time but for a hand-over, take-overs as fast as the protocol promises, no complaint.

use std::time::Duration;

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::timeline::Timeline;
use super::wait::{note, slack, stays_so, wait_until};

macro_rules! pairs {
    (mixed { $($dialect:ident: $ours_first:ident, $theirs_first:ident, $ours_only:ident;)+ }
     ours { $($own:ident: $own_only:ident;)+ }) => {
        crate::scenarios!(
            Namespaces,
            $($ours_first, $theirs_first, $ours_only,)+
            $($own_only,)+
        );
        $(
            fn $ours_first() {
                play(&$dialect(), Make::Ours, Make::Debian);
            }
            fn $theirs_first() {
                play(&$dialect(), Make::Debian, Make::Ours);
            }
            fn $ours_only() {
                play(&$dialect(), Make::Ours, Make::Ours);
            }
        )+
        $(
            fn $own_only() {
                play(&$own(), Make::Ours, Make::Ours);
            }
        )+
    };
}

pairs! {
    mixed {
    v2: v2_ours_and_theirs, v2_theirs_and_ours, v2_ours;
    pass: pass_ours_and_theirs, pass_theirs_and_ours, pass_ours;
    ah: ah_ours_and_theirs, ah_theirs_and_ours, ah_ours;
    many: many_addresses_ours_and_theirs, many_addresses_theirs_and_ours, many_addresses_ours;
    v2_unicast: v2_unicast_ours_and_theirs, v2_unicast_theirs_and_ours, v2_unicast_ours;
    v3: v3_ours_and_theirs, v3_theirs_and_ours, v3_ours;
    v3_unicast: v3_unicast_ours_and_theirs, v3_unicast_theirs_and_ours, v3_unicast_ours;
    v6: v6_ours_and_theirs, v6_theirs_and_ours, v6_ours;
    v6_unicast: v6_unicast_ours_and_theirs, v6_unicast_theirs_and_ours, v6_unicast_ours;
    v2_vmac: v2_vmac_ours_and_theirs, v2_vmac_theirs_and_ours, v2_vmac_ours;
    v3_vmac: v3_vmac_ours_and_theirs, v3_vmac_theirs_and_ours, v3_vmac_ours;
    v6_vmac: v6_vmac_ours_and_theirs, v6_vmac_theirs_and_ours, v6_vmac_ours;
    ah_unicast: ah_unicast_ours_and_theirs, ah_unicast_theirs_and_ours, ah_unicast_ours;
    }
    ours {
    signed: signed_ours;
    signed_v3_unicast: signed_v3_unicast_ours;
    signed_v6: signed_v6_ours;
    }
}

/// What makes an instance speak a dialect.
struct Dialect {
    /// Statements; OWN and PEER are the addresses of the two.
    statements: &'static str,
    /// Of `virtual_ipaddress`, beside the one that is watched.
    addresses: String,
    /// Of `virtual_ipaddress_excluded`.
    excluded: String,
    /// Advert interval.
    interval: Duration,
    is_v6: bool,
}

const V4: Dialect = Dialect {
    statements: "",
    addresses: String::new(),
    excluded: String::new(),
    interval: Duration::from_secs(1),
    is_v6: false,
};
const SIGNED: &str = "auth_hmac {
        key 1 0123456789abcdef0123456789abcdef
        active_key 1
    }";

fn v2() -> Dialect {
    V4
}

fn pass() -> Dialect {
    let statements = "authentication {\n auth_type PASS\n auth_pass itnihao\n}";
    Dialect { statements, ..V4 }
}

fn ah() -> Dialect {
    let statements = "authentication {\n auth_type AH\n auth_pass itnihao\n}";
    Dialect { statements, ..V4 }
}

fn ah_unicast() -> Dialect {
    let statements = "authentication {\n auth_type AH\n auth_pass itnihao\n}
        unicast_peer {\n PEER\n}";
    Dialect { statements, ..V4 }
}

fn many() -> Dialect {
    let address = |last| format!("192.168.16.{last}\n");
    Dialect {
        addresses: (101..=119).map(address).collect(),
        excluded: "192.168.16.130 dev eth0 label eth0:1\n192.168.17.1/24\n2001:db8:16::130\n"
            .to_owned(),
        ..V4
    }
}

fn v2_unicast() -> Dialect {
    let statements = "unicast_src_ip OWN\nunicast_peer {\n PEER\n}";
    Dialect { statements, ..V4 }
}

fn v3() -> Dialect {
    Dialect {
        statements: "version 3\nadvert_int 0.5",
        interval: Duration::from_millis(500),
        ..V4
    }
}

fn v3_unicast() -> Dialect {
    let statements = "version 3\nunicast_peer {\n PEER\n}";
    Dialect { statements, ..V4 }
}

fn v6() -> Dialect {
    Dialect {
        statements: "version 3\nadvert_int 0.5",
        interval: Duration::from_millis(500),
        is_v6: true,
        ..V4
    }
}

fn v2_vmac() -> Dialect {
    let statements = "use_vmac";
    Dialect { statements, ..V4 }
}

fn v3_vmac() -> Dialect {
    Dialect {
        statements: "version 3\nadvert_int 0.5\nuse_vmac",
        ..v3()
    }
}

fn v6_vmac() -> Dialect {
    Dialect {
        statements: "version 3\nadvert_int 0.5\nuse_vmac",
        ..v6()
    }
}

fn v6_unicast() -> Dialect {
    Dialect {
        statements: "unicast_src_ip OWN\nunicast_peer {\n PEER\n}",
        is_v6: true,
        ..V4
    }
}

fn signed() -> Dialect {
    let statements = SIGNED;
    Dialect { statements, ..V4 }
}

fn signed_v3_unicast() -> Dialect {
    let statements = "version 3\nunicast_peer {\n PEER\n}
        auth_hmac {
            key 7 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
            active_key 7
        }";
    Dialect { statements, ..V4 }
}

fn signed_v6() -> Dialect {
    Dialect {
        statements: SIGNED,
        is_v6: true,
        ..V4
    }
}

/// The priority of the first of a pair.
const HIGH: u8 = 150;

impl Dialect {
    fn vip(&self) -> &'static str {
        if self.is_v6 {
            "2001:db8:16::20"
        } else {
            "192.168.16.20"
        }
    }

    fn config(&self, own: &str, peer: &str, priority: u8) -> String {
        let statements = self.statements.replace("OWN", own).replace("PEER", peer);
        let vip = self.vip();
        let first = if self.is_v6 { "fe80::16:20" } else { "" };
        let (addresses, excluded) = (&self.addresses, &self.excluded);
        let state = if priority == HIGH { "MASTER" } else { "BACKUP" };
        format!(
            "global_defs {{
    router_id lab
}}
vrrp_instance VI_1 {{
    state {state}
    interface eth0
    virtual_router_id 51
    priority {priority}
    {statements}
    virtual_ipaddress {{
        {first}
        {vip}
        {addresses}
    }}
    virtual_ipaddress_excluded {{
        {excluded}
    }}
}}
"
        )
    }

    /// Of priority 100.
    fn skew(&self) -> Duration {
        self.interval.mul_f64(156.0 / 256.0)
    }
}

fn play(dialect: &Dialect, first: Make, second: Make) {
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    for (host, last) in [(&high, "21"), (&low, "22")] {
        let local = format!("2001:db8:16::{last}/64");
        host.ip(&["address", "add", &local, "dev", "eth0", "nodad"]);
    }
    if dialect.is_v6 {
        // Debian's sends from a tentative address, too, and complains that it may not.
        wait_until(seconds(5), "own addresses are certain", || {
            high.is_settled() && low.is_settled()
        });
    }
    let (own, peer) = if dialect.is_v6 {
        ("2001:db8:16::21", "2001:db8:16::22")
    } else {
        ("192.168.16.21", "192.168.16.22")
    };
    let vip = dialect.vip();
    let timeline = Timeline::watch(&[&high, &low], vip);
    let high_alone = || high.owns(vip) && !low.owns(vip);
    let low_alone = || low.owns(vip) && !high.owns(vip);

    let backup = Daemon::start_make(second, &low, &dialect.config(peer, own, 100));
    let master = Daemon::start_make(first, &high, &dialect.config(own, peer, HIGH));
    wait_until(seconds(8), "the higher one is master", high_alone);
    stays_so(seconds(3), "one master", high_alone);

    master.ask_to_stop();
    let took = wait_until(dialect.skew(), "the lower one took over", || low.owns(vip));
    note(&format!("taken over after {took:.2?}"));
    master.expect_no_complaint();
    master.stop();
    stays_so(seconds(2), "one master", low_alone);

    let master = Daemon::start_make(first, &high, &dialect.config(own, peer, HIGH));
    wait_until(seconds(6), "the higher one preempts", high_alone);
    stays_so(seconds(2), "one master", high_alone);

    timeline.expect_one_owner(dialect.skew());

    // What is killed leaves its address behind: that counts no more.
    master.expect_no_complaint();
    master.kill();
    expect_take_over(&low, vip, dialect.interval, dialect.skew());
    backup.expect_no_complaint();
}

/// That of a master which was killed a moment ago: nobody may be declared dead before the intervals
/// are over. The last advert was sent within the one before.
pub(crate) fn expect_take_over(low: &Host, vip: &str, interval: Duration, skew: Duration) {
    let limit = 3 * interval + skew;
    let took = wait_until(limit, "the lower one took over", || low.owns(vip));
    note(&format!("after a crash {took:.2?}"));
    assert!(
        took + slack() > 2 * interval + skew,
        "after {took:?} already"
    );
}
