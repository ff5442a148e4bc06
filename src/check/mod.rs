//! The check core: services, real servers and their checks. Events in, effects out.
//!
//! The contract, the same for every core:
//!
//! 1. `now` never goes back; a call with the same `now` twice is fine; `on_time` too early does
//!    nothing.
//! 2. Effects are performed in order and before the next call; `out` is empty on entry.
//! 3. The core never waits: what an effect leads to comes back as an event, or not at all.
//! 4. Ids are given out once and never again: a late event for something gone finds nobody.
//! 5. On a wake-up all readable descriptors are handled first, `on_time` last.

mod checker;
mod director;
mod drain;
mod file;
mod kernel;
mod left_out;
mod lone;
mod marks;
mod observe;
mod probe;
mod reason;
mod refusal;
mod reload;
mod rhythm;
mod server;
mod service;
mod share;
mod site;
mod stop;
mod suspend;
mod sync;
mod table;
mod timeouts;
mod walk;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use log::info;

use crate::child::{Exit, Kill};
use crate::config::{Config, FlushOnStop, Script, ServiceKey};
use crate::errno::Errno;
use crate::hash::Map;
use crate::rand::Rand;
use crate::time::{Instant, Timers};
use crate::wire::ipvs::{ServiceId, Timeouts};
use crate::wire::nft;
use crate::wire::tls::{Failure, Wish};
use crate::wire::{self, rtnl};

pub use lone::{Answer, Lone};
pub use reason::Reason;

use checker::{Checker, CheckerId};
use director::Director;
use drain::Drain;
use file::Files;
use marks::Marks;
use probe::{Abilities, Compiled, Input};
use reload::Rebuild;
use server::Server;
use service::{ServerKey, Service, VirtualId};
use share::Shares;
use stop::Farewell;
use suspend::Addresses;
use sync::Sync;
use table::Table;
use timeouts::TimeoutState;
use walk::Walk;

pub use crate::notify::{Notice, Why};
pub use table::Reading;

/// One attempt of one check. Given out once, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u64);

impl ProbeId {
    /// For protocols that number their messages in sixteen bits.
    fn low_bits(self) -> u16 {
        u16::try_from(self.0 & 0xffff).expect("sixteen bits fit")
    }
}

