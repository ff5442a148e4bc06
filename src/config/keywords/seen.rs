//! Which keywords a block has had.

use crate::config::source::Span;

/// The first statement of each keyword. A block has a handful of them, and a file has tens of
/// thousands of blocks: a list is faster than a hash table.
#[derive(Debug, Default)]
pub(crate) struct Seen(Vec<(&'static str, Span)>);

impl Seen {
    /// Notes a statement, and gives the one before it of the same keyword.
    pub(crate) fn insert(&mut self, keyword: &'static str, span: Span) -> Option<Span> {
        let known = self.0.iter_mut().find(|(known, _)| *known == keyword);
        match known {
            Some((_, last)) => Some(std::mem::replace(last, span)),
            None => {
                self.0.push((keyword, span));
                None
            }
        }
    }
}
