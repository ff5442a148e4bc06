//! Trackers without a program: a port, a page and an echo decide who may be master.

use std::fs;

use super::daemon::Daemon;
use super::network::{Host, Lab, seconds};
use super::wait::{note, stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    a_port_a_page_and_an_echo_are_tracked_without_a_program
);

const INSTANCE: &str = "
vrrp_script NAME {
    track_NAME WHAT
    interval 0.5
    timeout 0.4
    fall 2
}
vrrp_instance V_NAME {
    interface eth0
    virtual_router_id NUMBER
    track_script {
        NAME
    }
    virtual_ipaddress {
        192.168.16.NUMBER
    }
}
";

fn a_port_a_page_and_an_echo_are_tracked_without_a_program() {
    let mut lab = Lab::new();
    let router = lab.host("router", "192.168.16.21/24");
    let uplink = lab.host("uplink", "192.168.16.1/24");
    fs::write(uplink.directory.join("page"), "all is well\n").expect("it is our directory");
    let trackers = [
        ("tcp", "192.168.16.1 80"),
        ("http", "http://192.168.16.1/page"),
        ("ping", "192.168.16.1"),
    ];
    let config: String = trackers
        .into_iter()
        .zip(51_u8..)
        .map(|((name, what), number)| {
            let text = INSTANCE.replace("NAME", name).replace("WHAT", what);
            text.replace("NUMBER", &number.to_string())
        })
        .collect();
    let web = |uplink: &Host| {
        let directory = uplink.directory.display().to_string();
        let log = uplink.directory.join("web.log");
        uplink.spawn(
            &["busybox", "httpd", "-f", "-p", "80", "-h", &directory],
            &log,
        )
    };
    let server = web(&uplink);
    let daemon = Daemon::start(&router, &config);
    let masters = || [51, 52, 53].map(|last| router.has(&format!("192.168.16.{last}")));
    wait_until(seconds(8), "all are up", || masters() == [true; 3]);
    stays_so(seconds(2), "all stay up", || masters() == [true; 3]);

    // The page is not there: that is told from a server that does not answer.
    fs::rename(uplink.directory.join("page"), uplink.directory.join("gone")).expect("it is there");
    wait_until(seconds(3), "the page is missed", || {
        masters() == [true, false, true]
    });
    drop(server);
    let took = wait_until(seconds(3), "the port is missed", || {
        masters() == [false, false, true]
    });
    note(&format!("a closed port counts after {took:.1?}"));
    uplink.isolate();
    let took = wait_until(seconds(4), "the echo is missed", || masters() == [false; 3]);
    note(&format!(
        "an echo that does not come counts after {took:.1?}"
    ));
    daemon.wait_for_line("VRRP_Script(ping) timed_out");

    uplink.rejoin();
    fs::rename(uplink.directory.join("gone"), uplink.directory.join("page")).expect("it is there");
    let _server = web(&uplink);
    wait_until(seconds(9), "all are up again", || masters() == [true; 3]);
    let children = format!("/proc/{0}/task/{0}/children", daemon.pid());
    let children = fs::read_to_string(children).unwrap_or_default();
    assert_eq!(children, "", "nobody was started for it");
    daemon.stop();
}
