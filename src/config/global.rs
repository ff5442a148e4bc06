//! `global_defs`: what holds for the whole file, wherever the block stands in it.

use std::time::Duration;

use super::script::{Script, ScriptUser};

/// The settings of `global_defs` that anything uses after the file is read.
/// Defaults of instances (`vrrp_garp_*` and the like) are already inside the instances.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Global {
    /// `router_id` (or the old `lvs_id`); None: the host's name.
    pub router_id: Option<String>,
    /// `notification_email`: the recipients of mails.
    pub notification_email: Vec<String>,
    /// `notification_email_from`.
    pub notification_email_from: Option<String>,
    /// `smtp_server HOST [PORT]`, host as written.
    pub smtp_server: Option<(String, u16)>,
    /// `smtp_helo_name`.
    pub smtp_helo_name: Option<String>,
    /// `smtp_connect_timeout`; None: 30 s.
    pub smtp_connect_timeout: Option<Duration>,
    /// `startup_script`: run once before anything else.
    pub startup_script: Option<Script>,
    /// `script_user`; None: `keepalived_script` if there is such a user, else the daemon's.
    pub script_user: Option<ScriptUser>,
    /// `lvs_flush`: empty the IPVS table before the first entry is made.
    pub lvs_flush: bool,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
}
