//! The largest director that is known of: 2,277 virtual and 37,205 real servers. What the core
//! spends on it, and how long a turn of the loop takes at most, against a kernel that costs
//! nothing.
//!
//! `scripts/bench slices` prints the figures of an optimised build.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keepalived::check::{Core, Effect, Event, ProbeId};
use keepalived::config::Config;
use keepalived::errno::Errno;
use keepalived::time::Instant;
use keepalived::wire::ipvs::{Dest, DestState, Request, Service, ServiceId};
use keepalived::wire::rtnl::Address;

use crate::stopwatch::Stopwatch;
use crate::world::{forget_log, load};

const SERVICES: usize = 2_277;
const SERVERS: usize = 37_205;

/// What the loop may do before adverts have their turn.
const TURN: Duration = Duration::from_millis(5);
/// From the parsed configuration to the last operation.
const WHOLE: Duration = Duration::from_millis(100);
/// Tests run unoptimised.
const SLOWER: u32 = if cfg!(debug_assertions) { 20 } else { 1 };

#[test]
fn the_largest_director_is_configured_in_slices() {
    let mut machine = Machine::new();
    let config = load(&text(SERVICES));
    let started = machine.apply("start", &config);
    assert_eq!(started.requests, SERVICES + SERVERS);

    let same = machine.apply("the same again", &config);
    assert_eq!(same.requests, 0);

    // A crash: what is in the table is not touched, though its servers are still to be told.
    machine.core = Core::new(2);
    let adopted = machine.apply("adopted", &config);
    assert_eq!(adopted.requests, 0);

    let mut changed = config.clone();
    changed.virtual_servers[1_000].real_servers[5].weight = 7;
    let one = machine.apply("one weight", &changed);
    assert_eq!(one.requests, 1);

    changed.virtual_servers.truncate(SERVICES / 2);
    let halved = machine.apply("half of it gone", &changed);
    assert_eq!(halved.requests, SERVICES - SERVICES / 2);

    let whole = machine.apply("and back", &config);
    assert!(whole.requests > SERVERS / 2);
    let stopped = machine.stop();
    assert_eq!(stopped.requests, SERVICES);
    machine.is_empty();

    stopped.is_sliced();
    for phase in [started, same, adopted, one, halved, whole] {
        phase.is_quick();
    }
}

#[test]
fn a_service_of_thousands_is_configured_in_slices() {
    let mut machine = Machine::new();
    let config = load(&text(1));
    let started = machine.apply("one service, start", &config);
    assert_eq!(started.requests, 1 + SERVERS);

    let mut changed = config.clone();
    changed.virtual_servers[0].real_servers[5].weight = 7;
    let one = machine.apply("one weight", &changed);
    assert_eq!(one.requests, 1);

    changed.virtual_servers[0]
        .real_servers
        .truncate(SERVERS / 2);
    let halved = machine.apply("half of it gone", &changed);
    assert_eq!(halved.requests, SERVERS - SERVERS / 2);

    // One of a thousand changes is replaced by the next before it is done.
    changed.virtual_servers[0].real_servers.truncate(1_000);
    machine.begin(&changed);
    let whole = machine.apply("and back", &config);
    assert!(whole.requests >= SERVERS / 2);
    let stopped = machine.stop();
    assert_eq!(stopped.requests, 1);
    machine.is_empty();

    stopped.is_sliced();
    for phase in [started, one, halved, whole] {
        phase.is_quick();
    }
}

/// With `checker_share_probes`, and few addresses that answer for all of the servers: what is found
/// of one of them concerns every service.
#[test]
fn a_verdict_that_all_services_share_is_handed_out_in_slices() {
    let mut machine = Machine::new();
    let checks = text_with(SERVICES, |number| {
        format!("connect_ip 10.9.9.{number}\nretry 0")
    });
    let checks = checks.replace("lb_kind DR", "lb_kind DR\ndelay_loop 4");
    let config = load(&format!(
        "global_defs {{\nchecker_share_probes\n}}\n{checks}"
    ));
    let addresses = SERVERS.div_ceil(SERVICES);
    let started = machine.apply("shared checks, start", &config);
    machine.answers = true;
    let first = machine.pass("the first attempts", Duration::from_secs(4));
    machine.answers = false;
    let failing = machine.pass("those that fail", Duration::from_secs(4));
    machine.answers = true;
    let passing = machine.pass("those that pass", Duration::from_secs(4));
    assert_eq!([first.requests, first.connects], [0, addresses]);
    assert_eq!([failing.requests, failing.connects], [SERVERS, addresses]);
    assert_eq!([passing.requests, passing.connects], [SERVERS, addresses]);

    let mut changed = config.clone();
    changed.virtual_servers.truncate(SERVICES / 2);
    let halved = machine.apply("half of it gone", &changed);
    let whole = machine.apply("and back", &config);
    let stopped = machine.stop();
    machine.is_empty();
    for phase in [first, failing, passing, stopped] {
        phase.is_sliced();
    }
    for phase in [started, halved, whole] {
        phase.is_quick();
    }
}

