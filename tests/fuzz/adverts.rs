//! Packets that nobody would send, to a backup of every dialect: whatever comes, nothing panics;
//! what is refused moves no timer and is counted; what is signed counts only as it was signed.

use std::time::{Duration, Instant as Clock};

use keepalived::addr::IfIndex;
use keepalived::config::{AnyHost, load_text};
use keepalived::rand::Rand;
use keepalived::time::Instant;
use keepalived::vrrp::{Core, Effect, Event, InstanceState, SocketId, StateName};
use keepalived::wire::ip::Datagram;
use keepalived::wire::rtnl::{Address, Link};

const SHORT: Duration = Duration::from_secs(2);
const SEED: u64 = 1;
/// What both wall clocks show.
pub(crate) const TIME: Duration = Duration::from_secs(1_700_000_000);
const INTERVAL: Duration = Duration::from_secs(1);

const HMAC: &str = "auth_hmac {\nkey 1 0123456789abcdef0123456789abcdef\nactive_key 1\n}";
pub(crate) const AH: &str = "authentication {\nauth_type AH\nauth_pass secret99\n}";
const PASS: &str = "authentication {\nauth_type PASS\nauth_pass 1111\n}";
const V4: &str = "10.0.0.100\n10.0.0.101";
pub(crate) const V6: &str = "fe80::100\n2001:db8::100";

/// Statements, addresses, and whether a change of any octet but those of the header is noticed.
#[rustfmt::skip]
pub(crate) const DIALECTS: [(&str, &str, bool); 12] = [
    ("", V4, false),
    (PASS, V4, false),
    (AH, V4, true),
    (HMAC, V4, true),
    ("version 3", V4, false),
    ("version 3\nv3_checksum_as_v2", V4, false),
    ("unicast_peer {\nPEER\n}", V4, false),
    ("version 3\nunicast_peer {\nPEER min_ttl 200\n}", V4, false),
    (concat!("version 3\nunicast_peer {\nPEER\n}\nauth_hmac {\nkey 1 ",
             "0123456789abcdef0123456789abcdef\nactive_key 1\n}"), V4, true),
    ("", V6, false),
    (HMAC, V6, true),
    ("version 2", V6, false),
];

/// A core with its time.
pub(crate) struct Router {
    core: Core,
    now: Instant,
    /// The socket it listens on.
    pub(crate) on: SocketId,
    pub(crate) effects: Vec<Effect>,
    packets: u64,
}

impl Router {
    pub(crate) fn new(statements: &str, addresses: &str, priority: u8, number: u8) -> Self {
        let family = if addresses == V6 { "fe80::" } else { "10.0.0." };
        let peer = format!("{family}{}", 3 - number);
        let text = format!(
            "vrrp_instance V {{\ninterface eth0\nstate BACKUP\nvirtual_router_id 51\n\
             priority {priority}\n{}\nvirtual_ipaddress {{\n{addresses}\n}}\n}}",
            statements.replace("PEER", &peer)
        );
        let config = load_text("fuzz.conf", &text, &AnyHost).config.unwrap();
        let own = [format!("10.0.0.{number}/24"), format!("fe80::{number}/64")];
        let own = own.map(|cidr| Address::new(IfIndex(2), cidr.parse().unwrap()));
        let mut router = Self {
            core: Core::new(),
            now: Instant::ZERO,
            on: SocketId(0),
            effects: Vec::new(),
            packets: 0,
        };
        router.tell(Event::WallClock(TIME));
        router.tell(Event::Resync {
            links: &[link(2, "eth0")],
            addresses: &own,
            rules: &[],
        });
        router.tell(Event::Reload(&config));
        let open = |effect: &Effect| match effect {
            Effect::Open { socket, .. } => Some(*socket),
            _ => None,
        };
        router.on = router.effects.iter().find_map(open).unwrap();
        router
    }

    pub(crate) fn tell(&mut self, event: Event<'_>) {
        self.core.on_event(self.now, event, &mut self.effects);
    }

    pub(crate) fn state(&self) -> InstanceState {
        self.core.observe().instances.remove(0)
    }

    /// Its next timer.
    pub(crate) fn wake(&mut self) {
        self.effects.clear();
        self.now = self.core.deadline().unwrap();
        self.core.on_time(self.now, &mut self.effects);
    }

    /// Its next advert, as a master.
    pub(crate) fn advert(&mut self) -> Vec<u8> {
        loop {
            self.wake();
            let sent = self.effects.iter().find_map(|effect| match effect {
                Effect::Advertise { packet, .. } => Some(packet.clone()),
                _ => None,
            });
            if let Some(packet) = sent {
                return packet;
            }
        }
    }
}

/// An interface that is up.
pub(crate) fn link(index: u32, name: &str) -> Link {
    Link {
        index: IfIndex(index),
        name: name.to_owned(),
        mtu: 1500,
        up: true,
        running: true,
        multicast: true,
        ..Link::default()
    }
}

