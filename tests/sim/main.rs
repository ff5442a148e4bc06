//! The simulator: real VRRP cores on a simulated segment, with simulated kernels and one seeded
//! clock. It implements the other side of Event and Effect and touches no core.
//!
//! * `lan`: the world: routers, packets in flight, faults, time;
//! * `kernel`: interfaces and addresses of one machine, and what the kernel refuses;
//! * `record`: the transcript, log lines included;
//! * `scenarios`: stories told by hand: configuration, timeline, what must be true;
//! * `random`: stories told by a seed, in two phases: faults with invariants, then convergence.

mod kernel;
mod lan;
mod random;
mod record;
mod scenarios;
