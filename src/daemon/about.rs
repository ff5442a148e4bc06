//! What this build calls itself, in the words that monitoring tools look for.

use crate::sys::host;

/// The day of this release, in keepalived's notation.
const RELEASED: &str = "11/21,2026";

/// `Keepalived v0.1.0 (11/21,2026)`: the first line of `-v`, and the log's after "Starting".
pub fn title() -> String {
    format!("Keepalived v{} ({RELEASED})", env!("CARGO_PKG_VERSION"))
}

/// `Running on Linux 6.1.0-18-amd64 #1 SMP ...`.
pub fn running_on() -> String {
    format!("Running on {}", host::kernel_line())
}

/// The whole answer to `-v`.
pub fn version_text() -> String {
    format!(
        "{}\n\n{}.\nLicensed under MIT or Apache-2.0, at your choice.\n\n{}\n",
        title(),
        env!("CARGO_PKG_DESCRIPTION"),
        running_on(),
    )
}
