//! Another router has our number for something else: it is named with its addresses, of both
//! kinds, and once.

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::wait::{stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    a_foreign_router_is_named_with_its_hardware_address,
    a_foreign_router_of_ipv6_is_named_with_its_hardware_address,
);

/// Ours is in no hurry: Debian's keepalived sends nothing after a second in which it has heard any
/// advert of its number, so that two who speak every second may have one who is never heard.
const PATIENT: &str = "advert_int 3\n";

fn config(statements: &str, address: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id 51
    {statements}
    virtual_ipaddress {{
        {address}
    }}
}}
"
    )
}

/// The hardware address and the link-local one.
fn own(host: &Host) -> (String, String) {
    let word_after = |text: &str, what: &str| {
        let (_, rest) = text.split_once(what)?;
        rest.split([' ', '/']).next().map(str::to_owned)
    };
    let link = host.ip(&["-o", "link", "show", "dev", "eth0"]);
    let mac = word_after(&link, "link/ether ").expect("it is a cable");
    let mut local = None;
    wait_until(seconds(5), "it has a link-local address", || {
        let addresses = [
            "-6", "-o", "address", "show", "dev", "eth0", "scope", "link",
        ];
        local = word_after(&host.ip(&addresses), "inet6 ");
        local.is_some()
    });
    (mac, local.expect("waited for it"))
}

fn a_foreign_router_is_named_with_its_hardware_address() {
    let mut lab = Lab::new();
    let ours = lab.host("ours", "192.168.16.21/24");
    let theirs = lab.host("theirs", "192.168.16.22/24");
    let password = "authentication {\n auth_type PASS\n auth_pass itnihao\n}";
    let statements = PATIENT.to_owned() + password;
    let daemon = Daemon::start(&ours, &config(&statements, "192.168.16.20"));
    let foreign = config("", "192.168.16.99");
    let foreign = Daemon::start_make(Make::Debian, &theirs, &foreign);
    let (mac, _) = own(&theirs);
    let line = format!("virtual router id 51 is also used by 192.168.16.22 ({mac}) on eth0");
    daemon.wait_for_line(&line);
    stays_so(seconds(3), "it is told once", || {
        daemon.logged("also used by") == 1
    });
    foreign.stop();
    daemon.stop();
}

fn a_foreign_router_of_ipv6_is_named_with_its_hardware_address() {
    let mut lab = Lab::new();
    let ours = lab.host("ours", "192.168.16.21/24");
    let theirs = lab.host("theirs", "192.168.16.22/24");
    let signed = "auth_hmac {
        key 1 0123456789abcdef0123456789abcdef
        active_key 1
    }";
    let statements = PATIENT.to_owned() + signed;
    let daemon = Daemon::start(&ours, &config(&statements, "fe80::20"));
    let foreign = Daemon::start_make(Make::Debian, &theirs, &config("", "fe80::99"));
    let (mac, local) = own(&theirs);
    let line = format!("virtual router id 51 is also used by {local} ({mac}) on eth0");
    daemon.wait_for_line(&line);
    stays_so(seconds(3), "it is told once", || {
        daemon.logged("also used by") == 1
    });
    foreign.stop();
    daemon.stop();
}
