//! The command line: argv to `Options`.
