//! Routers that use our number for something else. Whoever looks for one needs to know its hardware
//! address: it is found out on the cable before the router is told of, which is once.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use log::warn;

use super::{Effect, Timer};
use crate::addr::{IfIndex, MacAddr, Vrid};
use crate::time::{Instant, Timers};

/// Where adverts of somebody come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trace {
    pub link: IfIndex,
    pub source: IpAddr,
}

/// Whose number it uses.
#[derive(Clone, Debug)]
pub(super) struct Clash {
    pub(super) instance: String,
    pub(super) vrid: Vrid,
    pub(super) interface: String,
}

/// Those who are looked for, and have not been told of.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    sought: BTreeMap<Trace, Vec<Clash>>,
}

impl Strangers {
    /// An instance heard somebody for the first time.
    pub(super) fn meet(
        &mut self,
        now: Instant,
        trace: Trace,
        clash: Clash,
        timers: &mut Timers<Timer>,
        out: &mut Vec<Effect>,
    ) {
        let clashes = self.sought.entry(trace).or_default();
        if clashes.is_empty() {
            out.push(Effect::Seek(trace));
            timers.set(Timer::Stranger(trace), now + PATIENCE);
        }
        clashes.push(clash);
    }

    /// A frame of it was seen.
    pub(super) fn on_sighting(&mut self, trace: Trace, mac: MacAddr, timers: &mut Timers<Timer>) {
        timers.cancel(Timer::Stranger(trace));
        for clash in self.sought.remove(&trace).unwrap_or_default() {
            warn!(
                "{} ({mac}) on {}",
                clash.with(trace.source),
                clash.interface
            );
        }
    }

    /// No frame came.
    pub(super) fn give_up(&mut self, trace: Trace, out: &mut Vec<Effect>) {
        out.push(Effect::StopSeeking(trace));
        for clash in self.sought.remove(&trace).unwrap_or_default() {
            warn!("{} on {}", clash.with(trace.source), clash.interface);
        }
    }
}

impl Clash {
    pub(super) fn with(&self, source: IpAddr) -> impl fmt::Display {
        let Self { instance, vrid, .. } = self;
        format!("({instance}) virtual router id {vrid} is also used by {source}")
    }
}

/// Most routers speak every second.
const PATIENCE: Duration = Duration::from_secs(5);
