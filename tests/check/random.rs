//! Seeded runs in two phases: everything flaps, then nothing does, and the table must be what the
//! checks say. A failure names its seed; the same seed gives the same run.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use keepalived::addr::{Family, IfIndex};
use keepalived::config::{
    Check, Checker, Config, Endpoint, Forwarding, GroupEntry, HttpProbe, HttpVersion, Persistence,
    Probe, Protocol, RealServer, Scheduler, Script, ServiceAddress, ServiceKey, SorryServer,
    TlsTrust, Tunnel, Url, VirtualServer, VirtualServerGroup,
};
use keepalived::errno::Errno;
use keepalived::rand::Rand;
use keepalived::time::Instant;
use keepalived::wire::ipvs::{self, Method, ServiceId};
use keepalived::wire::rtnl::Address;

use crate::kernel::Kernel;
use crate::world::Move::{Break, End, Hear, Pause, Say};
use crate::world::{Backend, Modprobe, Move, World};

/// What else goes wrong, apart from the backends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Nothing: the table follows every step, and nothing is asked that does not fit it.
    None,
    /// From time to time the kernel refuses everything.
    Refusals,
    /// Single refusals, entries deleted and changed by others, IPVS gone and back.
    Everything,
}

struct Run {
    world: World,
    rand: Rand,
    trouble: Trouble,
    config: Config,
    /// When the configuration was read last.
    loaded: Instant,
}

const SEEDS: u64 = 1_000;
const STEPS: usize = 20;

/// Seconds in which everything has been looked at: the next look at IPVS (10 s), then a check with
/// its delay, its limits and its retries (at most 5 + 3 x 3 + 2 x 2 s).
const ROUND: Duration = Duration::from_secs(30);
/// No attempt lasts longer: ten times the longest patience.
const LONGEST: Duration = Duration::from_secs(30);

#[test]
fn the_table_is_what_the_checks_say_once_the_trouble_is_over() {
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| Run::new(seed).play());
        assert!(outcome.is_ok(), "SEED={seed}");
    }
}

