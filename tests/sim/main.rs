//! The simulator: real VRRP cores on simulated segments, with simulated kernels and one seeded
//! clock. It implements the other side of Event and Effect and touches no core.
//!
//! * `lan`: the world: routers, packets in flight, faults, time;
//! * `kernel`: interfaces and addresses of one machine, and what the kernel refuses;
//! * `record`: the transcript, log lines included;
//! * `confs`: configurations that several files begin with;
//! * `scenarios`: stories told by hand: configuration, timeline, what must be true;
//! * `starts`: the same of beginnings: intervals, priorities, states;
//! * `hearings`: the same of adverts heard in each state;
//! * `faults`: the same of faults, interfaces and sources;
//! * `bursts`: the same of announcements;
//! * `strict`: the same of strict mode, and of options that do not go together;
//! * `devices`, `layers`: the same of devices made for virtual routers;
//! * `groups`: the same of sync groups;
//! * `belongings`: the same of what a state owns in the kernel;
//! * `tracking`: the same of what instances watch;
//! * `lives`: the same of starts, reloads, stops, and of owners;
//! * `dialects`: the same of adverts of every kind;
//! * `steps`: the steps of RFC 5798 6.4, one by one;
//! * `packets`: what a scenario sends;
//! * `script` and `story`: stories as texts, how they are told, and made short when they go wrong;
//! * `random`: stories told by a seed, in two phases: faults with invariants, then convergence;
//! * `random_groups`: the same of sync groups over both segments;
//! * `replay`: journals of daemons and of the simulator, told to new cores;
//! * `soak`: those of both for as long as one likes;
//! * `split`: how long a segment is without a master, or with two, after a fault of each kind.

mod belongings;
mod bursts;
mod confs;
mod devices;
mod dialects;
mod faults;
mod groups;
mod hearings;
mod kernel;
mod lan;
mod layers;
mod lives;
mod packets;
mod random;
mod random_groups;
mod record;
mod replay;
mod scenarios;
mod script;
mod soak;
mod split;
mod starts;
mod steps;
mod story;
mod strict;
mod tracking;
