//! How many columns of a terminal a character takes, so that a caret stands right under
//! Chinese, Japanese and Korean text (Unicode's East Asian Width).

/// Characters of two columns, by their first and last code point, in order.
const WIDE: &[(u32, u32)] = &[
    (0x1100, 0x115f),   // Hangul leading consonants
    (0x231a, 0x231b),   // watch, hourglass
    (0x2e80, 0x303e),   // radicals, ideographic space and punctuation
    (0x3041, 0x33ff),   // kana, Bopomofo, compatibility letters
    (0x3400, 0x4dbf),   // ideographs, extension A
    (0x4e00, 0x9fff),   // ideographs
    (0xa000, 0xa4cf),   // Yi
    (0xa960, 0xa97f),   // Hangul extended A
    (0xac00, 0xd7a3),   // Hangul syllables
    (0xf900, 0xfaff),   // compatibility ideographs
    (0xfe10, 0xfe19),   // vertical forms
    (0xfe30, 0xfe6f),   // compatibility and small forms
    (0xff01, 0xff60),   // full-width forms
    (0xffe0, 0xffe6),   // full-width signs
    (0x1f300, 0x1f64f), // pictographs, faces
    (0x1f680, 0x1f6ff), // transport
    (0x1f900, 0x1f9ff), // supplemental pictographs
    (0x20000, 0x3fffd), // ideographs, extensions B and later
];

/// Characters of no column: they combine with the one before, or only steer.
const EMPTY: &[(u32, u32)] = &[
    (0x0300, 0x036f), // combining accents
    (0x200b, 0x200f), // zero-width space, joiners, direction marks
    (0x20d0, 0x20ff), // combining marks for symbols
    (0xfe00, 0xfe0f), // variation selectors
    (0xfe20, 0xfe2f), // combining half marks
    (0xfeff, 0xfeff), // byte order mark inside a text
];

/// Columns of one character. A tab counts as one: whoever prints under it repeats the tab.
pub(crate) fn columns(character: char) -> usize {
    let code = u32::from(character);
    if within(EMPTY, code) {
        0
    } else if within(WIDE, code) {
        2
    } else {
        1
    }
}

fn within(ranges: &[(u32, u32)], code: u32) -> bool {
    ranges
        .binary_search_by(|(first, last)| {
            if *last < code {
                std::cmp::Ordering::Less
            } else if *first > code {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        })
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideographs_take_two_columns_and_quotes_one() {
        for (character, expected) in [
            ('a', 1),
            ('中', 2),
            ('あ', 2),
            ('한', 2),
            ('｛', 2),
            ('\u{3000}', 2),
            ('“', 1),
            ('\u{a0}', 1),
            ('\u{301}', 0),
        ] {
            assert_eq!(columns(character), expected, "{character}");
        }
    }

    #[test]
    fn the_ranges_are_in_order_and_apart() {
        for ranges in [WIDE, EMPTY] {
            assert!(ranges.iter().all(|(first, last)| first <= last));
            assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
