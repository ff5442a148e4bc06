//! `static_ipaddress`, `static_routes` and `static_rules`: what is there as long as the daemon
//! runs, whatever its instances do. What somebody else removes is put back, at most once a second;
//! what is missing all the same holds the instances of its `track_group` in FAULT.

use log::{info, warn};

use super::entries::{self, Entry, Wanted};
use super::kernel::{Owned, RESTORE_INTERVAL};
use super::network::Network;
use super::{Effect, Timer};
use crate::config;
use crate::errno::Errno;
use crate::time::{Instant, Timers};
use crate::wire::rtnl::{self, Notice};

#[derive(Debug, Default)]
pub(super) struct Statics {
    config: config::Statics,
    owned: Owned,
    /// What somebody removed, until it is put back.
    lost: Vec<Entry>,
    /// How often something was put back.
    restored: u64,
}

impl Statics {
    /// Removes what left the configuration, sets what is new in it.
    pub(super) fn reconfigure(
        &mut self,
        config: &config::Statics,
        network: &Network,
        out: &mut Vec<Effect>,
    ) {
        if self.config == *config {
            return;
        }
        self.config = config.clone();
        let wanted = self.wanted(network);
        for entry in self.owned.dismiss(&wanted, network, out) {
            info!("static {}, no longer exist", entry.title());
        }
        self.lost.clear();
        self.owned.take(wanted, out);
    }

    /// Puts back what is missing, as far as its interface exists.
    pub(super) fn complete(
        &mut self,
        now: Instant,
        network: &Network,
        timers: &mut Timers<Timer>,
        out: &mut Vec<Effect>,
    ) {
        if !self.owned.is_in_doubt() {
            return;
        }
        let wanted = self.wanted(network);
        if !self.owned.is_missing_any(&wanted, network) {
            return;
        }
        if let Err(later) = self.owned.may_restore(now) {
            timers.set(Timer::Statics, now + later);
            return;
        }
        for entry in self.owned.take(wanted, out) {
            if let Some(at) = self.lost.iter().position(|lost| lost.is_same(&entry)) {
                self.lost.swap_remove(at);
                warn!("Restoring deleted static {}", entry.title());
                self.restored += 1;
            }
        }
    }

    pub(super) fn on_gone(&mut self, notice: &Notice) {
        self.lost.extend(self.owned.lose(notice));
    }

    /// An interface came, went or changed.
    pub(super) fn doubt(&mut self) {
        self.owned.doubt();
    }

    /// After notices were lost.
    pub(super) fn compare(&mut self, network: &Network, rules: &[rtnl::Rule]) {
        let before: Vec<_> = self.owned.entries().cloned().collect();
        self.owned.compare(network, rules);
        let is_lost = |entry: &Entry| !self.owned.entries().any(|kept| kept.is_same(entry));
        self.lost = before.into_iter().filter(is_lost).collect();
    }

    pub(super) fn reaffirm(&self, network: &Network, out: &mut Vec<Effect>) {
        self.owned.reaffirm(network, out);
    }

    /// True when it was an entry of ours, which has to be tried again.
    pub(super) fn refuse(
        &mut self,
        now: Instant,
        request: &rtnl::Request,
        refusal: Errno,
        timers: &mut Timers<Timer>,
    ) -> bool {
        let is_ours = self.owned.refuse("static entry: ", request, refusal);
        if is_ours {
            timers.set(Timer::Statics, now + RESTORE_INTERVAL);
        }
        is_ours
    }

    /// The end.
    pub(super) fn release(&mut self, out: &mut Vec<Effect>) {
        self.owned.release(out);
        *self = Self::default();
    }

    pub(super) fn restored(&self) -> u64 {
        self.restored
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.owned.entries()
    }

    /// What an instance needs by its track group and has not got.
    pub(super) fn lacking(&self, instance: &str, network: &Network) -> Vec<String> {
        let groups = self.config.track_groups.iter();
        let groups = groups.filter(|group| group.members.iter().any(|member| member == instance));
        let needed = groups.flat_map(|group| self.of_group(&group.name));
        let lacking = needed.filter(|line| !self.is_well(line, network));
        lacking.map(Line::title).collect()
    }

    fn of_group(&self, name: &str) -> impl Iterator<Item = Line<'_>> {
        let is_of = move |group: &Option<String>| group.as_deref() == Some(name);
        let addresses = self.config.addresses.iter();
        let addresses = addresses.filter(move |line| is_of(&line.track_group));
        let routes = self.config.routes.iter();
        let routes = routes.filter(move |line| is_of(&line.track_group));
        let rules = self.config.rules.iter();
        let rules = rules.filter(move |line| is_of(&line.track_group));
        addresses
            .map(Line::Address)
            .chain(routes.map(Line::Route))
            .chain(rules.map(Line::Rule))
    }

    /// It is in the kernel, and its interface works.
    fn is_well(&self, line: &Line<'_>, network: &Network) -> bool {
        let is_up = |device: Option<&String>| {
            device.is_none_or(|name| network.named(name).is_some_and(|link| link.running))
        };
        let device = match line {
            Line::Address(line) => line.address.device.as_ref(),
            Line::Route(line) => line.device.as_ref(),
            Line::Rule(line) => line.from_interface.as_ref(),
        };
        let wanted = line.wanted(network);
        is_up(device) && wanted.is_some_and(|wanted| self.owned.has(&wanted.entry))
    }

    fn wanted(&self, network: &Network) -> Vec<Wanted> {
        let addresses = self.config.addresses.iter().map(Line::Address);
        let routes = self.config.routes.iter().map(Line::Route);
        let rules = self.config.rules.iter().map(Line::Rule);
        let lines = addresses.chain(routes).chain(rules);
        lines.filter_map(|line| line.wanted(network)).collect()
    }
}

/// One line of the configuration.
#[derive(Clone, Copy)]
enum Line<'a> {
    Address(&'a config::StaticAddress),
    Route(&'a config::Route),
    Rule(&'a config::Rule),
}

impl Line<'_> {
    fn wanted(self, network: &Network) -> Option<Wanted> {
        match self {
            Self::Address(line) => {
                let device = line.address.device.as_deref()?;
                entries::address_on(&line.address, network.named(device)?.index)
            }
            Self::Route(line) => entries::route(line, network),
            Self::Rule(line) => Some(entries::rule(line)),
        }
    }

    fn title(self) -> String {
        match self {
            Self::Address(line) => format!("address {}", line.address.cidr),
            Self::Route(line) => format!("route {}", line.destination),
            Self::Rule(line) => format!("rule {}", line.preference),
        }
    }
}
