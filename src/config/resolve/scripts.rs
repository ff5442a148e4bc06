//! Whom scripts run as that do not say it themselves, and whether they are fit to be run.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::child::Unfit;
use crate::config::diag::Problem;
use crate::config::keywords::checker::AnyCheck;
use crate::config::keywords::global::GlobalDraft;
use crate::config::keywords::root::Draft;
use crate::config::lossless;
use crate::config::report::Report;
use crate::config::script::{Script, ScriptUser};
use crate::config::source::Span;

/// Used where `script_user` is not given.
const DEFAULT_USER: &str = "keepalived_script";

/// Takes the scripts out of a draft that nobody could run as.
pub(crate) fn settle_user(draft: &mut Draft, report: &mut Report<'_>) {
    if has_user(&draft.global, report) {
        return;
    }
    let mut left_out = false;
    every(draft, &mut |script, user| {
        let without = |script: &mut Script| user.is_none() && script.user.is_none();
        left_out |= script.take_if(without).is_some();
    });
    tell(left_out, report);
}

/// Takes out the scripts that their user may not run; with script security also those that run
/// as root and that others could change.
pub(crate) fn vet(draft: &mut Draft, report: &mut Report<'_>) {
    let settings = &draft.global.global.scripts;
    let (security, supplementary) = (settings.security, settings.supplementary_groups);
    let default = settings.user.clone();
    // Each program is looked at once for everybody who runs it.
    let mut known: HashMap<(String, Option<ScriptUser>), bool> = HashMap::new();
    every(draft, &mut |script, user| {
        script.take_if(|script| {
            let own = script.user.as_ref().or(user);
            let user = ScriptUser::of_script(own, default.as_ref(), supplementary);
            let program = script.argv.first().cloned().unwrap_or_default();
            // A shell reads the file whose name follows.
            if program.starts_with("</") {
                return false;
            }
            let written = script.user.as_ref();
            let fit = known
                .entry((program, user))
                .or_insert_with_key(|(program, user)| {
                    let place = report.program(program, written);
                    is_fit(program, user, place, security, report)
                });
            !*fit
        });
    });
}

/// Visits every script of a draft, with the user that another keyword gives it.
fn every(draft: &mut Draft, visit: &mut dyn FnMut(&mut Option<Script>, Option<&ScriptUser>)) {
    let global = &mut draft.global.global;
    visit(&mut global.scripts.startup, None);
    visit(&mut global.scripts.shutdown, None);
    for fifo in [
        &mut global.fifos.all,
        &mut global.fifos.vrrp,
        &mut global.fifos.lvs,
    ] {
        visit(&mut fifo.reader, None);
    }
    let instances = draft.instances.iter_mut();
    let groups = draft
        .sync_groups
        .iter_mut()
        .map(|(_, group)| &mut group.notify);
    for notify in instances.map(|instance| &mut instance.notify).chain(groups) {
        for script in notify.scripts() {
            visit(script, None);
        }
    }
    for (_, script) in &mut draft.scripts {
        visit(&mut script.script, script.user.as_ref());
    }
    for service in &mut draft.virtual_servers {
        visit(&mut service.quorum_up, None);
        visit(&mut service.quorum_down, None);
        for server in &mut service.real_servers {
            visit(&mut server.notify_up, None);
            visit(&mut server.notify_down, None);
            for check in &mut server.checkers {
                if let AnyCheck::Misc(check) = check {
                    visit(&mut check.kind.script, check.kind.user.as_ref());
                }
            }
        }
    }
}

/// Whether a script that names nobody has a user.
fn has_user(global: &GlobalDraft, report: &mut Report<'_>) -> bool {
    let scripts = &global.global.scripts;
    match &scripts.user {
        Some(user) => user.unknown(report).is_none(),
        // Without script security the daemon's own user stands in.
        None => !scripts.security || report.user_exists(DEFAULT_USER),
    }
}

fn tell(left_out: bool, report: &mut Report<'_>) {
    let script = report
        .first_without_user()
        .or_else(|| report.first_script());
    let Some(span) = script.filter(|_| left_out) else {
        return;
    };
    let message = "scripts that name no user are left out: there is none for them";
    let help = format!("write `script_user` into `global_defs`, or make the user {DEFAULT_USER}");
    report.add(Problem::error(span, message).help(help));
}

/// What is wrong with it is reported.
fn is_fit(
    program: &str,
    user: &Option<ScriptUser>,
    place: Span,
    security: bool,
    report: &mut Report<'_>,
) -> bool {
    let octets = lossless::encode(program);
    let name = OsStr::from_bytes(&octets);
    let Err(unfit) = report.host.vet(name, user.as_ref()) else {
        return true;
    };
    let runs = matches!(unfit, Unfit::Weak(_)) && !security;
    let then = if runs { "" } else { ", it is left out" };
    let what = match (&unfit, user) {
        (Unfit::Weak(_), _) => "is not safe to run as root".to_owned(),
        (Unfit::Barred(_), None) => "cannot be run".to_owned(),
        (Unfit::Barred(_), Some(user)) => format!("cannot be run by {user}"),
    };
    let message = format!("`{program}` {what}: {unfit}{then}");
    let problem = Problem::warning(place, message);
    report.add(problem.help(unfit.cure()));
    runs
}
