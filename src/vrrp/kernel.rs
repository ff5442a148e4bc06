//! What a master owns in the kernel: its addresses. What somebody else removes comes back.

use std::time::Duration;

use log::{debug, error, warn};

use super::instance::{Context, Instance, State, Told};
use super::network::is_same;
use super::{Alarm, Effect};
use crate::addr::Cidr;
use crate::config::VirtualAddress;
use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::rtnl::{Address, Request};

/// The addresses an instance has put into the kernel and not heard of as gone.
#[derive(Debug, Default)]
pub(super) struct Owned {
    addresses: Vec<Address>,
    /// When lost addresses were last put back: not more than once a second, whoever fights us.
    restored_at: Option<Instant>,
}

impl Owned {
    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    fn has(&self, address: &Address) -> bool {
        self.addresses.iter().any(|owned| is_same(owned, address))
    }

    fn forget(&mut self, address: &Address) -> bool {
        let before = self.addresses.len();
        self.addresses.retain(|owned| !is_same(owned, address));
        self.addresses.len() < before
    }
}

impl Instance {
    /// Adds what is wanted and not owned yet; tells what that was.
    pub(super) fn take_addresses(&mut self, cx: &mut Context<'_>) -> Vec<Address> {
        debug!("({self}) setting VIPs.");
        let missing = self.missing(cx);
        for address in &missing {
            cx.out
                .push(Effect::Kernel(Request::AddAddress(address.clone())));
            self.owned.addresses.push(address.clone());
        }
        missing
    }

    fn missing(&self, cx: &Context<'_>) -> Vec<Address> {
        let mut missing = self.wanted(cx);
        missing.retain(|address| !self.owned.has(address));
        missing
    }

    pub(super) fn give_up_addresses(&mut self, cx: &mut Context<'_>) {
        debug!("({self}) removing VIPs.");
        for address in std::mem::take(&mut self.owned).addresses {
            cx.out.push(Effect::Kernel(Request::RemoveAddress(address)));
        }
    }

    /// The address is not this instance's any more; taking it out of the kernel is the caller's.
    pub(super) fn disown(&mut self, address: &Address) {
        self.owned.forget(address);
    }

    /// An instance that starts takes away what a crash may have left behind, once.
    pub(super) fn clean_up(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.cleaned, true) {
            return;
        }
        debug!("({self}) removing VIPs.");
        for address in self.wanted(cx) {
            if cx.network.has(&address) {
                cx.out.push(Effect::Kernel(Request::RemoveAddress(address)));
            }
        }
    }

    /// Somebody else removed an address.
    pub(super) fn on_address_gone(&mut self, address: &Address) {
        if self.owned.forget(address) {
            warn!(
                "({self}) address {} was removed by another program",
                address.cidr
            );
        }
    }

    /// After notices were lost: what the kernel no longer has is no longer owned.
    pub(super) fn forget_lost(&mut self, cx: &Context<'_>) {
        self.owned
            .addresses
            .retain(|address| cx.network.has(address));
    }

    /// A master whose address is missing stays master, puts it back and announces it. (keepalived
    /// goes through BACKUP, which takes all other addresses away too.)
    pub(super) fn complete_addresses(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.state, State::Master) {
            return;
        }
        self.owned
            .addresses
            .retain(|address| cx.network.link(address.link).is_some());
        if self.missing(cx).is_empty() {
            return;
        }
        if let Some(last) = self.owned.restored_at
            && cx.now.since(last) < RESTORE_INTERVAL
        {
            self.set(Alarm::Restore, RESTORE_INTERVAL - cx.now.since(last), cx);
            return;
        }
        self.owned.restored_at = Some(cx.now);
        let restored = self.take_addresses(cx);
        for address in &restored {
            warn!("({self}) restoring address {}", address.cidr);
            self.statistics.restored += 1;
        }
        self.announce_addresses(&restored, self.config.garp.repeat, cx);
    }

    /// EEXIST on adding and EADDRNOTAVAIL on removing mean that it is as wanted already.
    pub(super) fn on_kernel_refusal(
        &mut self,
        request: &Request,
        refusal: Errno,
        cx: &mut Context<'_>,
    ) {
        match request {
            Request::AddAddress(address) if self.owned.has(address) => {
                if refusal == Errno::EEXIST {
                    return;
                }
                self.owned.forget(address);
                if self.tell_once(Told::Kernel) {
                    error!("({self}) cannot add address {}: {refusal}", address.cidr);
                }
                self.set(Alarm::Restore, RESTORE_INTERVAL, cx);
            }
            Request::RemoveAddress(address)
                if !matches!(refusal, Errno::EADDRNOTAVAIL | Errno::ENODEV)
                    && self
                        .wanted(cx)
                        .iter()
                        .any(|wanted| is_same(wanted, address)) =>
            {
                error!("({self}) cannot remove address {}: {refusal}", address.cidr);
            }
            Request::AddAddress(_) | Request::RemoveAddress(_) | Request::Link(_) => {}
        }
    }

    /// What a master of this configuration has in the kernel, as far as the interfaces exist.
    pub(super) fn wanted(&self, cx: &Context<'_>) -> Vec<Address> {
        let addresses = self.config.addresses.iter();
        addresses
            .filter_map(|vip| self.kernel_address(vip, cx))
            .collect()
    }

    fn kernel_address(&self, vip: &VirtualAddress, cx: &Context<'_>) -> Option<Address> {
        let device = vip.device.as_deref().unwrap_or(&self.config.interface);
        // With a peer the length belongs to the peer, and the kernel files the address under it.
        let prefix = vip.peer.unwrap_or(vip.cidr).prefix();
        Some(Address {
            link: cx.network.named(device)?.index,
            cidr: Cidr::new(vip.cidr.address(), prefix)?,
            peer: vip.peer.map(Cidr::address),
            broadcast: vip.broadcast,
            label: vip.label.clone(),
            scope: vip.scope,
            flags: vip.flags,
        })
    }
}

/// The least time between two attempts to put lost addresses back.
const RESTORE_INTERVAL: Duration = Duration::from_secs(1);
