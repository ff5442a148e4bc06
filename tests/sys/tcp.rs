//! Connection attempts: how each kind of server answers, and what cannot even be tried.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use keepalived::addr::Family;
use keepalived::errno::Errno;
use keepalived::sys::icmp::EchoProbe;
use keepalived::sys::outgoing::{StartError, Way};
use keepalived::sys::tcp::{Progress, TcpProbe};
use keepalived::sys::udp::UdpProbe;
use keepalived::wire::icmp::Echo;

use crate::namespace::{Namespace, eventually, run};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The way there, without anything special.
fn way(to: &str) -> Way<'static> {
    Way {
        to: address(to),
        from: None,
        device: None,
        mark: 0,
    }
}

/// Starts an attempt and follows it to its end.
fn attempt(to: &str) -> Result<(), Errno> {
    let (probe, progress) = TcpProbe::start(&way(to)).map_err(|error| error.errno)?;
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
    let (probe, _) = TcpProbe::start(&Way {
        from: Some(address("127.0.0.9:4711")),
        device: Some("lo"),
        mark: 7,
        ..way("127.0.0.1:80")
    })
    .unwrap();
    let (_, peer) = server.accept().unwrap();
    assert_eq!(peer, address("127.0.0.9:4711"));
    assert_eq!(probe.finish(), Ok(Progress::Connected));

    run("ip rule add fwmark 7 to 10.9.9.9 prohibit");
    let started = |mark| {
        let marked = Way {
            mark,
            ..way("10.9.9.9:80")
        };
        TcpProbe::start(&marked).map(|_| ())
    };
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
    let error = TcpProbe::start(&way("10.9.9.9:80")).unwrap_err();
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
    let here = way("127.0.0.1:80");
    let could_not_run = |way: Way<'_>, errno| {
        let error = TcpProbe::start(&way).unwrap_err();
        assert_eq!(
            error,
            StartError {
                errno,
                started: false
            }
        );
    };
    let elsewhere = Way {
        from: Some(address("10.9.9.9:0")),
        ..here
    };
    could_not_run(elsewhere, Errno::EADDRNOTAVAIL);
    let nowhere = Way {
        device: Some("no-such-0"),
        ..here
    };
    could_not_run(nowhere, Errno::ENODEV);
    let other_family = Way {
        from: Some(address("[::1]:0")),
        ..here
    };
    could_not_run(other_family, Errno::new(97)); // EAFNOSUPPORT
    could_not_run(way("10.8.8.8:80"), Errno::EACCES);
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
    let (probe, progress) = TcpProbe::start(&way("10.0.0.9:80")).unwrap();
    assert_eq!(progress, Progress::Pending);
    for _ in 0..50 {
        assert_eq!(probe.finish(), Ok(Progress::Pending));
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_datagram_comes_back_and_a_closed_port_is_told() {
    let _namespace = Namespace::enter_new();
    for here in ["127.0.0.1:53", "[::1]:53"] {
        let server = UdpSocket::bind(here).unwrap();
        let probe = UdpProbe::start(&way(here)).unwrap();
        assert_eq!(probe.send(b"hello"), Ok(5));
        let mut buffer = [0; 64];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        server.send_to(&buffer[..length], from).unwrap();
        let count = eventually("the datagram", || probe.receive(&mut buffer).unwrap());
        assert_eq!(buffer[..count], *b"hello", "{here}");
        assert_eq!(probe.receive(&mut buffer), Ok(None));
        server.send_to(&[], from).unwrap();
        let count = eventually("an empty one", || probe.receive(&mut buffer).unwrap());
        assert_eq!(count, 0, "{here}");
    }
    let probe = UdpProbe::start(&way("127.0.0.1:54")).unwrap();
    probe.send(b"anybody?").unwrap();
    let error = eventually("the refusal", || probe.receive(&mut [0; 64]).err());
    assert_eq!(error, Errno::ECONNREFUSED);
    let error = UdpProbe::start(&way("10.9.9.9:53")).unwrap_err();
    assert_eq!(error.errno, Errno::ENETUNREACH);
}

/// Both ways: the socket for echoes that the kernel hands out, and the raw one in its place.
#[test]
fn an_echo_comes_back_by_either_kind_of_socket() {
    type Open = fn(&Way<'_>) -> Result<EchoProbe, StartError>;
    let _namespace = Namespace::enter_new();
    // A new namespace hands out none; then everybody gets one.
    let range = "/proc/sys/net/ipv4/ping_group_range";
    let kinds: [(&str, Open); 3] = [
        ("1 0", EchoProbe::start),
        ("0 2147483647", EchoProbe::start),
        ("1 0", EchoProbe::start_raw),
    ];
    for (groups, open) in kinds {
        let _ = std::fs::write(range, groups);
        for here in ["127.0.0.1:0", "[::1]:0"] {
            let mut probe = open(&way(here)).unwrap();
            let mut other = open(&way(here)).unwrap();
            let family = Family::of(address(here).ip());
            let echo = |identifier, sequence| {
                let data = b"keepalived";
                Echo {
                    identifier,
                    sequence,
                    data,
                }
            };
            other.send(&echo(7, 1).emit(family)).unwrap();
            probe.send(&echo(8, 2).emit(family)).unwrap();
            let mut buffer = [0; 512];
            // On loopback a raw socket shows the request as well.
            let (sequence, data) = eventually("an echo", || {
                let count = probe.receive(&mut buffer).unwrap()?;
                let reply = Echo::parse_reply(&buffer[..count], family)?;
                Some((reply.sequence, reply.data.to_vec()))
            });
            assert_eq!((sequence, &data[..]), (2, &b"keepalived"[..]), "{here}");
        }
    }
}
