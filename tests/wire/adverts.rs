//! Adverts of Debian's keepalived 2.2.7, of every dialect it has, both ways: a core of ours with
//! the same configuration sends the same octets, and one that waits takes them for its master's.
//!
//! They were captured between two namespaces; `capture.conf` is the text below with `state MASTER`
//! and `priority 255`, `eth0` has 10.9.0.1/24 and the hardware address b6:b4:9a:35:f0:35:
//!
//! ```text
//! ip netns exec b tcpdump -i eth0 -n -x -c 1 'ip proto 112 or ip proto 51 or ip6 proto 112' &
//! ip netns exec a keepalived -n -l -D -f capture.conf
//! ```
//!
//! Those with `auth_hmac`, which 2.2.7 does not have, are the published images of its draft.

use std::net::IpAddr;
use std::time::Duration;

use keepalived::addr::IfIndex;
use keepalived::config::{AnyHost, load_text};
use keepalived::time::Instant;
use keepalived::vrrp::{Core, Effect, Event, InstanceState, SocketId, StateName};
use keepalived::wire::ip::Datagram;
use keepalived::wire::rtnl::{Address, Link};

use crate::octets;

const V4: &str = "10.9.0.100\n10.9.0.101";
const V6: &str = "fe80::9\n2001:db8::9\n2001:db8::8";
const SOURCE_V6: &str = "fe80::b4b4:9aff:fe35:f035";
/// The hexadecimal digits of 32 octets, 00 to 1f.
const KEY: &str = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// One advert: what leads to it, and its octets; of IPv6 without the header.
struct Image {
    name: &'static str,
    vrid: u8,
    priority: u8,
    /// Statements of the instance.
    more: String,
    addresses: &'static str,
    source: &'static str,
    to: &'static str,
    octets: &'static str,
}

impl Image {
    fn v4(name: &'static str, vrid: u8, more: &str, octets: &'static str) -> Self {
        Self {
            name,
            vrid,
            priority: 255,
            more: more.to_owned(),
            addresses: V4,
            source: "10.9.0.1",
            to: "224.0.0.18",
            octets,
        }
    }

    fn to(self, to: &'static str) -> Self {
        Self { to, ..self }
    }

    fn v6(name: &'static str, vrid: u8, more: &str, octets: &'static str) -> Self {
        Self {
            addresses: V6,
            source: SOURCE_V6,
            to: "ff02::12",
            ..Self::v4(name, vrid, more, octets)
        }
    }

    fn config(&self, state: &str, priority: u8, more: &str) -> String {
        format!(
            "vrrp_instance V {{\ninterface eth0\nstate {state}\nvirtual_router_id {}\n\
             priority {priority}\n{}\n{more}\nvirtual_ipaddress {{\n{}\n}}\n}}",
            self.vrid, self.more, self.addresses
        )
    }

    /// What the other machine's instance says instead of this one.
    fn mirrored(&self) -> String {
        let more = self.config("BACKUP", 100, "");
        let (to, source) = (self.to, self.source);
        if self.is_unicast() {
            more.replace(
                &format!("unicast_peer {{\n{to}"),
                &format!("unicast_peer {{\n{source}"),
            )
            .replace(&format!("unicast_src_ip {source}"), "")
        } else {
            more
        }
    }

    fn is_unicast(&self) -> bool {
        self.more.contains("unicast_peer")
    }

    fn is_v6(&self) -> bool {
        self.source.contains(':')
    }
}

const PEER: &str = "unicast_peer {\n10.9.0.2\n}";
const AH: &str = "authentication {\nauth_type AH\nauth_pass secret99xyz\n}";