/// One change, or two: flipped bits, other octets, cut, longer, two packets mixed.
pub(crate) fn bend(packet: &[u8], other: &[u8], rand: &mut Rand) -> Vec<u8> {
    let mut bent = packet.to_vec();
    for _ in 0..=rand.below(2) {
        let length = u64::try_from(bent.len()).unwrap();
        let at = usize::try_from(rand.below(length.max(1))).unwrap();
        match rand.below(6) {
            0 | 1 if !bent.is_empty() => bent[at] ^= 1 << rand.below(8),
            2 if !bent.is_empty() => bent[at] = u8::try_from(rand.below(256)).unwrap(),
            3 => bent.truncate(at),
            4 => bent.extend((0..rand.below(40)).map(|n| u8::try_from(n).unwrap())),
            _ => {
                bent.truncate(at);
                bent.extend(other.iter().skip(at));
            }
        }
    }
    bent
}

#[test]
fn no_packet_breaks_a_backup_of_any_dialect() {
    let variable = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let budget = variable("FUZZ_SECONDS").map_or(SHORT, Duration::from_secs);
    let seed = variable("FUZZ_SEED").unwrap_or(SEED);
    let mut rand = Rand::new(seed);
    let start = Clock::now();
    let mut rounds = 0_u64;
    while start.elapsed() < budget {
        for (at, (statements, addresses, signed)) in DIALECTS.iter().enumerate() {
            round(statements, addresses, *signed, &mut rand)
                .unwrap_or_else(|why| panic!("FUZZ_SEED={seed}, round {rounds}, {at}: {why}"));
        }
        rounds += 1;
    }
    println!("{rounds} rounds with seed {seed}");
}

/// Two hundred packets to one backup.
fn round(statements: &str, addresses: &str, signed: bool, rand: &mut Rand) -> Result<(), String> {
    let mut master = Router::new(statements, addresses, 200, 1);
    let mut backup = Router::new(statements, addresses, 100, 2);
    let on = backup.on;
    let (first, second) = (master.advert(), master.advert());
    for _ in 0..200 {
        let whole = if rand.chance(50) { &first } else { &second };
        let packet = bend(whole, &second, rand);
        let before = (
            backup.state().statistics.advert_rcvd,
            backup.state().wakes_at,
        );
        backup.effects.clear();
        let source = "fe80::1".parse().unwrap();
        let datagram = if addresses == V6 {
            Datagram::V6 {
                source,
                destination: statements.is_empty().then(|| "ff02::12".parse().unwrap()),
                hop_limit: Some(if rand.chance(5) { 64 } else { 255 }),
                payload: &packet,
            }
        } else {
            Datagram::V4(&packet)
        };
        backup.tell(Event::Datagram { on, datagram });
        backup.packets += 1;
        let state = backup.state();
        if state.state != StateName::Backup {
            return Err(format!("{packet:02x?} makes it {:?}", state.state));
        }
        // Somebody else with our number is looked for, and that is all.
        let sought = |effect: &Effect| matches!(effect, Effect::Seek(_));
        if !backup.effects.iter().all(sought) {
            return Err(format!("{packet:02x?} leads to {:?}", backup.effects));
        }
        let accepted = state.statistics.advert_rcvd > before.0;
        if !accepted && state.wakes_at != before.1 {
            return Err(format!("{packet:02x?} is refused and moves a timer"));
        }
        if accepted && signed && !is_as_signed(&packet, &[&first, &second], addresses) {
            return Err(format!("{packet:02x?} was never signed"));
        }
        let refused: u64 = state.refused.iter().map(|refused| refused.count).sum();
        // A well-formed advert from too far away is both.
        let received = state.statistics.advert_rcvd;
        if refused.max(received) > backup.packets {
            return Err(format!("{refused} of {} packets refused", backup.packets));
        }
        // The next one is heard a little later.
        backup.now = backup.now + INTERVAL / 1_000;
    }
    Ok(())
}

/// True when all but what the signature leaves out is as one of the masters' packets: of an IP
/// header what is not the source or a length, of an advert its checksum; and padding.
pub(crate) fn is_as_signed(packet: &[u8], originals: &[&Vec<u8>], addresses: &str) -> bool {
    let masked = |packet: &[u8], length: usize| {
        let mut packet = packet.to_vec();
        packet.truncate(length);
        let (free, advert): (&[usize], usize) = if addresses == V6 {
            (&[], 0)
        } else {
            (&[1, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19], 20)
        };
        let checksum = [advert + 6, advert + 7];
        for at in free.iter().chain(&checksum).filter(|at| **at < length) {
            packet[*at] = 0;
        }
        packet
    };
    originals.iter().any(|original| {
        let length = original.len();
        packet.len() >= length && masked(packet, length) == masked(original, length)
    })
}
