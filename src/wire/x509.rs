//! As much of a certificate as is needed to say when it expires (RFC 5280 4.1, X.690).

use super::cursor::Reader;

/// When a certificate expires, in seconds since 1970; None when it is no certificate.
pub fn not_after(certificate: &[u8]) -> Option<i64> {
    let mut outer = Reader::new(element(&mut Reader::new(certificate), SEQUENCE)?);
    let mut fields = Reader::new(element(&mut outer, SEQUENCE)?);
    // The version is only there when it is not the first.
    let mut versioned = fields;
    if element(&mut versioned, VERSION).is_some() {
        fields = versioned;
    }
    element(&mut fields, INTEGER)?;
    element(&mut fields, SEQUENCE)?;
    element(&mut fields, SEQUENCE)?;
    let mut validity = Reader::new(element(&mut fields, SEQUENCE)?);
    let (tag, _) = any_element(&mut validity)?;
    if tag != UTC_TIME && tag != GENERALIZED_TIME {
        return None;
    }
    let (tag, text) = any_element(&mut validity)?;
    time(tag, text)
}

/// The content of the next element, which must have this tag.
fn element<'a>(reader: &mut Reader<'a>, wanted: u8) -> Option<&'a [u8]> {
    let (tag, content) = any_element(reader)?;
    (tag == wanted).then_some(content)
}

fn any_element<'a>(reader: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
    let tag = reader.u8()?;
    let first = reader.u8()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81..=0x83 => {
            let octets = reader.take(usize::from(first & 0x0f))?;
            octets
                .iter()
                .fold(0, |sum, &octet| sum << 8 | usize::from(octet))
        }
        _ => return None,
    };
    Some((tag, reader.take(length)?))
}

/// `YYMMDDHHMMSSZ`, or with four digits of the year.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let mut digits = Reader::new(text.strip_suffix(b"Z")?);
    let year = match tag {
        UTC_TIME => match number(&mut digits, 2)? {
            // RFC 5280 4.1.2.5.1.
            year @ 50.. => 1900 + year,
            year => 2000 + year,
        },
        GENERALIZED_TIME => number(&mut digits, 4)?,
        _ => return None,
    };
    let mut part = || number(&mut digits, 2);
    let (month, day) = (part()?, part()?);
    let (hour, minute, second) = (part()?, part()?, part()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(digits: &mut Reader<'_>, count: usize) -> Option<i64> {
    digits.take(count)?.iter().try_fold(0, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        Some(number * 10 + i64::from(digit))
    })
}

/// Days since 1970. The year begins in March here, so that a leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let within = (153 * month + 2) / 5 + day - 1;
    year * 365 + leaps + within - 719_468
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate as far as it is read: version, serial, algorithm, issuer, validity.
    fn certificate(not_after: &[u8]) -> Vec<u8> {
        let mut validity = b"\x17\x0d200101000000Z".to_vec();
        validity.extend_from_slice(not_after);
        let mut fields = b"\xa0\x03\x02\x01\x02\x02\x01\x05\x30\x00\x30\x00".to_vec();
        fields.extend(sequence(&validity));
        sequence(&sequence(&fields))
    }

    fn sequence(content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[0x30, 0x81, length][..], content].concat()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_notations() {
        let of = |text: &[u8]| not_after(&certificate(text));
        assert_eq!(of(b"\x17\x0d700101000000Z"), Some(0));
        assert_eq!(of(b"\x17\x0d240229123456Z"), Some(1_709_210_096));
        assert_eq!(of(b"\x18\x0f20500101000000Z"), Some(2_524_608_000));
        assert_eq!(of(b"\x18\x0f99991231235959Z"), Some(253_402_300_799));
        assert_eq!(of(b"\x17\x0d241329123456Z"), None);
        assert_eq!(of(b"\x17\x0c24022912345Z"), None);
    }

    #[test]
    fn a_cut_certificate_is_none() {
        let whole = certificate(b"\x17\x0d240229123456Z");
        for length in 0..whole.len() {
            assert_eq!(not_after(&whole[..length]), None, "{length} octets");
        }
    }
}
