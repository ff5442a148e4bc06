//! Sync groups: instances that change state together. The state of a group is a function of what
//! its members wish, and every member is brought to it; nothing is counted by hand.

use std::collections::BTreeMap;

use log::info;

use super::instance::Instance;
use super::notify::tell_group;
use super::observe::GroupState;
use super::{Core, Effect, InstanceId, StateName};
use crate::config::Config;
use crate::time::Instant;

/// The groups of one configuration.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    by_member: BTreeMap<InstanceId, usize>,
}

#[derive(Debug)]
struct Group {
    name: String,
    /// In the order of the file.
    members: Vec<InstanceId>,
    /// What its members were brought to last.
    state: StateName,
}

/// The state a member would be in if it were alone. The least of its members is that of a group:
/// one in fault holds all of them back, one that has a master to listen to as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    Fault,
    Backup,
    Master,
}

type Instances = BTreeMap<InstanceId, Instance>;

impl Groups {
    /// The groups of a new configuration. One that was there before remembers its state.
    pub(super) fn reload(&mut self, config: &Config, instances: &Instances) {
        let ids: BTreeMap<&str, InstanceId> = instances
            .values()
            .map(|instance| (instance.name(), instance.id))
            .collect();
        let old = std::mem::take(self);
        for group in &config.sync_groups {
            let members = group.members.iter();
            let members: Vec<_> = members
                .filter_map(|name| ids.get(name.as_str()).copied())
                .collect();
            if members.is_empty() {
                continue;
            }
            let known = old.groups.iter().find(|known| known.name == group.name);
            for member in &members {
                self.by_member.insert(*member, self.groups.len());
            }
            self.groups.push(Group {
                name: group.name.clone(),
                members,
                state: known.map_or(StateName::Init, |known| known.state),
            });
        }
    }

    fn of(&self, member: InstanceId) -> Option<&Group> {
        self.groups.get(*self.by_member.get(&member)?)
    }

    /// The other members of an instance's group; none when it is in no group.
    pub(super) fn others(&self, id: InstanceId) -> impl Iterator<Item = InstanceId> + use<'_> {
        let members = self.of(id).map_or(&[][..], |group| &group.members);
        members.iter().copied().filter(move |member| *member != id)
    }

    /// Whether an instance that would be master may be: no other member holds it back.
    pub(super) fn lets_lead(&self, id: InstanceId, instances: &Instances) -> bool {
        let mut others = self.others(id).filter_map(|other| instances.get(&other));
        others.all(|other| other.wish() == Wish::Master)
    }

    /// What an instance's group is in; None when it is in no group.
    pub(super) fn state_of(&self, member: InstanceId) -> Option<StateName> {
        self.of(member).map(|group| group.state)
    }

    /// The groups whose members have not begun yet, with what they will begin as. Owners are
    /// masters at once and pass through nothing else.
    pub(super) fn beginning(
        &self,
        instances: &Instances,
    ) -> impl Iterator<Item = (&str, StateName)> {
        let new = |group: &&Group| group.state == StateName::Init && !group.waits(instances);
        let begins = |group: &&Group| {
            let mut members = group.members.iter().filter_map(|id| instances.get(id));
            !members.all(|member| member.starts_as_master && member.faults.is_empty())
        };
        let groups = self.groups.iter().filter(new).filter(begins);
        groups.map(|group| (group.name.as_str(), group.wish(instances)))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str())
    }

    /// While the scripts of one member have not ended for the first time, nobody of its group
    /// begins.
    pub(super) fn wait_together(&self, instances: &mut Instances) {
        for group in &self.groups {
            let members = if group.waits(instances) {
                &group.members[..]
            } else {
                &[]
            };
            for id in members {
                if let Some(member) = instances.get_mut(id) {
                    member.wait_for_scripts();
                }
            }
        }
    }

    /// Whether another member is in fault.
    pub(super) fn holds_in_fault(&self, id: InstanceId, instances: &Instances) -> bool {
        let mut others = self.others(id).filter_map(|other| instances.get(&other));
        others.any(|other| other.wish() == Wish::Fault)
    }

    /// An owner is master at once, but in a group only among owners.
    pub(super) fn is_of_owners(&self, id: InstanceId, instances: &Instances) -> bool {
        let mut others = self.others(id).filter_map(|other| instances.get(&other));
        others.all(|other| other.config.starts_as_master())
    }

    pub(super) fn observe(&self, instances: &Instances) -> Vec<GroupState> {
        let groups = self.groups.iter().map(|group| {
            let members = group.members.iter().filter_map(|id| instances.get(id));
            GroupState {
                name: group.name.clone(),
                state: group.state,
                members: members.map(|member| member.name().to_owned()).collect(),
            }
        });
        groups.collect()
    }
}

impl Group {
    fn waits(&self, instances: &Instances) -> bool {
        let mut members = self.members.iter().filter_map(|id| instances.get(id));
        members.any(|member| member.awaits_scripts)
    }

    fn wish(&self, instances: &Instances) -> StateName {
        let members = self.members.iter().filter_map(|id| instances.get(id));
        members
            .map(Instance::wish)
            .min()
            .unwrap_or(Wish::Backup)
            .into()
    }
}

impl Core {
    /// Brings all groups to the state that their members allow.
    pub(super) fn synchronise(&mut self, now: Instant, out: &mut Vec<Effect>) {
        for at in 0..self.groups.groups.len() {
            self.synchronise_group(now, at, out);
        }
    }

    /// The same for the group of an instance that something happened to.
    pub(super) fn synchronise_with(&mut self, now: Instant, id: InstanceId, out: &mut Vec<Effect>) {
        if let Some(&at) = self.groups.by_member.get(&id) {
            self.synchronise_group(now, at, out);
        }
    }

    /// Whoever made the group change has changed already; the others follow in their order.
    fn synchronise_group(&mut self, now: Instant, at: usize, out: &mut Vec<Effect>) {
        let group = &self.groups.groups[at];
        let state = group.wish(&self.instances);
        let old = group.state;
        if old == StateName::Init && group.waits(&self.instances) {
            return;
        }
        let behind: Vec<InstanceId> = group
            .members
            .iter()
            .filter(|id| {
                let member = self.instances.get(id);
                member.is_some_and(|member| member.state_name() != state && !member.awaits_scripts)
            })
            .copied()
            .collect();
        if old == state && behind.is_empty() {
            return;
        }
        let name = group.name.clone();
        if old != StateName::Init {
            info!("VRRP_Group({name}) Syncing instances to {state} state");
        }
        for id in behind {
            self.one(now, id, out, |member, cx| {
                if old == StateName::Init {
                    info!("VRRP_Group({name}): Syncing {member} to {state} state");
                }
                member.follow(state, cx);
            });
        }
        self.groups.groups[at].state = state;
        // A beginning has been told of.
        if old != StateName::Init && old != state {
            tell_group(&name, state, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_wish_counts() {
        assert!(Wish::Fault < Wish::Backup && Wish::Backup < Wish::Master);
    }
}
