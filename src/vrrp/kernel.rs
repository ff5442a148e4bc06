//! What a master owns in the kernel. What somebody else removes comes back; what the kernel
//! refuses is tried again.

use std::collections::BTreeSet;
use std::time::Duration;

use log::{debug, error, info, warn};

use super::Alarm;
use super::Effect;
use super::entries::{self, Entry, Wanted};
use super::instance::{Context, Instance, State};
use super::network::Network;
use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::rtnl::{Address, Notice, Request, Route, Rule};

/// Entries that somebody has put into the kernel and not heard of as gone, in the order in which
/// they are wanted.
#[derive(Debug, Default)]
pub(super) struct Owned {
    entries: Vec<Wanted>,
    /// Something may be missing: only then it is worth looking.
    incomplete: bool,
    /// When lost entries were last put back: not more than once a second, whoever fights us.
    restored_at: Option<Instant>,
    /// What the kernel refused and was complained about.
    refused: Vec<Entry>,
}

impl Owned {
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.entries
            .iter()
            .filter_map(|owned| owned.entry.address())
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|owned| &owned.entry)
    }

    /// Looks again at the next opportunity.
    pub(super) fn doubt(&mut self) {
        self.incomplete = true;
    }

    pub(super) fn has(&self, entry: &Entry) -> bool {
        self.entries().any(|owned| owned.is_same(entry))
    }

    /// Adds what is wanted and not owned yet; tells what that was.
    pub(super) fn take(&mut self, wanted: Vec<Wanted>, out: &mut Vec<Effect>) -> Vec<Entry> {
        self.incomplete = false;
        let mut taken = Vec::new();
        for Wanted { entry, .. } in &wanted {
            if !self.has(entry) {
                out.push(Effect::Kernel(entry.add()));
                taken.push(entry.clone());
            }
        }
        // In the order of the configuration again.
        self.entries = wanted;
        taken
    }

    /// The last first: nothing is taken away that something else still stands on. Addresses go in
    /// the order in which they came, as the kernel has them.
    pub(super) fn release(&mut self, out: &mut Vec<Effect>) {
        let entries = std::mem::take(self).entries;
        let (addresses, others): (Vec<_>, Vec<_>) = entries
            .iter()
            .partition(|owned| owned.entry.address().is_some());
        for owned in others.into_iter().rev().chain(addresses) {
            out.push(Effect::Kernel(owned.entry.remove()));
        }
    }

    /// Removes what is not wanted any more, or wanted otherwise; tells what that was.
    pub(super) fn dismiss(
        &mut self,
        wanted: &[Wanted],
        network: &Network,
        out: &mut Vec<Effect>,
    ) -> Vec<Entry> {
        let is_wanted = |entry: &Entry| wanted.iter().any(|wanted| wanted.entry == *entry);
        let (kept, dismissed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|owned| is_wanted(&owned.entry));
        self.entries = kept;
        self.refused.clear();
        let dismissed: Vec<_> = dismissed.into_iter().map(|owned| owned.entry).collect();
        for entry in dismissed.iter().rev() {
            if let Some(better) = self.replacement(entry, wanted) {
                out.push(Effect::Kernel(Request::ReplaceRoute(better)));
            } else {
                out.push(Effect::Kernel(entry.remove()));
            }
        }
        if dismissed.iter().any(|entry| entry.address().is_some()) {
            self.reaffirm(network, out);
        }
        dismissed
    }

    /// A route that is wanted and leads to where another one led: there is no moment without. It is
    /// owned then.
    fn replacement(&mut self, dismissed: &Entry, wanted: &[Wanted]) -> Option<Box<Route>> {
        let old = dismissed.route()?;
        let owned = |wanted: &&Wanted| !self.has(&wanted.entry);
        let replaces = |entry: &Entry| entry.route().is_some_and(|new| new.replaces(old));
        if self.entries().any(replaces) {
            return None;
        }
        let new = wanted
            .iter()
            .filter(owned)
            .find(|new| replaces(&new.entry))?;
        let route = new.entry.route()?.clone();
        self.entries.push(new.clone());
        Some(Box::new(route))
    }

    /// Notes that somebody removed an entry of ours, unless that is none of our business.
    pub(super) fn lose(&mut self, notice: &Notice) -> Option<Entry> {
        let is_lost = |owned: &Wanted| owned.track && owned.entry.is_told_gone(notice);
        let at = self.entries.iter().position(is_lost)?;
        self.incomplete = true;
        Some(self.entries.remove(at).entry)
    }

    /// After notices were lost: what the kernel no longer has is no longer owned. Routes are not
    /// looked for, there may be a million of them: see `reaffirm`.
    pub(super) fn compare(&mut self, network: &Network, rules: &[Rule]) {
        self.entries.retain(|owned| match &owned.entry {
            _ if !owned.track => true,
            Entry::Address(address) => network.has(address),
            Entry::Rule(ours) => rules.iter().any(|rule| ours.is_same(rule)),
            Entry::Route(_) => true,
        });
        self.incomplete = true;
    }

    /// Asks for all routes again: the kernel drops some without a word when an interface goes down
    /// or an address disappears. It refuses those it has, which is as good.
    pub(super) fn reaffirm(&self, network: &Network, out: &mut Vec<Effect>) {
        let may_be = |route: &Route| {
            let link = route.hop.link.and_then(|link| network.link(link));
            link.is_none_or(|link| link.up)
        };
        for owned in self.entries.iter().filter(|owned| owned.track) {
            if owned.entry.route().is_some_and(may_be) {
                out.push(Effect::Kernel(owned.entry.add()));
            }
        }
    }

    /// What went with its interface.
    fn forget_dead(&mut self, network: &Network) {
        self.entries.retain(|owned| owned.entry.lives_on(network));
    }

    /// Whether the time has come to put back what is missing; if not, how long that is.
    pub(super) fn may_restore(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(last) = self.restored_at
            && now.since(last) < RESTORE_INTERVAL
        {
            return Err(RESTORE_INTERVAL - now.since(last));
        }
        self.restored_at = Some(now);
        Ok(())
    }

    /// What of `wanted` is missing, if there is reason to look.
    pub(super) fn is_missing_any(&mut self, wanted: &[Wanted], network: &Network) -> bool {
        self.forget_dead(network);
        let complete = wanted.iter().all(|wanted| self.has(&wanted.entry));
        self.incomplete = !complete;
        !complete
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.incomplete
    }

    /// Those that the kernel has refused before, and the others.
    fn part(&self, taken: Vec<Entry>) -> (Vec<Entry>, Vec<Entry>) {
        let was_refused = |entry: &Entry| self.refused.contains(entry);
        taken.into_iter().partition(was_refused)
    }

    /// What had been refused and is owned; it is not refused any more.
    fn accepted_late(&mut self) -> Vec<Entry> {
        let refused = std::mem::take(&mut self.refused);
        let (accepted, refused) = refused.into_iter().partition(|entry| self.has(entry));
        self.refused = refused;
        accepted
    }

    /// Notes that the kernel refused an entry of ours. EEXIST means that it is as wanted already.
    /// True when the entry is ours and has to be tried again.
    pub(super) fn refuse(&mut self, subject: &str, request: &Request, refusal: Errno) -> bool {
        let is_refused = |owned: &Wanted| owned.entry.is_added_by(request);
        let Some(at) = self.entries.iter().position(is_refused) else {
            return false;
        };
        if refusal == Errno::EEXIST {
            return false;
        }
        let entry = self.entries.remove(at).entry;
        self.incomplete = true;
        // Without its interface it is not missed, and with the interface it is tried again.
        if refusal == Errno::ENODEV {
            return false;
        }
        if !self.refused.contains(&entry) {
            error!("{subject}cannot add {entry}: {refusal}");
            self.refused.push(entry);
        }
        true
    }
}

