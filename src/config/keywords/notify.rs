//! The `notify*` keywords, which instances and sync groups have in common.

use crate::config::report::Report;
use crate::config::script::{Script, script};
use crate::config::tree::Statement;

/// Whom to tell of what.
#[derive(Default)]
pub(crate) struct NotifyDraft {
    pub(crate) backup: Option<Script>,
    pub(crate) master: Option<Script>,
    pub(crate) fault: Option<Script>,
    pub(crate) stop: Option<Script>,
    pub(crate) any: Option<Script>,
    pub(crate) deletion: bool,
    pub(crate) deleted: Option<Script>,
    pub(crate) master_hears_lower: Option<Script>,
    pub(crate) mail: Option<bool>,
    pub(crate) priority_changes: Option<bool>,
}

impl NotifyDraft {
    pub(crate) fn scripts(&mut self) -> [&mut Option<Script>; 7] {
        [
            &mut self.backup,
            &mut self.master,
            &mut self.fault,
            &mut self.stop,
            &mut self.any,
            &mut self.deleted,
            &mut self.master_hears_lower,
        ]
    }

    /// `notify_deleted [COMMAND]`.
    pub(crate) fn deleted(&mut self, statement: &Statement, report: &mut Report<'_>) {
        self.deletion = true;
        if statement.argument(1).is_some() {
            self.deleted = script(statement, report);
        }
    }
}
