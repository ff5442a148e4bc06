//! The comments of a text, in which something may be cited.

/// The comments of a text; lines that follow each other are one comment.
pub(crate) fn comments(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        match line.trim_start().split_once("//") {
            Some(("", comment)) => {
                current.push_str(comment.trim_start_matches(['/', '!']));
                current.push('\n');
            }
            _ => all.push(std::mem::take(&mut current)),
        }
    }
    all.push(current);
    all
}
