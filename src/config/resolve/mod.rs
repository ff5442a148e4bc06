//! From drafts to the typed configuration: defaults, names, contradictions.

mod check;
mod vrrp;

use super::Config;
use super::keywords::root::Draft;
use super::report::Report;

/// Settles everything. What is wrong and cannot be put right makes the report fatal.
pub(crate) fn resolve(draft: Draft, report: &mut Report<'_>) -> Config {
    let Draft {
        global,
        instances,
        virtual_servers,
    } = draft;
    let mut instances = vrrp::instances(instances, &global, report);
    let virtual_servers = check::virtual_servers(virtual_servers, report);
    for instance in &mut instances {
        instance.guards_service = instance.addresses.iter().any(|address| {
            let ip = address.cidr.address();
            virtual_servers.iter().any(|server| server.ip() == ip)
        });
    }
    Config {
        global: global.global,
        instances,
        virtual_servers,
    }
}
