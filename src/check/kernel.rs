//! What is configured, in the words of the kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::addr::Family;
use crate::config::{
    Checksum, Encapsulation, Forwarding, GroupEntry, Protocol, RealServer, ServiceKey, SorryServer,
    VirtualServer,
};
use crate::wire::ipvs::{
    self, Dest, DestOptions, FLAG_ONE_PACKET, FLAG_PERSISTENT, FLAGS_SCHEDULER, Method, Service,
    ServiceId,
};

/// The services of the kernel that a virtual server is made of; `entries` are those of its group.
pub(super) fn services(key: &ServiceKey, entries: &[GroupEntry]) -> Vec<ServiceId> {
    match key {
        ServiceKey::Address(service) => vec![ServiceId::Address {
            protocol: protocol(service.protocol),
            address: service.address,
        }],
        ServiceKey::Fwmark { mark, family } => vec![ServiceId::Fwmark {
            mark: *mark,
            family: *family,
        }],
        ServiceKey::Group {
            protocol, family, ..
        } => {
            let is_mark = |entry: &&GroupEntry| matches!(entry, GroupEntry::Fwmark { .. });
            // Upstream's order: addresses, then marks.
            let addresses = entries.iter().filter(|entry| !is_mark(entry));
            let marks = entries.iter().filter(is_mark);
            let all = addresses.chain(marks);
            all.flat_map(|entry| of_entry(*entry, *protocol, *family))
                .collect()
        }
    }
}

/// The services of a group whose packets have this mark.
pub(super) fn marked(mark: u32, entries: &[GroupEntry]) -> Vec<ServiceId> {
    let is_of = |entry: &GroupEntry, family| match entry {
        GroupEntry::Addresses { first, .. } => Family::of(*first) == family,
        GroupEntry::Fwmark { .. } => false,
    };
    let families = [Family::V4, Family::V6].into_iter();
    families
        .filter(|&family| entries.iter().any(|entry| is_of(entry, family)))
        .map(|family| ServiceId::Fwmark { mark, family })
        .collect()
}

/// The services of one line of a group.
pub(super) fn of_entry(
    entry: GroupEntry,
    with: Option<Protocol>,
    family: Family,
) -> Vec<ServiceId> {
    match entry {
        GroupEntry::Fwmark { mark, family: own } => vec![ServiceId::Fwmark {
            mark,
            family: own.unwrap_or(family),
        }],
        GroupEntry::Addresses { first, last, port } => {
            // A group of addresses has a protocol.
            let protocol = protocol(with.unwrap_or(Protocol::Udp));
            addresses(first, last)
                .map(|ip| ServiceId::Address {
                    protocol,
                    address: SocketAddr::new(ip, port),
                })
                .collect()
        }
    }
}

fn addresses(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> {
    let (first, last, is_ipv4) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            (u32::from(first).into(), u32::from(last).into(), true)
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => (u128::from(first), u128::from(last), false),
        // The configuration has ranges of one family only.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => (1, 0, false),
    };
    let numbers = (first..=last).take(ADDRESSES_MAX);
    numbers.map(move |number| match u32::try_from(number) {
        Ok(number) if is_ipv4 => IpAddr::V4(Ipv4Addr::from(number)),
        _ => IpAddr::V6(Ipv6Addr::from(number)),
    })
}

/// What is told of each of the services.
pub(super) fn service(config: &VirtualServer, id: ServiceId) -> Service {
    let mut service = Service {
        id,
        scheduler: config.scheduler.word().to_owned(),
        flags: 0,
        timeout: 0,
        prefix: match id.family() {
            Family::V4 => 32,
            Family::V6 => 128,
        },
        engine: config.persistence_engine.clone(),
    };
    if let Some(persistence) = config.persistence {
        service.flags |= FLAG_PERSISTENT;
        service.timeout = u32::try_from(persistence.timeout.as_secs()).unwrap_or(u32::MAX);
        // A group may hold addresses of another family than the one that this length is of.
        if id.family() == config.key.family() {
            service.prefix = persistence.prefix;
        }
    }
    if config.one_packet {
        service.flags |= FLAG_ONE_PACKET;
    }
    for (flag, set) in FLAGS_SCHEDULER.into_iter().zip(config.scheduler_flags.0) {
        service.flags |= if set { flag } else { 0 };
    }
    service
}

/// All of a real server but its address, which depends on the service: see `Service::place`.
pub(super) fn server(config: &RealServer) -> DestOptions {
    DestOptions {
        method: method(config.forwarding),
        weight: config.weight,
        upper_threshold: config.upper_threshold,
        lower_threshold: config.lower_threshold,
    }
}

pub(super) fn sorry_server(config: &SorryServer) -> Dest {
    Dest::new(config.address, method(config.forwarding), SORRY_WEIGHT)
}

/// The number of the protocol in the IP header.
fn protocol(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

fn method(forwarding: Forwarding) -> Method {
    let tunnel = match forwarding {
        Forwarding::Nat => return Method::Masq,
        Forwarding::DirectRouting => return Method::Route,
        Forwarding::Tunnel(tunnel) => tunnel,
    };
    let checksum = match tunnel.checksum {
        Checksum::None => ipvs::Checksum::None,
        Checksum::Full => ipvs::Checksum::Full,
        Checksum::Remote => ipvs::Checksum::Remote,
    };
    Method::Tunnel(match tunnel.encapsulation {
        Encapsulation::Ipip => ipvs::Tunnel::Ipip,
        Encapsulation::Gue { port } => ipvs::Tunnel::Gue { port, checksum },
        Encapsulation::Gre => ipvs::Tunnel::Gre { checksum },
    })
}

/// There is one, so its share is the whole.
const SORRY_WEIGHT: i32 = 1;

/// Of one line of a group. The configuration warns of more: a typing error in a length should not
/// cost the kernel all its memory.
const ADDRESSES_MAX: usize = 65_536;
