//! The world: routers on two segments, packets in flight, faults, and the only clock.

mod asks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use keepalived::addr::{Cidr, Family, IfIndex, MacAddr, Vrid};
use keepalived::config::Config;
use keepalived::errno::Errno;
use keepalived::journal::Journal;
use keepalived::rand::Rand;
use keepalived::time::Instant;
use keepalived::vrrp::{
    Attempt, Condition, Core, Effect, Event, Object, SocketId, Standing, StateName, Trace,
};
use keepalived::wire::channel::Channel;
use keepalived::wire::linkbeat::Question;
use keepalived::wire::rtnl::Notice;
use log::Level;

use crate::kernel::{ETH0, Kernel};
use crate::packets::Packet;
use crate::record::{self, Transcript};

pub(crate) const SEC: Duration = Duration::from_secs(1);
pub(crate) const MS: Duration = Duration::from_millis(1);

/// A router, by the order in which it joined the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(usize);

/// What the segment does to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weather {
    pub(crate) delay_min: Duration,
    pub(crate) delay_max: Duration,
    /// Of 100 packets.
    pub(crate) loss: u64,
    /// Of 100 packets.
    pub(crate) duplication: u64,
}

impl Weather {
    pub(crate) const CALM: Self = Self {
        delay_min: Duration::from_micros(100),
        delay_max: MS,
        loss: 0,
        duplication: 0,
    };
}

pub(crate) struct Lan {
    pub(crate) now: Instant,
    pub(crate) weather: Weather,
    rand: Rand,
    routers: Vec<Router>,
    /// Deliveries by time, then by order of sending.
    in_flight: BTreeMap<(Instant, u64), (Id, IfIndex, Rc<Packet>)>,
    sent: u64,
    transcript: Transcript,
    /// Nothing is written down: who wants to know tells the story again.
    silent: bool,
    pub(crate) tally: Tally,
    pub(crate) split: Split,
    /// So many instances that to look at all of them after every call, and to write down what they
    /// say, takes too long.
    unchecked: bool,
    /// The routers of a story write down what they hear.
    pub(crate) records: bool,
}

/// What has been asked of the cores.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Calls into a core.
    pub(crate) events: u64,
    /// Things that went wrong, packets lost and doubled not counted.
    pub(crate) faults: u64,
    /// Looks at all that must always be true.
    pub(crate) checks: u64,
    /// The longest time without exactly one master after all faults have ended.
    pub(crate) unsettled: Duration,
}

/// How long there was not exactly one master, of routers that run and are awake.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Split {
    pub(crate) without: Duration,
    pub(crate) several: Duration,
}

impl Tally {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            faults: self.faults + other.faults,
            checks: self.checks + other.checks,
            unsettled: self.unsettled.max(other.unsettled),
        }
    }
}

struct Router {
    name: String,
    config: Config,
    /// What the configuration says of each instance.
    claims: Vec<Claim>,
    uptime: Duration,
    /// `-X`.
    releases_all: bool,
    /// `-a`.
    tells_of_addresses: bool,
    /// Another program has added an address that is not its own.
    meddled: bool,
    kernel: Kernel,
    /// None: the process does not run.
    core: Option<Core>,
    sockets: BTreeMap<SocketId, Channel>,
    /// Packets waiting in the sockets of a process that does not get the processor.
    waiting: VecDeque<(SocketId, Rc<Packet>)>,
    asleep_until: Option<Instant>,
    /// Interfaces that neither hear nor are heard, and do not notice.
    cut: BTreeSet<IfIndex>,
    /// Those that are heard and do not hear.
    deaf: BTreeSet<IfIndex>,
    /// Those that hear and are not heard.
    mute: BTreeSet<IfIndex>,
    /// How far its wall clock is from the others', in seconds.
    clock: i64,
    last_sent: Option<Rc<Packet>>,
    /// The masters of the last look.
    masters: Vec<(Family, Vrid)>,
    /// What `--log-events` would write, once somebody wants it.
    journal: Option<Journal>,
}

/// What an instance may have while it is master.
struct Claim {
    instance: String,
    family: Family,
    addresses: Vec<Cidr>,
}

/// What one event may lead to, with a handful of instances.
const EFFECTS_MAX: usize = 500;
/// More wake-ups than this in one run is a loop without progress.
const WAKE_UPS_MAX: u32 = 1_000_000;
/// Seconds since 1970 when a story begins.
const NOON: u64 = 1_700_000_000;

