//! A failing text made small: lines go, then words, then octets, as long as it fails the same way.

use std::time::{Duration, Instant};

/// Somebody waits for the result.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn minimise(text: &[u8], fails: impl Fn(&[u8]) -> Option<String>) -> Vec<u8> {
    let kind = |why: &str| why.split([':', '\n']).next().unwrap_or_default().to_owned();
    let wanted = fails(text).map(|why| kind(&why));
    let same = |text: &[u8]| fails(text).map(|why| kind(&why)) == wanted;
    let deadline = Instant::now() + PATIENCE;
    let mut best = text.to_vec();
    // A text that takes long to fail would take forever to shrink; it is told as it is.
    for ends in [&b"\n"[..], b" \n", b""] {
        let mut pieces = divided(&best, ends);
        let mut size = pieces.len().div_ceil(2).max(1);
        while Instant::now() < deadline {
            let mut at = 0;
            while at < pieces.len() && Instant::now() < deadline {
                let mut fewer = pieces.clone();
                fewer.drain(at..(at + size).min(fewer.len()));
                if same(&fewer.concat()) {
                    pieces = fewer;
                } else {
                    at += size;
                }
            }
            if size == 1 {
                break;
            }
            size = size.div_ceil(2);
        }
        best = pieces.concat();
    }
    best
}

/// Pieces that end behind one of these octets; without any, each octet is one.
fn divided(text: &[u8], ends: &[u8]) -> Vec<Vec<u8>> {
    let pieces = text.split_inclusive(|byte| ends.is_empty() || ends.contains(byte));
    pieces.map(<[u8]>::to_vec).collect()
}
