//! Hashing for the maps of the cores: quick, and the same in every run with the same events.
//!
//! Keys are numbers that the cores gave out themselves, and addresses and names of the
//! configuration: who chooses those may do anything to this daemon anyhow. Nothing that a peer
//! sends is ever a key, so nobody from outside can crowd a map with keys of one hash, which is what
//! slower functions with a secret are for.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;
pub type Set<K> = HashSet<K, BuildHasherDefault<Mixer>>;

/// Each word is multiplied into the state, and the two halves of the product are laid over each
/// other: every bit of the input reaches all bits of the hash.
#[derive(Clone, Copy, Debug)]
pub struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        let mixed = self.0 ^ word;
        let high = (u128::from(mixed) * u128::from(FACTOR)) >> 64;
        let high = u64::try_from(high).expect("the high half of a 128-bit product fits");
        self.0 = (mixed.wrapping_mul(FACTOR) ^ high).wrapping_add(STEP);
    }
}

impl Default for Mixer {
    fn default() -> Self {
        Self(STEP)
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.mix(u64::from_le_bytes(word.try_into().expect("eight octets")));
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(last));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.mix(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }
}

/// Odd numbers without a pattern: digits of the square roots of 2 and 3.
const FACTOR: u64 = 0x6a09_e667_f3bc_c909;
const STEP: u64 = 0xbb67_ae85_84ca_a73b;

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, Hash};
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    fn hash(key: impl Hash) -> u64 {
        BuildHasherDefault::<Mixer>::default().hash_one(key)
    }

    /// A map takes a place from the low bits and a tag from the highest seven.
    fn is_spread(hashes: impl Iterator<Item = u64>) {
        let (mut places, mut tags, mut count) = ([0; 256], [0; 128], 0);
        for hash in hashes {
            places[usize::try_from(hash & 0xff).unwrap()] += 1;
            tags[usize::try_from(hash >> 57).unwrap()] += 1;
            count += 1;
        }
        let most = |counts: &[i32]| counts.iter().copied().max().unwrap();
        assert!(most(&places) < count / 256 * 2, "{places:?}");
        assert!(most(&tags) < count / 128 * 2, "{tags:?}");
    }

    #[test]
    fn keys_that_differ_little_are_far_apart() {
        is_spread((0_u64..65_536).map(hash));
        let address = |number: u32| SocketAddr::new(Ipv4Addr::from(number << 8).into(), 80);
        is_spread((0..65_536).map(|number| hash(address(number))));
        is_spread((0_u32..65_536).map(|number| hash(format!("10.0.{number}"))));
    }

    #[test]
    fn every_octet_and_its_place_count() {
        assert_eq!(hash("name of a group"), hash("name of a group"));
        assert_ne!(hash("name of a group"), hash("name of a groun"));
        assert_ne!(hash((1_u8, 2_u8)), hash((2_u8, 1_u8)));
        assert_ne!(hash((0_u64, 0_u64)), hash(0_u64));
    }
}
