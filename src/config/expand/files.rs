//! Includes: which files, and whether they may be read.

use std::borrow::Cow;

use crate::config::check_octets;
use crate::config::diag::{Class, Problem};
use crate::config::include::{self, Checks, Match};
use crate::config::source::Spot;

use super::frame::{FileFrame, Frame};
use super::text::Text;
use super::{DEPTH_MAX, Expander, TEXT_MAX};

/// Includes and files of one configuration; one for each of a thousand services is not unheard of.
/// An include that finds nothing counts as well: looking for it has taken its time.
const INCLUDES_MAX: usize = 6_000;

impl Expander<'_> {
    /// Looks for the files of an include; each is read when its turn comes.
    pub(super) fn include(&mut self, pattern: &Text, checks: Checks) {
        let spot = pattern.spot(&self.source, 0..pattern.len());
        self.included += 1;
        if self.included > INCLUDES_MAX {
            let problem = self.too_many(spot);
            self.problems.push(problem);
            return;
        }
        let checks = match self.all_checks {
            true => Checks::ALL,
            false => checks.and(self.checks),
        };
        let (files, failures) = include::find(self.host, &self.directory, pattern.as_str(), checks);
        if pattern.as_str().starts_with('"') {
            let message = "quotes are part of the name of an included file";
            self.problems.push(Problem::warning(spot, message));
        }
        for failure in failures {
            self.failed(spot, failure.message, failure.fatal);
        }
        if !files.is_empty() {
            let matches = files.into_iter();
            self.opened.push(Frame::Files {
                matches,
                spot,
                checks,
            });
        }
    }

    /// Opens an included file.
    pub(super) fn enter(&mut self, file: &Match, spot: Spot, checks: Checks) {
        let name = file.path.display().to_string();
        let bytes = match self.host.read(&file.path).and_then(check_octets) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => {
                self.failed(spot, format!("there is no file {name}"), file.must_exist);
                return;
            }
            Err(error) => {
                self.failed(spot, format!("cannot include {name}: {error}"), checks.read);
                return;
            }
        };
        let id = self.source.open(name, Some(self.source.outermost(spot)));
        let frame = FileFrame::new(id, file.path.clone(), Cow::Owned(bytes), self.checks);
        if let Some(problem) = self.refuse(&frame, spot) {
            self.problems.push(problem.help("this include is skipped"));
            return;
        }
        self.opened.push(Frame::File(frame));
    }

    /// Why a file must not be read although it could be.
    pub(super) fn refuse(&mut self, file: &FileFrame<'_>, spot: Spot) -> Option<Problem> {
        // Those that are refused count as well: reading them has taken its time.
        self.included += 1;
        let length = self.source.text().len() + file.len();
        if self.included > INCLUDES_MAX || length > TEXT_MAX {
            return Some(self.too_many(spot));
        }
        let open = self.frames.iter().filter_map(|frame| match frame {
            Frame::File(open) => Some(open),
            _ => None,
        });
        if open.clone().any(|open| open.is_same(file)) {
            let message = format!("{} includes itself", file.path.display());
            return Some(Problem::error(spot, message));
        }
        if open.count() >= DEPTH_MAX {
            let message = format!("files included deeper than {DEPTH_MAX}");
            return Some(Problem::error(spot, message));
        }
        None
    }

    fn too_many(&mut self, spot: Spot) -> Problem {
        self.endless = true;
        let message = "included files make this configuration endless";
        Problem::error(spot, message).class(Class::Endless)
    }

    /// An include did not find or could not read what it names.
    pub(super) fn failed(&mut self, spot: Spot, message: String, fatal: bool) {
        self.problems.push(match fatal {
            true => Problem::error(spot, message).class(Class::Include),
            false => Problem::warning(spot, message).help("nothing is included"),
        });
    }
}
