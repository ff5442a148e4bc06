//! Whether a mistake that is made on purpose still fits the sources.

/// The places of a diff that are not in the sources any more. `read` gives the text of a file.
pub(crate) fn misfits(diff: &str, read: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut misfits = Vec::new();
    let mut text = String::new();
    let mut before = String::new();
    // A last line ends the last place.
    for line in diff.lines().chain(["@@"]) {
        if line.starts_with("@@") || line.starts_with("--- ") {
            if !text.contains(&before) {
                misfits.push(std::mem::take(&mut before));
            }
            before.clear();
            if let Some(path) = line.strip_prefix("--- a/") {
                text = read(path);
            }
        } else if let Some(context) = line.strip_prefix([' ', '-']).filter(|_| !text.is_empty()) {
            before += context;
            before.push('\n');
        }
    }
    misfits
}
