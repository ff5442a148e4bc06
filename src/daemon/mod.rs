//! The reactor and the drivers: the only room that sees both a core and `sys`.

pub mod about;
pub mod logging;
pub mod options;
