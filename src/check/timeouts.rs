//! `lvs_timeouts`: how long IPVS remembers idle connections. What it was before is put back at the
//! end.

use log::warn;

use crate::config::Lvs;
use crate::errno::Errno;
use crate::wire::ipvs::{Request, Timeouts};

use super::{Core, Effect};

#[derive(Debug, Default)]
pub(super) struct TimeoutState {
    /// As configured; 0 is left to the kernel.
    wanted: Option<Timeouts>,
    /// The kernel's own, since the first time that anything was wanted.
    original: Option<Timeouts>,
    /// What the kernel has by now, as far as it was us.
    set: Option<Timeouts>,
}

impl TimeoutState {
    /// A new configuration.
    pub(super) fn configure(&mut self, lvs: &Lvs) {
        let seconds = |timeout: Option<std::time::Duration>| {
            timeout.map_or(0, |timeout| u32::try_from(timeout.as_secs()).unwrap_or(0))
        };
        let wanted = Timeouts {
            tcp: seconds(lvs.timeout_tcp),
            tcp_fin: seconds(lvs.timeout_tcp_fin),
            udp: seconds(lvs.timeout_udp),
        };
        self.wanted = (wanted != NOTHING).then_some(wanted);
    }

    /// IPVS has gone; what comes in its place has its own values.
    pub(super) fn forget(&mut self) {
        self.original = None;
        self.set = None;
    }

    /// What leads to what is wanted.
    pub(super) fn settle(&mut self) -> Option<Effect> {
        let Some(original) = self.original else {
            return self.wanted.map(|_| Effect::ReadTimeouts);
        };
        let given = self.wanted.unwrap_or(NOTHING);
        let or = |given, kept| if given == 0 { kept } else { given };
        let all = Timeouts {
            tcp: or(given.tcp, original.tcp),
            tcp_fin: or(given.tcp_fin, original.tcp_fin),
            udp: or(given.udp, original.udp),
        };
        if self.set.unwrap_or(original) == all {
            return None;
        }
        self.set = Some(all);
        Some(Effect::Ipvs(Request::SetTimeouts(all)))
    }

    /// The end: what was there before comes back.
    pub(super) fn restore(&mut self) -> Option<Effect> {
        self.wanted = None;
        if self.original.is_some() {
            self.settle()
        } else {
            None
        }
    }
}

impl Core {
    /// The kernel's timeouts.
    pub(super) fn timeouts_read(&mut self, answer: Result<Timeouts, Errno>, out: &mut Vec<Effect>) {
        match answer {
            Ok(original) => {
                self.timeouts.original = Some(original);
                out.extend(self.timeouts.settle());
            }
            Err(error) => warn!("IPVS: cannot read the timeouts: {error}"),
        }
    }
}

const NOTHING: Timeouts = Timeouts {
    tcp: 0,
    tcp_fin: 0,
    udp: 0,
};
