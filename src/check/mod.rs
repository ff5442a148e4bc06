//! The check core: services, real servers and their checks. Events in, effects out.
//!
//! The contract, the same for every core:
//!
//! 1. `now` never goes back; a call with the same `now` twice is fine; `on_time` too early does nothing.
//! 2. Effects are performed in order and before the next call; `out` is empty on entry.
//! 3. The core never waits: what an effect leads to comes back as an event, or not at all.
//! 4. Ids are given out once and never again: a late event for something gone finds nobody.
//! 5. On a wake-up all readable descriptors are handled first, `on_time` last.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::{Config, ServiceKey};
use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::ipvs;

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
    /// connect): that says nothing about the server.
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
        request: ipvs::Request,
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
    /// Close the descriptor of a probe; nothing more is heard of it.
    Close(ProbeId),
    /// Find the IPVS family and ask its version; answers with `Director`.
    FindDirector,
    /// Load a kernel module in a child; answers with `ModuleLoaded`.
    LoadModule(&'static str),
    /// One change of the kernel's table; a failure comes back as `IpvsFailed`.
    Ipvs(ipvs::Request),
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
    pub key: ServiceKey,
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
    /// Until the next check of this server.
    pub next_check: Option<Duration>,
}

/// The core. See the module's contract.
#[derive(Debug)]
pub struct Core {}

impl Core {
    /// Nothing configured yet; `seed` staggers the first checks.
    pub fn new(_seed: u64) -> Self {
        todo!()
    }

    pub fn on_event(&mut self, _now: Instant, _event: Event<'_>, _out: &mut Vec<Effect>) {
        todo!()
    }

    /// All timers due at `now`.
    pub fn on_time(&mut self, _now: Instant, _out: &mut Vec<Effect>) {
        todo!()
    }

    /// When `on_time` has work next.
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    pub fn observe(&self, _now: Instant) -> Snapshot {
        todo!()
    }
}