#[rustfmt::skip]
fn images() -> Vec<Image> {
    vec![
        Image::v4("version 2", 51, "",
            "45c0002c 00010000 ff70d084 0a090001 e0000012
             2133ff02 0001caed 0a090064 0a090065 00000000 00000000"),
        Image::v4("PASS", 52, "authentication {\nauth_type PASS\nauth_pass secret99xyz\n}",
            "45c0002c 00010000 ff70d084 0a090001 e0000012
             2134ff02 01015467 0a090064 0a090065 73656372 65743939"),
        Image::v4("AH", 53, AH,
            "45c00044 00010000 ff33d0a9 0a090001 e0000012
             70040000 0a090001 00000001 01262f8a a21855dd ca032527
             2135ff02 0201c8eb 0a090064 0a090065 00000000 00000000"),
        Image::v4("version 2 unicast", 54, PEER,
            "45c0002c 00010000 ff70a68c 0a090001 0a090002
             2136ff02 0001caea 0a090064 0a090065 00000000 00000000").to("10.9.0.2"),
        Image::v4("AH unicast", 55, &format!("{AH}\n{PEER}"),
            "45c00044 00010000 ff33a6b1 0a090001 0a090002
             70040000 0a090001 00000001 26fb7eee 8bd21d9c 4e12c306
             2137ff02 0201c8e9 0a090064 0a090065 00000000 00000000").to("10.9.0.2"),
        Image::v4("version 3", 61, "version 3\nadvert_int 0.25",
            "45c00024 00010000 ff70d08c 0a090001 e0000012
             313dff02 0019d02e 0a090064 0a090065"),
        Image::v4("version 3 unicast", 62, &format!("version 3\nadvert_int 2\n{PEER}"),
            "45c00024 00010000 ff70a694 0a090001 0a090002
             313eff02 00c8a586 0a090064 0a090065").to("10.9.0.2"),
        Image::v4("version 3 unicast of old", 63,
            &format!("version 3\nold_unicast_checksum\n{PEER}"),
            "45c00024 00010000 ff70a694 0a090001 0a090002
             313fff02 0064cfe1 0a090064 0a090065").to("10.9.0.2"),
        Image::v4("version 3 to another group", 67, "version 3\nmcast_dst_ip 224.0.0.99",
            "45c00024 00010000 ff70d03b 0a090001 e0000063
             3143ff02 0064cf8c 0a090064 0a090065").to("224.0.0.99"),
        Image::v6("IPv6", 64, "version 3\nadvert_int 2",
            "3140ff03 00c83888 fe800000 00000000 00000000 00000009
             20010db8 00000000 00000000 00000009 20010db8 00000000 00000000 00000008"),
        Image::v6("IPv6 unicast", 65,
            "unicast_src_ip fe80::b4b4:9aff:fe35:f035\nunicast_peer {\nfe80::2\n}",
            "3141ff03 0064397d fe800000 00000000 00000000 00000009
             20010db8 00000000 00000000 00000009 20010db8 00000000 00000000 00000008")
            .to("fe80::2"),
        Image::v6("version 2 over IPv6", 66, "version 2",
            "2142ff03 0001494d fe800000 00000000 00000000 00000009
             20010db8 00000000 00000000 00000009 20010db8 00000000 00000000 00000008"),
        Image { priority: 200, addresses: "10.9.0.108", ..Image::v4("signed version 2", 64,
            "auth_hmac {\nkey 1 0123456789abcdef0123456789abcdef\nactive_key 1\n}",
            "45c00044 00010000 ff700000 0a090001 e0000012
             2140c801 00010c48 0a09006c 00000000 00000000
             01010000 6b0167c2 26530000 f6ea9b7c 8ad53bbd 1ae07c34 4d520971") },
        Image { priority: 200, addresses: "192.0.2.100", source: "198.51.100.10",
            ..Image::v4("signed version 3", 51,
            &format!("version 3\nv3_checksum_as_v2\nmcast_src_ip 198.51.100.10\n\
                      auth_hmac {{\nkey 1 {KEY}\nactive_key 1\n}}"),
            "45c0003c 00010000 ff700000 c633640a e0000012
             3133c801 00644402 c0000264
             01010000 68000000 80000000 1b84bc4e 8e43892d c6d98448 f8ee2265") },
        Image { priority: 200, addresses: "fe80::100", source: "fe80::10",
            ..Image::v6("signed IPv6", 51,
            &format!("mcast_src_ip fe80::10\nauth_hmac {{\nkey 1 {KEY}\nactive_key 1\n}}"),
            "3133c801 0064a2e9 fe800000 00000000 00000000 00000100
             01010000 68000000 80000000 c8c56146 ebfd66ee 10ec4d81 86461b78") },
    ]
}

/// A machine with these addresses on its eth0, which runs this configuration.
struct Machine {
    core: Core,
    effects: Vec<Effect>,
}

impl Machine {
    /// `time` is what the wall clock shows at the beginning.
    fn new(config: &str, own: &[&str], time: Duration) -> Self {
        let loaded = load_text("test.conf", config, &AnyHost);
        let config = loaded
            .config
            .unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)));
        let link = Link {
            index: IfIndex(2),
            name: "eth0".to_owned(),
            mtu: 1500,
            up: true,
            running: true,
            multicast: true,
            ..Link::default()
        };
        let address = |cidr: &&str| Address::new(IfIndex(2), cidr.parse().unwrap());
        let addresses: Vec<Address> = own.iter().map(address).collect();
        let mut machine = Self {
            core: Core::new(),
            effects: Vec::new(),
        };
        machine.tell(Event::WallClock(time));
        machine.tell(Event::Resync {
            links: &[link],
            addresses: &addresses,
            rules: &[],
        });
        machine.tell(Event::Reload(&config));
        machine
    }

    fn tell(&mut self, event: Event<'_>) {
        self.core.on_event(Instant::ZERO, event, &mut self.effects);
    }

    fn socket(&self) -> SocketId {
        let mut sockets = self.effects.iter().filter_map(|effect| match effect {
            Effect::Open { socket, .. } => Some(*socket),
            _ => None,
        });
        sockets.next().unwrap()
    }

    fn state(&self) -> InstanceState {
        self.core.observe().instances.remove(0)
    }
}

/// The moment of a signed advert, as its trailer tells; the beginning of 1970 for others.
fn moment(image: &Image) -> Duration {
    if !image.more.contains("auth_hmac") {
        return Duration::ZERO;
    }
    let octets = octets(image.octets);
    let trailer = &octets[octets.len() - 28..];
    let seconds = u32::from_be_bytes(trailer[4..8].try_into().unwrap());
    let fraction = u16::from_be_bytes(trailer[8..10].try_into().unwrap());
    // Rounded up, so that it is cut to the same again.
    let nanos = (u64::from(fraction) * 1_000_000_000).div_ceil(0x1_0000);
    Duration::from_secs(seconds.into()) + Duration::from_nanos(nanos)
}

/// The kernel fills in the checksum of an IPv4 header, and that of an advert over IPv6.
fn without_the_kernels(image: &Image) -> Vec<u8> {
    let mut octets = octets(image.octets);
    let at = if image.is_v6() { 6..8 } else { 10..12 };
    octets[at].fill(0);
    octets
}

/// Shows F.9, F.11, F.12, F.13.
#[test]
fn we_send_what_keepalived_sends() {
    for image in images() {
        let config = image.config("MASTER", image.priority, "");
        let own = ["10.9.0.1/24", "fe80::b4b4:9aff:fe35:f035/64"];
        let time = moment(&image);
        let mut machine = Machine::new(&config, &own, time);
        // An owner is master at once, the others when their time is over; the wall clock is what
        // it was.
        let at = machine.core.deadline().unwrap();
        let since = at.since(Instant::ZERO);
        let clock = Event::WallClock(time);
        machine.core.on_event(at, clock, &mut machine.effects);
        machine.core.on_time(at, &mut machine.effects);
        let sent = machine.effects.iter().find_map(|effect| match effect {
            Effect::Advertise {
                to,
                from,
                ttl,
                packet,
                ..
            } => Some((to.to_string(), from.to_string(), *ttl, packet.clone())),
            _ => None,
        });
        let (to, from, ttl, packet) = sent.unwrap_or_else(|| panic!("{}", image.name));
        assert_eq!(
            packet,
            without_the_kernels(&image),
            "{} {since:?}",
            image.name
        );
        assert_eq!(
            (&*to, &*from, ttl),
            (image.to, image.source, 255),
            "{}",
            image.name
        );
    }
}

#[test]
fn we_take_what_keepalived_sends() {
    for image in images() {
        let own = ["10.9.0.2/24", "fe80::2/64"];
        let mut machine = Machine::new(&image.mirrored(), &own, moment(&image));
        let bytes = octets(image.octets);
        let datagram = match (image.source.parse().unwrap(), image.to.parse().unwrap()) {
            (IpAddr::V6(source), IpAddr::V6(to)) => Datagram::V6 {
                source,
                destination: Some(to),
                // As Debian's keepalived has it of unicast.
                hop_limit: Some(if image.is_unicast() { 64 } else { 255 }),
                payload: &bytes,
            },
            _ => Datagram::V4(&bytes),
        };
        let on = machine.socket();
        machine.tell(Event::Datagram { on, datagram });
        let state = machine.state();
        assert_eq!(state.refused, [], "{}", image.name);
        assert_eq!(state.statistics.advert_rcvd, 1, "{}", image.name);
        assert_eq!(state.statistics.addr_list_err, 0, "{}", image.name);
        assert_eq!(state.state, StateName::Backup, "{}", image.name);
        assert_eq!(
            state.master,
            Some(image.source.parse().unwrap()),
            "{}",
            image.name
        );
    }
}
