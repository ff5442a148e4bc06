//! One object of the kernel's: what it is to be, and what it is.

/// An object and who wants it how. Several virtual servers may name the same address or mark: the
/// first one counts, and the next one when that has gone.
#[derive(Debug)]
pub(super) struct Slot<T, O> {
    claim: Option<(O, T)>,
    /// Few have more than one: behind a pointer they cost the rest nothing but that.
    others: Option<Box<Others<O, T>>>,
    known: Known<T>,
    /// Corrections made since the wish was spoken.
    repairs: u8,
    /// It was found in the table, and nobody has spoken of it yet.
    is_left: bool,
    /// The last look at the table that it was found in.
    seen: u32,
}

/// Claims that count after the first one, in their order; there is at least one.
#[derive(Debug)]
struct Others<O, T>(Vec<(O, T)>);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known<T> {
    Absent,
    /// Nobody has looked yet.
    Unread,
    /// Asked for, and the answer is on its way.
    Reading,
    /// It is there or not: a request to make it was refused, but another one may have been heard.
    Unclear,
    /// It is there, with a content that is not ours or not known.
    Other,
    Present(T),
}

/// A [`Known`] that was learnt from a refusal, and so without a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Absent,
    Unclear,
    There,
}

/// The request that settles a slot.
#[derive(Debug)]
pub(super) enum Step<T> {
    New(T),
    Set(T),
    Delete,
}

/// What is done about a belief that was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Correction {
    /// An old answer: the belief was given up since.
    Stale,
    Settle,
    /// The kernel has contradicted too often.
    Enough,
}

impl<T: Clone + PartialEq, O: Copy + PartialEq> Slot<T, O> {
    pub(super) fn new(known: Known<T>) -> Self {
        Self {
            claim: None,
            others: None,
            known,
            repairs: 0,
            is_left: false,
            seen: 0,
        }
    }

    /// What the kernel is found to have before anybody has asked for anything.
    pub(super) fn find(&mut self, known: T) {
        self.known = Known::Present(known);
        self.is_left = self.claim.is_none();
    }

    /// It was there before us, and nobody wants it.
    pub(super) fn is_left(&self) -> bool {
        self.is_left
    }

    pub(super) fn see(&mut self, look: u32) {
        self.seen = look;
    }

    pub(super) fn was_seen(&self, look: u32) -> bool {
        self.seen == look
    }

    pub(super) fn wanted(&self) -> Option<&T> {
        self.claim.as_ref().map(|(_, wanted)| wanted)
    }

    pub(super) fn known(&self) -> &Known<T> {
        &self.known
    }

    /// How many want it.
    pub(super) fn claims(&self) -> usize {
        let others = self.others.as_ref();
        usize::from(self.claim.is_some()) + others.map_or(0, |others| others.0.len())
    }

    /// What one of them wants; None: nothing any more. True when that changes what counts.
    pub(super) fn wish(&mut self, owner: O, wanted: Option<T>) -> bool {
        self.is_left = false;
        let changed = match &mut self.claim {
            Some((first, before)) if *first == owner => match wanted {
                Some(wanted) => {
                    let changed = *before != wanted;
                    *before = wanted;
                    changed
                }
                None => {
                    let next = self.remove_other(0);
                    let gone = std::mem::replace(&mut self.claim, next);
                    self.wanted() != gone.as_ref().map(|(_, wanted)| wanted)
                }
            },
            Some(_) => {
                self.wish_of_another(owner, wanted);
                false
            }
            None => {
                self.claim = wanted.map(|wanted| (owner, wanted));
                self.claim.is_some()
            }
        };
        if changed {
            self.repairs = 0;
        }
        changed
    }

    fn wish_of_another(&mut self, owner: O, wanted: Option<T>) {
        let others = self
            .others
            .as_mut()
            .map_or(&mut [][..], |others| &mut others.0);
        let at = others.iter().position(|(other, _)| *other == owner);
        match (at, wanted) {
            (Some(at), Some(wanted)) => others[at].1 = wanted,
            (Some(at), None) => {
                self.remove_other(at);
            }
            (None, Some(wanted)) => {
                let none = || Box::new(Others(Vec::new()));
                let others = self.others.get_or_insert_with(none);
                others.0.push((owner, wanted));
            }
            (None, None) => {}
        }
    }

    fn remove_other(&mut self, at: usize) -> Option<(O, T)> {
        let others = &mut self.others.as_mut()?.0;
        let gone = others.remove(at);
        if others.is_empty() {
            self.others = None;
        }
        Some(gone)
    }

