//! Settings of the kernel that are borrowed while they are needed, and given back.

use std::collections::BTreeMap;

use log::info;

use super::Effect;
use super::network::Network;
use crate::addr::Family;
use crate::wire::sysctl::{Request, Scope, Setting};

/// What is borrowed now.
#[derive(Debug, Default)]
pub(super) struct Settings {
    borrowed: BTreeMap<Setting, i32>,
    reverse_path: ReversePath,
}

/// rp_filter of an interface is the larger of its own and that of `all`, so a device that must not
/// filter needs `all` to be 0. The others get what `all` was, which changes nothing for them.
#[derive(Debug, Default)]
enum ReversePath {
    /// No device needs it.
    #[default]
    Untouched,
    /// The values are asked for; those of interfaces and of `default` come before that of `all`.
    Asked(Vec<(Setting, i32)>),
    /// `all` was that.
    Moved {
        all: i32,
        raised: Vec<(Setting, i32)>,
    },
}

impl Settings {
    /// Borrows what is wanted and gives back what is wanted no more.
    pub(super) fn settle(&mut self, wanted: BTreeMap<Setting, i32>, out: &mut Vec<Effect>) {
        for setting in self.borrowed.keys() {
            if !wanted.contains_key(setting) {
                out.push(Effect::Setting(Request::Return(setting.clone())));
            }
        }
        for (setting, value) in &wanted {
            if !self.borrowed.contains_key(setting) {
                let request = Request::Borrow(setting.clone(), *value);
                out.push(Effect::Setting(request));
            }
        }
        self.borrowed = wanted;
    }

    /// Moves the filter of reverse paths out of the way of devices, or back.
    pub(super) fn filter_reverse_paths(
        &mut self,
        in_the_way: bool,
        network: &Network,
        is_device: impl Fn(&str) -> bool,
        out: &mut Vec<Effect>,
    ) {
        match (&self.reverse_path, in_the_way) {
            (ReversePath::Untouched, true) => {
                let links = network
                    .names()
                    .filter(|name| *name != LOOPBACK && !is_device(name));
                let links = links.map(|name| Scope::Link(name.to_owned()));
                for scope in links.chain([Scope::Default, Scope::All]) {
                    out.push(Effect::Setting(Request::Read(rp_filter(scope))));
                }
                self.reverse_path = ReversePath::Asked(Vec::new());
            }
            (ReversePath::Moved { .. } | ReversePath::Asked(_), false) => self.move_back(out),
            (ReversePath::Untouched, false)
            | (ReversePath::Asked(_) | ReversePath::Moved { .. }, true) => {}
        }
    }

    /// The kernel's answer to a question.
    pub(super) fn on_value(&mut self, setting: &Setting, value: i32, out: &mut Vec<Effect>) {
        let ReversePath::Asked(known) = &mut self.reverse_path else {
            return;
        };
        if setting.name != RP_FILTER {
            return;
        }
        if setting.scope != Scope::All {
            known.push((setting.clone(), value));
            return;
        }
        let mut raised = std::mem::take(known);
        raised.retain(|(_, own)| *own < value);
        let all = value;
        if all != 0 {
            for (setting, own) in &raised {
                tell_of_move(setting, *own, all);
                out.push(Effect::Setting(Request::Borrow(setting.clone(), all)));
            }
            tell_of_move(setting, all, 0);
            out.push(Effect::Setting(Request::Borrow(setting.clone(), 0)));
        }
        self.reverse_path = ReversePath::Moved { all, raised };
    }

    /// Gives everything back: the end.
    pub(super) fn clear(&mut self, out: &mut Vec<Effect>) {
        self.move_back(out);
        self.settle(BTreeMap::new(), out);
    }

    fn move_back(&mut self, out: &mut Vec<Effect>) {
        let ReversePath::Moved { all, raised } = std::mem::take(&mut self.reverse_path) else {
            return;
        };
        if all == 0 {
            return;
        }
        let setting = rp_filter(Scope::All);
        info!("NOTICE: resetting sysctl {setting} to {all}");
        out.push(Effect::Setting(Request::Return(setting)));
        for (setting, own) in raised {
            if setting.scope == Scope::Default {
                info!("NOTICE: resetting sysctl {setting} to {own}");
            }
            out.push(Effect::Setting(Request::Return(setting)));
        }
    }
}

/// keepalived tells of `all` and `default` only.
fn tell_of_move(setting: &Setting, from: i32, to: i32) {
    if matches!(setting.scope, Scope::All | Scope::Default) {
        info!("NOTICE: setting sysctl {setting} from {from} to {to}");
    }
}

fn rp_filter(scope: Scope) -> Setting {
    Setting {
        family: Family::V4,
        scope,
        name: RP_FILTER,
    }
}

/// Linux 4.3 and later.
pub(super) fn igmp_reports() -> Setting {
    Setting {
        family: Family::V4,
        scope: Scope::Family,
        name: "igmp_link_local_mcast_reports",
    }
}

const RP_FILTER: &str = "rp_filter";
/// Nothing comes in there from outside; keepalived leaves it alone.
const LOOPBACK: &str = "lo";
