//! `FILE_CHECK`: the number in a tracked file is up, down or a weight.
//!
//! Who looks at the file, and what counts as a number, is `track`'s.

use crate::config::{FileWeight, Probe};

use super::checker::{Checker, CheckerId};
use super::probe::{Verdict, Weight};
use super::{Core, Reason};
use crate::hash::Map;

/// The numbers in the files that checks look at, by their names in the configuration.
pub(super) type Files = Map<String, i64>;

impl Core {
    /// A file holds another number.
    pub(super) fn file_read(&mut self, name: &str, value: i64) {
        self.files.insert(name.to_owned(), value);
        self.apply_file(name, value);
    }

    /// New checks hear of what is known, and files that nobody looks at any more are forgotten.
    pub(super) fn apply_files(&mut self) {
        let known = std::mem::take(&mut self.files);
        for (name, value) in known {
            let looks = |checker: &Checker| match &checker.config.check.probe {
                Probe::File { track_file, .. } => *track_file == name,
                _ => false,
            };
            if self.checkers.values().any(|checker| looks(checker)) {
                self.file_read(&name, value);
            }
        }
    }

    fn apply_file(&mut self, name: &str, value: i64) {
        let concerned = |id: &CheckerId, checker: &Checker| match &checker.config.check.probe {
            Probe::File { track_file, weight } if track_file == name => {
                Some((*id, judge(value, *weight)))
            }
            _ => None,
        };
        let checkers = self.checkers.iter();
        let verdicts: Vec<_> = checkers
            .filter_map(|(id, checker)| concerned(id, checker))
            .collect();
        for (id, verdict) in verdicts {
            self.settle(id, verdict);
        }
    }
}

fn judge(value: i64, weight: FileWeight) -> Verdict {
    let down = || Verdict::Down(Reason::File(value));
    if weight.factor == 0 {
        return if (value == 0) == weight.reverse {
            down()
        } else {
            Verdict::Up
        };
    }
    let product = value.saturating_mul(weight.factor.into());
    let product = if weight.reverse {
        product.saturating_neg()
    } else {
        product
    };
    let product = product.clamp(i32::MIN.into(), i32::MAX.into());
    match i32::try_from(product) {
        Ok(i32::MIN) | Err(_) => down(),
        Ok(product) => Verdict::Weighed(Weight::Added(product)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_multiplied_and_the_lowest_is_down() {
        let of = |value, factor, reverse| judge(value, FileWeight { factor, reverse });
        let added = |weight| Verdict::Weighed(Weight::Added(weight));
        assert_eq!(of(3, 2, false), added(6));
        assert_eq!(of(3, 2, true), added(-6));
        assert_eq!(of(i32::MAX.into(), 2, false), added(i32::MAX));
        assert!(matches!(of(i32::MIN.into(), 1, false), Verdict::Down(_)));
        assert_eq!(of(0, 0, false), Verdict::Up);
        assert!(matches!(of(1, 0, false), Verdict::Down(_)));
        assert_eq!(of(1, 0, true), Verdict::Up);
        assert!(matches!(of(0, 0, true), Verdict::Down(_)));
    }
}