impl Lan {
    pub(crate) fn new(seed: u64) -> Self {
        record::capture();
        Self {
            now: Instant::ZERO,
            weather: Weather::CALM,
            rand: Rand::new(seed),
            routers: Vec::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            transcript: Transcript::default(),
            silent: false,
            tally: Tally::default(),
            split: Split::default(),
            unchecked: false,
            records: false,
        }
    }

    /// The same without a transcript.
    pub(crate) fn silent(seed: u64) -> Self {
        Self {
            silent: true,
            ..Self::new(seed)
        }
    }

    pub(crate) fn leave_unchecked(&mut self) {
        self.unchecked = true;
    }

    /// Adds the machine 10.0.0.N (and 10.1.0.N) and starts its process.
    pub(crate) fn router(&mut self, name: &str, config: &str) -> Id {
        let id = self.configured(name, config);
        self.start(id);
        id
    }

    /// The machine has been up for so long when the process starts.
    pub(crate) fn booted(&mut self, id: Id, ago: Duration) {
        self.routers[id.0].uptime = ago;
    }

    /// The process starts with `-X`.
    pub(crate) fn release_all(&mut self, id: Id) {
        self.routers[id.0].releases_all = true;
    }

    /// The process starts with `-a`.
    pub(crate) fn tell_of_addresses(&mut self, id: Id) {
        self.routers[id.0].tells_of_addresses = true;
    }

    /// Another program adds an address to `eth0`.
    pub(crate) fn add_address(&mut self, id: Id, cidr: &str) {
        self.note(id, "gets an address from another program");
        self.routers[id.0].meddled = true;
        let cidr = cidr.parse().expect("an address");
        self.routers[id.0].kernel.add(cidr);
        self.hear(id);
    }

    /// From its next start on it writes down what it hears.
    pub(crate) fn record(&mut self, id: Id) {
        self.routers[id.0].journal = Some(Journal::default());
    }

    /// What it has written down since.
    pub(crate) fn journal(&mut self, id: Id) -> String {
        let journal = self.routers[id.0].journal.as_mut();
        journal.map(Journal::take).unwrap_or_default()
    }

    /// Adds a machine whose process does not run yet.
    pub(crate) fn configured(&mut self, name: &str, config: &str) -> Id {
        let id = Id(self.routers.len());
        let number = u8::try_from(id.0 + 1).expect("a handful of routers");
        let config = load(config);
        self.routers.push(Router {
            name: name.to_owned(),
            claims: claims(&config),
            config,
            uptime: Duration::from_secs(86_400),
            releases_all: false,
            tells_of_addresses: false,
            meddled: false,
            kernel: Kernel::new(number),
            core: None,
            sockets: BTreeMap::new(),
            waiting: VecDeque::new(),
            asleep_until: None,
            cut: BTreeSet::new(),
            deaf: BTreeSet::new(),
            mute: BTreeSet::new(),
            clock: 0,
            last_sent: None,
            masters: Vec::new(),
            journal: None,
        });
        id
    }

    /// What it runs with, or will when it starts.
    pub(crate) fn config(&self, id: Id) -> &Config {
        &self.routers[id.0].config
    }

    pub(crate) fn routers(&self) -> impl Iterator<Item = Id> + use<> {
        (0..self.routers.len()).map(Id)
    }

    // What happens to routers.

    pub(crate) fn start(&mut self, id: Id) {
        self.note(id, "starts");
        let router = &mut self.routers[id.0];
        router.masters.clear();
        assert!(router.core.is_none(), "{} runs already", router.name);
        let mut core = Core::new();
        if router.releases_all {
            core = core.releasing_all();
        }
        if router.tells_of_addresses {
            core = core.telling_of_addresses();
        }
        router.core = Some(core);
        let (now, all, tells) = (self.now, router.releases_all, router.tells_of_addresses);
        router.note(|journal| journal.vrrp_begins(now, all, tells));
        let uptime = router.uptime;
        self.tell(id, Event::Uptime(uptime));
        self.tell_time(id);
        self.read_everything(id);
        let config = self.routers[id.0].config.clone();
        self.tell(id, Event::Reload(&config));
        self.run_timers(id);
    }