#[test]
fn equal_seeds_give_equal_transcripts() {
    let mut lines = 0;
    for seed in 0..60 {
        let [first, second] = [seed, seed].map(|seed| {
            let mut run = Run::new(seed);
            run.world.recording = true;
            run.play()
        });
        assert_eq!(first, second, "SEED={seed}");
        lines += first.len();
    }
    assert!(lines > 60 * 100, "something happens: {lines} lines");
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rand = Rand::new(seed);
        let trouble = match rand.below(3) {
            0 => Trouble::None,
            1 => Trouble::Refusals,
            _ => Trouble::Everything,
        };
        let mut world = World::with(Kernel::with_ipvs(), rand.next_u64());
        world.is_troubled = trouble != Trouble::None;
        world.kernel.present = trouble != Trouble::Everything || rand.chance(70);
        let config = config(&mut rand);
        Self {
            world,
            rand,
            trouble,
            config,
            loaded: Instant::ZERO,
        }
    }

    fn play(mut self) -> Vec<String> {
        self.world.apply(&self.config);
        for _ in 0..STEPS {
            let pause = self.rand.up_to(Duration::from_secs(4));
            self.world.run_for(pause);
            self.disturb();
            // Marks follow the table in turns of their own.
            self.world.run_for(Duration::ZERO);
            if self.trouble == Trouble::None {
                self.check_table(Self::believed_weight);
                self.check_marks();
            }
            self.check_quorums(self.trouble == Trouble::None);
            self.check_attempts();
        }
        self.calm();
        self.check_table(Self::deserved_weight);
        self.check_marks();
        self.check_quorums(true);
        self.check_rounds();
        if self.trouble == Trouble::None {
            assert_eq!(
                self.world.kernel.surprises, [""; 0],
                "nothing is asked that does not fit"
            );
            assert_eq!(self.world.filter.surprises, [""; 0]);
        }
        self.world.stop();
        assert_eq!(self.world.kernel.show(), [""; 0]);
        assert_eq!(self.world.filter.show(), [""; 0]);
        self.world.transcript
    }

    fn disturb(&mut self) {
        match self
            .rand
            .below(if self.trouble == Trouble::None { 8 } else { 14 })
        {
            0..=4 => self.flip_backend(),
            5 | 6 => {
                let vip = VIPS[usize::try_from(self.rand.below(2)).unwrap()];
                let here = self.rand.chance(60);
                self.world.set_address(&virtual_ip(vip), here);
            }
            7 => {
                self.config = config(&mut self.rand);
                self.loaded = self.world.now();
                self.world.apply(&self.config);
            }
            8 => {
                self.world.kernel.refusing = Some(Errno::ENOMEM);
                self.world.filter.refusing = self.rand.chance(50).then_some(Errno::ENOMEM);
            }
            9 => {
                self.world.kernel.refusing = None;
                self.world.filter.refusing = None;
            }
            _ if self.trouble == Trouble::Everything => self.meddle(),
            _ => {}
        }
    }

    fn flip_backend(&mut self) {
        let backend = match self.rand.below(12) {
            0..=3 => Backend::Talking(PAGE),
            4 => Backend::Accepting,
            5..=7 => Backend::Refusing,
            8 => Backend::Silent,
            9 => Backend::Unbindable,
            _ => self.wrong_answer(),
        };
        let address = self.backend();
        self.world.backends.insert(address, backend);
        let code = match self.rand.below(3) {
            0 => 0,
            1 => 1,
            _ => 2 + self.rand.below(6),
        };
        self.set_program(address, code);
    }

    /// One that makes connections, but gives no page.
    fn wrong_answer(&mut self) -> Backend {
        let count = u64::try_from(WRONG.len()).unwrap();
        Backend::Talking(WRONG[usize::try_from(self.rand.below(count)).unwrap()])
    }

    fn set_program(&mut self, server: SocketAddr, code: u64) {
        let code = i32::try_from(code).unwrap();
        let name = program(server.ip()).argv.join(" ");
        self.world.programs.insert(name, code);
    }

    fn backend(&mut self) -> SocketAddr {
        server_address(self.rand.below(SERVERS), self.rand.below(2))
    }

    /// What others do to the kernel.
    fn meddle(&mut self) {
        let kernel = &mut self.world.kernel;
        match self.rand.below(6) {
            5 => self.world.filter.tables.clear(),
            0 => kernel.table.clear(),
            1 => {
                let dests = kernel.table.values_mut().map(|(_, dests)| dests);
                dests.for_each(BTreeMap::clear);
            }
            2 => {
                let dests = kernel
                    .table
                    .values_mut()
                    .flat_map(|(_, dests)| dests.values_mut());
                dests.for_each(|dest| dest.options.weight = 77);
            }
            3 => {
                *kernel = Kernel::default();
                self.world.modprobe = match self.rand.below(3) {
                    0 => Modprobe::Loading,
                    1 => Modprobe::Failing,
                    _ => Modprobe::Hanging,
                };
            }
            _ => {
                *kernel = Kernel {
                    faults: Some(self.rand.clone()),
                    ..Kernel::with_ipvs()
                }
            }
        }
    }

    /// Faults off; every entry is touched once, since what others did shows only then.
    fn calm(&mut self) {
        let kernel = &mut self.world.kernel;
        kernel.present = true;
        kernel.refusing = None;
        kernel.faults = None;
        self.world.filter.refusing = None;
        for (server, port) in (0..SERVERS).flat_map(|server| [(server, 0), (server, 1)]) {
            let backend = match self.rand.below(10) {
                0..=5 => Backend::Talking(PAGE),
                6 | 7 => Backend::Refusing,
                8 => Backend::Accepting,
                _ => self.wrong_answer(),
            };
            let address = server_address(server, port);
            self.world.backends.insert(address, backend);
            let code = [0, 0, 1, 2, 5][usize::try_from(self.rand.below(5)).unwrap()];
            self.set_program(address, code);
        }
        for vip in VIPS {
            self.world.set_address(&virtual_ip(vip), true);
        }
        self.world.run_for(ROUND);
        if self.trouble == Trouble::Everything {
            for service in &mut self.config.virtual_servers {
                let timeout = Duration::from_secs(1_000);
                service.persistence = Some(Persistence {
                    timeout,
                    prefix: 24,
                });
                for server in &mut service.real_servers {
                    server.forwarding = Forwarding::Tunnel(Tunnel::default());
                }
                if let Some(sorry) = &mut service.sorry_server {
                    sorry.forwarding = Forwarding::Tunnel(Tunnel::default());
                }
            }
            self.world.apply(&self.config);
            self.world.run_for(ROUND);
        }
        assert_eq!(self.world.directing, Some(true));
    }

    /// What is asked of an address: the checks that differ from each other.
    fn checks_of(&self, address: SocketAddr) -> HashSet<&Checker> {
        let services = self.config.virtual_servers.iter();
        let servers = services.flat_map(|service| &service.real_servers);
        let checkers = servers.flat_map(|server| &server.checkers);
        checkers.filter(|checker| checker.to == address).collect()
    }

    /// Where checks are shared, none of those that differ makes two attempts at the same time. What
    /// is under way when the configuration changes may become the same as another.
    fn check_attempts(&self) {
        let settled = self.world.now() > self.loaded + LONGEST;
        if !self.config.global.checker_share_probes || !settled {
            return;
        }
        let mut attempts = BTreeMap::<SocketAddr, usize>::new();
        for address in self.world.open() {
            *attempts.entry(address).or_default() += 1;
        }
        for (address, count) in attempts {
            let checks = self.checks_of(address);
            assert!(count <= checks.len(), "{count} attempts of {checks:?}");
        }
    }

    /// When nothing changes every check is made once in a period: by each server, or for all.
    fn check_rounds(&mut self) {
        self.world.connects();
        self.world.run_for(ROUND);
        let mut attempts = BTreeMap::<SocketAddr, u64>::new();
        for connect in self.world.connects() {
            let (_, address) = connect.split_once(' ').unwrap();
            *attempts.entry(address.parse().unwrap()).or_default() += 1;
        }
        let addresses = (0..SERVERS).flat_map(|server| [(server, 0), (server, 1)]);
        for (server, port) in addresses {
            let address = server_address(server, port);
            let checks = self.checks_of(address);
            let count = attempts.remove(&address).unwrap_or(0);
            let fewest = u64::from(!checks.is_empty());
            let rounds = |checker: &&Checker| ROUND.as_secs() / shortest_pause(checker) + 1;
            let most: u64 = checks.iter().map(rounds).sum();
            assert!(count >= fewest, "no attempt of {checks:?}");
            if self.config.global.checker_share_probes {
                assert!(count <= most, "{count} attempts of {checks:?}");
            }
        }
        assert!(attempts.is_empty(), "nobody asked for {attempts:?}");
    }

    /// Every server that is up is in the table with its weight, and nothing else is; without the
    /// quorum the sorry server is, and none of the others.
    fn check_table(&self, weight: impl Fn(&Self, &RealServer) -> Option<i32>) {
        let mut expected = Vec::new();
        let mut services = Vec::new();
        let states = self.world.core.observe(Instant::ZERO).services;
        for (service, state) in self.config.virtual_servers.iter().zip(states) {
            let places = self.places(&service.key);
            services.extend(&places);
            let mut dests = BTreeMap::new();
            let sorry = service.sorry_server.as_ref();
            assert_eq!(state.sorry, sorry.is_some() && !state.quorum_up);
            for server in &service.real_servers {
                let up = (!state.sorry).then(|| weight(self, server)).flatten();
                let unused = server.inhibit_on_failure.then_some(0);
                if let Some(weight) = up.or(unused) {
                    dests.insert(server.address, (weight, method(server.forwarding)));
                }
            }
            let is_real = |sorry: &SorryServer| {
                let mut servers = service.real_servers.iter();
                servers.any(|server| server.address == sorry.address)
            };
            let stays = |sorry: &SorryServer| sorry.inhibit && !is_real(sorry);
            if let Some(sorry) = sorry.filter(|sorry| state.sorry || stays(sorry)) {
                let weight = i32::from(state.sorry);
                dests.insert(sorry.address, (weight, method(sorry.forwarding)));
            }
            for &id in &places {
                expected.extend(dests.iter().map(|(&(mut address), &(weight, method))| {
                    address.set_port(port(id));
                    (id, address, weight, method)
                }));
            }
        }
        expected.sort_by_key(|(service, server, ..)| (*service, *server));
        let table = self.world.kernel.table.iter();
        let actual: Vec<_> = table
            .flat_map(|(&id, (_, dests))| {
                let dests = dests.values();
                dests.map(move |dest| (id, dest.address, dest.options.weight, dest.options.method))
            })
            .collect();
        assert_eq!(actual, expected);
        services.sort();
        let there: Vec<ServiceId> = self.world.kernel.table.keys().copied().collect();
        assert_eq!(there, services);
    }

    /// What a virtual server is to the kernel.
    fn places(&self, key: &ServiceKey) -> Vec<ServiceId> {
        let of = |ip, port| ServiceId::Address {
            protocol: 6,
            address: SocketAddr::new(ip, port),
        };
        if let ServiceKey::Address(service) = key {
            return vec![of(service.address.ip(), service.address.port())];
        }
        if self.is_marked() {
            let services = self.world.kernel.table.keys();
            let is_given =
                |id: &&ServiceId| matches!(id, ServiceId::Fwmark { mark, .. } if *mark >= GIVEN);
            return services.filter(is_given).copied().collect();
        }
        let groups = &self.config.virtual_server_groups;
        let lines = groups.iter().flat_map(|group| &group.entries);
        let places = lines.flat_map(|entry| match *entry {
            GroupEntry::Fwmark { mark, .. } => vec![ServiceId::Fwmark {
                mark,
                family: Family::V4,
            }],
            GroupEntry::Addresses { first, port, .. } if first == FIRST => vec![of(first, port)],
            GroupEntry::Addresses { port, .. } => {
                let ips = RANGE.map(IpAddr::from).into_iter();
                ips.map(|ip| of(ip, port)).collect()
            }
        });
        places.collect()
    }

    /// The group is one service.
    fn is_marked(&self) -> bool {
        let mut entries = self.config.virtual_server_groups.iter();
        let is_address = |entry: &GroupEntry| matches!(entry, GroupEntry::Addresses { .. });
        let has_marks = self.config.global.firewall.nftables_ipvs.is_some();
        has_marks && entries.any(|group| group.entries.iter().all(is_address))
    }

    /// Packets to all its addresses are marked for it, and no others.
    fn check_marks(&self) {
        let targets: Vec<ServiceId> = self.world.filter.targets().into_iter().collect();
        if !self.is_marked() {
            assert_eq!(targets, []);
            return;
        }
        let groups = self.config.virtual_server_groups.iter();
        let lines: usize = groups.map(|group| group.entries.len()).sum();
        let [target] = targets[..] else {
            panic!("{targets:?}")
        };
        assert!(self.world.kernel.table.contains_key(&target));
        // A line for the table.
        assert_eq!(self.world.filter.show().len(), 1 + lines);
    }

    /// A quorum is gained with the hysteresis on top of it and lost below it, whatever happens to
    /// servers, table and configuration. What a program makes of a weight is seen in the table
    /// only, when that is `exact`.
    fn check_quorums(&self, exact: bool) {
        let states = self.world.core.observe(Instant::ZERO).services;
        assert_eq!(states.len(), self.config.virtual_servers.len());
        for (service, state) in self.config.virtual_servers.iter().zip(states) {
            assert_eq!(service.key, state.key);
            let servers = service.real_servers.iter().zip(&state.servers);
            let alive = servers.filter(|(_, server)| server.alive);
            let is_weighed = |server: &RealServer| {
                let mut checkers = server.checkers.iter();
                checkers.any(|checker| matches!(checker.check.probe, Probe::Misc { .. }))
            };
            if service.real_servers.iter().any(is_weighed) && !exact {
                continue;
            }
            let weights = alive.map(|(server, state)| match state.weight {
                Some(weight) if is_weighed(server) => i64::from(weight),
                _ => i64::from(server.weight),
            });
            let weight: i64 = weights.sum();
            let [quorum, hysteresis] = [service.quorum, service.hysteresis].map(i64::from);
            let right = if state.quorum_up {
                weight >= quorum - hysteresis
            } else {
                weight < quorum + hysteresis
            };
            assert!(right, "weight {weight}: {state:?}");
        }
    }

    /// What the core makes of the attempts it has seen; None: down.
    fn believed_weight(&self, server: &RealServer) -> Option<i32> {
        let state = self.world.server(&server.address.to_string());
        assert_eq!(state.alive, state.failed_checks == 0);
        state
            .alive
            .then(|| state.weight.expect("without a sorry server"))
    }

    /// What every attempt of the last round came to; None: down.
    fn deserved_weight(&self, server: &RealServer) -> Option<i32> {
        let mut weight = server.weight;
        for checker in &server.checkers {
            let answer = || self.world.backends[&checker.to];
            let passes = match &checker.check.probe {
                Probe::Tcp(_) => {
                    matches!(answer(), Backend::Accepting | Backend::Talking(_))
                }
                Probe::Http(_) => answer() == Backend::Talking(PAGE),
                Probe::Misc { script, .. } => {
                    let code = self.world.programs[&script.argv.join(" ")];
                    if code >= 2 {
                        weight = code - 2;
                    }
                    code != 1
                }
                other => unreachable!("no such check is made up: {other:?}"),
            };
            if !passes {
                return None;
            }
        }
        Some(weight)
    }
}

