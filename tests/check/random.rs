//! Seeded runs in two phases: everything flaps, then nothing does, and the table must be what the
//! checks say. A failure names its seed; the same seed gives the same run.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use keepalived::addr::Family;
use keepalived::config::{
    Checker, Config, Endpoint, Forwarding, GroupEntry, Persistence, Probe, Protocol, RealServer,
    Scheduler, ServiceAddress, ServiceKey, Tunnel, VirtualServer, VirtualServerGroup,
};
use keepalived::errno::Errno;
use keepalived::rand::Rand;
use keepalived::time::Instant;
use keepalived::wire::ipvs::{self, Method, ServiceId};

use crate::kernel::Kernel;
use crate::world::{Backend, Modprobe, World};

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
}

const SEEDS: u64 = 1_000;
const STEPS: usize = 20;

/// Seconds in which everything has been looked at: the next look at IPVS (10 s), then a check with
/// its delay, its limits and its retries (at most 5 + 3 x 3 + 2 x 2 s).
const ROUND: Duration = Duration::from_secs(30);

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
        world.kernel.present = trouble != Trouble::Everything || rand.chance(70);
        let config = config(&mut rand);
        Self {
            world,
            rand,
            trouble,
            config,
        }
    }

    fn play(mut self) -> Vec<String> {
        self.world.apply(&self.config);
        for _ in 0..STEPS {
            let pause = self.rand.up_to(Duration::from_secs(4));
            self.world.run_for(pause);
            self.disturb();
            if self.trouble == Trouble::None {
                self.check_table(|run, server| run.believed_alive(server));
            }
            self.check_quorums();
        }
        self.calm();
        self.check_table(|run, server| run.passes(server));
        self.check_quorums();
        if self.trouble == Trouble::None {
            assert_eq!(
                self.world.kernel.surprises, [""; 0],
                "nothing is asked that does not fit"
            );
        }
        self.world.stop();
        assert_eq!(self.world.kernel.show(), [""; 0]);
        self.world.transcript
    }

    fn disturb(&mut self) {
        match self
            .rand
            .below(if self.trouble == Trouble::None { 6 } else { 12 })
        {
            0..=4 => self.flip_backend(),
            5 => {
                self.config = config(&mut self.rand);
                self.world.apply(&self.config);
            }
            6 => self.world.kernel.refusing = Some(Errno::ENOMEM),
            7 => self.world.kernel.refusing = None,
            _ if self.trouble == Trouble::Everything => self.meddle(),
            _ => {}
        }
    }

    fn flip_backend(&mut self) {
        let backend = match self.rand.below(8) {
            0..=2 => Backend::Accepting,
            3..=5 => Backend::Refusing,
            6 => Backend::Silent,
            _ => Backend::Unbindable,
        };
        let address = self.backend();
        self.world.backends.insert(address, backend);
    }

    fn backend(&mut self) -> SocketAddr {
        server_address(self.rand.below(SERVERS), self.rand.below(2))
    }

    /// What others do to the kernel.
    fn meddle(&mut self) {
        let kernel = &mut self.world.kernel;
        match self.rand.below(5) {
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
                dests.for_each(|dest| dest.weight = 77);
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
        for (server, port) in (0..SERVERS).flat_map(|server| [(server, 0), (server, 1)]) {
            let backend = if self.rand.chance(60) {
                Backend::Accepting
            } else {
                Backend::Refusing
            };
            self.world
                .backends
                .insert(server_address(server, port), backend);
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
            }
            self.world.apply(&self.config);
            self.world.run_for(ROUND);
        }
        assert_eq!(self.world.directing, Some(true));
    }

    /// Every server that is up is in the table with its weight, and nothing else is.
    fn check_table(&self, alive: impl Fn(&Self, &RealServer) -> bool) {
        let mut expected = Vec::new();
        let mut services = Vec::new();
        for service in &self.config.virtual_servers {
            let places = self.places(&service.key);
            services.extend(&places);
            for server in &service.real_servers {
                let up = alive(self, server);
                if up || server.inhibit_on_failure {
                    let weight = if up { server.weight } else { 0 };
                    let method = match server.forwarding {
                        Forwarding::Tunnel(_) => Method::Tunnel(ipvs::Tunnel::Ipip),
                        _ => Method::Route,
                    };
                    expected.extend(places.iter().map(|&id| {
                        let mut address = server.address;
                        address.set_port(port(id));
                        (id, address, weight, method)
                    }));
                }
            }
        }
        expected.sort_by_key(|(service, server, ..)| (*service, *server));
        let table = self.world.kernel.table.iter();
        let actual: Vec<_> = table
            .flat_map(|(&id, (_, dests))| {
                let dests = dests.values();
                dests.map(move |dest| (id, dest.address, dest.weight, dest.method))
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

    /// A quorum is gained with the hysteresis on top of it and lost below it, whatever happens to
    /// servers, table and configuration.
    fn check_quorums(&self) {
        let states = self.world.core.observe(Instant::ZERO).services;
        assert_eq!(states.len(), self.config.virtual_servers.len());
        for (service, state) in self.config.virtual_servers.iter().zip(states) {
            assert_eq!(service.key, state.key);
            let servers = service.real_servers.iter().zip(&state.servers);
            let alive = servers.filter(|(_, server)| server.alive);
            let weight: i64 = alive.map(|(server, _)| i64::from(server.weight)).sum();
            let [quorum, hysteresis] = [service.quorum, service.hysteresis].map(i64::from);
            let right = if state.quorum_up {
                weight >= quorum - hysteresis
            } else {
                weight < quorum + hysteresis
            };
            assert!(right, "weight {weight}: {state:?}");
        }
    }

    fn believed_alive(&self, server: &RealServer) -> bool {
        let state = self.world.server(&server.address.to_string());
        assert_eq!(state.alive, state.failed_checks == 0);
        state.alive
    }

    fn passes(&self, server: &RealServer) -> bool {
        server.checkers.iter().all(|checker| {
            let to = checker.probe.endpoint().unwrap().to;
            self.world.backends[&to] == Backend::Accepting
        })
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

/// Up to two services, each with any of its half of the servers; the first may be a group.
fn config(rand: &mut Rand) -> Config {
    let mut config = Config::default();
    for (first, address) in [(0, "10.0.0.1:80"), (SERVERS / 2, "[fd00::ff]:80")] {
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
        config.virtual_servers.push(VirtualServer {
            scheduler: if rand.chance(50) {
                Scheduler::RoundRobin
            } else {
                Scheduler::WeightedRoundRobin
            },
            quorum: 1 + below(rand, 3),
            hysteresis: below(rand, 2),
            real_servers: servers
                .into_iter()
                .map(|server| real_server(rand, server))
                .collect(),
            ..VirtualServer::new(key)
        });
    }
    config
}

fn real_server(rand: &mut Rand, server: u64) -> RealServer {
    let checkers = rand.below(3);
    let address = server_address(server, 0);
    RealServer {
        weight: i32::try_from(rand.below(4)).unwrap(),
        inhibit_on_failure: rand.chance(30),
        checkers: (0..checkers)
            .map(|_| Arc::new(checker(rand, server)))
            .collect(),
        ..RealServer::new(address, Forwarding::DirectRouting)
    }
}

fn checker(rand: &mut Rand, server: u64) -> Checker {
    let mut seconds = |bound| Duration::from_secs(rand.below(bound));
    Checker {
        delay_before_retry: seconds(3),
        delay_loop: Duration::from_secs(1) + seconds(5),
        warmup: seconds(3),
        probe: Probe::Tcp(Endpoint {
            timeout: Duration::from_secs(1) + seconds(3),
            to: server_address(server, rand.below(2)),
            from: None,
            device: None,
            mark: 0,
        }),
        retry: below(rand, 3),
        alpha: rand.chance(30),
        log_all_failures: rand.chance(30),
    }
}

fn below(rand: &mut Rand, bound: u64) -> u32 {
    u32::try_from(rand.below(bound)).unwrap()
}