    /// SIGTERM. The second in which nothing happens but that others hear of it is left out.
    pub(crate) fn stop(&mut self, id: Id) {
        self.note(id, "stops");
        self.tell(id, Event::Stop);
        self.end(id);
    }

    /// SIGTERM with `-V`: addresses of instances stay.
    pub(crate) fn leave(&mut self, id: Id) {
        self.note(id, "leaves");
        self.tell(id, Event::Leave);
        self.end(id);
    }

    fn end(&mut self, id: Id) {
        let mut effects = Vec::new();
        let at = self.now + SEC;
        let router = &mut self.routers[id.0];
        router.note(|journal| journal.vrrp_time(at));
        if let Some(core) = &mut router.core {
            core.on_time(at, &mut effects);
        }
        router.note(|journal| journal.vrrp_effects(&effects));
        self.perform(id, effects);
        let core = self.routers[id.0].core.as_ref();
        let deadline = core.and_then(Core::deadline);
        assert_eq!(deadline, None, "a stopped core waits for nothing");
        let sockets = &self.routers[id.0].sockets;
        assert!(sockets.is_empty(), "a stopped core has no sockets");
        self.forget(id);
    }

    /// SIGKILL: no goodbye, the addresses stay in the kernel.
    pub(crate) fn kill(&mut self, id: Id) {
        self.note(id, "is killed");
        self.forget(id);
    }

    fn forget(&mut self, id: Id) {
        let router = &mut self.routers[id.0];
        router.core = None;
        router.sockets.clear();
        router.waiting.clear();
        router.asleep_until = None;
    }

    pub(crate) fn runs(&self, id: Id) -> bool {
        self.routers[id.0].core.is_some()
    }

    pub(crate) fn reload(&mut self, id: Id, config: &str) {
        self.note(id, "reloads");
        let config = load(config);
        self.routers[id.0].adopt(config.clone());
        self.tell(id, Event::Reloading);
        // Files are read.
        self.run(2 * MS);
        self.tell(id, Event::Reload(&config));
        self.run_timers(id);
    }

    /// Writes another configuration for the next start.
    pub(crate) fn configure(&mut self, id: Id, config: &str) {
        self.routers[id.0].adopt(load(config));
    }

    /// The switch forgets the port: packets vanish both ways, the carrier stays.
    pub(crate) fn cut(&mut self, id: Id) {
        self.cut_link(id, ETH0);
    }

    pub(crate) fn cut_link(&mut self, id: Id, link: IfIndex) {
        self.note(id, &format!("is cut off{}", on(link)));
        self.routers[id.0].cut.insert(link);
    }

    /// The way to it is broken, the way from it is not.
    pub(crate) fn deafen(&mut self, id: Id, link: IfIndex) {
        self.note(id, &format!("hears nothing any more{}", on(link)));
        self.routers[id.0].deaf.insert(link);
    }

    /// The way from it is broken, the way to it is not.
    pub(crate) fn silence(&mut self, id: Id, link: IfIndex) {
        self.note(id, &format!("is not heard any more{}", on(link)));
        self.routers[id.0].mute.insert(link);
    }

    pub(crate) fn heal(&mut self, id: Id) {
        self.heal_link(id, ETH0);
    }

    pub(crate) fn heal_link(&mut self, id: Id, link: IfIndex) {
        self.note(id, &format!("is connected again{}", on(link)));
        let router = &mut self.routers[id.0];
        for broken in [&mut router.cut, &mut router.deaf, &mut router.mute] {
            broken.remove(&link);
        }
    }

    /// The cable is pulled: the kernel tells.
    pub(crate) fn unplug(&mut self, id: Id) {
        self.unplug_link(id, ETH0);
    }

    pub(crate) fn unplug_link(&mut self, id: Id, link: IfIndex) {
        self.note(id, &format!("loses its cable{}", on(link)));
        self.routers[id.0].kernel.carrier(link, false);
        self.hear(id);
    }

    pub(crate) fn plug(&mut self, id: Id) {
        self.plug_link(id, ETH0);
    }

    pub(crate) fn plug_link(&mut self, id: Id, link: IfIndex) {
        self.note(id, &format!("gets its cable back{}", on(link)));
        self.routers[id.0].kernel.carrier(link, true);
        self.hear(id);
    }

    /// Another program removes an address.
    pub(crate) fn remove_address(&mut self, id: Id, cidr: &str) {
        self.note(id, "loses an address to another program");
        let kernel = &mut self.routers[id.0].kernel;
        kernel.remove(cidr.parse().expect("an address"));
        self.hear(id);
    }