impl Instance {
    /// Adds what is wanted and not owned yet; tells what that was.
    pub(super) fn take_over(&mut self, cx: &mut Context<'_>) -> Vec<Entry> {
        let wanted = self.wanted(cx);
        let taken = self.owned.take(wanted, cx.out);
        // A reload that changes nothing has nothing to say.
        if !taken.is_empty() {
            self.tell_of_taking();
        }
        taken
    }

    fn tell_of_taking(&self) {
        debug!("({self}) setting VIPs.");
        if !self.config.excluded.is_empty() {
            debug!("({self}) setting E-VIPs.");
        }
        if !self.config.routes.is_empty() {
            debug!("({self}) setting Virtual Routes");
        }
        if !self.config.rules.is_empty() {
            debug!("({self}) setting Virtual Rules");
        }
    }

    pub(super) fn give_up(&mut self, cx: &mut Context<'_>) {
        debug!("({self}) removing VIPs.");
        cx.pacing.forget(self.id);
        self.owned.release(cx.out);
    }

    /// An instance that starts takes away what a crash may have left behind, once.
    pub(super) fn clean_up(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.cleaned, true) {
            return;
        }
        debug!("({self}) removing VIPs.");
        for Wanted { entry, .. } in self.wanted(cx) {
            let may_be_there = entry
                .address()
                .is_none_or(|address| cx.network.has(address));
            if may_be_there {
                cx.out.push(Effect::Kernel(entry.remove()));
            }
        }
    }

    /// Somebody else removed something.
    pub(super) fn on_gone(&mut self, notice: &Notice) {
        if let Some(entry) = self.owned.lose(notice) {
            warn!("({self}) {entry} was removed by another program");
        }
    }

    /// A master whose entries are missing stays master, puts them back and announces the
    /// addresses. (keepalived goes through BACKUP, which takes everything else away too.)
    pub(super) fn complete(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.state, State::Master) || !self.owned.is_in_doubt() {
            return;
        }
        let wanted = self.wanted(cx);
        if !self.owned.is_missing_any(&wanted, cx.network) {
            return;
        }
        if let Err(later) = self.owned.may_restore(cx.now) {
            self.set(Alarm::Restore, later, cx);
            return;
        }
        let taken = self.owned.take(wanted, cx.out);
        let (tried, restored) = self.owned.part(taken);
        if !restored.is_empty() {
            self.tell_of_taking();
        }
        for entry in &restored {
            warn!("({self}) restoring {entry}");
            self.statistics.restored += 1;
        }
        self.announce_entries(&restored, self.config.garp.repeat, cx);
        if !tried.is_empty() {
            self.set(Alarm::Restore, ANSWER_PATIENCE, cx);
        }
    }

    /// What the kernel had refused and has taken now is announced only then: a master of addresses
    /// that it cannot have does not call the traffic to itself every second.
    pub(super) fn announce_late(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.state, State::Master) {
            return;
        }
        let late = self.owned.accepted_late();
        for entry in &late {
            info!("({self}) {entry} could be added at last");
        }
        self.announce_entries(&late, self.config.garp.repeat, cx);
    }

    pub(super) fn on_kernel_refusal(
        &mut self,
        request: &Request,
        refusal: Errno,
        cx: &mut Context<'_>,
    ) {
        if self.owned.refuse(&format!("({self}) "), request, refusal) {
            self.set(Alarm::Restore, RESTORE_INTERVAL, cx);
        }
    }

    /// Gives up what left the configuration or changed in it, takes and announces what is new.
    pub(super) fn exchange(&mut self, cx: &mut Context<'_>) {
        let wanted = self.wanted(cx);
        for entry in self.owned.dismiss(&wanted, cx.network, cx.out) {
            match entry.address() {
                // keepalived's words, with the length of a host's network, too.
                Some(Address { cidr, link, .. }) => {
                    let device = cx.network.link(*link).map_or("?", |link| &link.name);
                    let (address, length) = (cidr.address(), cidr.prefix());
                    info!("({self}) ip address {address}/{length} dev {device}, no longer exist");
                }
                None => info!("({self}) {entry}, no longer exist"),
            }
        }
        let taken = self.take_over(cx);
        self.announce_entries(&taken, self.config.garp.repeat, cx);
    }

    /// What a master of this configuration has in the kernel, as far as the interfaces exist.
    pub(super) fn wanted(&self, cx: &Context<'_>) -> Vec<Wanted> {
        let config = &self.config;
        let addresses = config.addresses.iter().chain(&config.excluded);
        let routes = config.routes.iter();
        // One that is given twice is in adverts twice and in the kernel once.
        let mut seen = BTreeSet::new();
        addresses
            .filter_map(|line| {
                let link = self.place_of(line, cx.network, cx.devices)?;
                let wanted = entries::address_on(line, link)?;
                let cidr = wanted.entry.address()?.cidr;
                seen.insert((link, cidr)).then_some(wanted)
            })
            .chain(routes.filter_map(|line| entries::route(line, cx.network)))
            .chain(config.rules.iter().map(entries::rule))
            .collect()
    }
}

