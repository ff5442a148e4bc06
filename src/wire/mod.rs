//! Bytes and the values they mean. `parse` never panics, `emit` is exact, both ways are tested.

pub mod ah;
pub mod arp;
pub mod channel;
pub mod checksum;
pub mod cursor;
pub mod ip;
pub mod ipvs;
pub mod ndisc;
pub mod netlink;
pub mod rtnl;
pub mod signature;
pub mod sysctl;
pub mod vrrp;
