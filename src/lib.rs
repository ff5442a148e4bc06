//! keepalived: VRRP and IPVS director in one process, one thread, one loop.
//!
//! The house, from the ground up; a room imports only from rooms above it in this list
//! (`tests/tidy.rs` keeps that true):
//!
//! * ground: [`time`], [`addr`], [`errno`], [`rand`], [`hash`], [`child`]: values, no I/O;
//! * [`wire`]: bytes and the values they mean;
//! * [`config`]: text to typed values, with diagnostics;
//! * [`notify`] and [`track`]: who is told of what happened, in order, and what is watched beside
//!   interfaces; cores whose words the others use;
//! * the cores, [`vrrp`] and [`check`]: events in, effects out; no clock, no descriptor;
//! * [`journal`]: what the cores are told and what they want done, as text and back;
//! * [`sys`]: one file per kind of descriptor or system call; decides nothing;
//! * [`daemon`]: the reactor and the drivers, the only room that sees both a core and `sys`;
//! * [`cli`]: the command line.

pub mod addr;
pub mod child;
pub mod errno;
pub mod hash;
pub mod rand;
pub mod time;

pub mod wire;

pub mod config;

pub mod notify;
pub mod track;

pub mod check;
pub mod vrrp;

pub mod journal;

pub mod sys;

pub mod daemon;

pub mod cli;
