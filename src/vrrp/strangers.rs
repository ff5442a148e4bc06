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
        // Each is a descriptor of ours, and anybody can send from a thousand addresses.
        if self.sought.len() >= SOUGHT_MAX && !self.sought.contains_key(&trace) {
            warn!("{} on {}", clash.with(trace.source), clash.interface);
            return;
        }
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
/// How many are looked for at a time; where there are more, somebody makes them up.
const SOUGHT_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_made_up_routers_are_not_looked_for_all_at_once() {
        let trace = |last| Trace {
            link: IfIndex(2),
            source: IpAddr::from([10, 0, 0, last]),
        };
        let mut strangers = Strangers::default();
        let mut timers = Timers::new();
        let mut meet = |strangers: &mut Strangers, last| {
            let mut out = Vec::new();
            let clash = Clash {
                instance: "V".to_owned(),
                vrid: Vrid::new(51).unwrap(),
                interface: "eth0".to_owned(),
            };
            strangers.meet(Instant::ZERO, trace(last), clash, &mut timers, &mut out);
            out.len()
        };
        let sought: usize = (0..=199).map(|last| meet(&mut strangers, last)).sum();
        assert_eq!(sought, SOUGHT_MAX);
        // Another instance hears one of them: nothing more is opened for it.
        assert_eq!(meet(&mut strangers, 0), 0);
        strangers.give_up(trace(0), &mut Vec::new());
        assert_eq!(meet(&mut strangers, 250), 1);
    }
}
