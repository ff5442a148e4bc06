//! Captured bytes with what they mean, both ways.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be unwrapped is a failure"
)]

#[path = "wire/frames.rs"]
mod frames;
#[path = "wire/ipvs.rs"]
mod ipvs;
#[path = "wire/links.rs"]
mod links;
#[path = "wire/machine.rs"]
mod machine;
#[path = "wire/routing.rs"]
mod routing;
#[path = "wire/rtnl.rs"]
mod rtnl;
#[path = "wire/signatures.rs"]
mod signatures;

/// The octets of hexadecimal text; blanks, and what follows a `#`, are for the reader.
fn octets(text: &str) -> Vec<u8> {
    let digits: String = text
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(str::split_whitespace)
        .collect();
    assert_eq!(digits.len() % 2, 0, "an odd digit in {text}");
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}
