//! "Did you mean": the known word nearest to an unknown one.

/// Longest word compared; keywords have at most 36 letters.
const LENGTH_MAX: usize = 48;

/// The candidate nearest to `word`, if it is near enough to be what was meant. A different case
/// alone counts as nearest of all.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() > LENGTH_MAX {
        return None;
    }
    let limit = match word.len() {
        0..=2 => 0,
        3..=4 => 1,
        5..=9 => 2,
        _ => 3,
    };
    if limit == 0 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    candidates
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit)
        .map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let columns = other.len() + 1;
    let mut before_last = vec![0; columns];
    let mut last: Vec<usize> = (0..columns).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, counterpart) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != counterpart);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0
                && column > 0
                && one[row - 1] == *counterpart
                && other[column - 1] == *letter;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[columns - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 7] = [
        "virtual_server",
        "vrrp_sync_group",
        "garp_master_delay",
        "smtp_alert",
        "preempt_delay",
        "nat_mask",
        "lvs_sync_daemon_interface",
    ];

    #[test]
    fn the_typing_errors_of_well_known_guides_find_their_keyword() {
        for (typed, meant) in [
            ("virtaul_server", "virtual_server"),
            ("vrrp_syncv_group", "vrrp_sync_group"),
            ("Garp_master_delay", "garp_master_delay"),
            ("smtp_alter", "smtp_alert"),
            ("preempt_deay", "preempt_delay"),
            ("net_mask", "nat_mask"),
            ("lvs_sync_daemon_inteface", "lvs_sync_daemon_interface"),
        ] {
            assert_eq!(nearest(typed, WORDS.into_iter()), Some(meant), "{typed}");
        }
    }

    #[test]
    fn a_word_like_no_other_gets_no_suggestion() {
        for typed in [
            "",
            "x",
            "path",
            "bananas",
            "real",
            &"virtual_server".repeat(9),
        ] {
            assert_eq!(nearest(typed, WORDS.into_iter()), None, "{typed}");
        }
    }

    #[test]
    fn a_swap_of_neighbours_is_one_step() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