/// Seconds between two attempts of a check whose outcome stays. One that failed on the way back
/// goes by its retries.
fn shortest_pause(checker: &Checker) -> u64 {
    let check = &checker.check;
    let (pause, retry) = (check.delay_loop, check.delay_before_retry);
    match check.probe {
        Probe::Http(_) if !retry.is_zero() => pause.min(retry).as_secs(),
        _ => pause.as_secs(),
    }
}

/// A page as it should be.
const PAGE: &[Move] = &[Hear, Say(b"HTTP/1.0 200 OK\r\n\r\nhello"), End];
/// What is none.
const WRONG: [&[Move]; 5] = [
    &[Hear, Say(b"HTTP/1.0 503 Not today\r\n\r\n"), End],
    &[Hear, Say(b"HTTP/1.0 200 OK\r\nServer"), End],
    &[Hear, Say(b"-ERR what is it you want?\r\n"), End],
    &[Hear, Pause(700), Break(Errno::ECONNRESET)],
    &[End],
];

/// What says how heavy a server is.
fn program(server: IpAddr) -> Script {
    Script {
        argv: vec!["/usr/bin/load".to_owned(), server.to_string()],
        user: None,
    }
}

fn method(forwarding: Forwarding) -> Method {
    match forwarding {
        Forwarding::Tunnel(_) => Method::Tunnel(ipvs::Tunnel::Ipip),
        _ => Method::Route,
    }
}

