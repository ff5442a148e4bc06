//! The driver of the check core: descriptors to `check::Event`, `check::Effect` to `sys`.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use log::{debug, error};
use mio::Token;

use super::logging::CHECK;
use super::probes::Probes;
use super::reactor::{Reactor, Ready, Source};
use super::recorder;
use crate::check::{Effect, Event, ProbeId, Snapshot};
use crate::child::{Exit, Kill};
use crate::config::global::Buffers;
use crate::config::{Config, Script};
use crate::errno::Errno;
use crate::notify::News;
use crate::sys::ipvs::Ipvs;
use crate::sys::netlink::{Monitor, RouteCommand};
use crate::sys::nft::PacketFilter;
use crate::sys::process::{self, Modprobe, Pid};
use crate::sys::tls::Files;
use crate::time::Instant;
use crate::track::{Condition, Object};
use crate::wire::ipvs::Request;
use crate::wire::nft::marks;

#[derive(Debug)]
pub(super) struct Driver {
    core: recorder::Check,
    part: Part,
    /// Sizes of receive buffers.
    buffers: Buffers,
    ipvs: Option<Ipvs>,
    marks: Option<PacketFilter>,
    probes: Probes,
    /// Where what a peer says is read into.
    buffer: Vec<u8>,
    /// The children that load modules.
    loading: Vec<Loading>,
    /// Tells of addresses that come and go, while the core wants to know.
    addresses: Option<(Monitor, Token)>,
    /// Programs that are running, and what is asked of them.
    programs: BTreeSet<ProbeId>,
    orders: Vec<Order>,
    /// Answers that effects gave at once, to be told to the core in order.
    inbox: VecDeque<Event<'static>>,
    effects: Vec<Effect>,
    /// What the VRRP core has to know.
    directing: Option<bool>,
    /// What is to be told to scripts, pipes and mails.
    news: Vec<News>,
}

/// Which of the director's work is done here: the sync daemon that follows an instance belongs to
/// VRRP, all else to the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Everything,
    /// `-C`
    Checks,
    /// `-P`
    SyncDaemon,
}

impl Part {
    /// What is left of a configuration for this part.
    fn of(self, config: &Arc<Config>) -> Arc<Config> {
        match self {
            Self::Checks => {
                let mut part = Config::clone(config);
                part.global
                    .lvs
                    .sync_daemon
                    .take_if(|daemon| daemon.instance.is_some());
                part.instances.clear();
                Arc::new(part)
            }
            Self::Everything => Arc::clone(config),
            Self::SyncDaemon => {
                let mut part = Config {
                    instances: config.instances.clone(),
                    ..Config::default()
                };
                let daemon = config.global.lvs.sync_daemon.clone();
                part.global.lvs.sync_daemon = daemon.filter(|daemon| daemon.instance.is_some());
                part.global.namespace.clone_from(&config.global.namespace);
                Arc::new(part)
            }
        }
    }
}

/// What is to be done with a program.
#[derive(Debug)]
pub(super) enum Order {
    Run { probe: ProbeId, script: Script },
    Kill { probe: ProbeId, kill: Kill },
}

#[derive(Debug)]
struct Loading {
    pid: Pid,
    module: String,
    how: Modprobe,
}

impl Driver {
    pub(super) fn new(part: Part, core: recorder::Check) -> Self {
        Self {
            part,
            buffers: Buffers::default(),
            core,
            ipvs: None,
            marks: None,
            probes: Probes::new(Files::default(), Source::Probe),
            buffer: vec![0; BUFFER],
            loading: Vec::new(),
            addresses: None,
            programs: BTreeSet::new(),
            orders: Vec::new(),
            inbox: VecDeque::new(),
            effects: Vec::new(),
            directing: None,
            news: Vec::new(),
        }
    }

