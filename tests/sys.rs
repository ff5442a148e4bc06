//! The kernel side against the kernel itself, in network namespaces of its own. Needs root.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be unwrapped is a failure"
)]

#[path = "sys/namespace.rs"]
mod namespace;

#[path = "sys/adverts.rs"]
mod adverts;
#[path = "sys/linkbeat.rs"]
mod linkbeat;
#[path = "sys/links.rs"]
mod links;
#[path = "sys/netlink.rs"]
mod netlink;
#[path = "sys/nft.rs"]
mod nft;
#[path = "sys/packets.rs"]
mod packets;
#[path = "sys/routes.rs"]
mod routes;
#[path = "sys/tcp.rs"]
mod tcp;
#[path = "sys/time.rs"]
mod time;
