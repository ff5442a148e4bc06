//! The IPVS table of a real kernel. Needs root, and a kernel with IPVS: `scripts/vm` has one. Where
//! there is none, this says so and proves only that it is told; `IPVS=required` makes that a
//! failure.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be unwrapped is a failure"
)]

use std::env;
use std::net::SocketAddr;
use std::process::Command;

use keepalived::addr::Family;
use keepalived::errno::Errno;
use keepalived::sys::ipvs::Ipvs;
use keepalived::wire::ipvs::{
    Dest, FLAG_ONE_PACKET, FLAG_PERSISTENT, Method, Request, Service, ServiceId, Tunnel,
};
use nix::sched::{CloneFlags, unshare};

const TCP: u16 = 6;
const UDP: u16 = 17;

/// An empty table of a namespace of this thread's own; None on a kernel without IPVS.
fn empty_table() -> Option<Ipvs> {
    assert!(
        nix::unistd::geteuid().is_root(),
        "these tests program IPVS in a network namespace: run them as root"
    );
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    // Before there is any address, the kernel takes none for unicast, and refuses destinations.
    let loopback = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(loopback.unwrap().success());
    match Ipvs::open() {
        Ok((ipvs, version)) => {
            assert!(version >= 0x01_02_01, "{version:#x}");
            Some(ipvs)
        }
        Err(error) => {
            assert_eq!(error, Errno::ENOENT);
            assert!(
                env::var_os("IPVS").is_none(),
                "this kernel was to have IPVS"
            );
            eprintln!("SKIPPED: this kernel has no IPVS");
            None
        }
    }
}

fn id(protocol: u16, address: &str) -> ServiceId {
    ServiceId::Address {
        protocol,
        address: address.parse().unwrap(),
    }
}

fn service(protocol: u16, address: &str) -> Service {
    let id = id(protocol, address);
    Service {
        id,
        scheduler: String::from("rr"),
        flags: 0,
        timeout: 0,
        prefix: if id.family() == Family::V4 { 32 } else { 128 },
        engine: None,
    }
}

fn dest(address: &str, method: Method, weight: i32) -> Dest {
    Dest::new(address.parse().unwrap(), method, weight)
}

/// The whole table, without counters.
fn dump(ipvs: &mut Ipvs) -> Result<Vec<(Service, Vec<Dest>)>, Errno> {
    let table = ipvs.dump()?.into_iter();
    let table = table.map(|(service, dests)| {
        let dests = dests.into_iter().map(|state| state.dest);
        (service, dests.collect())
    });
    Ok(table.collect())
}

#[test]
fn what_is_programmed_reads_back() {
    let Some(mut ipvs) = empty_table() else {
        return;
    };
    assert_eq!(dump(&mut ipvs), Ok(vec![]));
    let table = [
        (
            Service {
                scheduler: String::from("wrr"),
                flags: FLAG_PERSISTENT,
                timeout: 50,
                prefix: 24,
                ..service(TCP, "192.168.200.254:80")
            },
            vec![
                dest("192.168.200.2:80", Method::Route, 1),
                dest("192.168.200.3:8080", Method::Masq, i32::MAX),
            ],
        ),
        (
            Service {
                flags: FLAG_ONE_PACKET,
                ..service(UDP, "192.168.200.254:53")
            },
            vec![dest("192.168.200.2:53", Method::Tunnel(Tunnel::Ipip), 0)],
        ),
        (
            Service {
                flags: FLAG_PERSISTENT,
                timeout: 600,
                prefix: 64,
                ..service(TCP, "[fd00:200::fe]:443")
            },
            vec![dest("[fd00:200::2]:443", Method::Route, 3)],
        ),
    ];
    for (service, dests) in &table {
        ipvs.perform(&Request::NewService(service.clone())).unwrap();
        for dest in dests {
            ipvs.perform(&Request::NewDest(service.id, *dest)).unwrap();
        }
    }
    let mut found = dump(&mut ipvs).unwrap();
    found.sort_by_key(|(service, _)| service.id);
    for (_, dests) in &mut found {
        dests.sort_by_key(|dest| dest.address);
    }
    let mut expected = table.to_vec();
    expected.sort_by_key(|(service, _)| service.id);
    assert_eq!(found, expected);
}