    pub(super) fn reload(&mut self, now: Instant, config: &Arc<Config>, reactor: &mut Reactor) {
        let ssl = config.ssl.clone().unwrap_or_default();
        self.probes.set_files(Files {
            authorities: ssl.ca,
            certificate: ssl.certificate,
            key: ssl.key,
        });
        self.buffers.clone_from(&config.global.buffers);
        self.set_buffers();
        self.tell(now, Event::Reload(&self.part.of(config)), reactor);
    }

    /// It is more than the sync daemon.
    pub(super) fn checks(&self) -> bool {
        self.part != Part::SyncDaemon
    }

    pub(super) fn stop(&mut self, now: Instant, reactor: &mut Reactor) {
        self.tell(now, Event::Stop, reactor);
    }

    pub(super) fn on_time(&mut self, now: Instant, reactor: &mut Reactor) {
        self.core.on_time(now, &mut self.effects);
        self.settle(now, reactor);
    }

    /// When the core has something to do. Checks that are due at about the same time are begun in
    /// one turn of the loop; what cannot wait is due in the turn that was the last one.
    pub(super) fn deadline(&self, turned: Instant) -> Option<Instant> {
        let exact = self.core.deadline()?;
        Some(if exact > turned {
            exact.rounded_up_to(GATHERING)
        } else {
            exact
        })
    }

    pub(super) fn observe(&self, now: Instant) -> Snapshot {
        self.core.observe(now)
    }

    /// What has happened since the last call.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Whether this machine can direct, when that has changed since the last call.
    pub(super) fn take_directing(&mut self) -> Option<bool> {
        self.directing.take().filter(|_| self.checks())
    }

