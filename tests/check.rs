//! The check core against a world of backends and a kernel's table, in virtual time.
//!
//! A scenario is a configuration, a timeline, and what must be true: the log lines with their
//! times, the changes asked of IPVS (told as ipvsadm's commands), the kernel's table. The random
//! runs at the end flap everything at once.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail it the same way as its own lines"
)]

#[path = "check/filter.rs"]
mod filter;
#[path = "check/kernel.rs"]
mod kernel;
#[path = "config/stopwatch.rs"]
mod stopwatch;
#[path = "check/world.rs"]
mod world;

#[path = "check/arithmetic.rs"]
mod arithmetic;
#[path = "check/checks.rs"]
mod checks;
#[path = "check/director.rs"]
mod director;
#[path = "check/drain.rs"]
mod drain;
#[path = "check/http.rs"]
mod http;
#[path = "check/kinds.rs"]
mod kinds;
#[path = "check/largest.rs"]
mod largest;
#[path = "check/left_out.rs"]
mod left_out;
#[path = "check/machine.rs"]
mod machine;
#[path = "check/marks.rs"]
mod marks;
#[path = "check/others.rs"]
mod others;
#[path = "check/programs.rs"]
mod programs;
#[path = "check/random.rs"]
mod random;
#[path = "check/reload.rs"]
mod reload;
#[path = "check/services.rs"]
mod services;
#[path = "check/share.rs"]
mod share;
#[path = "check/sorry.rs"]
mod sorry;
