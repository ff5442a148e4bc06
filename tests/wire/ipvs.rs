//! The IPVS family of generic netlink.

use keepalived::addr::Family;
use keepalived::rand::Rand;
use keepalived::wire::ipvs::{
    Checksum, Dest, DestState, FLAG_ONE_PACKET, FLAG_PERSISTENT, Method, Request, Role, Service,
    ServiceId, SyncDaemon, Timeouts, Tunnel, emit_dest_dump, emit_family_request,
    emit_info_request, emit_service_dump, emit_service_request, emit_timeouts_request,
    parse_family, parse_info,
};
use keepalived::wire::netlink::{HEADER_LENGTH, KIND_DONE, Messages};

use crate::octets;

const FAMILY: &str = include_str!("ipvs/family.hex");
const SERVICES: &str = include_str!("ipvs/services.hex");
const DESTINATIONS_V4: &str = include_str!("ipvs/destinations-v4.hex");
const DESTINATIONS_V6: &str = include_str!("ipvs/destinations-v6.hex");

/// The number of the family on the day of the capture.
const IPVS: u16 = 0x20;
const TCP: u16 = 6;
const UDP: u16 = 17;

fn id(protocol: u16, address: &str) -> ServiceId {
    ServiceId::Address {
        protocol,
        address: address.parse().unwrap(),
    }
}

fn persistent() -> Service {
    Service {
        id: id(TCP, "192.168.200.254:80"),
        scheduler: String::from("wrr"),
        flags: FLAG_PERSISTENT,
        timeout: 50,
        prefix: 32,
        engine: None,
    }
}

fn dest(address: &str, method: Method, weight: i32) -> Dest {
    Dest::new(address.parse().unwrap(), method, weight)
}

/// What comes after the message header.
fn payload(request: &Request) -> Vec<u8> {
    let datagram = request.emit(IPVS, 7);
    let message = Messages::new(&datagram).next().unwrap();
    assert_eq!(message.header.kind, IPVS);
    assert_eq!(message.header.flags, 0x5, "REQUEST | ACK");
    assert_eq!(message.header.sequence, 7);
    assert_eq!(message.payload.len() + HEADER_LENGTH, datagram.len());
    message.payload.to_vec()
}

/// The payloads of a captured answer, without the end of the dump.
fn answers(hex: &str) -> Vec<Vec<u8>> {
    let datagram = octets(hex);
    Messages::new(&datagram)
        .filter(|message| message.header.kind != KIND_DONE)
        .map(|message| message.payload.to_vec())
        .collect()
}

const SERVICE_KEY: &str = "
    0600 0100 0200 0000                             # AF_INET
    0600 0200 0600 0000                             # TCP
    1400 0300 c0a8c8fe 00000000 00000000 00000000   # 192.168.200.254
    0600 0400 0050 0000                             # 80";

#[test]
fn a_service_is_programmed_as_keepalived_does() {
    let expected = format!(
        "01010000 5400 0180 {SERVICE_KEY}
        0800 0600 77727200                          # wrr
        0c00 0700 01000000 ffffffff                 # persistent
        0800 0800 32000000                          # 50 seconds
        0800 0900 ffffffff                          # each address for itself"
    );
    let service = persistent();
    assert_eq!(
        payload(&Request::NewService(service.clone())),
        octets(&expected)
    );
    let changed = expected.replacen("01010000", "02010000", 1);
    assert_eq!(payload(&Request::SetService(service)), octets(&changed));
}

#[test]
fn the_granularity_is_a_mask_for_ipv4_and_a_number_for_ipv6() {
    let tail = |id, prefix| {
        let service = Service {
            id,
            prefix,
            ..persistent()
        };
        let payload = payload(&Request::NewService(service));
        payload[payload.len() - 8..].to_vec()
    };
    let v4 = id(TCP, "192.168.200.254:80");
    let v6 = id(TCP, "[fd00:200::fe]:443");
    for (id, prefix, expected) in [
        (v4, 24, "0800 0900 ffffff00"),
        (v4, 0, "0800 0900 00000000"),
        (v4, 33, "0800 0900 ffffffff"),
        (v6, 64, "0800 0900 40000000"),
        (v6, 128, "0800 0900 80000000"),
    ] {
        assert_eq!(tail(id, prefix), octets(expected), "{id:?} {prefix}");
    }
}

