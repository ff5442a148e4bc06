//! Bytes and the values they mean. `parse` never panics, `emit` is exact, both ways are tested.

pub mod cursor;
pub mod ipvs;
pub mod rtnl;
