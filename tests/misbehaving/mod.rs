//! Servers that are good, then misbehave, then are good again; and what a check says of each.
//!
//! `table.txt` names them, with what each does and what comes of it. The same servers are checked
//! on this machine, where reason, attempts and time are looked at (`tests/probes/verdicts.rs`), and
//! in the virtual machine beside Debian's keepalived, where the table is (`tests/lab/verdicts.rs`).

mod behaviour;
mod farm;
mod table;
mod talk;

pub(crate) use farm::{Farm, Phase, Place};
pub(crate) use table::{Row, Table, Verdict};
