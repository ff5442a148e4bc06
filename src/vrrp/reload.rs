//! A new configuration applied to living instances. What did not change is not touched.

use std::collections::{BTreeMap, BTreeSet};

use log::info;

use super::capacity::BufferRule;
use super::debounce::Debounce;
use super::instance::{Context, Input, Instance, State};
use super::layers::Prefixes;
use super::{Alarm, Core, Effect, Identity, InstanceId, Timer, track};
use crate::config::{self, Config};
use crate::time::Instant;

impl Core {
    /// Removals first, then changes, then additions: a VIP may move from one instance to another.
    pub(super) fn reload(&mut self, now: Instant, config: &Config, out: &mut Vec<Effect>) {
        self.log_unknown_vrids = config.global.log_unknown_vrids;
        if let Some(at) = self.start_delay.reload(now, &config.global.vrrp) {
            self.timers.set(Timer::Started, at);
        } else {
            self.timers.cancel(Timer::Started);
        }
        let addresses = config
            .instances
            .iter()
            .flat_map(|instance| instance.addresses.iter().chain(&instance.excluded));
        self.virtual_addresses = addresses.map(|vip| vip.cidr.address()).collect();
        let running = self.identified(&config.instances);
        let numbered = self.numbered(&running);
        let instances = numbered.iter().copied();
        let prefixes = Prefixes::of(&config.global);
        self.devices.plan(instances, prefixes, &self.network);
        self.quiet_igmp = config.global.disable_local_igmp;
        self.buffer_rule = BufferRule::of(&config.global);
        let instances = numbered.iter().map(|(_, instance)| *instance);
        self.firewall.plan(&config.global, instances, &self.devices);
        self.firewall.settle(&self.network, out);
        let held = self.instances.values();
        let held = held.flat_map(|instance| instance.owned.addresses());
        self.firewall.reconsider(held, out);
        self.pacing.reconfigure(config);
        self.statics
            .reconfigure(&config.statics, &self.network, out);
        let mut new: BTreeMap<_, _> = running.iter().cloned().collect();

        let identities: Vec<_> = running.iter().map(|(key, _)| key.clone()).collect();
        let known: Vec<_> = self
            .by_key
            .iter()
            .map(|(key, id)| (key.clone(), *id))
            .collect();
        let (kept, removed): (Vec<_>, Vec<_>) = known
            .into_iter()
            .partition(|(key, _)| new.contains_key(key));
        for (key, id) in removed {
            self.one(now, id, out, |instance, cx| {
                instance.step(Input::Shutdown, cx);
                instance.tell_deleted(cx);
            });
            self.instances.remove(&id);
            self.by_key.remove(&key);
        }
        let kept_ids: Vec<_> = kept.iter().map(|(_, id)| *id).collect();
        for (key, id) in kept {
            if let Some(config) = new.remove(&key) {
                self.one(now, id, out, |instance, cx| {
                    instance.reconfigure(config, cx)
                });
            }
        }
        // In the order of the file, which is the order of the log.
        for ((key, config), (id, _)) in running.into_iter().zip(numbered) {
            if !new.contains_key(&key) {
                continue;
            }
            self.instances.insert(id, Instance::new(id, config.clone()));
            self.by_key.insert(key, id);
        }
        self.order = identities.iter().map(|key| self.by_key[key]).collect();
        self.groups.reload(config, &self.instances);
        self.debounce = Debounce::new(&config.links.delays);
        self.linkbeats.reconfigure(now, config, &mut self.timers);
        self.relate(config);
        // Nobody may speak from an address that has just gone with another instance.
        self.mirror(out);
        self.reassess(now, out);
        for id in kept_ids {
            self.one(now, id, out, |instance, cx| instance.reaffirm(cx));
        }
    }

