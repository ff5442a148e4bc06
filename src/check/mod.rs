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
mod ipvs;
mod left_out;
mod observe;
mod probe;
mod reason;
mod refusal;
mod reload;
mod service;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::{Config, ServiceAddress};
use crate::errno::Errno;
use crate::rand::Rand;
use crate::time::{Instant, Timers};
use crate::wire;

pub use reason::Reason;

use checker::{Checker, CheckerId};
use director::Director;
use ipvs::Table;
use probe::Input;
use service::{Server, ServerKey, Service};

/// One attempt of one check. Given out once, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u64);

/// What happens to the core.
#[derive(Debug)]
pub enum Event<'a> {
    /// A new configuration; the first one is the start. Start is a change from nothing.
    Reload(&'a Config),
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
    /// IPVS answers: the table can be programmed (version as 0x010201), or why not.
    Director(Result<u32, Errno>),
    /// The child that loads the kernel module has ended.
    ModuleLoaded { success: bool },
    /// A request to IPVS failed.
    IpvsFailed {
        request: wire::ipvs::Request,
        error: Errno,
    },
    /// The daemon stops: the table is to be cleared.
    Stop,
}

/// What the core wants done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a non-blocking connect; it answers with `Connected` or `Failed`.
    Connect(Connect),
    /// Close the descriptor of a probe; nothing more is heard of it. Comes exactly once for every
    /// `Connect`, also when that failed at once.
    Close(ProbeId),
    /// Find the IPVS family and ask its version; answers with `Director`.
    FindDirector,
    /// Load a kernel module in a child; answers with `ModuleLoaded`.
    LoadModule(&'static str),
    /// One change of the kernel's table; a failure comes back as `IpvsFailed`.
    Ipvs(wire::ipvs::Request),
    /// Tell the VRRP core whether this machine can direct: false while IPVS is missing.
    Directing(bool),
}

/// The endpoint of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    pub probe: ProbeId,
    pub to: SocketAddr,
    pub from: Option<SocketAddr>,
    pub device: Option<String>,
    pub mark: u32,
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
    pub key: ServiceAddress,
    pub quorum_up: bool,
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
    rand: Rand,
    timers: Timers<Timer>,
    /// The last number given to a probe or a checker.
    last_id: u64,
    /// The services in the order of the file: they start, stop and are shown in it.
    order: Vec<ServiceAddress>,
    services: BTreeMap<ServiceAddress, Service>,
    servers: BTreeMap<ServerKey, Server>,
    checkers: BTreeMap<CheckerId, Checker>,
    /// The attempts in flight.
    probes: BTreeMap<ProbeId, CheckerId>,
    table: Table,
    director: Director,
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
}

impl Core {
    /// Nothing configured yet; `seed` staggers the first checks.
    pub fn new(seed: u64) -> Self {
        Self {
            rand: Rand::new(seed),
            timers: Timers::new(),
            last_id: 0,
            order: Vec::new(),
            services: BTreeMap::new(),
            servers: BTreeMap::new(),
            checkers: BTreeMap::new(),
            probes: BTreeMap::new(),
            table: Table::default(),
            director: Director::default(),
        }
    }

    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Effect>) {
        match event {
            Event::Reload(config) => self.reload(now, config, out),
            Event::Connected(probe) => self.advance(now, probe, Input::Connected, out),
            Event::Failed {
                probe,
                error,
                started,
            } => self.advance(now, probe, Input::Failed { error, started }, out),
            Event::Director(answer) => self.director_answered(now, answer, out),
            Event::ModuleLoaded { success } => self.module_loaded(now, success, out),
            Event::IpvsFailed { request, error } => self.ipvs_failed(now, &request, error, out),
            Event::Stop => self.stop(out),
        }
    }

    /// All timers due at `now`.
    pub fn on_time(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Due(checker) => self.start_attempt(now, checker, out),
                Timer::Limit(probe) => self.advance(now, probe, Input::Limit, out),
                Timer::Director => self.director_due(now, out),
            }
        }
    }

    /// When `on_time` has work next.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
