//! The track core without a daemon: results, numbers and counts in, conditions out, with times.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be unwrapped is a failure"
)]

#[path = "track/files.rs"]
mod files;
#[path = "track/processes.rs"]
mod processes;
#[path = "track/scripts.rs"]
mod scripts;
#[path = "track/world.rs"]
mod world;