#[test]
fn a_service_of_thousands_is_adopted_and_looked_at_in_slices() {
    let mut machine = Machine::new();
    let mut config = load(&text(1));
    for server in &mut config.virtual_servers[0].real_servers {
        server.checkers = Box::default();
    }
    machine.apply("one service, start", &config);
    // A crash: the table stays, with a server that nobody wants any more.
    let mut changed = config.clone();
    changed.virtual_servers[0].real_servers.pop();
    machine.core = Core::new(2);
    let adopted = machine.apply("adopted", &changed);
    assert_eq!(adopted.requests, 1);

    // Somebody meddles, and the table is read back.
    let (_, dests) = machine.table.values_mut().next().unwrap();
    let lost: Vec<SocketAddr> = dests.keys().step_by(1_000).copied().collect();
    for address in &lost {
        dests.remove(address);
    }
    let audited = machine.audit();
    assert_eq!(audited.requests, lost.len());
    let looked = machine.audit();
    assert_eq!(looked.requests, 0);
    for phase in [adopted, audited, looked] {
        phase.is_sliced();
    }
}

#[test]
fn thousands_give_way_to_a_sorry_server_and_come_back_in_slices() {
    let mut machine = Machine::new();
    let mut config = load(&text(1));
    let sorry = "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlb_algo wrr\nlb_kind DR\n\
                 sorry_server 10.99.0.1 80\nreal_server 10.100.0.1 80 {\n}\n}\n";
    let sorry = load(sorry).virtual_servers.remove(0).sorry_server;
    config.virtual_servers[0].sorry_server = sorry;
    machine.apply("one service, start", &config);
    let mut lost = config.clone();
    lost.virtual_servers[0].quorum = 1_000_000;
    let sorry = machine.apply("a sorry server instead", &lost);
    assert_eq!(sorry.requests, SERVERS + 1);
    assert_eq!(machine.table.values().next().unwrap().1.len(), 1);
    let back = machine.apply("the servers again", &config);
    assert_eq!(back.requests, SERVERS + 1);
    assert_eq!(machine.table.values().next().unwrap().1.len(), SERVERS);
    // It goes in the middle of it.
    machine.begin(&lost);
    let gone = machine.apply("no sorry server", &load(&text(1)));
    assert_eq!(machine.table.values().next().unwrap().1.len(), SERVERS);
    machine.stop();
    machine.is_empty();
    for phase in [sorry, back, gone] {
        phase.is_sliced();
    }
}

#[test]
fn thousands_are_suspended_and_checked_again_in_slices() {
    let mut machine = Machine::new();
    let mut config = load(&text(1));
    machine.apply("one service, start", &config);
    config.virtual_servers[0].ha_suspend = true;
    let suspended = machine.apply("suspended", &config);
    assert!(machine.core.observe(machine.now).services[0].suspended);
    // Nothing is due but looks at the table.
    let after = machine.core.deadline().unwrap();
    assert!(after > machine.now + Duration::from_secs(5), "{after:?}");
    let address = Address {
        cidr: "10.0.0.1/32".parse().unwrap(),
        ..crate::machine::vip()
    };
    let resumed = machine.go_through("resumed", Event::Addresses(vec![address.clone()]));
    assert!(!machine.core.observe(machine.now).services[0].suspended);
    let due = machine.core.deadline().unwrap();
    assert!(due < machine.now + Duration::from_secs(2), "{due:?}");
    // It leaves again before they all have begun.
    let mut phase = Phase::BEGINNING;
    machine.turn(&mut phase, Some(Event::Addresses(Vec::new())));
    machine.turn(&mut phase, Some(Event::Addresses(vec![address])));
    let left = machine.go_through("left", Event::Addresses(Vec::new()));
    let after = machine.core.deadline().unwrap();
    assert!(after > machine.now + Duration::from_secs(5), "{after:?}");
    for phase in [suspended, resumed, left] {
        phase.is_sliced();
    }
}

