//! What a configuration asks for and this core cannot do yet: it is left out, and told once for
//! each kind at every reload.

use std::collections::BTreeMap;

use log::warn;

use crate::config::{self, Config, RealServer, VirtualServer};

use super::probe::Abilities;

/// How often something is asked for, and by whom first.
type Asked = BTreeMap<&'static str, (usize, String)>;

/// The checks of a server that count: those that can be made. Where there is none, all of them
/// stand there unmade, so that the server stays as it is before a first check.
pub(super) fn checks(
    server: &RealServer,
    abilities: Abilities,
) -> impl Iterator<Item = &config::Checker> {
    let can_be_made = move |checker: &config::Checker| abilities.can_make(&checker.check.probe);
    let some = server.checkers.iter().any(can_be_made);
    let checkers = server.checkers.iter();
    checkers.filter(move |checker| !some || can_be_made(checker))
}

/// One line for each kind of thing that is left out.
pub(super) fn tell(config: &Config, abilities: Abilities) {
    let mut asked = Asked::new();
    for service in &config.virtual_servers {
        of_service(service, abilities, &mut asked);
    }
    for (what, (count, first)) in asked {
        let others = match count {
            1 => String::new(),
            _ => format!(" and {} more", count - 1),
        };
        warn!("{what} is not supported yet, left out (VS {first}{others})");
    }
}

fn of_service(service: &VirtualServer, abilities: Abilities, asked: &mut Asked) {
    for real in &service.real_servers {
        for checker in &real.checkers {
            if !abilities.can_make(&checker.check.probe) {
                ask(asked, checker.check.probe.keyword(), service);
            }
        }
    }
}

fn ask(asked: &mut Asked, what: &'static str, service: &VirtualServer) {
    match asked.get_mut(what) {
        Some((count, _)) => *count += 1,
        None => {
            asked.insert(what, (1, service.key.to_string()));
        }
    }
}