    /// The request that makes the known into the wanted; it counts as carried out.
    pub(super) fn step(&mut self) -> Option<Step<T>> {
        let Some(wanted) = self.wanted().cloned() else {
            let was = std::mem::replace(&mut self.known, Known::Absent);
            return (!matches!(was, Known::Absent | Known::Unread)).then_some(Step::Delete);
        };
        let step = match &self.known {
            Known::Present(known) if *known == wanted => return None,
            Known::Absent | Known::Unread | Known::Reading | Known::Unclear => {
                Step::New(wanted.clone())
            }
            Known::Present(_) | Known::Other => Step::Set(wanted.clone()),
        };
        self.known = Known::Present(wanted);
        Some(step)
    }

    /// It cannot be had: what was made of it goes.
    pub(super) fn withhold(&mut self) -> Option<Step<T>> {
        let was = std::mem::replace(&mut self.known, Known::Absent);
        (!matches!(was, Known::Absent | Known::Unread)).then_some(Step::Delete)
    }

    /// What the kernel is believed to have.
    pub(super) fn believed(&self) -> Option<&T> {
        match &self.known {
            Known::Present(known) => Some(known),
            _ => None,
        }
    }

    /// As it is wanted, as far as is known.
    pub(super) fn is_settled(&self) -> bool {
        match (self.wanted(), &self.known) {
            (None, known) => *known == Known::Absent,
            (Some(wanted), Known::Present(known)) => known == wanted,
            (Some(_), _) => false,
        }
    }

    pub(super) fn believe(&mut self, found: Found) {
        self.known = match found {
            Found::Absent => Known::Absent,
            Found::Unclear => Known::Unclear,
            Found::There => Known::Other,
        };
    }

    pub(super) fn learn(&mut self, known: Known<T>) {
        self.known = known;
    }

    pub(super) fn correct(&mut self, found: Found) -> Correction {
        if self.is_given_up() {
            return Correction::Stale;
        }
        self.believe(found);
        self.repairs += 1;
        if self.repairs > REPAIRS_MAX {
            Correction::Enough
        } else {
            Correction::Settle
        }
    }

    /// Corrections may begin anew.
    pub(super) fn pardon(&mut self) {
        self.repairs = 0;
    }

    /// Not believed to be there, so that no refusal can contradict that.
    pub(super) fn is_given_up(&self) -> bool {
        !matches!(self.known, Known::Other | Known::Present(_))
    }

    /// Neither there nor wanted: nothing to remember.
    pub(super) fn is_over(&self) -> bool {
        self.claim.is_none() && matches!(self.known, Known::Absent | Known::Unread)
    }
}

/// Corrections of one entry before it has to wait for the next look at IPVS: making a missing
/// service anew takes one, adopting what is there then another. More than a few means that
/// somebody else works on the same entry, and the two would chase each other.
const REPAIRS_MAX: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_claim_counts_and_then_the_next_one() {
        let mut slot: Slot<u8, char> = Slot::new(Known::Absent);
        assert!(slot.wish('a', Some(1)));
        assert!(!slot.wish('b', Some(2)));
        assert_eq!(slot.wanted(), Some(&1));
        assert!(!slot.wish('a', Some(1)));
        assert!(slot.wish('a', Some(3)));
        assert!(slot.wish('a', None));
        assert_eq!(slot.wanted(), Some(&2));
        assert!(slot.wish('b', None));
        assert!(slot.is_over());
    }

    #[test]
    fn claims_behind_the_first_one_count_in_their_order() {
        let mut slot: Slot<u8, char> = Slot::new(Known::Absent);
        for (owner, wanted) in [('a', 1), ('b', 2), ('c', 3), ('d', 4)] {
            slot.wish(owner, Some(wanted));
        }
        assert!(!slot.wish('c', None));
        assert!(!slot.wish('d', Some(5)));
        assert_eq!(slot.claims(), 3);
        assert!(slot.wish('a', None));
        assert_eq!(slot.wanted(), Some(&2));
        assert!(slot.wish('b', None));
        assert_eq!((slot.wanted(), slot.claims()), (Some(&5), 1));
        assert!(!slot.wish('e', None));
        assert!(slot.wish('d', None));
        assert_eq!(slot.claims(), 0);
    }

    #[test]
    fn two_claims_of_the_same_content_follow_each_other_without_a_change() {
        let mut slot: Slot<u8, char> = Slot::new(Known::Absent);
        slot.wish('a', Some(1));
        slot.wish('b', Some(1));
        assert!(!slot.wish('a', None));
    }
}