#[test]
fn a_destination_is_programmed_as_keepalived_does() {
    // keepalived sends the whole service here; the kernel reads no more of it than the key.
    let expected = format!(
        "05010000 3000 0180 {SERVICE_KEY}
        4800 0280
        0600 0b00 0200 0000                             # AF_INET
        1400 0100 c0a8c802 00000000 00000000 00000000   # 192.168.200.2
        0600 0200 0050 0000                             # 80
        0800 0300 03000000                              # direct routing
        0800 0400 01000000                              # weight 1
        0800 0500 00000000 0800 0600 00000000           # no thresholds"
    );
    let service = id(TCP, "192.168.200.254:80");
    let server = dest("192.168.200.2:80", Method::Route, 1);
    assert_eq!(
        payload(&Request::NewDest(service, server)),
        octets(&expected)
    );
    let changed = expected.replacen("05010000", "06010000", 1);
    assert_eq!(
        payload(&Request::SetDest(service, server)),
        octets(&changed)
    );
    let removed = format!(
        "07010000 3000 0180 {SERVICE_KEY}
        2800 0280
        0600 0b00 0200 0000
        1400 0100 c0a8c802 00000000 00000000 00000000
        0600 0200 0050 0000"
    );
    assert_eq!(
        payload(&Request::DelDest(service, server.address)),
        octets(&removed)
    );
}

#[test]
fn a_tunnel_tells_its_kind() {
    let service = id(UDP, "192.168.200.254:53");
    let server = dest("192.168.200.2:53", Method::Tunnel(Tunnel::Ipip), 1);
    let payload = payload(&Request::NewDest(service, server));
    let tail = "
        0800 0300 02000000
        0800 0400 01000000
        0500 0d00 00000000                              # IPIP
        0800 0500 00000000 0800 0600 00000000";
    assert!(payload.ends_with(&octets(tail)));
}

#[test]
fn the_short_requests_are_exact() {
    assert_eq!(payload(&Request::Flush), octets("11010000"));
    let removed = format!("03010000 3000 0180 {SERVICE_KEY}");
    let service = id(TCP, "192.168.200.254:80");
    assert_eq!(payload(&Request::DelService(service)), octets(&removed));
    assert_eq!(
        emit_family_request(1),
        octets("20000000 1000 0500 01000000 00000000 03010000 0900 0200 49505653 00000000")
    );
    assert_eq!(
        emit_info_request(IPVS, 2),
        octets("14000000 2000 0500 02000000 00000000 0f010000")
    );
    assert_eq!(
        emit_service_dump(IPVS, 3),
        octets("14000000 2000 0103 03000000 00000000 04010000")
    );
    assert_eq!(
        emit_service_request(IPVS, 3, &service),
        octets(&format!(
            "44000000 2000 0500 03000000 00000000 04010000 3000 0180 {SERVICE_KEY}"
        ))
    );
    assert_eq!(
        emit_dest_dump(IPVS, 4, &service),
        octets(&format!(
            "44000000 2000 0103 04000000 00000000 08010000 3000 0180 {SERVICE_KEY}"
        ))
    );
}