#[test]
fn a_group_of_thousands_of_addresses_is_marked_in_slices() {
    let group = |lines: u32| {
        let lines = (0..lines).map(|line| format!("10.{}.{}.1 80\n", line / 250, line % 250));
        let lines: String = lines.collect();
        load(&format!(
            "global_defs {{\nnftables_ipvs\n}}\nvirtual_server_group G {{\n{lines}}}\n\
             virtual_server group G {{\nprotocol TCP\nlb_algo wrr\nlb_kind DR\n\
             real_server 10.100.0.1 80 {{\n}}\n}}\n"
        ))
    };
    let mut machine = Machine::new();
    let started = machine.apply("a group, start", &group(2_000));
    let more = machine.apply("more", &group(2_001));
    let fewer = machine.apply("fewer", &group(1_000));
    assert_eq!([started.requests, more.requests, fewer.requests], [2, 0, 0]);
    for phase in [started, more, fewer] {
        phase.is_sliced();
    }
}

/// All servers, in so many services of about the same size.
fn text(services: usize) -> String {
    text_with(services, |_| String::new())
}

/// With more lines for each check, by the number of the server in its service.
fn text_with(services: usize, lines: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut servers = 0;
    for service in 0..services {
        let (high, low) = (service / 250, service % 250);
        text += &format!("virtual_server 10.{high}.{low}.1 80 {{\nprotocol TCP\nlb_algo wrr\n");
        text += "lb_kind DR\n";
        let until = SERVERS * (service + 1) / services;
        for server in servers..until {
            let (a, b, c) = (server / 62_500, server / 250 % 250, server % 250 + 1);
            text += &format!("real_server 10.{}.{b}.{c} 80 {{\nweight 3\n", 100 + a);
            let lines = lines(server - servers);
            text += &format!("TCP_CHECK {{\nconnect_timeout 3\n{lines}\n}}\n}}\n");
        }
        servers = until;
        text += "}\n";
    }
    text
}

/// A core, and a kernel that is quick.
struct Machine {
    core: Core,
    now: Instant,
    table: BTreeMap<ServiceId, (Service, BTreeMap<SocketAddr, Dest>)>,
    modules: HashSet<String>,
    /// The servers take connections.
    answers: bool,
    /// As in the daemon the core is not the last who lets go of it.
    config: Arc<Config>,
}

/// What something took.
struct Phase {
    requests: usize,
    connects: usize,
    turns: usize,
    /// Until the last request, and until nothing was left to be done.
    requested: Duration,
    whole: Duration,
    longest: Duration,
}

impl Phase {
    const BEGINNING: Self = Self {
        requests: 0,
        connects: 0,
        turns: 0,
        requested: Duration::ZERO,
        whole: Duration::ZERO,
        longest: Duration::ZERO,
    };

    fn tell(&self, what: &str) {
        let Self {
            requests,
            turns,
            requested,
            whole,
            longest,
            ..
        } = self;
        println!(
            "{what}: {requests} requests by {requested:.1?}, all done by {whole:.1?}, in {turns} \
             turns, the longest {longest:.1?}"
        );
    }

    fn is_sliced(&self) {
        let longest = self.longest;
        assert!(longest < TURN * SLOWER, "a turn of {longest:?}");
    }

    fn is_quick(&self) {
        self.is_sliced();
        let requested = self.requested;
        assert!(
            requested < WHOLE * SLOWER,
            "the last request by {requested:?}"
        );
    }
}

impl Machine {
    fn new() -> Self {
        forget_log();
        Self {
            core: Core::new(1),
            now: Instant::ZERO,
            table: BTreeMap::new(),
            modules: HashSet::new(),
            answers: false,
            config: Arc::default(),
        }
    }

    /// Turn by turn until nothing is left to be done at once.
    fn apply(&mut self, what: &str, config: &Config) -> Phase {
        let config = Arc::new(config.clone());
        let phase = self.go_through(what, Event::Reload(&config));
        self.config = config;
        phase
    }

    /// A few turns only.
    fn begin(&mut self, config: &Config) {
        let config = Arc::new(config.clone());
        let mut phase = Phase::BEGINNING;
        self.turn(&mut phase, Some(Event::Reload(&config)));
        self.turn(&mut phase, None);
        self.config = config;
    }

