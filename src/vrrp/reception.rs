//! A packet for an instance: whether it counts, what is odd about it, and what it teaches.

use std::net::IpAddr;

use log::{debug, info, warn};

use super::accept::{AddressList, Advert, Received};
use super::instance::{Context, Input, Instance, State, Told};
use super::refusal::Refusal;
use super::restraint::Deed;
use super::strangers::{Clash, Trace};
use crate::time::Instant;
use crate::wire::vrrp;

impl Instance {
    pub(super) fn on_packet(&mut self, received: &Received<'_>, cx: &mut Context<'_>) {
        if !matches!(self.state, State::Backup { .. } | State::Master) {
            return;
        }
        // An advert that does not count changes nothing, no timer either: a stream of garbage with
        // our VRID must not silence a master (keepalived re-arms its advert timer).
        self.last_sender = Some(received.source);
        let old_checksum = self.dialect.old_checksum;
        let advert = match received.check(&self.config, &mut self.dialect, cx.time) {
            Ok(advert) => advert,
            Err(refusal) => return self.complain(refusal, received.source, cx),
        };
        if self.dialect.old_checksum != old_checksum {
            info!("({self}) Setting unicast VRRPv3 checksum to old version");
        }
        self.notice_lateness(cx);
        self.statistics.advert_rcvd += 1;
        self.compare_addresses(received);
        if let Err(refusal) = received.check_sender(&self.config) {
            return self.complain(refusal, received.source, cx);
        }
        if advert.priority == 0 {
            self.statistics.pri_zero_rcvd += 1;
        }
        self.compare_clocks(&advert);
        self.step(Input::Advert(advert), cx);
    }

    fn complain(&mut self, refusal: Refusal, source: IpAddr, cx: &mut Context<'_>) {
        if refusal.is_foreign() && self.refused.is_new_stranger(source) {
            self.meet_stranger(source, cx);
        }
        refusal.count(&mut self.statistics);
        match self.refused.add(refusal, source, cx.now) {
            None => {}
            Some(0) => warn!("({self}) {}", refusal.told_of(source)),
            Some(more) => warn!(
                "({self}) {} ({more} more of this kind not told)",
                refusal.told_of(source)
            ),
        }
    }

    fn meet_stranger(&self, source: IpAddr, cx: &mut Context<'_>) {
        let clash = Clash {
            instance: self.config.name.clone(),
            vrid: self.config.vrid,
            interface: self.config.interface.clone(),
        };
        // Without an interface it may come in by any.
        let Some(link) = self.wire() else {
            return warn!("{}", clash.with(source));
        };
        let trace = Trace { link, source };
        cx.strangers.meet(cx.now, trace, clash, cx.timers, cx.out);
    }

    fn compare_addresses(&mut self, received: &Received<'_>) {
        // `skip_check_adv_addr`: the master was compared with when it was new.
        if self.config.skip_check_addresses
            && matches!(self.state, State::Backup { master, .. } if master == Some(received.source))
        {
            return;
        }
        let list = received.address_list(&self.advertised());
        if list == AddressList::Same {
            return;
        }
        self.statistics.addr_list_err += 1;
        if !self.tell_once(Told::AddressList) {
            return;
        }
        match list {
            AddressList::Same => {}
            AddressList::OtherCount { ours, received } => {
                warn!("({self}) expected {ours} VIPs but received {received}");
            }
            AddressList::Missing(address) => warn!(
                "({self}) ip address associated with VRID {} not present in advert from {}: \
                 {address}",
                self.config.vrid, received.source
            ),
        }
    }

    /// What version 3 and signatures tell of the sender, and is no reason to refuse it.
    fn compare_clocks(&mut self, advert: &Advert) {
        if let Some(theirs) = advert.interval
            && theirs != self.config.advert_interval
            && self.tell_once(Told::Interval)
        {
            info!(
                "({self}) advertisement interval mismatch ours = {} centi-sec rcv'd={} centi-sec",
                vrrp::hundredths(self.config.advert_interval),
                vrrp::hundredths(theirs)
            );
        }
        if let (Some(skew), Some(hmac)) = (advert.skew, &self.config.hmac) {
            let window = hmac.window.as_secs();
            if self.tell_once(Told::ClockSkew) {
                warn!(
                    "({self}) authentication clock skew {skew} sec from {} approaching window \
                     {window} sec",
                    advert.source
                );
            }
        }
    }

    /// RFC 9568 6.4.2 (RFC 5798: 450): the interval of the master is that of its advert.
    pub(super) fn learn_interval(&mut self, advert: &Advert, now: Instant) {
        if let Some(interval) = advert.interval.filter(|new| *new != self.master_interval) {
            if let Some(more) = self.restraint.permit(Deed::Interval, now) {
                debug!(
                    "({self}) advertisement interval updated from {}ms to {}ms by master{more}",
                    self.master_interval.as_millis(),
                    interval.as_millis()
                );
            }
            self.master_interval = interval;
        }
    }
}
