//! Traceability: the numbered steps of RFC 5798 6.4 and the sections of RFC 3768 6.4.

/// The steps that ask for something or wait for something. Those that only end a block, or only
/// tell the families apart, are left out.
const STEPS: &[&str] = &[
    "100", "105", "110", "120", "130", "140", "145", "155", "160", "165", "310", "320", "325",
    "335", "340", "345", "350", "355", "365", "370", "380", "390", "395", "405", "410", "420",
    "425", "430", "445", "450", "455", "460", "470", "610", "620", "625", "630", "635", "645",
    "650", "655", "660", "665", "670", "680", "685", "690", "700", "705", "710", "715", "725",
    "735", "740", "745", "750", "755", "760", "765", "775",
];

/// The same of version 2, and of version 3 as it is now, where the steps have no numbers.
const SECTIONS: &[&str] = &[
    "RFC 3768 6.4.1",
    "RFC 3768 6.4.2",
    "RFC 3768 6.4.3",
    "RFC 9568 6.4.1",
    "RFC 9568 6.4.2",
    "RFC 9568 6.4.3",
];

/// What none of these comments cites. A step is cited by its number beside the name of the RFC.
pub(crate) fn not_cited(comments: &[String]) -> Vec<String> {
    let steps = STEPS.iter().filter(|step| {
        let mut citing = comments
            .iter()
            .filter(|comment| comment.contains("RFC 5798"));
        !citing.any(|comment| has_number(comment, step))
    });
    let steps = steps.map(|step| format!("RFC 5798 6.4 ({step})"));
    let sections = SECTIONS.iter().filter(|section| {
        let mut all = comments.iter();
        !all.any(|comment| comment.contains(**section))
    });
    steps
        .chain(sections.map(|name| (*name).to_owned()))
        .collect()
}

fn has_number(comment: &str, number: &str) -> bool {
    let words = comment.split(|letter: char| !letter.is_ascii_digit());
    words.into_iter().any(|word| word == number)
}
