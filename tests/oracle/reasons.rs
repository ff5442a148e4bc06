//! Why a file may be refused by one of the two and not by the other.

/// A complaint, and why the other one does not make it.
pub(crate) struct Reason {
    /// Words of the complaint; `*` stands for anything.
    pub(crate) said: &'static str,
    pub(crate) why: &'static str,
}

impl Reason {
    pub(crate) fn explains(&self, complaint: &str) -> bool {
        let mut rest = complaint;
        let mut parts = self.said.split('*');
        parts.all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    }
}

/// What Debian's keepalived 2.2.7 refuses and we accept.
pub(crate) const THEIRS: &[Reason] = &[];

/// What we refuse and Debian's keepalived 2.2.7 accepts.
pub(crate) const OURS: &[Reason] = &[];