#[test]
fn services_and_destinations_are_changed_and_removed() {
    let Some(mut ipvs) = empty_table() else {
        return;
    };
    let web = service(TCP, "10.0.0.1:80");
    let server = dest("10.0.0.2:80", Method::Route, 1);
    ipvs.perform(&Request::NewService(web.clone())).unwrap();
    ipvs.perform(&Request::NewDest(web.id, server)).unwrap();

    let changed = Service {
        scheduler: String::from("wlc"),
        ..web.clone()
    };
    ipvs.perform(&Request::SetService(changed.clone())).unwrap();
    let mut disabled = server;
    disabled.options.weight = 0;
    ipvs.perform(&Request::SetDest(web.id, disabled)).unwrap();
    assert_eq!(dump(&mut ipvs), Ok(vec![(changed.clone(), vec![disabled])]));

    ipvs.perform(&Request::DelDest(web.id, server.address))
        .unwrap();
    assert_eq!(dump(&mut ipvs), Ok(vec![(changed, vec![])]));
    ipvs.perform(&Request::DelService(web.id)).unwrap();
    assert_eq!(dump(&mut ipvs), Ok(vec![]));

    ipvs.perform(&Request::NewService(web)).unwrap();
    ipvs.perform(&Request::Flush).unwrap();
    assert_eq!(dump(&mut ipvs), Ok(vec![]));
}

#[test]
fn what_is_there_twice_or_not_at_all_is_told() {
    let Some(mut ipvs) = empty_table() else {
        return;
    };
    let web = service(TCP, "10.0.0.1:80");
    let server = dest("10.0.0.2:80", Method::Route, 1);
    let nobody: SocketAddr = "10.0.0.9:80".parse().unwrap();
    // The kernel says ESRCH for a missing service; here, what is missing is ENOENT.
    for request in [
        Request::SetService(web.clone()),
        Request::DelService(web.id),
        Request::NewDest(web.id, server),
        Request::SetDest(web.id, server),
        Request::DelDest(web.id, server.address),
    ] {
        assert_eq!(ipvs.perform(&request), Err(Errno::ENOENT), "{request:?}");
    }
    let unknown = Service {
        scheduler: String::from("nonsense"),
        ..web.clone()
    };
    assert_eq!(
        ipvs.perform(&Request::NewService(unknown)),
        Err(Errno::ENOENT)
    );
    let too_long = Service {
        scheduler: "s".repeat(16),
        ..web.clone()
    };
    assert!(ipvs.perform(&Request::NewService(too_long)).is_err());

    ipvs.perform(&Request::NewService(web.clone())).unwrap();
    ipvs.perform(&Request::NewDest(web.id, server)).unwrap();
    assert_eq!(
        ipvs.perform(&Request::NewService(web.clone())),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        ipvs.perform(&Request::NewDest(web.id, server)),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        ipvs.perform(&Request::DelDest(web.id, nobody)),
        Err(Errno::ENOENT)
    );
}

#[test]
fn a_table_of_hundreds_reads_back_whole() {
    let Some(mut ipvs) = empty_table() else {
        return;
    };
    let services: Vec<Service> = (0..300)
        .map(|number| service(TCP, &format!("10.0.{}.{}:80", number / 100, number % 100)))
        .collect();
    for service in &services {
        ipvs.perform(&Request::NewService(service.clone())).unwrap();
    }
    let crowded = services[0].id;
    for number in 0..300 {
        let server = format!("10.1.{}.{}:80", number / 100, number % 100);
        let server = dest(&server, Method::Route, number);
        ipvs.perform(&Request::NewDest(crowded, server)).unwrap();
    }
    let mut found = dump(&mut ipvs).unwrap();
    found.sort_by_key(|(service, _)| service.id);
    assert!(found.iter().map(|(service, _)| service).eq(&services));
    assert_eq!(found[0].1.len(), 300);
    assert!(found[1..].iter().all(|(_, dests)| dests.is_empty()));
}
