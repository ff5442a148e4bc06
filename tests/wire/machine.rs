//! A machine that runs one core, for what it sends and takes.

use std::time::Duration;

use keepalived::addr::IfIndex;
use keepalived::config::{AnyHost, load_text};
use keepalived::time::Instant;
use keepalived::vrrp::{Core, Effect, Event, InstanceState, SocketId};
use keepalived::wire::rtnl::{Address, Link};

/// A machine with some addresses on its eth0, which runs a configuration.
pub(crate) struct Machine {
    pub(crate) now: Instant,
    pub(crate) core: Core,
    pub(crate) effects: Vec<Effect>,
}

impl Machine {
    /// `time` is what the wall clock shows at the beginning.
    pub(crate) fn new(config: &str, own: &[&str], time: Duration) -> Self {
        Self::with_links(config, &[eth0()], own, time)
    }

    pub(crate) fn with_links(config: &str, links: &[Link], own: &[&str], time: Duration) -> Self {
        let loaded = load_text("test.conf", config, &AnyHost);
        let config = loaded
            .config
            .unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)));
        let address = |cidr: &&str| Address::new(eth0().index, cidr.parse().unwrap());
        let addresses: Vec<Address> = own.iter().map(address).collect();
        let mut machine = Self {
            now: Instant::ZERO,
            core: Core::new(),
            effects: Vec::new(),
        };
        machine.tell(Event::WallClock(time));
        machine.tell(Event::Resync {
            links,
            addresses: &addresses,
            rules: &[],
        });
        machine.tell(Event::Reload(&config));
        machine
    }

    pub(crate) fn tell(&mut self, event: Event<'_>) {
        self.core.on_event(self.now, event, &mut self.effects);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.core.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.core.on_time(self.now, &mut self.effects);
        }
        self.now = end;
    }

    pub(crate) fn socket(&self) -> SocketId {
        let mut sockets = self.effects.iter().filter_map(|effect| match effect {
            Effect::Open { socket, .. } => Some(*socket),
            _ => None,
        });
        sockets.next().unwrap()
    }

    pub(crate) fn state(&self) -> InstanceState {
        self.core.observe().instances.remove(0)
    }
}

pub(crate) fn eth0() -> Link {
    Link {
        index: IfIndex(2),
        name: "eth0".to_owned(),
        mtu: 1500,
        up: true,
        running: true,
        multicast: true,
        ..Link::default()
    }
}