    /// Another program removes an address, and the notice is lost: the monitor socket was full. The
    /// daemon reads everything anew.
    pub(crate) fn lose_notices(&mut self, id: Id, cidr: &str) {
        self.note(id, "loses notices");
        let kernel = &mut self.routers[id.0].kernel;
        kernel.remove(cidr.parse().expect("an address"));
        kernel.lose_notices();
        if self.runs(id) {
            self.read_everything(id);
            self.run_timers(id);
        }
    }

    /// All routes and rules go, and nobody is told.
    pub(crate) fn forget_routing(&mut self, id: Id) {
        self.routers[id.0].kernel.routes.clear();
        self.routers[id.0].kernel.rules.clear();
    }

    fn read_everything(&mut self, id: Id) {
        let kernel = &self.routers[id.0].kernel;
        let (links, addresses, rules) = (kernel.links(), kernel.addresses(), kernel.rules.clone());
        let everything = Event::Resync {
            links: &links,
            addresses: &addresses,
            rules: &rules,
        };
        self.tell(id, everything);
    }

    /// `ip link set eth1 down` or `up`.
    pub(crate) fn switch(&mut self, id: Id, link: IfIndex, up: bool) {
        self.note(
            id,
            if up {
                "is switched on"
            } else {
                "is switched off"
            },
        );
        let notice = self.routers[id.0].kernel.switch(link, up);
        self.notify(id, notice);
    }

    /// Another program removes a route.
    pub(crate) fn remove_route(&mut self, id: Id, destination: &str) {
        self.note(id, "loses a route to another program");
        let kernel = &mut self.routers[id.0].kernel;
        kernel.steal_route(destination.parse().expect("a network"));
        self.hear(id);
    }

    /// Another program removes a rule.
    pub(crate) fn remove_rule(&mut self, id: Id, preference: u32) {
        self.note(id, "loses a rule to another program");
        self.routers[id.0].kernel.steal_rule(preference);
        self.hear(id);
    }

    /// Destinations, in the order of the table.
    pub(crate) fn routes(&self, id: Id) -> Vec<String> {
        let routes = self.routers[id.0].kernel.routes.iter();
        routes.map(|route| route.destination.to_string()).collect()
    }

    /// Preferences, in the order of their making.
    pub(crate) fn rules(&self, id: Id) -> Vec<u32> {
        let rules = self.routers[id.0].kernel.rules.iter();
        rules.map(|rule| rule.preference).collect()
    }

    /// From now on the kernel has no memory for anything new, or has again.
    pub(crate) fn refuse(&mut self, id: Id, refuses: bool) {
        self.note(
            id,
            if refuses {
                "runs out of memory"
            } else {
                "has memory again"
            },
        );
        self.routers[id.0].kernel.refuses = refuses;
    }

    /// IPVS appears or is missing.
    pub(crate) fn directing(&mut self, id: Id, directing: bool) {
        self.tell(id, Event::Directing(directing));
        self.run_timers(id);
    }

    /// Somebody does something to the machine itself; the daemon is told of what follows.
    pub(crate) fn meddle(&mut self, id: Id, what: &str, act: impl FnOnce(&mut Kernel)) {
        self.note(id, what);
        act(&mut self.routers[id.0].kernel);
        self.hear(id);
    }

    pub(crate) fn kernel(&self, id: Id) -> &Kernel {
        &self.routers[id.0].kernel
    }

    /// net.ipv6.conf.eth0.forwarding is set.
    pub(crate) fn forward(&mut self, id: Id, forwards: bool) {
        self.routers[id.0].kernel.forwards = forwards;
    }

    /// The monitor becomes readable.
    fn hear(&mut self, id: Id) {
        while let Some(notice) = self.routers[id.0].kernel.notice() {
            self.notify(id, notice);
        }
    }

    /// A tracker tells how its object does.
    pub(crate) fn tracked(&mut self, id: Id, object: &Object, condition: Condition) {
        self.tell(id, Event::Tracked { object, condition });
        self.run_timers(id);
    }

    fn notify(&mut self, id: Id, notice: Notice) {
        if self.runs(id) {
            self.tell(id, Event::Network(notice));
            self.run_timers(id);
        }
    }

