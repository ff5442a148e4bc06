//! What `global_defs` says against itself. keepalived logs it; so these are warnings.

use crate::config::diag::Problem;
use crate::config::keywords::global::GlobalDraft;
use crate::config::report::Report;

pub(crate) fn settle(draft: &mut GlobalDraft, report: &mut Report<'_>) {
    fifos(draft, report);
    firewall(draft, report);
}

/// Nobody could tell who wrote what into a pipe that two of them share.
fn fifos(draft: &mut GlobalDraft, report: &mut Report<'_>) {
    let fifos = &mut draft.global.fifos;
    let all = fifos.all.path.clone();
    for (fifo, span, name) in [
        (&mut fifos.vrrp, draft.vrrp_fifo, "vrrp_notify_fifo"),
        (&mut fifos.lvs, draft.lvs_fifo, "lvs_notify_fifo"),
    ] {
        if let Some(span) = span
            && all.is_some()
            && fifo.path == all
        {
            let message = format!("`{name}` is the pipe of `notify_fifo`, it is ignored");
            report.add(Problem::warning(span, message));
            *fifo = crate::config::global::Fifo::default();
        }
    }
    let same = fifos.lvs.path.is_some() && fifos.lvs.path == fifos.vrrp.path;
    if let Some(span) = draft.lvs_fifo
        && same
        && fifos.vrrp.reader.is_some()
        && fifos.lvs.reader.is_some()
    {
        let message = "two programs would read one pipe, `lvs_notify_fifo_script` is ignored";
        report.add(Problem::warning(span, message));
        fifos.lvs.reader = None;
    }
}

fn firewall(draft: &mut GlobalDraft, report: &mut Report<'_>) {
    let firewall = &mut draft.global.firewall;
    if let Some(span) = draft.iptables
        && firewall.nftables.is_some()
    {
        report.add(Problem::warning(
            span,
            "`nftables` is there, too: `vrrp_iptables` is ignored",
        ));
        firewall.iptables = None;
    }
    if let Some(span) = draft.ipsets
        && firewall.iptables.is_none()
    {
        report.add(Problem::warning(
            span,
            "`vrrp_ipsets` goes with `vrrp_iptables`, it is ignored",
        ));
        firewall.ipsets = None;
    }
}
