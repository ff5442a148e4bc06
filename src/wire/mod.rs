//! Bytes and the values they mean. `parse` never panics, `emit` is exact, both ways are tested.

pub mod ah;
pub mod arp;
pub mod channel;
pub mod checksum;
mod chunks;
pub mod connector;
pub mod cursor;
pub mod dns;
pub mod http;
pub mod icmp;
pub mod ip;
pub mod ipvs;
pub mod linkbeat;
pub mod md5;
pub mod ndisc;
pub mod netlink;
pub mod nft;
pub mod rtnl;
pub mod signature;
pub mod smtp;
pub mod sysctl;
pub mod tls;
pub mod vrrp;
pub mod x509;