    /// Ten seconds later; there are no checks.
    fn audit(&mut self) -> Phase {
        self.now = self.now + Duration::from_secs(10);
        let mut phase = Phase::BEGINNING;
        while self.core.deadline().is_some_and(|at| at <= self.now) {
            self.turn(&mut phase, None);
        }
        phase.tell("audit");
        phase
    }

    fn stop(&mut self) -> Phase {
        self.go_through("stop", Event::Stop)
    }

    fn go_through(&mut self, what: &str, first: Event<'_>) -> Phase {
        let mut phase = Phase::BEGINNING;
        self.turn(&mut phase, Some(first));
        while self.core.deadline().is_some_and(|at| at <= self.now) {
            self.turn(&mut phase, None);
        }
        phase.tell(what);
        phase
    }

    /// What is due until then.
    fn pass(&mut self, what: &str, time: Duration) -> Phase {
        let until = self.now + time;
        let mut phase = Phase::BEGINNING;
        while let Some(at) = self.core.deadline().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            self.turn(&mut phase, None);
        }
        self.now = self.now.max(until);
        phase.tell(what);
        phase
    }

    /// Nothing is left, in the table and in the core.
    fn is_empty(&self) {
        assert_eq!(self.table, BTreeMap::new());
        assert_eq!(self.core.observe(self.now).services, []);
        assert_eq!(self.core.deadline(), None);
    }

    /// One turn of the loop, a microsecond after the one before. Only the core is timed.
    fn turn(&mut self, phase: &mut Phase, first: Option<Event<'_>>) {
        self.now = self.now + Duration::from_micros(1);
        let before = phase.requests;
        let mut spent = Duration::ZERO;
        let mut out = Vec::new();
        let watch = Stopwatch::start();
        match first {
            Some(event) => self.core.on_event(self.now, event, &mut out),
            None => self.core.on_time(self.now, &mut out),
        }
        spent += watch.elapsed();
        let mut inbox = VecDeque::new();
        loop {
            for effect in out.drain(..) {
                inbox.extend(self.perform(effect, phase));
            }
            let Some(event) = inbox.pop_front() else {
                break;
            };
            let watch = Stopwatch::start();
            self.core.on_event(self.now, event, &mut out);
            spent += watch.elapsed();
        }
        forget_log();
        phase.turns += 1;
        phase.whole += spent;
        if phase.requests > before {
            phase.requested = phase.whole;
        }
        phase.longest = phase.longest.max(spent);
    }

    fn perform(&mut self, effect: Effect, phase: &mut Phase) -> Option<Event<'static>> {
        match effect {
            Effect::FindDirector { .. } => Some(Event::Director(Ok(0x01_0201))),
            Effect::LoadModule(module) => {
                self.modules.insert(module.clone());
                let success = true;
                Some(Event::ModuleLoaded { module, success })
            }
            Effect::ReadIpvs(id) => {
                let found = self.table.get(&id).map(|(service, dests)| {
                    let dests = dests.values().map(|&dest| DestState { dest, active: 0 });
                    (service.clone(), dests.collect())
                });
                let answer = Ok(found);
                Some(Event::IpvsRead { id, answer })
            }
            Effect::Ipvs(request) => {
                phase.requests += 1;
                self.change(request);
                None
            }
            Effect::Connect(connect) => {
                phase.connects += 1;
                Some(self.answer(connect.probe))
            }
            Effect::WatchAddresses(true) => Some(Event::Addresses(Vec::new())),
            Effect::Directing(_) | Effect::Notify(_) | Effect::Mark { .. } | Effect::Close(_) => {
                None
            }
            other => panic!("nobody asks for {other:?} here"),
        }
    }

    fn answer(&self, probe: ProbeId) -> Event<'static> {
        if self.answers {
            return Event::Connected(probe);
        }
        Event::Failed {
            probe,
            error: Errno::ECONNREFUSED,
            started: true,
        }
    }

    fn change(&mut self, request: Request) {
        match request {
            Request::NewService(service) => {
                self.table.insert(service.id, (service, BTreeMap::new()));
            }
            Request::NewDest(id, dest) | Request::SetDest(id, dest) => {
                let (_, dests) = self.table.get_mut(&id).expect("the service is there");
                dests.insert(dest.address, dest);
            }
            Request::DelService(id) => {
                self.table.remove(&id).expect("the service is there");
            }
            Request::DelDest(id, address) => {
                let (_, dests) = self.table.get_mut(&id).expect("the service is there");
                dests.remove(&address).expect("the destination is there");
            }
            other => panic!("nobody asks for {other:?} here"),
        }
    }
}