    /// Sets its wall clock apart from the others'.
    pub(crate) fn set_clock(&mut self, id: Id, seconds: i64) {
        self.note(id, "has its clock set");
        self.routers[id.0].clock = seconds;
        self.tell_time(id);
    }

    fn tell_time(&mut self, id: Id) {
        let seconds = NOON.saturating_add_signed(self.routers[id.0].clock);
        let time = Duration::from_secs(seconds) + self.now.since(Instant::ZERO);
        self.tell(id, Event::WallClock(time));
    }

    /// Duplicate address detection is at work on an address, or has come to an end.
    pub(crate) fn set_address_flags(&mut self, id: Id, cidr: &str, flags: u32) {
        let cidr = cidr.parse().expect("an address");
        self.routers[id.0].kernel.set_flags(cidr, flags);
        self.note(id, "learns of an address");
        self.hear(id);
    }

    /// The last packet that it sent.
    pub(crate) fn last_sent(&self, id: Id) -> Packet {
        self.sent(id).expect("it has sent")
    }

    /// The same of one that may not have sent yet.
    pub(crate) fn sent(&self, id: Id) -> Option<Packet> {
        self.routers[id.0].last_sent.as_deref().cloned()
    }

    /// A packet as it may come from elsewhere, which every router hears that listens to it.
    pub(crate) fn inject_packet(&mut self, packet: &Packet) {
        let packet = Rc::new(packet.clone());
        for id in self.routers() {
            self.deliver(id, ETH0, &packet);
        }
    }

    /// The process does not get the processor for a while; its socket keeps what arrives.
    pub(crate) fn stall(&mut self, id: Id, how_long: Duration) {
        self.note(id, "falls asleep");
        self.routers[id.0].asleep_until = Some(self.now + how_long);
    }

    /// Somebody sends a packet that every router hears now.
    pub(crate) fn inject(&mut self, packet: &[u8]) {
        self.inject_on(ETH0, packet);
    }

    pub(crate) fn inject_on(&mut self, link: IfIndex, packet: &[u8]) {
        let packet = Rc::new(Packet::v4(packet));
        for id in self.routers() {
            self.deliver(id, link, &packet);
        }
    }

    /// All faults end: everybody runs, is connected by all these links, and wakes up.
    pub(crate) fn calm(&mut self, links: &[IfIndex]) {
        self.weather = Weather::CALM;
        for id in self.routers() {
            for link in links {
                self.heal_link(id, *link);
                self.plug_link(id, *link);
            }
            self.refuse(id, false);
            if !self.runs(id) {
                self.start(id);
            }
        }
        self.split = Split::default();
        let asleep = self.routers.iter().filter_map(|router| router.asleep_until);
        let last = asleep.max().unwrap_or(self.now);
        self.run(last.since(self.now));
    }

    // Time.

    pub(crate) fn run(&mut self, how_long: Duration) {
        let end = self.now + how_long;
        for _ in 0..WAKE_UPS_MAX {
            match self.next_event() {
                Some(at) if at <= end => {
                    self.pass(at);
                    self.turn();
                }
                _ => {
                    self.pass(end);
                    return;
                }
            }
        }
        panic!(
            "the routers never come to rest:\n{}",
            self.transcript.text()
        );
    }

    /// Until then nothing happens.
    fn pass(&mut self, until: Instant) {
        let until = self.now.max(until);
        let idle = until.since(self.now);
        let awake = |router: &&Router| router.core.is_some() && router.asleep_until.is_none();
        let awake = self.routers.iter().filter(awake);
        match awake.filter(|router| !router.masters.is_empty()).count() {
            0 => self.split.without += idle,
            1 => {}
            _ => self.split.several += idle,
        }
        self.now = until;
    }

    fn next_event(&self) -> Option<Instant> {
        let delivery = self.in_flight.keys().next().map(|(at, _)| *at);
        let wake_ups = self.routers.iter().filter_map(|router| {
            let deadline = router.core.as_ref()?.deadline();
            router.asleep_until.or(deadline)
        });
        wake_ups.chain(delivery).min()
    }

