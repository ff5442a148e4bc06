//! What old kernels do not understand, and do not refuse: attributes that they pass over.
//!
//! A tunnel of type gue or gre would become IP in IP before Linux 5.3, and a destination of another
//! family than its service something else altogether before 3.18. The first of each kind is read
//! back; where it is not what was meant, none of its kind is served.

use std::net::SocketAddr;

use log::error;

use crate::addr::Family;
use crate::errno::Errno;
use crate::wire::ipvs::{Dest, Method, ServiceId, Tunnel};

use super::refused::Subject;
use super::{Reading, Table, Task};

/// What this kernel is known to understand.
#[derive(Debug, Default)]
pub(super) struct Newer {
    tunnels: Understood,
    families: Understood,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Understood {
    #[default]
    Unknown,
    /// One was made and is read back, by the reading of this number.
    Asked(u64),
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feature {
    Tunnels,
    Families,
}

impl Feature {
    /// What a destination needs that is not in every kernel.
    fn of(id: ServiceId, dest: &Dest) -> Option<Self> {
        if Family::of(dest.address.ip()) != id.family() {
            return Some(Self::Families);
        }
        match dest.options.method {
            Method::Tunnel(Tunnel::Gue { .. } | Tunnel::Gre { .. }) => Some(Self::Tunnels),
            Method::Tunnel(Tunnel::Ipip) | Method::Masq | Method::Local | Method::Route => None,
        }
    }
}

impl Newer {
    /// Whether a destination would become another one.
    pub(super) fn lacks(&self, id: ServiceId, dest: &Dest) -> bool {
        let feature = Feature::of(id, dest);
        feature.is_some_and(|feature| *self.state(feature) == Understood::No)
    }

    /// A destination was just made: true when it is to be read back, by the next reading.
    pub(super) fn is_to_be_read(&mut self, id: ServiceId, dest: &Dest, next: u64) -> bool {
        let Some(feature) = Feature::of(id, dest) else {
            return false;
        };
        let state = self.state_mut(feature);
        let unknown = *state == Understood::Unknown;
        if unknown {
            *state = Understood::Asked(next);
        }
        unknown
    }

    fn state(&self, feature: Feature) -> &Understood {
        match feature {
            Feature::Tunnels => &self.tunnels,
            Feature::Families => &self.families,
        }
    }

    fn state_mut(&mut self, feature: Feature) -> &mut Understood {
        match feature {
            Feature::Tunnels => &mut self.tunnels,
            Feature::Families => &mut self.families,
        }
    }
}

impl Table {
    /// The answer of the kernel: what it made of the first of a kind.
    pub(super) fn compare_newer(&mut self, id: ServiceId, answer: &Result<Reading, Errno>) {
        for feature in [Feature::Tunnels, Feature::Families] {
            // Answers come in the order of the questions: an earlier one knows nothing of it.
            if *self.newer.state(feature) != Understood::Asked(self.answered) {
                continue;
            }
            let verdict = self.verdict(feature, id, answer);
            *self.newer.state_mut(feature) = verdict;
            if verdict == Understood::No {
                self.give_up(feature);
            }
        }
    }

    fn verdict(
        &self,
        feature: Feature,
        id: ServiceId,
        answer: &Result<Reading, Errno>,
    ) -> Understood {
        let (Ok(Some((_, states))), Some(entry)) = (answer, self.entries.get(&id)) else {
            return Understood::Unknown;
        };
        let dests = entry.dests.iter().filter_map(|(&address, slot)| {
            let options = slot.believed()?;
            Some(options.at(address))
        });
        let mut made = dests.filter(|dest| Feature::of(id, dest) == Some(feature));
        let Some(made) = made.next() else {
            return Understood::Unknown;
        };
        let found = states.iter().map(|state| state.dest);
        let same = |dest: &Dest| {
            dest.address == made.address && dest.options.method == made.options.method
        };
        if found.into_iter().any(|dest| same(&dest)) {
            Understood::Yes
        } else {
            Understood::No
        }
    }

    /// Those that were made of this kind are to be taken out again.
    fn give_up(&mut self, feature: Feature) {
        let mut concerned: Vec<Subject> = Vec::new();
        for (&id, entry) in &self.entries {
            let wanted = entry.dests.iter().filter(|(address, slot)| {
                let wanted = slot.wanted().map(|options| options.at(**address));
                wanted.is_some_and(|dest| Feature::of(id, &dest) == Some(feature))
            });
            let addresses = wanted.map(|(&address, _)| address);
            concerned.extend(addresses.map(|address: SocketAddr| Subject {
                id,
                address: Some(address),
            }));
        }
        let what = match feature {
            Feature::Tunnels => "no tunnels of type gue or gre (Linux 5.3)",
            Feature::Families => "no servers of another family than the service (Linux 3.18)",
        };
        error!(
            "IPVS: this kernel knows {what}: left out, {} in all",
            concerned.len()
        );
        self.pending.extend(concerned.into_iter().map(Task::One));
    }
}