#[test]
fn the_answers_of_the_kernel_are_read() {
    assert_eq!(answers(FAMILY).len(), 1);
    assert_eq!(parse_family(&answers(FAMILY)[0]), Some(IPVS));
    assert_eq!(parse_info(&answers(FAMILY)[0]), None);
    let info = octets("0e010000 0800 0100 01020100 0800 0200 00100000");
    assert_eq!(parse_info(&info), Some(0x01_02_01));

    let services: Vec<Service> = answers(SERVICES)
        .iter()
        .map(|answer| Service::parse(answer).unwrap())
        .collect();
    let expected = [
        Service {
            id: id(UDP, "192.168.200.254:53"),
            scheduler: String::from("rr"),
            flags: FLAG_ONE_PACKET,
            timeout: 0,
            prefix: 32,
            engine: None,
        },
        Service {
            prefix: 24,
            ..persistent()
        },
        Service {
            id: id(TCP, "[fd00:200::fe]:443"),
            scheduler: String::from("rr"),
            flags: FLAG_PERSISTENT,
            timeout: 600,
            prefix: 64,
            engine: None,
        },
    ];
    assert_eq!(services, expected);

    let dests = |hex, service: &Service| -> Vec<Dest> {
        answers(hex)
            .iter()
            .map(|answer| DestState::parse(answer, &service.id).unwrap().dest)
            .collect()
    };
    assert_eq!(
        dests(DESTINATIONS_V4, &services[1]),
        [
            dest("192.168.200.3:8080", Method::Masq, i32::MAX),
            dest("192.168.200.2:80", Method::Route, 1),
        ]
    );
    assert_eq!(
        dests(DESTINATIONS_V6, &services[2]),
        [dest("[fd00:200::2]:443", Method::Route, 3)]
    );
}

#[test]
fn an_old_kernel_names_no_family_of_a_destination() {
    // Linux before 3.18: the family is that of the service.
    let answer = octets(
        "05010000 4000 0280
        1400 0100 c0a8c802 00000000 00000000 00000000
        0600 0200 0050 0000
        0800 0300 03000000 0800 0400 01000000 0800 0500 00000000 0800 0600 00000000",
    );
    assert_eq!(
        DestState::parse(&answer, &id(TCP, "192.168.200.254:80")),
        Some(DestState {
            dest: dest("192.168.200.2:80", Method::Route, 1),
            active: 0,
        })
    );
}

#[test]
fn a_service_of_a_firewall_mark_has_a_mark_for_a_key() {
    let answer = octets(
        "01010000 3800 0180
        0600 0100 0200 0000
        0800 0500 05000000                              # mark 5
        0800 0600 77727200 0c00 0700 02000000 ffffffff
        0800 0800 00000000 0800 0900 ffffffff",
    );
    let mark = ServiceId::Fwmark {
        mark: 5,
        family: Family::V4,
    };
    let expected = Service {
        id: mark,
        flags: 0,
        timeout: 0,
        ..persistent()
    };
    assert_eq!(Service::parse(&answer), Some(expected));
    let removed = octets("03010000 1400 0180 0600 0100 0200 0000 0800 0500 05000000");
    assert_eq!(payload(&Request::DelService(mark)), removed);
}

/// As captured from keepalived: the type first, then the port in network order, then the flags.
#[test]
fn tunnels_of_newer_kernels_tell_port_and_checksum() {
    let service = id(UDP, "192.168.200.254:53");
    for (tunnel, expected) in [
        (
            Tunnel::Gue {
                port: 5555,
                checksum: Checksum::Full,
            },
            "0500 0d00 01000000 0600 0e00 15b3 0000 0600 0f00 0100 0000",
        ),
        (
            Tunnel::Gue {
                port: 5555,
                checksum: Checksum::Remote,
            },
            "0500 0d00 01000000 0600 0e00 15b3 0000 0600 0f00 0200 0000",
        ),
        (
            Tunnel::Gre {
                checksum: Checksum::None,
            },
            "0500 0d00 02000000 0600 0f00 0000 0000",
        ),
    ] {
        let mut server = dest("192.168.200.2:53", Method::Tunnel(tunnel), 1);
        server.options.upper_threshold = 100;
        server.options.lower_threshold = 50;
        let written = payload(&Request::NewDest(service, server));
        let tail = format!("{expected} 0800 0500 64000000 0800 0600 32000000");
        assert!(written.ends_with(&octets(&tail)), "{tunnel:?}");
        let read = DestState::parse(&written, &service).unwrap();
        assert_eq!(read.dest, server);
    }
}

#[test]
fn an_old_kernel_says_nothing_of_tunnels() {
    let answer = octets(
        "05010000 4000 0280
        1400 0100 c0a8c802 00000000 00000000 00000000
        0600 0200 0050 0000
        0800 0300 02000000 0800 0400 01000000 0800 0500 00000000 0800 0600 00000000",
    );
    let read = DestState::parse(&answer, &id(TCP, "192.168.200.254:80")).unwrap();
    assert_eq!(read.dest.options.method, Method::Tunnel(Tunnel::Ipip));
}

