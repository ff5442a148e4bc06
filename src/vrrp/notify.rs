//! What instances and groups tell of themselves to scripts, pipes and mails, and when they do not.

use super::instance::{Context, Instance};
use super::{Core, Effect, InstanceId, StateName};
use crate::notify::{State, Subject, Transition};

impl Instance {
    /// To be called when the state has been entered and everything that goes with it is done.
    pub(super) fn tell_state(&mut self, cx: &mut Context<'_>) {
        let Some(state) = told_as(self.state_name()) else {
            return;
        };
        // Who only follows its group has nothing to add to what the group says.
        let of_group = cx.groups.state_of(self.id) == Some(self.state_name());
        if !(self.has_told && of_group) {
            self.has_told = true;
            self.tell(state, cx.out);
        }
    }

    /// A master heard a weaker one.
    pub(super) fn tell_weaker(&self, cx: &mut Context<'_>) {
        self.tell(State::MasterHearsLower, cx.out);
    }

    /// The next advert will have another priority.
    pub(super) fn tell_priority(&self, cx: &mut Context<'_>) {
        if !self.config.notify.priority_changes {
            return;
        }
        let is_master = self.state_name() == StateName::Master;
        let state = if is_master {
            State::MasterPriority
        } else {
            State::BackupPriority
        };
        self.tell(state, cx.out);
    }

    /// The configuration has it no longer.
    pub(super) fn tell_deleted(&self, cx: &mut Context<'_>) {
        self.tell(State::Deleted, cx.out);
    }

    fn tell(&self, state: State, out: &mut Vec<Effect>) {
        out.push(Effect::Notify(Transition {
            subject: Subject::Instance(self.name().to_owned()),
            state,
            priority: self.priority(),
        }));
    }
}

/// A group has changed its state, and so have its members.
pub(super) fn tell_group(name: &str, state: StateName, out: &mut Vec<Effect>) {
    if let Some(state) = told_as(state) {
        push_group(name, state, out);
    }
}

fn push_group(name: &str, state: State, out: &mut Vec<Effect>) {
    out.push(Effect::Notify(Transition {
        subject: Subject::Group(name.to_owned()),
        state,
        priority: 0,
    }));
}

impl Core {
    /// The daemon stops: all instances, then all groups.
    pub(super) fn tell_stop(&self, order: &[InstanceId], out: &mut Vec<Effect>) {
        for id in order {
            if let Some(instance) = self.instances.get(id) {
                instance.tell(State::Stop, out);
            }
        }
        for name in self.groups.names() {
            push_group(name, State::Stop, out);
        }
    }

    /// Groups that are new are told of before their members.
    pub(super) fn tell_beginning(&self, out: &mut Vec<Effect>) {
        for (name, state) in self.groups.beginning(&self.instances) {
            tell_group(name, state, out);
        }
    }
}

fn told_as(state: StateName) -> Option<State> {
    match state {
        StateName::Init => None,
        StateName::Backup => Some(State::Backup),
        StateName::Master => Some(State::Master),
        StateName::Fault => Some(State::Fault),
    }
}
