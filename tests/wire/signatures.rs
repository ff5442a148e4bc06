//! Adverts with `auth_hmac`, which Debian's keepalived does not have: the published images of its
//! draft, both ways.

use std::net::IpAddr;
use std::time::Duration;

use keepalived::vrrp::{Effect, Event, StateName};
use keepalived::wire::ip::Datagram;

use crate::machine::Machine;
use crate::octets;

/// The hexadecimal digits of 32 octets, 00 to 1f.
const KEY: &str = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// One advert: what leads to it, and its octets; of IPv6 without the header.
struct Image {
    name: &'static str,
    vrid: u8,
    /// Statements of the instance.
    more: String,
    address: &'static str,
    source: &'static str,
    octets: &'static str,
}

impl Image {
    fn config(&self, state: &str, priority: u8) -> String {
        format!(
            "vrrp_instance V {{\ninterface eth0\nstate {state}\nvirtual_router_id {}\n\
             priority {priority}\n{}\nvirtual_ipaddress {{\n{}\n}}\n}}",
            self.vrid, self.more, self.address
        )
    }

    fn is_v6(&self) -> bool {
        self.source.contains(':')
    }

    /// The moment of the advert, as its trailer tells.
    fn moment(&self) -> Duration {
        let octets = octets(self.octets);
        let trailer = &octets[octets.len() - 28..];
        let seconds = u32::from_be_bytes(trailer[4..8].try_into().unwrap());
        let fraction = u16::from_be_bytes(trailer[8..10].try_into().unwrap());
        // Rounded up, so that it is cut to the same again.
        let nanos = (u64::from(fraction) * 1_000_000_000).div_ceil(0x1_0000);
        Duration::from_secs(seconds.into()) + Duration::from_nanos(nanos)
    }

    /// The kernel fills in the checksum of an IPv4 header, and that of an advert over IPv6.
    fn without_the_kernels(&self) -> Vec<u8> {
        let mut octets = octets(self.octets);
        let at = if self.is_v6() { 6..8 } else { 10..12 };
        octets[at].fill(0);
        octets
    }
}

fn images() -> Vec<Image> {
    let key = format!("auth_hmac {{\nkey 1 {KEY}\nactive_key 1\n}}");
    vec![
        Image {
            name: "version 2",
            vrid: 64,
            more: "auth_hmac {\nkey 1 0123456789abcdef0123456789abcdef\nactive_key 1\n}".to_owned(),
            address: "10.9.0.108",
            source: "10.9.0.1",
            octets: "45c00044 00010000 ff700000 0a090001 e0000012
                2140c801 00010c48 0a09006c 00000000 00000000
                01010000 6b0167c2 26530000 f6ea9b7c 8ad53bbd 1ae07c34 4d520971",
        },
        Image {
            name: "version 3",
            vrid: 51,
            more: format!("version 3\nv3_checksum_as_v2\nmcast_src_ip 198.51.100.10\n{key}"),
            address: "192.0.2.100",
            source: "198.51.100.10",
            octets: "45c0003c 00010000 ff700000 c633640a e0000012
                3133c801 00644402 c0000264
                01010000 68000000 80000000 1b84bc4e 8e43892d c6d98448 f8ee2265",
        },
        Image {
            name: "IPv6",
            vrid: 51,
            more: format!("mcast_src_ip fe80::10\n{key}"),
            address: "fe80::100",
            source: "fe80::10",
            octets: "3133c801 0064a2e9 fe800000 00000000 00000000 00000100
                01010000 68000000 80000000 c8c56146 ebfd66ee 10ec4d81 86461b78",
        },
    ]
}

#[test]
fn we_send_the_published_images() {
    for image in images() {
        let time = image.moment();
        let own = ["10.9.0.1/24", "fe80::1/64"];
        let mut machine = Machine::new(&image.config("BACKUP", 200), &own, time);
        // It is master when its time is over; the wall clock is what it was.
        machine.now = machine.core.deadline().unwrap();
        machine.tell(Event::WallClock(time));
        machine.run(Duration::ZERO);
        let sent = machine.effects.iter().find_map(|effect| match effect {
            Effect::Advertise { from, packet, .. } => Some((from.to_string(), packet.clone())),
            _ => None,
        });
        let expected = (image.source.to_owned(), image.without_the_kernels());
        assert_eq!(sent, Some(expected), "{}", image.name);
    }
}

#[test]
fn we_take_the_published_images() {
    for image in images() {
        let own = ["10.9.0.2/24", "fe80::2/64"];
        let mut machine = Machine::new(&image.config("BACKUP", 100), &own, image.moment());
        let bytes = octets(image.octets);
        let datagram = match image.source.parse().unwrap() {
            IpAddr::V6(source) => Datagram::V6 {
                source,
                destination: Some("ff02::12".parse().unwrap()),
                hop_limit: Some(255),
                payload: &bytes,
            },
            IpAddr::V4(_) => Datagram::V4(&bytes),
        };
        let on = machine.socket();
        machine.tell(Event::Datagram { on, datagram });
        let state = machine.state();
        assert_eq!(state.refused, [], "{}", image.name);
        assert_eq!(state.statistics.advert_rcvd, 1, "{}", image.name);
        assert_eq!(state.state, StateName::Backup, "{}", image.name);
        assert_eq!(
            state.master,
            Some(image.source.parse().unwrap()),
            "{}",
            image.name
        );
    }
}