#[test]
fn the_sync_daemon_carries_what_is_configured() {
    let mut daemon = SyncDaemon {
        role: Role::Master,
        interface: String::from("eth0"),
        id: 51,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    };
    let plain = "09010000 2000 0380
        0800 0100 01000000
        0900 0200 65746830 00000000
        0800 0300 33000000";
    assert_eq!(payload(&Request::NewDaemon(daemon.clone())), octets(plain));
    daemon.role = Role::Backup;
    daemon.max_length = Some(1400);
    daemon.port = Some(8849);
    daemon.ttl = Some(3);
    daemon.group = Some("224.0.0.82".parse().unwrap());
    let all = "09010000 4000 0380
        0800 0100 02000000
        0900 0200 65746830 00000000
        0800 0300 33000000
        0600 0400 7805 0000
        0800 0500 e0000052
        0600 0700 9122 0000                             # in the machine's order
        0500 0800 03000000";
    assert_eq!(payload(&Request::NewDaemon(daemon)), octets(all));
    let stop = "0a010000 1400 0380 0800 0100 02000000 0800 0300 33000000";
    assert_eq!(payload(&Request::DelDaemon(Role::Backup, 51)), octets(stop));
}

#[test]
fn timeouts_are_three_numbers() {
    let timeouts = Timeouts {
        tcp: 900,
        tcp_fin: 120,
        udp: 300,
    };
    let written = payload(&Request::SetTimeouts(timeouts));
    let expected = "0c010000 0800 0400 84030000 0800 0500 78000000 0800 0600 2c010000";
    assert_eq!(written, octets(expected));
    // The answer to GET_CONFIG has the same form.
    assert_eq!(Timeouts::parse(&written), Some(timeouts));
    assert_eq!(Timeouts::parse(&written[..16]), None);
    assert_eq!(
        emit_timeouts_request(IPVS, 5),
        octets("14000000 2000 0500 05000000 00000000 0d010000")
    );
}

#[test]
fn what_we_program_reads_back_as_what_was_meant() {
    for service in [
        persistent(),
        Service {
            id: id(UDP, "[fd00::1]:53"),
            scheduler: String::from("a-scheduler-15c"),
            flags: FLAG_ONE_PACKET,
            timeout: u32::MAX,
            prefix: 128,
            engine: None,
        },
    ] {
        let written = payload(&Request::NewService(service.clone()));
        assert_eq!(Service::parse(&written), Some(service));
    }
    let service = id(TCP, "192.168.200.254:80");
    for method in [
        Method::Masq,
        Method::Local,
        Method::Tunnel(Tunnel::Ipip),
        Method::Route,
    ] {
        // Its family may differ from the service's; the message says which.
        for address in ["10.0.0.1:1", "[fd00::1]:65535"] {
            let server = dest(address, method, i32::MAX);
            let written = payload(&Request::NewDest(service, server));
            let read = DestState::parse(&written, &service).unwrap();
            assert_eq!(read.dest, server);
        }
    }
}

#[test]
fn damaged_answers_are_read_or_refused_and_never_more() {
    let mut rand = Rand::new(0x6970_7673);
    let service = id(TCP, "192.168.200.254:80");
    for captured in [FAMILY, SERVICES, DESTINATIONS_V4, DESTINATIONS_V6] {
        for whole in answers(captured) {
            for _ in 0..3_000 {
                let mut damaged = whole.clone();
                for _ in 0..=rand.below(8) {
                    let at = usize::try_from(rand.below(damaged.len() as u64)).unwrap();
                    damaged[at] = u8::try_from(rand.below(256)).unwrap();
                }
                damaged.truncate(usize::try_from(rand.below(whole.len() as u64 + 1)).unwrap());
                let _ = (parse_family(&damaged), parse_info(&damaged));
                let _ = DestState::parse(&damaged, &service);
                if let Some(service) = Service::parse(&damaged) {
                    assert!(service.id.family() == Family::V6 || service.prefix <= 32);
                }
            }
        }
    }
}
