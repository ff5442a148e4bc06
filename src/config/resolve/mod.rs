//! From drafts to the typed configuration: defaults, names, contradictions.

mod check;
mod checker;
mod group;
mod server;
mod vrrp;

use std::net::IpAddr;

use super::Config;
use super::check::{ServiceKey, VirtualServer, VirtualServerGroup};
use super::keywords::root::Draft;
use super::report::Report;

/// Settles everything. What is wrong and cannot be put right makes the report fatal.
pub(crate) fn resolve(draft: Draft, report: &mut Report<'_>) -> Config {
    let Draft {
        global,
        instances,
        virtual_server_groups,
        virtual_servers,
        ssl,
    } = draft;
    let mut instances = vrrp::instances(instances, &global, report);
    let groups = group::groups(virtual_server_groups, report);
    let virtual_servers = check::virtual_servers(virtual_servers, &groups, report);
    for instance in &mut instances {
        instance.guards_service = instance.addresses.iter().any(|address| {
            let ip = address.cidr.address();
            virtual_servers
                .iter()
                .any(|server| serves(server, &groups, ip))
        });
    }
    Config {
        global: global.global,
        instances,
        virtual_server_groups: groups,
        virtual_servers,
        ssl: ssl.map(|(ssl, _)| ssl),
    }
}

/// Whether clients of the service come to that address.
fn serves(server: &VirtualServer, groups: &[VirtualServerGroup], ip: IpAddr) -> bool {
    match &server.key {
        ServiceKey::Address(service) => service.address.ip() == ip,
        ServiceKey::Fwmark { .. } => false,
        ServiceKey::Group { name, .. } => groups
            .iter()
            .any(|group| group.name == *name && group.contains(ip)),
    }
}