    /// Interfaces that may come later.
    fn tell_of_missing(&self) {
        let instances = self.instances.values();
        let named: BTreeSet<_> = instances.flat_map(Instance::interfaces).collect();
        let is_missing = |name: &&str| self.network.named(name).is_none();
        for name in named.into_iter().filter(is_missing) {
            if !self.devices.has(name) {
                info!(
                    "Configuration specifies interface {name} which doesn't currently exist - \
                     will use if created"
                );
            }
        }
    }

    /// What instances have from their groups.
    fn relate(&mut self, config: &Config) {
        let (groups, instances) = (&self.groups, &mut self.instances);
        let at_once: Vec<_> = instances
            .iter()
            .filter(|(id, instance)| {
                instance.config.starts_as_master() && groups.is_of_owners(**id, instances)
            })
            .map(|(id, _)| *id)
            .collect();
        for (id, instance) in instances {
            let mut configured = config.sync_groups.iter();
            let group = configured.find(|group| group.members.contains(&instance.config.name));
            instance.starts_as_master = at_once.contains(id);
            instance.watches =
                track::watches(group.map(|group| &group.track), &instance.config.track);
        }
        self.tell_of_missing();
    }

    /// Each instance with what it is across reloads. Of twins, the one that has the name of a
    /// living one is that one; the others are told apart by their order.
    fn identified<'a>(
        &self,
        instances: &'a [config::Instance],
    ) -> Vec<(Identity, &'a config::Instance)> {
        let named = |instance: &config::Instance| {
            let key = instance.key();
            let mut living = self.by_key.range((key.clone(), 0)..=(key, usize::MAX));
            let twin = living.find(|(_, id)| {
                let known = self.instances.get(id);
                known.is_some_and(|known| known.name() == instance.name)
            });
            twin.map(|(identity, _)| identity.clone())
        };
        let mut taken: BTreeSet<Identity> = instances.iter().filter_map(named).collect();
        let identify = |instance: &'a config::Instance| {
            let identity = named(instance).unwrap_or_else(|| {
                let key = instance.key();
                let mut orders = (1..).map(|order| (key.clone(), order));
                orders
                    .find(|identity| taken.insert(identity.clone()))
                    .expect("there are more numbers than instances")
            });
            (identity, instance)
        };
        instances.iter().map(identify).collect()
    }
}

impl Core {
    /// Each instance with its number; a new one gets the next.
    fn numbered<'a>(
        &mut self,
        running: &[(Identity, &'a config::Instance)],
    ) -> Vec<(InstanceId, &'a config::Instance)> {
        let mut number = |key: &Identity| {
            self.by_key.get(key).copied().unwrap_or_else(|| {
                let id = InstanceId(self.next_instance);
                self.next_instance += 1;
                id
            })
        };
        let running = running.iter();
        running
            .map(|(key, config)| (number(key), *config))
            .collect()
    }
}

impl Instance {
    fn reconfigure(&mut self, new: &config::Instance, cx: &mut Context<'_>) {
        let old = std::mem::replace(&mut self.config, new.clone());
        self.settle_interval();
        match self.state {
            State::Master => {
                self.exchange(cx);
                if old.advert_interval != new.advert_interval {
                    self.set(Alarm::Advert, new.advert_interval, cx);
                }
                self.refresh_announcements(&old, cx);
            }
            State::Backup { .. } => {
                if new.preempt_delay.is_zero() {
                    cx.timers.cancel(Timer::Of(self.id, Alarm::PreemptDelay));
                }
                // A fresh full interval, as after an advert.
                self.await_master(cx);
            }
            State::Init | State::Fault => {}
        }
    }

    fn refresh_announcements(&self, old: &config::Instance, cx: &mut Context<'_>) {
        let refresh = self.config.garp.refresh;
        if old.garp.refresh == refresh {
            return;
        }
        if refresh.is_zero() {
            cx.timers.cancel(Timer::Of(self.id, Alarm::Refresh));
        } else {
            self.set(Alarm::Refresh, refresh, cx);
        }
    }
}
