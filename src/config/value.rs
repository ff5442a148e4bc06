//! One reader for each kind of value, from text alone.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Why a text is not a number of the wanted range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Value,
    /// A number of the range, followed by something else.
    Trailing(i64),
}

/// A decimal number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds {
    pub(crate) duration: Duration,
    /// It had more decimals than a microsecond needs.
    pub(crate) rounded: bool,
}

/// A decimal integer; blanks before it and a sign are allowed, nothing behind it.
pub(crate) fn integer(text: &str, range: &RangeInclusive<i64>) -> Result<i64, Wrong> {
    let text = text.trim_start();
    let signed = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = signed.find(|letter: char| !letter.is_ascii_digit());
    let (digits, rest) = signed.split_at(end.unwrap_or(signed.len()));
    let number: i64 = digits.parse().map_err(|_| Wrong::Value)?;
    let number = if text.starts_with('-') {
        -number
    } else {
        number
    };
    if !range.contains(&number) {
        Err(Wrong::Value)
    } else if rest.is_empty() {
        Ok(number)
    } else {
        Err(Wrong::Trailing(number))
    }
}

/// A number as C writes it: decimal, `0x` hexadecimal, or octal behind a 0.
pub(crate) fn base_zero(text: &str) -> Option<u64> {
    let (digits, radix) = if let Some(digits) = text.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = text.strip_prefix("0X") {
        (digits, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        (text, 8)
    } else {
        (text, 10)
    };
    // `from_str_radix` would take a sign.
    let plain = digits.chars().all(|digit| digit.is_digit(radix));
    u64::from_str_radix(digits, radix).ok().filter(|_| plain)
}

/// Digits with an optional point: `1`, `0.5`, `.25`. No sign, no unit, no exponent.
pub(crate) fn seconds(text: &str) -> Option<Seconds> {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut micros: u64 = 0;
    for place in 0..6 {
        let digit = fraction.as_bytes().get(place).map_or(0, |byte| byte - b'0');
        micros = micros * 10 + u64::from(digit);
    }
    if fraction.as_bytes().get(6).is_some_and(|byte| *byte >= b'5') {
        micros += 1;
    }
    let duration = Duration::from_secs(whole).checked_add(Duration::from_micros(micros))?;
    let rounded = fraction.len() > 6;
    Some(Seconds { duration, rounded })
}

/// A duration as [`seconds`] reads it.
pub(crate) fn print_seconds(duration: Duration) -> String {
    let text = format!("{}.{:06}", duration.as_secs(), duration.subsec_micros());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "on" | "yes" => Some(true),
        "false" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// An address, cut at `/` and `-` as keepalived does where it expects no network.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let end = text.find(['/', '-']).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// A netmask in dotted form, or a length: how many leading bits of an IPv4 address.
pub(crate) fn netmask(text: &str) -> Option<u8> {
    let IpAddr::V4(mask) = text.parse().ok()? else {
        return None;
    };
    let bits = u32::from(mask);
    let length = bits.leading_ones();
    let contiguous = bits.checked_shl(length).unwrap_or(0) == 0;
    u8::try_from(length).ok().filter(|_| contiguous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_decimal_and_in_range() {
        for (text, expected) in [
            ("51", Ok(51)),
            ("+51", Ok(51)),
            (" 51", Ok(51)),
            ("051", Ok(51)),
            ("0", Err(Wrong::Value)),
            ("256", Err(Wrong::Value)),
            ("-1", Err(Wrong::Value)),
            ("num", Err(Wrong::Value)),
            ("", Err(Wrong::Value)),
            ("0x33", Err(Wrong::Value)),
            ("10s", Err(Wrong::Trailing(10))),
            ("5 ", Err(Wrong::Trailing(5))),
            ("99999999999999999999", Err(Wrong::Value)),
            ("--5", Err(Wrong::Value)),
        ] {
            assert_eq!(integer(text, &(1..=255)), expected, "{text}");
        }
        assert_eq!(integer("-20", &(-20..=19)), Ok(-20));
    }

    #[test]
    fn seconds_have_six_decimals_and_no_unit() {
        for (text, micros) in [
            ("1", 1_000_000),
            ("0.5", 500_000),
            (".25", 250_000),
            ("3.", 3_000_000),
            ("0.000001", 1),
        ] {
            let read = seconds(text).unwrap();
            assert_eq!(read.duration, Duration::from_micros(micros), "{text}");
            assert!(!read.rounded);
        }
        assert_eq!(
            seconds("0.0000015").unwrap(),
            Seconds {
                duration: Duration::from_micros(2),
                rounded: true
            }
        );
        for text in ["", ".", "5s", "-1", "1e3", "1,5", "1.2.3", "inf", "１"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(seconds("99999999999999999999999"), None);
    }

    #[test]
    fn printed_seconds_read_back() {
        for micros in [0, 1, 10, 999_999, 1_000_000, 1_500_000, 40_950_000] {
            let duration = Duration::from_micros(micros);
            assert_eq!(
                seconds(&print_seconds(duration)).unwrap().duration,
                duration
            );
        }
        assert_eq!(print_seconds(Duration::from_secs(10)), "10");
    }

    #[test]
    fn addresses_are_cut_where_keepalived_cuts_them() {
        assert_eq!(address("10.0.0.1/24"), "10.0.0.1".parse().ok());
        assert_eq!(address("10.0.0.1-9"), "10.0.0.1".parse().ok());
        assert_eq!(address("fe80::1%eth0"), None);
        assert_eq!(address("<IPADDR>"), None);
        assert_eq!(address(""), None);
    }

    #[test]
    fn numbers_may_be_written_as_in_c() {
        for (text, expected) in [
            ("10", Some(10)),
            ("0x1f", Some(31)),
            ("0777", Some(0o777)),
            ("0", Some(0)),
            ("08", None),
            ("0x", None),
            ("+1", None),
            ("0x-1", None),
            ("", None),
        ] {
            assert_eq!(base_zero(text), expected, "{text}");
        }
    }

    #[test]
    fn a_netmask_is_contiguous() {
        assert_eq!(netmask("255.255.255.0"), Some(24));
        assert_eq!(netmask("255.255.255.255"), Some(32));
        assert_eq!(netmask("0.0.0.0"), Some(0));
        assert_eq!(netmask("255.0.255.0"), None);
        assert_eq!(netmask("24"), None);
    }
}