/// Addresses of servers; each belongs to one service and is checked on one of two ports.
const SERVERS: u64 = 6;

fn server_address(server: u64, port: u64) -> SocketAddr {
    let host = if server < SERVERS / 2 {
        "10.0.1."
    } else {
        "fd00::"
    };
    let ip = format!("{host}{}", server + 1).parse().unwrap();
    SocketAddr::new(ip, if port == 0 { 80 } else { 81 })
}

/// The services' own.
const VIPS: [&str; 2] = ["10.0.0.1:80", "[fd00::ff]:80"];

/// On some interface of this machine.
fn virtual_ip(service: &str) -> Address {
    let address: SocketAddr = service.parse().unwrap();
    let length = if address.is_ipv4() { 32 } else { 128 };
    Address::new(
        IfIndex(2),
        format!("{}/{length}", address.ip()).parse().unwrap(),
    )
}

/// The port of the servers there: packets reach them as they came.
fn port(id: ServiceId) -> u16 {
    match id {
        ServiceId::Address { address, .. } => address.port(),
        ServiceId::Fwmark { .. } => 0,
    }
}

/// The lines that a group may have: an address, a range of three, marks.
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const RANGE: [[u8; 4]; 3] = [[10, 0, 0, 2], [10, 0, 0, 3], [10, 0, 0, 4]];