    /// Everything that is due now: packets before timers, as the daemon's loop does.
    fn turn(&mut self) {
        while let Some(entry) = self.in_flight.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (to, link, packet) = entry.remove();
            if self.routers[to.0].is_connected(link) && !self.routers[to.0].deaf.contains(&link) {
                self.deliver(to, link, &packet);
            }
        }
        for id in self.routers() {
            if self.routers[id.0]
                .asleep_until
                .is_some_and(|until| until <= self.now)
            {
                self.routers[id.0].asleep_until = None;
                self.note(id, "wakes up");
                while let Some((on, packet)) = self.routers[id.0].waiting.pop_front() {
                    self.hand_over(id, on, &packet);
                }
            }
            let core = self.routers[id.0].core.as_ref();
            if core.is_some_and(|core| core.deadline().is_some_and(|at| at <= self.now)) {
                self.run_timers(id);
            }
        }
    }

    fn deliver(&mut self, to: Id, link: IfIndex, packet: &Rc<Packet>) {
        let Router {
            sockets, kernel, ..
        } = &self.routers[to.0];
        let hears = |channel: &Channel| {
            let cable = channel.link.map(|known| kernel.cable(known));
            cable.is_none_or(|known| known == link) && packet.is_for(channel)
        };
        let on: Vec<_> = sockets
            .iter()
            .filter(|(_, channel)| hears(channel))
            .map(|(on, _)| *on)
            .collect();
        for on in on {
            self.hand_over(to, on, packet);
        }
    }

    fn hand_over(&mut self, to: Id, on: SocketId, packet: &Rc<Packet>) {
        let router = &mut self.routers[to.0];
        if router.core.is_none() || !router.sockets.contains_key(&on) {
            return;
        }
        if router.asleep_until.is_some() {
            router.waiting.push_back((on, Rc::clone(packet)));
            return;
        }
        let datagram = packet.datagram();
        self.tell(to, Event::Datagram { on, datagram });
    }

    fn run_timers(&mut self, id: Id) {
        let now = self.now;
        let router = &mut self.routers[id.0];
        if router.asleep_until.is_some() {
            return;
        }
        let Some(core) = &router.core else { return };
        self.tally.events += 1;
        let mut effects = Vec::new();
        let forwards = router.kernel.forwards;
        for (link, _) in core.neighbour_links() {
            router.hear(now, Event::Forwarding { link, forwards }, &mut effects);
        }
        router.note(|journal| journal.vrrp_time(now));
        let Some(core) = &mut router.core else { return };
        let before = effects.len();
        core.on_time(now, &mut effects);
        assert!(
            core.deadline().is_none_or(|at| at > now),
            "a due timer was left behind"
        );
        router.note(|journal| journal.vrrp_effects(&effects[before..]));
        self.perform(id, effects);
        self.check(id);
    }

    fn tell(&mut self, id: Id, event: Event<'_>) {
        let router = &mut self.routers[id.0];
        if router.core.is_none() {
            return;
        }
        let mut effects = Vec::new();
        router.hear(self.now, event, &mut effects);
        self.tally.events += 1;
        self.perform(id, effects);
        self.check(id);
    }

    // Effects.

    /// In order; what fails comes back as an event afterwards, as in the daemon.
    fn perform(&mut self, id: Id, effects: Vec<Effect>) {
        self.write_down(id, &effects);
        let (mut failures, mut answers, mut links) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = Vec::new();
        for effect in effects {
            match effect {
                Effect::Open { socket, .. } if self.routers[id.0].kernel.refuses => {
                    failures.push((Attempt::Open(socket), Errno::ENOBUFS));
                }
                Effect::Open {
                    socket, channel, ..
                } => {
                    self.routers[id.0].sockets.insert(socket, channel);
                }
                Effect::Close(socket) => {
                    assert!(self.routers[id.0].sockets.remove(&socket).is_some());
                }
                Effect::Advertise {
                    on,
                    to,
                    from,
                    ttl,
                    packet: bytes,
                } => {
                    let packet = Packet {
                        from,
                        to,
                        ttl,
                        bytes,
                    };
                    self.check_sender(id, &packet);
                    self.advertise(id, on, Rc::new(packet));
                }
                Effect::Filter(request) => {
                    if let Err(error) = self.routers[id.0].kernel.filter(&request) {
                        failures.push((Attempt::Filter(request), error));
                    }
                }
                Effect::Announce { .. }
                | Effect::Notify(_)
                | Effect::Buffer { .. }
                | Effect::StopSeeking(_) => {}
                Effect::Setting(request) => {
                    if let Some(value) = self.routers[id.0].kernel.set(&request) {
                        answers.push((request.setting().clone(), value));
                    }
                }
                Effect::Seek(trace) => seen.extend(self.sight(trace)),
                Effect::AskLink(question) => {
                    let answer = self.routers[id.0].kernel.ask_link(&question);
                    links.push((question, answer));
                }
                Effect::Kernel(request) => {
                    if let Err(error) = self.routers[id.0].kernel.perform(&request) {
                        failures.push((Attempt::Kernel(request), error));
                    }
                }
            }
        }
        for (what, error) in failures {
            self.tell(id, Event::Failed { what, error });
        }
        for (setting, value) in answers {
            self.tell(id, Event::Setting { setting, value });
        }
        self.tell_of_cables(id, seen, &links);
        while let Some(notice) = self.routers[id.0].kernel.notice() {
            self.tell(id, Event::Network(notice));
        }
    }

    /// Who was seen on them, and whether they are plugged.
    fn tell_of_cables(
        &mut self,
        id: Id,
        seen: Vec<(Trace, MacAddr)>,
        answers: &[(Question, Result<bool, Errno>)],
    ) {
        for (of, mac) in seen {
            self.tell(id, Event::Sighting { of, mac });
        }
        for (question, answer) in answers {
            let (question, answer) = (question, *answer);
            self.tell(id, Event::LinkAnswer { question, answer });
        }
    }

    fn advertise(&mut self, id: Id, on: SocketId, packet: Rc<Packet>) {
        let Router {
            sockets, kernel, ..
        } = &self.routers[id.0];
        let channel = sockets.get(&on).expect("sent on an open socket");
        let cable = kernel.cable(channel.link.unwrap_or(ETH0));
        self.send(id, cable, packet);
    }

    /// Whose address it is; nobody's when it is another program's.
    fn sight(&self, trace: Trace) -> Option<(Trace, MacAddr)> {
        let mut routers = self.routers.iter();
        let of = routers.find(|router| router.kernel.has_address(trace.source))?;
        Some((trace, of.kernel.link("eth0")?.mac?))
    }

    /// To everybody on the segment: who does not listen to the destination does not hear it.
    fn send(&mut self, from: Id, link: IfIndex, packet: Rc<Packet>) {
        self.routers[from.0].last_sent = Some(Rc::clone(&packet));
        let sender = &self.routers[from.0];
        if !sender.is_connected(link) || sender.mute.contains(&link) {
            return;
        }
        let address = packet.from;
        assert!(sender.kernel.has_address(address), "sent from {address}");
        for to in self.routers().filter(|to| *to != from) {
            if self.rand.chance(self.weather.loss) {
                continue;
            }
            let copies = 1 + u64::from(self.rand.chance(self.weather.duplication));
            for _ in 0..copies {
                let spread = self.weather.delay_max - self.weather.delay_min;
                let delay = self.weather.delay_min + self.rand.up_to(spread);
                self.sent += 1;
                self.in_flight.insert(
                    (self.now + delay, self.sent),
                    (to, link, Rc::clone(&packet)),
                );
            }
        }
    }

    // What must always be true.

    /// An instance owns its addresses exactly in Master, in its own mind and in the kernel.
    fn check(&mut self, id: Id) {
        let router = &self.routers[id.0];
        let Some(core) = &router.core else { return };
        // In the middle of a turn: an owner that starts is master only when its timers have run.
        if self.unchecked || router.meddled || core.deadline().is_some_and(|at| at <= self.now) {
            return;
        }
        self.tally.checks += 1;
        // Before its first look at the machine, what a crash left is still there.
        let waits =
            |instance: Standing<'_>| matches!(instance.state, StateName::Backup | StateName::Fault);
        let nobody = core.standings().next().is_some() && core.standings().all(waits);
        if nobody && !core.has_statics() {
            let Kernel { routes, rules, .. } = &router.kernel;
            let nothing = routes.is_empty() && rules.is_empty();
            assert!(nothing, "{routes:?} {rules:?}\n{}", self.transcript.text());
        }
        for instance in core.standings() {
            self.check_instance(router, instance);
        }
        let router = &mut self.routers[id.0];
        let mut masters = std::mem::take(&mut router.masters);
        masters.clear();
        masters.extend(router.leads());
        router.masters = masters;
    }

    /// It has what it may have, and is in the state of its group.
    fn check_instance(&self, router: &Router, instance: Standing<'_>) {
        let is_master = instance.state == StateName::Master;
        let claim = router.claim(instance.name);
        let addresses = claim.map_or(&[][..], |claim| &claim.addresses);
        let owned = addresses.iter().filter(|vip| router.kernel.has(**vip));
        let owned = owned.count();
        // A master may be missing an address it was robbed of less than a second ago.
        assert!(
            is_master || (owned == 0 && !instance.owns),
            "{} is {:?} and owns {owned} addresses:\n{}",
            router.name,
            instance.state,
            self.transcript.text()
        );
        assert!(
            instance.group.is_none_or(|group| group == instance.state),
            "{}: {instance:?} is not in the state of its group:\n{}",
            router.name,
            self.transcript.text()
        );
    }

    /// Only a master says more than goodbye.
    fn check_sender(&self, id: Id, packet: &Packet) {
        let advert = packet.advert();
        let router = &self.routers[id.0];
        let family = Family::of(packet.from);
        let is_it = |(of, vrid): &(Family, Vrid)| *of == family && vrid.number() == advert.vrid();
        if self.unchecked || advert.priority() == 0 || router.masters.iter().any(is_it) {
            return;
        }
        assert!(
            router.core.is_none() || router.leads().any(|led| is_it(&led)),
            "{} is no master and sends adverts:\n{}",
            router.name,
            self.transcript.text()
        );
    }

    /// What it says, and what it wants done.
    fn write_down(&mut self, id: Id, effects: &[Effect]) {
        self.note_lines(id);
        let count = effects.len();
        assert!(
            self.unchecked || count <= EFFECTS_MAX,
            "one event has {count} effects:\n{}",
            self.transcript.text()
        );
        if self.silent {
            return;
        }
        for words in effects.iter().filter_map(record::describe) {
            self.note(id, &words);
        }
    }

    fn note_lines(&mut self, id: Id) {
        for (level, line) in record::take_lines() {
            self.note(id, &line);
            let transcript = || self.transcript.text();
            // What a refusing kernel leads to is an operator's business.
            assert!(
                level > Level::Error || self.routers[id.0].kernel.refuses,
                "an error was logged: {line}\n{}",
                transcript()
            );
        }
    }

    fn note(&mut self, id: Id, what: &str) {
        if self.unchecked || self.silent {
            return;
        }
        let name = &self.routers[id.0].name;
        self.transcript.note(self.now, name, what);
    }
}

