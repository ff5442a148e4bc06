//! `lvs_sync_daemon`: the kernel's two threads that tell connections to other directors.
//!
//! Without an instance both run all the time; with one, the one that fits the state of that
//! instance: who is master tells, who is not listens.

use crate::config::Config;
use crate::config::SyncDaemon as Configured;
use crate::wire::ipvs::{Request, Role, SyncDaemon};

use super::Effect;

#[derive(Debug, Default)]
pub(super) struct Sync {
    config: Option<Configured>,
    /// Its number on the wire.
    id: u32,
    /// What the instance is, where one is named.
    master: bool,
    /// IPVS can be asked.
    open: bool,
    running: Vec<SyncDaemon>,
}

impl Sync {
    /// The instance whose state it follows.
    pub(super) fn follows(&self) -> Option<&str> {
        self.config.as_ref()?.instance.as_deref()
    }

    /// A new configuration. Without an instance it is part of the service of virtual servers.
    pub(super) fn configure(&mut self, config: &Config, out: &mut Vec<Effect>) {
        let wanted = config.global.lvs.sync_daemon.clone();
        let wanted = wanted.or_else(|| of_an_instance(config));
        let serves = !config.virtual_servers.is_empty();
        self.config = wanted.filter(|daemon| serves || daemon.instance.is_some());
        self.id = self.config.as_ref().map_or(0, |daemon| {
            let named = |name: &String| {
                let mut instances = config.instances.iter();
                instances.find(|instance| instance.name == *name)
            };
            let instance = daemon.instance.as_ref().and_then(named);
            let of_instance = instance.map(|instance| u32::from(instance.vrid.number()));
            daemon.id.or(of_instance).unwrap_or(0)
        });
        self.settle(out);
    }

    /// The instance became master, or is no longer.
    pub(super) fn follow(&mut self, master: bool, out: &mut Vec<Effect>) {
        self.master = master;
        self.settle(out);
    }

    /// IPVS is there. Threads of a daemon before us end first: what they were told is not known.
    pub(super) fn open(&mut self, out: &mut Vec<Effect>) {
        self.open = true;
        if self.config.is_some() {
            for role in [Role::Master, Role::Backup] {
                out.push(Effect::Ipvs(Request::DelDaemon(role, self.id)));
            }
        }
        self.settle(out);
    }

    /// IPVS is gone, and the threads with it.
    pub(super) fn close(&mut self) {
        self.open = false;
        self.running.clear();
    }

    /// The kernel did not start one.
    pub(super) fn refused(&mut self, daemon: &SyncDaemon) {
        self.running.retain(|running| running != daemon);
    }

    /// What was refused is tried again, and what changed is changed.
    pub(super) fn settle(&mut self, out: &mut Vec<Effect>) {
        if !self.open {
            return;
        }
        let wanted = self.wanted();
        for running in std::mem::take(&mut self.running) {
            if wanted.contains(&running) {
                self.running.push(running);
            } else {
                out.push(Effect::Ipvs(Request::DelDaemon(running.role, running.id)));
            }
        }
        for daemon in wanted {
            if !self.running.contains(&daemon) {
                out.push(Effect::Ipvs(Request::NewDaemon(daemon.clone())));
                self.running.push(daemon);
            }
        }
    }

    pub(super) fn stop(&mut self, out: &mut Vec<Effect>) {
        self.config = None;
        self.settle(out);
    }

    fn wanted(&self) -> Vec<SyncDaemon> {
        let Some(config) = &self.config else {
            return Vec::new();
        };
        let roles: &[Role] = match (&config.instance, self.master) {
            (None, _) => &[Role::Master, Role::Backup],
            (Some(_), true) => &[Role::Master],
            (Some(_), false) => &[Role::Backup],
        };
        let daemons = roles.iter().map(|&role| SyncDaemon {
            role,
            interface: config.interface.clone(),
            id: self.id,
            max_length: narrow(config.max_length),
            port: narrow(config.port),
            ttl: narrow(config.ttl),
            group: config.group,
        });
        daemons.collect()
    }
}

/// `lvs_sync_daemon_interface`, as files had it when an instance could have a sync daemon.
fn of_an_instance(config: &Config) -> Option<Configured> {
    config.instances.iter().find_map(|instance| {
        Some(Configured {
            interface: instance.sync_daemon_interface.clone()?,
            instance: Some(instance.name.clone()),
            ..Configured::default()
        })
    })
}

/// The configuration has taken nothing that does not fit.
fn narrow<T: TryFrom<u32>>(number: Option<u32>) -> Option<T> {
    number.and_then(|number| T::try_from(number).ok())
}
