//! Hardware addresses that two instances would share.

use std::collections::HashMap;

use crate::addr::{Family, Vrid};
use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::{Instance, SyncGroup};

/// Two instances of one number whose addresses would sit on one VMAC (keepalived leaves both in
/// FAULT, unless they change state together).
pub(crate) fn shared(
    instances: &[(Instance, Span)],
    groups: &[SyncGroup],
    report: &mut Report<'_>,
) {
    let mut taken: HashMap<(Vrid, Family, &str), (&Instance, Span)> = HashMap::new();
    for (instance, span) in instances {
        let addresses = instance.addresses.iter().chain(&instance.excluded);
        for address in addresses.filter(|address| address.vmac) {
            let device = address.device.as_deref().unwrap_or(&instance.interface);
            let place = (instance.vrid, address.cidr.family(), device);
            let (other, first) = *taken.entry(place).or_insert((instance, *span));
            let together = groups.iter().any(|group| {
                group.members.contains(&instance.name) && group.members.contains(&other.name)
            });
            if other.name == instance.name || together {
                continue;
            }
            let id = instance.vrid;
            let message = format!("virtual_router_id {id} has a VMAC on {device} already");
            let help = "give it another number, or put both into one vrrp_sync_group";
            let problem = Problem::error(*span, message).help(help);
            report.add(problem.note(first, "that of this instance"));
            break;
        }
    }
}
