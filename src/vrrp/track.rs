//! What an instance watches and what that makes of its priority: one contribution for each tracked
//! object, added up. Pure arithmetic; who finds out how an object does is not its business.

use crate::config::{Tracked, Tracks, Weight};
use crate::track::{Condition, Object};

/// One object that an instance watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) object: Object,
    weight: Weight,
}

/// What one object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contribution {
    /// As long as it is so the instance cannot take part.
    Fault,
    /// This is added to the priority.
    Priority(i32),
}

/// Everything an instance watches: what its group does, and then what only it does.
pub(super) fn watches(group: Option<&Tracks>, own: &Tracks) -> Vec<Watch> {
    let mut all: Vec<Watch> = Vec::new();
    let mut add = |list: &[Tracked], object: fn(String) -> Object| {
        for tracked in list {
            let object = object(tracked.name.clone());
            if !all.iter().any(|known| known.object == object) {
                let weight = tracked.weight;
                all.push(Watch { object, weight });
            }
        }
    };
    for tracks in group.into_iter().chain([own]) {
        add(&tracks.interfaces, Object::Interface);
        add(&tracks.scripts, Object::Script);
        add(&tracks.files, Object::File);
        add(&tracks.processes, Object::Process);
        add(&tracks.bfds, Object::Bfd);
    }
    all
}

impl Watch {
    pub(super) fn contribution(&self, condition: Condition) -> Contribution {
        let Weight { value, reverse } = self.weight;
        let is_up = match condition {
            Condition::Up => true,
            Condition::Down => false,
            Condition::Value(number) if value == 0 => number == 0,
            Condition::Value(number) => return of_file(number, value, reverse),
        };
        match value {
            0 if is_up == reverse => Contribution::Fault,
            0 => Contribution::Priority(0),
            _ => {
                let counts = if value > 0 { is_up } else { !is_up };
                let sign = if reverse { -1 } else { 1 };
                Contribution::Priority(if counts { sign * value } else { 0 })
            }
        }
    }
}

/// The number of a file times its weight; so low that no priority is left is a fault.
fn of_file(number: i64, weight: i32, reverse: bool) -> Contribution {
    let sign = if reverse { -1 } else { 1 };
    let product = number
        .saturating_mul(i64::from(weight))
        .saturating_mul(sign);
    match i32::try_from(product.clamp(-FILE_MAX, FILE_MAX - 1)) {
        Ok(product) if i64::from(product) > -FILE_MAX => Contribution::Priority(product),
        _ => Contribution::Fault,
    }
}

/// The priority with everything added, however far that leads.
pub(super) fn total(base: u8, contributions: impl Iterator<Item = Contribution>) -> i32 {
    contributions.fold(i32::from(base), |sum, contribution| match contribution {
        Contribution::Priority(priority) => sum.saturating_add(priority),
        Contribution::Fault => sum,
    })
}

/// The priority of adverts: 0 says goodbye, 255 is an owner's, and an owner's never changes.
pub(super) fn effective(base: u8, total: i32) -> u8 {
    if base == OWNER {
        return OWNER;
    }
    u8::try_from(total.clamp(1, i32::from(OWNER) - 1)).expect("it was clamped to one octet")
}

/// RFC 9568 5.2.4.
pub(super) const OWNER: u8 = 255;
/// A file adds or takes less than this.
const FILE_MAX: i64 = 254;

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(value: i32, reverse: bool) -> Watch {
        Watch {
            object: Object::Interface("eth9".to_owned()),
            weight: Weight { value, reverse },
        }
    }

    #[test]
    fn a_weight_counts_while_up_or_while_down_by_its_sign_and_reverse_turns_it_round() {
        use Contribution::{Fault, Priority};
        for (value, reverse, up, down) in [
            (20, false, Priority(20), Priority(0)),
            (-20, false, Priority(0), Priority(-20)),
            (0, false, Priority(0), Fault),
            (20, true, Priority(-20), Priority(0)),
            (-20, true, Priority(0), Priority(20)),
            (0, true, Fault, Priority(0)),
        ] {
            let watch = watch(value, reverse);
            let both = [Condition::Up, Condition::Down].map(|now| watch.contribution(now));
            assert_eq!(both, [up, down], "{value} {reverse}");
        }
    }

    #[test]
    fn a_file_counts_its_number_times_the_weight_within_limits() {
        use Contribution::{Fault, Priority};
        for (number, value, reverse, expected) in [
            (7, 1, false, Priority(7)),
            (7, -2, false, Priority(-14)),
            (7, 2, true, Priority(-14)),
            (1_000, 1, false, Priority(253)),
            (-253, 1, false, Priority(-253)),
            (-254, 1, false, Fault),
            (i64::MIN, 254, false, Fault),
            (i64::MIN, -254, false, Priority(253)),
            (0, 0, false, Priority(0)),
            (3, 0, false, Fault),
            (0, 0, true, Fault),
            (3, 0, true, Priority(0)),
        ] {
            let found = watch(value, reverse).contribution(Condition::Value(number));
            assert_eq!(found, expected, "{number} * {value} {reverse}");
        }
    }

    #[test]
    fn the_sum_is_clamped_once_and_at_the_end() {
        let sum = |base, list: &[i32]| {
            let list = list
                .iter()
                .map(|&priority| Contribution::Priority(priority));
            let total = total(base, list);
            (total, effective(base, total))
        };
        assert_eq!(sum(100, &[]), (100, 100));
        assert_eq!(sum(100, &[20, -50]), (70, 70));
        assert_eq!(sum(100, &[-253]), (-153, 1));
        assert_eq!(sum(100, &[253, 253]), (606, 254));
        // In between it may be anything.
        assert_eq!(sum(100, &[-253, 253]), (100, 100));
        assert_eq!(sum(255, &[-253]), (2, 255), "an owner stays an owner");
    }

    #[test]
    fn what_the_group_watches_counts_with_the_weight_of_the_group() {
        let tracks = |weight| Tracks {
            interfaces: vec![Tracked {
                name: "eth9".to_owned(),
                weight,
            }],
            ..Tracks::default()
        };
        let weight = |value| Weight {
            value,
            reverse: false,
        };
        let both = watches(Some(&tracks(weight(5))), &tracks(weight(7)));
        assert_eq!(both, [watch(5, false)]);
    }
}
