//! Connection attempts: how each kind of server answers, and what cannot even be tried.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use keepalived::errno::Errno;
use keepalived::sys::tcp::{Progress, StartError, TcpProbe};

use crate::namespace::{Namespace, eventually, run};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Starts an attempt and follows it to its end.
fn attempt(to: &str) -> Result<(), Errno> {
    let (probe, progress) =
        TcpProbe::start(address(to), None, None, 0).map_err(|error| error.errno)?;
    if progress == Progress::Connected {
        return Ok(());
    }
    eventually("the end of a connection attempt", || match probe.finish() {
        Ok(Progress::Connected) => Some(Ok(())),
        Ok(Progress::Pending) => None,
        Err(error) => Some(Err(error)),
    })
}

#[test]
fn a_listening_server_is_connected_and_sees_an_orderly_end() {
    let _namespace = Namespace::enter_new();
    for here in ["127.0.0.1:80", "[::1]:80"] {
        let server = TcpListener::bind(here).unwrap();
        assert_eq!(attempt(here), Ok(()), "{here}");
        let (mut connection, _) = server.accept().unwrap();
        // An end of data; a reset would be an error here.
        connection
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        assert_eq!(connection.read(&mut [0; 1]).unwrap(), 0, "{here}");
    }
}

#[test]
fn source_device_and_mark_are_applied() {
    let _namespace = Namespace::enter_new();
    let server = TcpListener::bind("127.0.0.1:80").unwrap();
    let (probe, _) = TcpProbe::start(
        address("127.0.0.1:80"),
        Some(address("127.0.0.9:4711")),
        Some("lo"),
        7,
    )
    .unwrap();
    let (_, peer) = server.accept().unwrap();
    assert_eq!(peer, address("127.0.0.9:4711"));
    assert_eq!(probe.finish(), Ok(Progress::Connected));

    run("ip rule add fwmark 7 to 10.9.9.9 prohibit");
    let started = |mark| TcpProbe::start(address("10.9.9.9:80"), None, None, mark).map(|_| ());
    assert_eq!(
        started(0).unwrap_err().errno,
        Errno::ENETUNREACH,
        "without the mark there is no route"
    );
    assert_eq!(started(7).unwrap_err().errno, Errno::EACCES);
}

#[test]
fn a_closed_port_refuses_and_an_unreachable_network_is_a_failure_of_the_server() {
    let _namespace = Namespace::enter_new();
    assert_eq!(attempt("127.0.0.1:81"), Err(Errno::ECONNREFUSED));
    let error = TcpProbe::start(address("10.9.9.9:80"), None, None, 0).unwrap_err();
    assert_eq!(
        error,
        StartError {
            errno: Errno::ENETUNREACH,
            started: true
        }
    );
}

#[test]
fn what_cannot_be_tried_says_nothing_about_the_server() {
    let _namespace = Namespace::enter_new();
    run("ip route add prohibit 10.8.8.8");
    let to = address("127.0.0.1:80");
    let could_not_run = |result: Result<(TcpProbe, Progress), StartError>, errno| {
        let error = result.unwrap_err();
        assert_eq!(
            error,
            StartError {
                errno,
                started: false
            }
        );
    };
    let elsewhere = Some(address("10.9.9.9:0"));
    could_not_run(
        TcpProbe::start(to, elsewhere, None, 0),
        Errno::EADDRNOTAVAIL,
    );
    could_not_run(
        TcpProbe::start(to, None, Some("no-such-0"), 0),
        Errno::ENODEV,
    );
    could_not_run(
        TcpProbe::start(to, Some(address("[::1]:0")), None, 0),
        Errno::new(97), // EAFNOSUPPORT
    );
    could_not_run(
        TcpProbe::start(address("10.8.8.8:80"), None, None, 0),
        Errno::EACCES,
    );
}

#[test]
fn a_server_that_never_answers_stays_pending() {
    let _namespace = Namespace::enter_new();
    run("ip link add eth0 type veth peer name eth1");
    run("ip link set eth1 up");
    run("ip link set eth0 up");
    run("ip address add 10.0.0.1/24 dev eth0");
    // A hardware address of nobody: packets leave, and nothing comes back.
    run("ip neighbour add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent");
    let (probe, progress) = TcpProbe::start(address("10.0.0.9:80"), None, None, 0).unwrap();
    assert_eq!(progress, Progress::Pending);
    for _ in 0..50 {
        assert_eq!(probe.finish(), Ok(Progress::Pending));
        std::thread::sleep(Duration::from_millis(2));
    }
}