/// A group of some of these lines, and at least one.
fn group(rand: &mut Rand) -> VirtualServerGroup {
    let addresses = |first, last, port| GroupEntry::Addresses { first, last, port };
    let [second, _, fourth] = RANGE.map(IpAddr::from);
    let mark = |mark| GroupEntry::Fwmark { mark, family: None };
    let lines = [
        addresses(FIRST, FIRST, 80),
        addresses(FIRST, FIRST, 443),
        addresses(second, fourth, 80),
        mark(5),
        mark(6),
    ];
    let mut entries: Vec<GroupEntry> = lines.into_iter().filter(|_| rand.chance(50)).collect();
    if entries.is_empty() {
        entries.push(lines[0]);
    }
    let name = String::from("G");
    VirtualServerGroup { name, entries }
}

/// The first mark that is given to a group.
const GIVEN: u32 = 1_000;

/// Up to two services, each with any of its half of the servers; the first may be a group.
fn config(rand: &mut Rand) -> Config {
    let mut config = Config::default();
    config.global.checker_share_probes = rand.chance(50);
    config.global.firewall.nftables_ipvs = rand.chance(50).then(|| "t".to_owned());
    for (first, address) in [(0, VIPS[0]), (SERVERS / 2, VIPS[1])] {
        if rand.chance(20) {
            continue;
        }
        let servers = (first..first + SERVERS / 2).filter(|_| rand.chance(70));
        let servers: Vec<u64> = servers.collect();
        let mut key = ServiceKey::Address(ServiceAddress {
            protocol: Protocol::Tcp,
            address: address.parse().unwrap(),
        });
        if first == 0 && rand.chance(50) {
            config.virtual_server_groups.push(group(rand));
            key = ServiceKey::Group {
                name: String::from("G"),
                ordinal: 0,
                protocol: Some(Protocol::Tcp),
                family: Family::V4,
            };
        }
        // Marks are nowhere.
        let is_here = matches!(key, ServiceKey::Address(_));
        let sorry = rand.chance(40).then(|| sorry_server(rand, first));
        config.virtual_servers.push(VirtualServer {
            scheduler: if rand.chance(50) {
                Scheduler::RoundRobin
            } else {
                Scheduler::WeightedRoundRobin
            },
            ha_suspend: is_here && rand.chance(40),
            quorum: 1 + below(rand, 3),
            hysteresis: below(rand, 2),
            sorry_server: sorry,
            real_servers: servers
                .into_iter()
                .map(|server| real_server(rand, server, sorry.is_none()))
                .collect(),
            ..VirtualServer::new(key)
        });
    }
    config
}

