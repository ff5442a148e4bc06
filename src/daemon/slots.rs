//! Tokens that cannot be mistaken: a slot and a generation. An event for a descriptor that was
//! closed in the same batch finds nobody, even when its slot has been given to another.

use mio::Token;

#[derive(Debug)]
pub(super) struct Slots<T> {
    entries: Vec<Slot<T>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, value: T) -> Token {
        let at = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Slot {
                generation: 0,
                value: None,
            });
            self.entries.len() - 1
        });
        let slot = &mut self.entries[at];
        slot.generation = slot.generation.wrapping_add(1);
        slot.value = Some(value);
        token(slot.generation, at)
    }

    pub(super) fn get(&self, token: Token) -> Option<&T> {
        let slot = self.entries.get(index(token))?;
        slot.value
            .as_ref()
            .filter(|_| generation(token) == slot.generation as usize)
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<T> {
        self.get(token)?;
        let at = index(token);
        self.free.push(at);
        self.entries[at].value.take()
    }
}

/// Half of the token each; a director has far fewer than 2^32 descriptors.
const HALF: u32 = usize::BITS / 2;

fn token(generation: u32, at: usize) -> Token {
    Token((generation as usize) << HALF | at)
}

fn index(token: Token) -> usize {
    token.0 & ((1 << HALF) - 1)
}

fn generation(token: Token) -> usize {
    token.0 >> HALF
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_token_finds_nobody_in_the_reused_slot() {
        let mut slots = Slots::new();
        let first = slots.insert("first");
        assert_eq!(slots.get(first), Some(&"first"));
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!(index(first), index(second));
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(second), Some(&"second"));
    }
}
