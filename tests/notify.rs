//! The notify core without a daemon: news in, scripts out, with times.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be unwrapped is a failure"
)]

#[path = "notify/mail.rs"]
mod mail;
#[path = "notify/pipes.rs"]
mod pipes;
#[path = "notify/scripts.rs"]
mod scripts;
#[path = "notify/world.rs"]
mod world;