/// What is gone already needs no removal.
pub(super) fn tell_of_refusal(request: &Request, refusal: Errno) {
    let (what, is_gone) = match request {
        Request::RemoveAddress(address) => {
            let gone = matches!(refusal, Errno::EADDRNOTAVAIL | Errno::ENODEV);
            (Entry::Address(address.clone()), gone)
        }
        Request::RemoveRoute(route) => {
            let gone = matches!(refusal, Errno::ESRCH | Errno::ENODEV | Errno::ENETUNREACH);
            (Entry::Route(route.clone()), gone)
        }
        Request::RemoveRule(rule) => {
            let gone = matches!(refusal, Errno::ENOENT | Errno::ESRCH | Errno::EAFNOSUPPORT);
            (Entry::Rule(rule.clone()), gone)
        }
        // Of these their owner tells.
        Request::AddAddress(_)
        | Request::AddRoute(_)
        | Request::ReplaceRoute(_)
        | Request::AddRule(_)
        | Request::Link(_) => return,
    };
    if !is_gone {
        error!("cannot remove {what}: {refusal}");
    }
}

/// The kernel refuses at once: what it has not refused by then, it has taken.
const ANSWER_PATIENCE: Duration = Duration::from_millis(1);
/// The least time between two attempts to put lost entries back.
pub(super) const RESTORE_INTERVAL: Duration = Duration::from_secs(1);
