//! What a scenario asks of the world, and what it expects.

use std::time::Duration;

use keepalived::addr::Cidr;
use keepalived::vrrp::{GroupState, InstanceState, StateName, Statistics};

use super::{Id, Lan};

impl Lan {
    pub(crate) fn transcript(&self) -> String {
        self.transcript.text()
    }

    pub(crate) fn state(&self, id: Id) -> Option<InstanceState> {
        self.routers[id.0]
            .core
            .as_ref()?
            .observe()
            .instances
            .into_iter()
            .next()
    }

    pub(crate) fn instances(&self, id: Id) -> Vec<InstanceState> {
        let core = self.routers[id.0].core.as_ref();
        core.map(|core| core.observe().instances)
            .unwrap_or_default()
    }

    /// The instance of that name.
    pub(crate) fn instance(&self, id: Id, name: &str) -> Option<InstanceState> {
        let core = self.routers[id.0].core.as_ref()?;
        let mut instances = core.observe().instances.into_iter();
        instances.find(|instance| instance.name == name)
    }

    pub(crate) fn group(&self, id: Id, name: &str) -> GroupState {
        let core = self.routers[id.0].core.as_ref().expect("it runs");
        let mut groups = core.observe().groups.into_iter();
        groups
            .find(|group| group.name == name)
            .expect("there is such a group")
    }

    pub(crate) fn statistics(&self, id: Id) -> Statistics {
        self.state(id).expect("it runs").statistics
    }

    /// Running masters of the first instance.
    pub(crate) fn masters(&self) -> Vec<Id> {
        let is_master = |id: &Id| {
            self.state(*id)
                .is_some_and(|instance| instance.state == StateName::Master)
        };
        self.routers().filter(is_master).collect()
    }

    /// Running masters of the instance of that name.
    pub(crate) fn masters_of(&self, name: &str) -> Vec<Id> {
        let is_master = |id: &Id| {
            self.instance(*id, name)
                .is_some_and(|instance| instance.state == StateName::Master)
        };
        self.routers().filter(is_master).collect()
    }

    /// Everybody whose kernel has the address.
    pub(crate) fn owners(&self, cidr: &str) -> Vec<Id> {
        let cidr: Cidr = cidr.parse().expect("an address");
        self.routers()
            .filter(|id| self.routers[id.0].kernel.has(cidr))
            .collect()
    }

    /// Everybody runs, and nobody changes state for so long.
    #[track_caller]
    pub(crate) fn expect_rest(&mut self, how_long: Duration) {
        let transitions = |lan: &Self| {
            assert!(lan.routers().all(|id| lan.runs(id)), "everybody runs");
            let instances = lan.routers().flat_map(|id| lan.instances(id));
            let statistics = instances.map(|instance| instance.statistics);
            let counts = statistics.map(|counts| counts.become_master + counts.release_master);
            counts.sum::<u64>()
        };
        let before = transitions(self);
        self.run(how_long);
        assert_eq!(transitions(self), before, "what is calm stays as it is");
    }

    #[track_caller]
    pub(crate) fn expect(&self, id: Id, state: StateName) {
        let found = self.state(id).map(|instance| instance.state);
        let (name, transcript) = (&self.routers[id.0].name, self.transcript.text());
        assert_eq!(
            found,
            Some(state),
            "{name} at {:?}:\n{transcript}",
            self.now
        );
    }

    #[track_caller]
    pub(crate) fn expect_only_owner(&self, id: Id, cidr: &str) {
        let transcript = self.transcript.text();
        assert_eq!(
            self.owners(cidr),
            [id],
            "owners of {cidr} at {:?}:\n{transcript}",
            self.now
        );
    }

    /// Compares with `tests/sim/transcripts/NAME`; UPDATE=1 writes it.
    #[track_caller]
    pub(crate) fn check_transcript(&self, name: &str) {
        let path = format!(
            "{}/tests/sim/transcripts/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        let actual = self.transcript.text();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &actual).expect("the transcript can be written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(actual, expected, "{name} differs; UPDATE=1 rewrites it");
    }
}