    /// The socket of a probe is ready. A peer that talks without end is left for the next turn.
    pub(super) fn on_probe(
        &mut self,
        now: Instant,
        probe: ProbeId,
        (token, ready): (Token, Ready),
        reactor: &mut Reactor,
    ) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut budget = READS_PER_TURN;
        while let Some(heard) = self.probes.hear(probe, ready, &mut buffer) {
            let event = heard.event(probe, &buffer);
            self.tell(now, event, reactor);
            budget -= 1;
            if budget == 0 {
                reactor.again(token);
                break;
            }
        }
        self.buffer = buffer;
    }

    /// A tracked object is in another condition; only files concern checks.
    pub(super) fn tracked(
        &mut self,
        now: Instant,
        object: &Object,
        condition: Condition,
        reactor: &mut Reactor,
    ) {
        if let (Object::File(name), Condition::Value(value)) = (object, condition) {
            self.tell(now, Event::File { name, value }, reactor);
        }
    }

    /// What is to be done with programs, since the last call.
    pub(super) fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// A program has ended.
    pub(super) fn on_program(
        &mut self,
        now: Instant,
        probe: ProbeId,
        exit: Exit,
        reactor: &mut Reactor,
    ) {
        self.programs.remove(&probe);
        self.tell(now, Event::Exited { probe, exit }, reactor);
    }

    /// A program could not be started.
    pub(super) fn not_started(
        &mut self,
        now: Instant,
        probe: ProbeId,
        error: Errno,
        reactor: &mut Reactor,
    ) {
        self.programs.remove(&probe);
        let started = false;
        let failed = Event::Failed {
            probe,
            error,
            started,
        };
        self.tell(now, failed, reactor);
    }

    /// A child of ours has ended.
    pub(super) fn on_exit(&mut self, now: Instant, pid: Pid, exit: Exit, reactor: &mut Reactor) {
        let Some(at) = self.loading.iter().position(|loading| loading.pid == pid) else {
            return;
        };
        let Loading { module, how, .. } = self.loading.swap_remove(at);
        let success = exit == Exit::Code(0);
        debug!(target: CHECK, "modprobe {module} {exit:?}");
        if !success && how == Modprobe::Syslog {
            // Busybox has no -s.
            self.load_module(module, Modprobe::Quiet);
        } else {
            let event = Event::ModuleLoaded { module, success };
            self.inbox.push_back(event);
        }
        self.settle(now, reactor);
    }

    /// The instance that the sync daemon follows.
    pub(super) fn follows(&self) -> Option<&str> {
        self.core.follows()
    }

    /// That instance is master, or is not.
    pub(super) fn on_role(&mut self, now: Instant, master: bool, reactor: &mut Reactor) {
        self.tell(now, Event::Master(master), reactor);
    }

    /// Addresses came or went.
    pub(super) fn on_addresses(&mut self, now: Instant, token: Token, reactor: &mut Reactor) {
        for _ in 0..NOTICES_PER_TURN {
            let Some((monitor, _)) = &mut self.addresses else {
                return;
            };
            match monitor.recv() {
                Ok(None) => return,
                Ok(Some(notices)) => {
                    for notice in notices {
                        self.tell(now, Event::Network(notice), reactor);
                    }
                }
                Err(Errno::ENOBUFS) => {
                    self.read_addresses();
                    self.settle(now, reactor);
                }
                Err(error) => {
                    error!(target: CHECK, "Netlink: cannot read monitor socket: {error}");
                    return;
                }
            }
        }
        reactor.again(token);
    }

    fn tell(&mut self, now: Instant, event: Event<'_>, reactor: &mut Reactor) {
        self.core.on_event(now, event, &mut self.effects);
        self.settle(now, reactor);
    }

    /// Performs what the core wants, and tells it the answers, until it wants nothing more.
    fn settle(&mut self, now: Instant, reactor: &mut Reactor) {
        loop {
            let mut effects = std::mem::take(&mut self.effects);
            for effect in effects.drain(..) {
                self.perform(effect, reactor);
            }
            // Its room is used again.
            self.effects = effects;
            let Some(event) = self.inbox.pop_front() else {
                return;
            };
            self.core.on_event(now, event, &mut self.effects);
        }
    }

    fn perform(&mut self, effect: Effect, reactor: &mut Reactor) {
        match effect {
            Effect::Connect(connect) => self.inbox.extend(self.probes.connect(&connect, reactor)),
            Effect::Send { probe, bytes } => self.inbox.extend(self.probes.send(probe, &bytes)),
            Effect::Run { probe, script } => {
                self.programs.insert(probe);
                self.orders.push(Order::Run { probe, script });
            }
            Effect::Kill { probe, kill } => self.orders.push(Order::Kill { probe, kill }),
            Effect::Close(probe) => self.close(probe, reactor),
            Effect::FindDirector { namespace } => self.find_director(namespace.as_deref()),
            Effect::LoadModule(module) => self.load_module(module, Modprobe::Syslog),
            Effect::Ipvs(request) => self.request(request),
            Effect::Mark { request, namespace } => self.mark(request, namespace.as_deref()),
            Effect::ReadIpvs(id) => {
                let answer = self.ask(|ipvs| ipvs.read(&id));
                self.inbox.push_back(Event::IpvsRead { id, answer });
            }
            Effect::ReadTimeouts => {
                let answer = self.ask(Ipvs::timeouts);
                self.inbox.push_back(Event::TimeoutsRead(answer));
            }
            Effect::WatchAddresses(true) => self.watch_addresses(reactor),
            Effect::WatchAddresses(false) => self.leave_addresses(reactor),
            Effect::Notify(notice) => self.news.push(News::Director(notice)),
            Effect::Directing(directing) => self.directing = Some(directing),
        }
    }

    /// A program that nobody waits for any more is asked to end.
    fn close(&mut self, probe: ProbeId, reactor: &mut Reactor) {
        self.probes.close(probe, reactor);
        if self.programs.remove(&probe) {
            let kill = Kill::Ask;
            self.orders.push(Order::Kill { probe, kill });
        }
    }

    /// `lvs_netlink_cmd_rcv_bufs`, `lvs_netlink_monitor_rcv_bufs`.
    fn set_buffers(&self) {
        let Buffers {
            lvs_command,
            lvs_monitor,
            ..
        } = &self.buffers;
        let ipvs = self.ipvs.as_ref().map(|ipvs| {
            lvs_command.apply(|octets, beyond| ipvs.set_receive_buffer(octets, beyond))
        });
        let addresses = self.addresses.as_ref().map(|(monitor, _)| {
            lvs_monitor.apply(|octets, beyond| monitor.set_receive_buffer(octets, beyond))
        });
        for (what, result) in [("IPVS", ipvs), ("addresses", addresses)] {
            if let Some(Err(error)) = result {
                error!(target: CHECK, "cannot set the receive buffer of {what}: {error}");
            }
        }
    }

    fn find_director(&mut self, namespace: Option<&str>) {
        let found = namespace.map_or_else(Ipvs::open, Ipvs::open_in);
        let answer = match found {
            Ok((ipvs, version)) => {
                self.ipvs = Some(ipvs);
                self.set_buffers();
                Ok(version)
            }
            Err(error) => {
                self.ipvs = None;
                Err(error)
            }
        };
        self.inbox.push_back(Event::Director(answer));
    }

    fn load_module(&mut self, module: String, how: Modprobe) {
        let success = process::has_module(&module);
        if success {
            let event = Event::ModuleLoaded { module, success };
            self.inbox.push_back(event);
            return;
        }
        if self.loading.iter().any(|loading| loading.module == module) {
            return;
        }
        match process::load_module(&module, how) {
            Ok(pid) => self.loading.push(Loading { pid, module, how }),
            Err(error) => {
                debug!(target: CHECK, "cannot start modprobe {module}: {error}");
                let event = Event::ModuleLoaded { module, success };
                self.inbox.push_back(event);
            }
        }
    }

    fn request(&mut self, request: Request) {
        let outcome = self.ask(|ipvs| ipvs.perform(&request));
        if let Err(error) = outcome {
            self.inbox.push_back(Event::IpvsFailed { request, error });
        }
    }

    fn mark(&mut self, request: marks::Request, namespace: Option<&str>) {
        let outcome = match &mut self.marks {
            Some(filter) => filter.mark(&request),
            none => {
                PacketFilter::of(namespace).and_then(|filter| none.insert(filter).mark(&request))
            }
        };
        if let Err(error) = outcome {
            self.inbox.push_back(Event::MarkFailed { request, error });
        }
    }

    fn ask<T>(&mut self, ask: impl FnOnce(&mut Ipvs) -> Result<T, Errno>) -> Result<T, Errno> {
        self.ipvs.as_mut().map_or(Err(Errno::ENOPROTOOPT), ask)
    }

    /// Subscribes to the changes before it asks for the present state: nothing falls between.
    fn watch_addresses(&mut self, reactor: &mut Reactor) {
        let opened = Monitor::open(0).and_then(|monitor| {
            let watched = reactor.watch_readable(&monitor, Source::Addresses);
            watched
                .map(|token| (monitor, token))
                .map_err(|error| Errno::of(&error))
        });
        match opened {
            Ok(watched) => {
                self.addresses = Some(watched);
                self.set_buffers();
                self.read_addresses();
            }
            Err(error) => error!(target: CHECK, "cannot watch addresses: {error}"),
        }
    }

    fn leave_addresses(&mut self, reactor: &mut Reactor) {
        if let Some((monitor, token)) = self.addresses.take() {
            reactor.forget(&monitor, token);
        }
    }

    fn read_addresses(&mut self) {
        let read = RouteCommand::open().and_then(|mut route| route.snapshot());
        match read {
            Ok(all) => self.inbox.push_back(Event::Addresses(all.addresses)),
            Err(error) => error!(target: CHECK, "cannot read addresses: {error}"),
        }
    }
}

/// Datagrams of the monitor, each with as many notices as fit in it.
const NOTICES_PER_TURN: usize = 32;
/// A check may come this much later than it is due: with thousands of them the loop wakes up for
/// many at a time.
const GATHERING: Duration = Duration::from_millis(10);
/// One read.
const BUFFER: usize = 16_384;
/// Reads from one peer before the others have their turn.
const READS_PER_TURN: usize = 8;