impl Router {
    fn note(&mut self, write: impl FnOnce(&mut Journal)) {
        self.journal.as_mut().map(write);
    }

    /// One call of its core.
    fn hear(&mut self, now: Instant, event: Event<'_>, effects: &mut Vec<Effect>) {
        let Some(core) = &mut self.core else { return };
        if let Some(journal) = &mut self.journal {
            journal.vrrp_event(now, &event);
        }
        let before = effects.len();
        core.on_event(now, event, effects);
        self.note(|journal| journal.vrrp_effects(&effects[before..]));
    }

    fn adopt(&mut self, config: Config) {
        self.claims = claims(&config);
        self.config = config;
    }

    fn claim(&self, instance: &str) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.instance == instance)
    }

    /// The virtual routers that it is the master of.
    fn leads(&self) -> impl Iterator<Item = (Family, Vrid)> {
        let instances = self.core.iter().flat_map(Core::standings);
        let masters = instances.filter(|instance| instance.state == StateName::Master);
        masters.filter_map(|master| Some((self.claim(master.name)?.family, master.vrid)))
    }

    fn is_connected(&self, link: IfIndex) -> bool {
        !self.cut.contains(&link) && self.kernel.is_up(link)
    }
}

/// What a line of the transcript adds for another interface than the first.
fn on(link: IfIndex) -> String {
    if link == ETH0 {
        String::new()
    } else {
        format!(" on eth{}", link.0 - ETH0.0)
    }
}

fn claims(config: &Config) -> Vec<Claim> {
    let instances = config.instances.iter();
    let claims = instances.map(|instance| {
        let addresses = instance.addresses.iter().chain(&instance.excluded);
        Claim {
            instance: instance.name.clone(),
            family: instance.family,
            addresses: addresses.map(|vip| vip.cidr).collect(),
        }
    });
    claims.collect()
}

fn load(text: &str) -> Config {
    let loaded = keepalived::config::load_text("test.conf", text, &keepalived::config::AnyHost);
    loaded
        .config
        .unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)))
}
