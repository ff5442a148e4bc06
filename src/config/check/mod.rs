//! The director's side of a configuration: services, their real servers, their checks.

mod checker;
mod group;
mod pattern;
mod server;
mod service;
mod ssl;

pub use checker::{
    Check, Checker, Endpoint, FileWeight, HttpProbe, HttpVersion, MaskedOctet, Probe, RecordType,
    Regex, RegexOption, Reply, TlsTrust, TlsVerify, Url,
};
pub use group::{GroupEntry, VirtualServerGroup};
pub use pattern::{Pattern, TooCostly};
pub use server::{Checksum, Encapsulation, Forwarding, RealServer, SorryServer, Tunnel};
pub use service::{
    Persistence, Protocol, Scheduler, SchedulerFlags, ServiceAddress, ServiceKey, VirtualServer,
};
pub use ssl::Ssl;
