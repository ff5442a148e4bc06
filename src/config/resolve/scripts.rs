//! Whom the scripts run as that do not say it themselves.

use crate::config::diag::Problem;
use crate::config::keywords::checker::AnyCheck;
use crate::config::keywords::global::GlobalDraft;
use crate::config::keywords::root::Draft;
use crate::config::report::Report;
use crate::config::script::Script;

/// Used where `script_user` is not given.
const DEFAULT_USER: &str = "keepalived_script";

/// Takes the scripts out of a draft that nobody could run as.
pub(crate) fn settle_user(draft: &mut Draft, report: &mut Report<'_>) {
    if has_user(&draft.global, report) {
        return;
    }
    let mut left_out = false;
    let mut settle = |script: &mut Option<Script>| {
        left_out |= script.take_if(|script| script.user.is_none()).is_some();
    };
    let global = &mut draft.global.global;
    settle(&mut global.scripts.startup);
    settle(&mut global.scripts.shutdown);
    for fifo in [
        &mut global.fifos.all,
        &mut global.fifos.vrrp,
        &mut global.fifos.lvs,
    ] {
        settle(&mut fifo.reader);
    }
    let instances = draft.instances.iter_mut();
    let groups = draft
        .sync_groups
        .iter_mut()
        .map(|(_, group)| &mut group.notify);
    for notify in instances.map(|instance| &mut instance.notify).chain(groups) {
        notify.scripts().into_iter().for_each(&mut settle);
    }
    for (_, script) in draft
        .scripts
        .iter_mut()
        .filter(|(_, script)| script.user.is_none())
    {
        settle(&mut script.script);
    }
    for service in &mut draft.virtual_servers {
        settle(&mut service.quorum_up);
        settle(&mut service.quorum_down);
        for server in &mut service.real_servers {
            settle(&mut server.notify_up);
            settle(&mut server.notify_down);
            for check in &mut server.checkers {
                if let AnyCheck::Misc(check) = check
                    && check.kind.user.is_none()
                {
                    settle(&mut check.kind.script);
                }
            }
        }
    }
    tell(left_out, report);
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
