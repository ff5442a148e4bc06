//! `~SEQ` and `~LST`: a line once for each value of its names.

/// The values still to come.
#[derive(Debug)]
pub(super) enum Turns {
    Numbers(Numbers),
    /// From the last to the first.
    Rows(Vec<Vec<String>>),
}

#[derive(Debug)]
pub(super) struct Numbers {
    next: Option<i64>,
    step: i64,
    end: i64,
    hex: bool,
}

/// A sequence of more is a typing error. The largest that makes sense is one of 64 Ki ports.
const TURNS_MAX: i128 = 1 << 17;

impl Turns {
    /// The numbers from one bound to the other, both included; or what is wrong with them.
    pub(super) fn numbers(bounds: &[i64], hex: bool) -> Result<Self, String> {
        let towards = |from: i64, to: i64| if from <= to { 1 } else { -1 };
        let (start, step, end) = match *bounds {
            [end] if end < 0 => (-1, -1, end),
            [end] => (1, towards(1, end), end),
            [start, end] => (start, towards(start, end), end),
            [start, step, end] => (start, step, end),
            _ => return Err(String::from("a sequence has one to three numbers")),
        };
        if step == 0 || (end != start && (end > start) != (step > 0)) {
            return Err(format!("steps of {step} do not lead from {start} to {end}"));
        }
        if hex && start.min(end) < 0 {
            return Err(String::from("`~SEQx` has no negative numbers"));
        }
        let count = (i128::from(end) - i128::from(start)) / i128::from(step) + 1;
        if count > TURNS_MAX {
            return Err(format!(
                "a sequence of {count} numbers, the limit is {TURNS_MAX}"
            ));
        }
        let next = Some(start);
        Ok(Self::Numbers(Numbers {
            next,
            step,
            end,
            hex,
        }))
    }

    /// Rows of values for so many names; or what is wrong with them.
    pub(super) fn rows(names: usize, rows: &[Vec<&str>]) -> Result<Self, String> {
        if rows.is_empty() {
            return Err(String::from("a list without values"));
        }
        if let Some(row) = rows.iter().find(|row| row.len() > names) {
            return Err(format!("{} values for {names} name(s)", row.len()));
        }
        let filled = rows.iter().rev().map(|row| {
            let value = |index| row.get(index).copied().unwrap_or_default();
            (0..names).map(|index| value(index).to_owned()).collect()
        });
        Ok(Self::Rows(filled.collect()))
    }
}

impl Iterator for Turns {
    type Item = Vec<String>;

    /// A value for each name.
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Numbers(numbers) => numbers.next().map(|number| vec![number]),
            Self::Rows(rows) => rows.pop(),
        }
    }
}

impl Iterator for Numbers {
    type Item = String;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.next?;
        let next = number.checked_add(self.step);
        self.next = next.filter(|next| {
            if self.step > 0 {
                *next <= self.end
            } else {
                *next >= self.end
            }
        });
        Some(if self.hex {
            format!("{number:x}")
        } else {
            number.to_string()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(bounds: &[i64], hex: bool) -> String {
        match Turns::numbers(bounds, hex) {
            Ok(turns) => turns.flatten().collect::<Vec<_>>().join(" "),
            Err(why) => why,
        }
    }

    #[test]
    fn every_form_of_a_sequence_counts_as_told() {
        for (bounds, hex, expected) in [
            (&[3][..], false, "1 2 3"),
            (&[0], false, "1 0"),
            (&[-2], false, "-1 -2"),
            (&[1], false, "1"),
            (&[5, 7], false, "5 6 7"),
            (&[2, -1], false, "2 1 0 -1"),
            (&[1, 3, 8], false, "1 4 7"),
            (&[9, -4, 1], false, "9 5 1"),
            (&[9, 11], true, "9 a b"),
            (&[4, -1, 4], false, "4"),
            (
                &[i64::MAX - 1, i64::MAX],
                false,
                "9223372036854775806 9223372036854775807",
            ),
        ] {
            assert_eq!(numbers(bounds, hex), expected);
        }
    }

    #[test]
    fn a_sequence_that_leads_nowhere_is_told() {
        for (bounds, hex, expected) in [
            (&[1, 0, 3][..], false, "steps of 0 do not lead from 1 to 3"),
            (&[1, -1, 3], false, "steps of -1 do not lead from 1 to 3"),
            (&[-1], true, "`~SEQx` has no negative numbers"),
            (
                &[i64::MIN, i64::MAX],
                false,
                "a sequence of 18446744073709551616 numbers, the limit is 131072",
            ),
        ] {
            assert_eq!(numbers(bounds, hex), expected);
        }
    }

    #[test]
    fn missing_values_are_empty_and_spare_ones_told() {
        let rows = [vec!["a", "b"], vec!["c"]];
        let all: Vec<_> = Turns::rows(2, &rows).unwrap().collect();
        assert_eq!(all, [["a", "b"], ["c", ""]]);
        assert_eq!(Turns::rows(1, &rows).unwrap_err(), "2 values for 1 name(s)");
        assert!(Turns::rows(1, &[]).is_err());
    }
}