/// What happens to the core.
#[derive(Debug)]
pub enum Event<'a> {
    /// A new configuration; the first one is the start. Start is a change from nothing. A large one
    /// is applied over several turns.
    Reload(&'a Arc<Config>),
    /// The connection of a probe is established.
    Connected(ProbeId),
    /// The connection failed: at once, or with the error the socket reported.
    /// `started` is false when nothing could be tried (bind, device, mark, or an odd error of
    /// connect): that says nothing about the server. What failed is logged where it was tried.
    Failed {
        probe: ProbeId,
        error: Errno,
        started: bool,
    },
    /// Octets from the peer of a probe.
    Received { probe: ProbeId, bytes: &'a [u8] },
    /// The connection of a probe is secured; the days until the server's certificate expires, if
    /// that is known.
    Secured {
        probe: ProbeId,
        days_left: Option<i64>,
    },
    /// The connection of a probe cannot be secured.
    Insecure { probe: ProbeId, failure: Failure },
    /// The peer of a probe has said all it will.
    Closed(ProbeId),
    /// A program has ended.
    Exited { probe: ProbeId, exit: Exit },
    /// The number in a tracked file, at first and whenever it has changed.
    File { name: &'a str, value: i64 },
    /// IPVS answers: the table can be programmed (version as 0x010201), or why not.
    Director(Result<u32, Errno>),
    /// The child that loads a kernel module has ended.
    ModuleLoaded { module: String, success: bool },
    /// A request to IPVS failed.
    IpvsFailed {
        request: wire::ipvs::Request,
        error: Errno,
    },
    /// The packet filter refused to mark packets.
    MarkFailed {
        request: nft::marks::Request,
        error: Errno,
    },
    /// What IPVS has under one key.
    IpvsRead {
        id: ServiceId,
        answer: Result<Reading, Errno>,
    },
    /// What IPVS forgets connections by.
    TimeoutsRead(Result<Timeouts, Errno>),
    /// The instance that the sync daemon follows is master, or is not.
    Master(bool),
    /// All addresses of this machine: when watching begins, and when notices were lost.
    Addresses(Vec<rtnl::Address>),
    /// An address came or went.
    Network(rtnl::Notice),
    /// The daemon stops: the table is to be cleared.
    Stop,
}

/// What the core wants done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a non-blocking connect; it answers with `Connected` or `Failed`.
    Connect(Connect),
    /// Send this to the peer of a probe, as fast as it takes it. A failure comes back as `Failed`.
    Send { probe: ProbeId, bytes: Vec<u8> },
    /// Run a program in a process group of its own. It answers with `Exited`, or with `Failed` when
    /// it cannot be started.
    Run { probe: ProbeId, script: Script },
    /// Send this to a program and all it has started.
    Kill { probe: ProbeId, kill: Kill },
    /// Close the descriptor of a probe; nothing more is heard of it. Comes exactly once for every
    /// `Connect`, also when that failed at once.
    Close(ProbeId),
    /// Find the IPVS family, maybe that of another network namespace, and ask its version; answers
    /// with `Director`.
    FindDirector { namespace: Option<String> },
    /// Load a kernel module in a child; answers with `ModuleLoaded`.
    LoadModule(String),
    /// One change of the kernel's table; a failure comes back as `IpvsFailed`.
    Ipvs(wire::ipvs::Request),
    /// Packets to virtual servers get marks, or no longer, in the network namespace of IPVS, which
    /// is always the same; a failure comes back as `MarkFailed`.
    Mark {
        request: nft::marks::Request,
        namespace: Option<String>,
    },
    /// Answers with `IpvsRead`, before any other request.
    ReadIpvs(ServiceId),
    /// Answers with `TimeoutsRead`.
    ReadTimeouts,
    /// Tell of the addresses of this machine, with `Addresses` and `Network`, or no longer.
    WatchAddresses(bool),
    /// Scripts, pipes and mails are to tell of it.
    Notify(Notice),
    /// Tell the VRRP core whether this machine can direct: false while IPVS is missing.
    Directing(bool),
}

/// The endpoint of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    pub probe: ProbeId,
    pub transport: Transport,
    pub to: SocketAddr,
    pub from: Option<SocketAddr>,
    pub device: Option<String>,
    pub mark: u32,
}

/// What a probe speaks on top of IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    /// TCP, secured at once: `Connected` is followed by `Secured` or `Insecure`.
    Tls(Wish),
    /// UDP; there is no connection to be made, `Connected` comes at once.
    Datagrams,
    /// ICMP.
    Echoes,
}