/// One of the real servers, or one beside them.
fn sorry_server(rand: &mut Rand, first: u64) -> SorryServer {
    let ours = first + rand.below(SERVERS / 2);
    let another = if first == 0 {
        "10.0.1.99:80"
    } else {
        "[fd00::99]:80"
    };
    SorryServer {
        address: if rand.chance(30) {
            server_address(ours, 0)
        } else {
            another.parse().unwrap()
        },
        forwarding: Forwarding::DirectRouting,
        inhibit: rand.chance(50),
    }
}

fn real_server(rand: &mut Rand, server: u64, is_weighed: bool) -> RealServer {
    let address = server_address(server, 0);
    let mut checkers: Vec<Checker> = Vec::new();
    for _ in 0..rand.below(3) {
        checkers.push(if rand.chance(50) {
            common(rand)
        } else {
            connecting(rand, server)
        });
    }
    if is_weighed && rand.chance(30) {
        let probe = Probe::Misc {
            script: program(address.ip()),
            timeout: Duration::from_secs(5),
            dynamic: true,
        };
        checkers.push(checker(rand, Checker::NOWHERE, probe));
    }
    RealServer {
        weight: i32::try_from(rand.below(4)).unwrap(),
        inhibit_on_failure: rand.chance(30),
        checkers: checkers.into_boxed_slice(),
        ..RealServer::new(address, Forwarding::DirectRouting)
    }
}

/// One of few that servers of all services have, whatever their own address is.
fn common(rand: &mut Rand) -> Checker {
    let mut choices = Rand::new(rand.below(4));
    let server = choices.below(SERVERS);
    connecting(&mut choices, server)
}

/// A connection, or a page.
fn connecting(rand: &mut Rand, server: u64) -> Checker {
    let timeout = Duration::from_secs(1 + rand.below(3));
    let to = server_address(server, rand.below(2));
    let probe = asking(rand, timeout);
    checker(rand, to, probe)
}

fn asking(rand: &mut Rand, timeout: Duration) -> Probe {
    let endpoint = Endpoint {
        timeout,
        from: None,
        device: None,
        mark: 0,
    };
    if rand.chance(60) {
        return Probe::Tcp(endpoint);
    }
    Probe::Http(HttpProbe {
        endpoint,
        tls: false,
        version: HttpVersion::Http10,
        trust: TlsTrust::default(),
        fast_recovery: rand.chance(30),
        urls: vec![Url {
            path: "/".to_owned(),
            host: None,
            server_name: None,
            digest: None,
            status: vec![200..=299],
            regex: None,
            close_notify: false,
        }],
    })
}

fn checker(rand: &mut Rand, to: SocketAddr, probe: Probe) -> Checker {
    let mut seconds = |bound| Duration::from_secs(rand.below(bound));
    let check = Check {
        delay_before_retry: seconds(3),
        delay_loop: Duration::from_secs(1) + seconds(5),
        warmup: seconds(3),
        probe,
        retry: below(rand, 3),
        alpha: rand.chance(30),
        log_all_failures: rand.chance(30),
    };
    Checker {
        to,
        check: Arc::new(check),
    }
}

fn below(rand: &mut Rand, bound: u64) -> u32 {
    u32::try_from(rand.below(bound)).unwrap()
}
