//! The configuration: from text to typed values, with every problem found in one run.

pub mod check;
pub mod global;
pub mod vrrp;

pub use check::{
    Checker, Forwarding, Persistence, Probe, Protocol, RealServer, ServiceKey, VirtualServer,
};
pub use global::Global;
pub use vrrp::{
    Authentication, GratuitousArp, InitialState, Instance, InstanceKey, VirtualAddress,
};

/// A whole configuration: defaults applied, references resolved, contradictions settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub global: Global,
    pub instances: Vec<Instance>,
    pub virtual_servers: Vec<VirtualServer>,
}
