//! The internet checksum (RFC 1071).

/// Adds up 16-bit words in one's complement; feed it pieces, every piece but the last of even
/// length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum(u64);

impl Checksum {
    pub fn new() -> Self {
        Self::default()
    }

    /// An odd last octet counts as the high half of a word.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(2);
        for word in &mut words {
            self.0 += u64::from(u16::from_be_bytes([word[0], word[1]]));
        }
        if let [last] = words.remainder() {
            self.0 += u64::from(u16::from_be_bytes([*last, 0]));
        }
        self
    }

    /// The checksum to send; over data that contains its own correct checksum it is 0.
    pub fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).expect("folded to 16 bits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071_adds_up() {
        let sum = Checksum::new().with(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.finish(), !0xddf2);
    }

    #[test]
    fn pieces_and_an_odd_end_make_no_difference() {
        let whole = Checksum::new().with(&[1, 2, 3, 4, 5]);
        assert_eq!(
            whole.finish(),
            Checksum::new().with(&[1, 2]).with(&[3, 4, 5]).finish()
        );
        assert_eq!(
            whole.finish(),
            Checksum::new().with(&[1, 2, 3, 4, 5, 0]).finish()
        );
    }
}
