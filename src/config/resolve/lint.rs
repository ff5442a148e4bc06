//! What is allowed and probably not meant: the questions people ask most. Warnings only.

use std::collections::HashSet;

use crate::config::diag::{Class, Problem};
use crate::config::keywords::track::Named;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::track::Tracked;
use crate::config::{Config, Global, InitialState, Instance};

/// What a router has that gives no priority.
const DEFAULT_PRIORITY: i32 = 100;

pub(crate) fn weights(instance: &Instance, span: Span, report: &mut Report<'_>) {
    let track = &instance.track;
    let lists = [
        &track.interfaces,
        &track.scripts,
        &track.processes,
        &track.bfds,
    ];
    let weighted: Vec<&Tracked> = lists
        .into_iter()
        .flatten()
        .filter(|tracked| tracked.weight.value != 0)
        .collect();
    if weighted.is_empty() {
        return;
    }
    let priority = i32::from(instance.priority);
    let sum = |sign: i32| {
        let values = weighted.iter().map(|tracked| tracked.weight.value);
        values.filter(|value| value.signum() == sign).sum::<i32>()
    };
    let best = (priority + sum(1)).clamp(1, 254);
    let worst = (priority + sum(-1)).clamp(1, 254);
    if best == worst {
        let message = format!("the priority is {best} whatever is tracked");
        report.add(Problem::warning(span, message).help("a priority stays within 1 to 254"));
    } else if instance.state == InitialState::Master && worst > DEFAULT_PRIORITY {
        let message = format!(
            "with everything down that is tracked the priority is {worst}: a backup of \
             {worst} or less does not take over"
        );
        let help = "the weights must be larger than the distance to the priority of the backup";
        report.add(Problem::warning(span, message).help(help));
    }
}

pub(crate) fn no_priority(name: &Named, report: &mut Report<'_>) {
    let message = format!(
        "`vrrp_instance {}` has no `priority`: {DEFAULT_PRIORITY}, as every router that gives none",
        name.name
    );
    let help = "of equals the one with the higher address wins; give each router its own";
    report.add(Problem::warning(name.span, message).help(help));
}

/// Scripts and processes that are of use and nothing watches.
pub(crate) fn unused(config: &Config, names: &[Named], report: &mut Report<'_>) {
    let tracks = || {
        let instances = config.instances.iter().map(|instance| &instance.track);
        instances.chain(config.sync_groups.iter().map(|group| &group.track))
    };
    let used: HashSet<&str> = tracks()
        .flat_map(|track| track.scripts.iter().chain(&track.processes))
        .map(|tracked| tracked.name.as_str())
        .collect();
    let scripts = config.scripts.iter().map(|script| script.name.as_str());
    let processes = config.processes.iter().map(|process| process.name.as_str());
    let usable: HashSet<&str> = scripts.chain(processes).collect();
    for Named { name, span } in names {
        if usable.contains(name.as_str()) && !used.contains(name.as_str()) {
            let message = format!("nothing tracks `{name}`");
            report.add(Problem::warning(*span, message));
        }
    }
}

/// Scripts run as root unless told otherwise, and keepalived wants to hear that this is known.
pub(crate) fn security(global: &Global, report: &mut Report<'_>) {
    let Some(span) = report.first_script().filter(|_| !global.scripts.security) else {
        return;
    };
    let message = "scripts are to run, and `enable_script_security` is not set";
    let help = "add it to `global_defs`: no script runs as root then that others could change";
    report.add(
        Problem::error(span, message)
            .class(Class::Security)
            .help(help),
    );
}