/// Plain data for dumps and tests: what the core believes right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// None until IPVS answered.
    pub directing: Option<bool>,
    pub services: Vec<ServiceState>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceState {
    pub key: ServiceKey,
    pub quorum_up: bool,
    /// The sorry server takes the clients.
    pub sorry: bool,
    /// It is not checked, because it is not on this machine.
    pub suspended: bool,
    pub servers: Vec<ServerState>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerState {
    pub address: SocketAddr,
    pub alive: bool,
    /// The weight in the kernel; None: not in the table.
    pub weight: Option<i32>,
    /// Checks that say down.
    pub failed_checks: usize,
    /// Why they do; each with its keyword.
    pub reasons: Vec<(&'static str, Reason)>,
    /// Until the next check of this server; None while all its checks are being made.
    pub next_check: Option<Duration>,
}

/// The core. See the module's contract.
#[derive(Debug)]
pub struct Core {
    abilities: Abilities,
    rand: Rand,
    files: Files,
    timers: Timers<Timer>,
    /// The last number given to a probe or a checker.
    last_id: u64,
    /// The services in the order of the file: they start, stop and are shown in it.
    order: Vec<VirtualId>,
    ids: Map<ServiceKey, VirtualId>,
    services: Map<VirtualId, Service>,
    /// Boxed, as checkers are: there are many, and a map that holds them itself has room for twice
    /// as many.
    servers: Map<ServerKey, Box<Server>>,
    checkers: Map<CheckerId, Box<Checker>>,
    compiled: Compiled,
    /// The attempts in flight.
    probes: Map<ProbeId, CheckerId>,
    shares: Shares,
    table: Table,
    marks: Marks,
    director: Director,
    timeouts: TimeoutState,
    sync: Sync,
    addresses: Addresses,
    drain: Drain,
    /// What is left to be done of the last configuration.
    rebuild: Option<Rebuild>,
    /// What is left to be done with the servers of services.
    walks: VecDeque<Walk>,
    /// What is left to be done of the end.
    farewell: Option<Farewell>,
    /// Checks that are to begin.
    new_checkers: VecDeque<CheckerId>,
    /// `rs_init_notifies`: servers that are there from the start are told of, too.
    init_notifies: bool,
    flush_on_stop: Option<FlushOnStop>,
    /// To be told when the table has what they tell of.
    notices: Vec<Notice>,
    /// The turn of the loop, and the requests it may still make, or checks it may begin.
    turn: Instant,
    budget: usize,
}

/// What the core waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// The next attempt of a checker.
    Due(CheckerId),
    /// The end of an attempt's patience.
    Limit(ProbeId),
    /// IPVS is looked at again: it is missing, or it refused something.
    Director,
    /// More of a configuration is to be applied, or of the end to be done, than fits into one turn.
    Rebuild,
    /// More checks are to hear a verdict that they share than fit into one turn.
    Verdicts,
    /// More servers are to be come by than fit into one turn.
    Walks,
    /// More of the table is to be settled than fits into one turn.
    Table,
    /// The table is read back.
    Audit,
    /// The connections of servers that leave are counted.
    Drain,
    /// Modules of schedulers that are missing are looked for again.
    Modules,
}

impl Core {
    /// Nothing configured yet; `seed` staggers the first checks.
    pub fn new(seed: u64) -> Self {
        Self {
            abilities: Abilities { tls: true },
            rand: Rand::new(seed),
            files: Files::default(),
            timers: Timers::new(),
            last_id: 0,
            order: Vec::new(),
            ids: Map::default(),
            services: Map::default(),
            servers: Map::default(),
            checkers: Map::default(),
            compiled: Compiled::default(),
            probes: Map::default(),
            shares: Shares::default(),
            table: Table::default(),
            marks: Marks::default(),
            director: Director::default(),
            timeouts: TimeoutState::default(),
            sync: Sync::default(),
            addresses: Addresses::default(),
            drain: Drain::default(),
            rebuild: None,
            walks: VecDeque::new(),
            farewell: None,
            new_checkers: VecDeque::new(),
            init_notifies: false,
            flush_on_stop: None,
            notices: Vec::new(),
            turn: Instant::ZERO,
            budget: REQUESTS_PER_TURN,
        }
    }

    /// This build has no TLS: such checks are left out.
    pub fn without_tls(mut self) -> Self {
        self.abilities.tls = false;
        self
    }

    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Effect>) {
        if self.turn != now {
            self.begin_turn(now);
        }
        self.handle(now, event, out);
        self.finish(now, out);
    }

    /// All timers due at `now`.
    pub fn on_time(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.begin_turn(now);
        self.marks.end_trial();
        let (mut rebuilds, mut verdicts, mut walks) = (false, false, false);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                // Nothing new begins at the end.
                Timer::Due(_) | Timer::Limit(_) if self.farewell.is_some() => {}
                Timer::Due(checker) => self.start_attempt(now, checker, out),
                Timer::Limit(probe) => self.advance(now, probe, Input::Limit, out),
                Timer::Director => self.director_due(now, out),
                Timer::Rebuild => rebuilds = true,
                Timer::Verdicts => verdicts = true,
                Timer::Walks => walks = true,
                // What is left is settled in any case.
                Timer::Table => {}
                Timer::Drain => self.look_at_draining(now, out),
                Timer::Modules => self.table.retry_modules(out),
                Timer::Audit => {
                    self.table.audit();
                    self.ask_for_marks(out, |marks, _, out| marks.look(out));
                    self.plan_audit(now);
                }
            }
        }
        if verdicts {
            self.hand_out(now);
        }
        if walks {
            self.go_on_walking(now);
        }
        if rebuilds && self.farewell.is_some() {
            self.go_on_leaving(now, out);
        } else if rebuilds {
            self.go_on(now, out);
        }
        self.finish(now, out);
    }

    /// When `on_time` has work next.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The instance whose state the sync daemon follows.
    pub fn follows(&self) -> Option<&str> {
        self.sync.follows()
    }

    fn handle(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Effect>) {
        // At the end nobody is listened to any more but the kernel.
        if self.farewell.is_some() && !matches!(event, Event::IpvsFailed { .. }) {
            return;
        }
        match event {
            Event::Reload(config) => self.reload(now, config, out),
            Event::Connected(probe) => self.advance(now, probe, Input::Connected, out),
            Event::Failed {
                probe,
                error,
                started,
            } => self.advance(now, probe, Input::Failed { error, started }, out),
            Event::Received { probe, bytes } => {
                self.advance(now, probe, Input::Received(bytes), out);
            }
            Event::Closed(probe) => self.advance(now, probe, Input::Closed, out),
            Event::Secured { probe, days_left } => {
                self.advance(now, probe, Input::Secured { days_left }, out);
            }
            Event::Insecure { probe, failure } => {
                self.advance(now, probe, Input::Insecure(failure), out);
            }
            Event::Exited { probe, exit } => {
                self.advance(now, probe, Input::Exited(exit), out);
            }
            Event::File { name, value } => self.file_read(name, value),
            Event::Director(answer) => self.director_answered(now, answer, out),
            Event::ModuleLoaded { module, success } => {
                self.module_loaded(now, &module, success, out);
            }
            Event::IpvsFailed { request, error } => self.ipvs_failed(now, &request, error),
            Event::MarkFailed { request, error } => {
                self.mark_failed(now, &request, error, out);
            }
            Event::IpvsRead { id, answer } => {
                self.drained(now, id, &answer);
                self.table.read(id, answer);
            }
            Event::TimeoutsRead(answer) => self.timeouts_read(answer, out),
            Event::Master(master) => self.sync.follow(master, out),
            Event::Addresses(all) => self.addresses_read(&all),
            Event::Network(notice) => self.address_changed(&notice),
            Event::Stop => self.stop(now, out),
        }
    }

    fn begin_turn(&mut self, now: Instant) {
        self.turn = now;
        self.budget = REQUESTS_PER_TURN;
    }

    /// The end of every call: the table follows, then everybody is told.
    fn finish(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.ask_for_marks(out, |marks, _, out| marks.retreat(out));
        let before = out.len();
        self.table.pump(&mut self.budget, out);
        let waits = self.rebuild.is_none() && !self.table.is_settling();
        if waits && self.marks.is_busy(&self.table) {
            // What was asked for just now may be refused yet.
            if out.len() == before {
                self.ask_for_marks(out, Marks::advance);
            }
            if self.marks.is_busy(&self.table) {
                self.timers.set(Timer::Table, now);
            }
        }
        if self.table.is_busy() {
            self.timers.set(Timer::Table, now);
        }
        self.begin_checks(now);
        self.wait_for_modules(now);
        if self.rebuild.is_none()
            && self.walks.is_empty()
            && let Some(count) = self.table.take_operations()
        {
            info!("the number of IPVS operations of this configuration: {count}");
        }
        out.extend(self.notices.drain(..).map(Effect::Notify));
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// Changes and readings of the table in one turn of the loop, or checks that begin, two
/// milliseconds of it or three: neither adverts nor checks wait for a long table.
const REQUESTS_PER_TURN: usize = 256;
