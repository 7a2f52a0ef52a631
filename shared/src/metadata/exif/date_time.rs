//! Dates and times of EXIF, as RFC 3339.

use exif::{Field, Tag};
use time::{Date, Time};

use super::value::{ascii, find};
use crate::metadata::warnings::Warnings;

/// Fractions of a second are cut to nanoseconds.
const MAX_FRACTION_DIGITS: usize = 9;

/// The first 32 characters of a text, in quotes. A damaged text can be long.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(32).collect::<String>())
}

/// The tags of a time, of its fraction and of its offset.
pub struct Tags(Tag, Tag, Tag);

pub const ORIGINAL: Tags = Tags(Tag::DateTimeOriginal, Tag::SubSecTimeOriginal, Tag::OffsetTimeOriginal);
pub const DIGITIZED: Tags = Tags(
    Tag::DateTimeDigitized,
    Tag::SubSecTimeDigitized,
    Tag::OffsetTimeDigitized,
);
pub const MODIFIED: Tags = Tags(Tag::DateTime, Tag::SubSecTime, Tag::OffsetTime);

/// A time with its fraction and offset, if these are valid.
pub fn of(fields: &[&Field], Tags(time, fraction, offset): &Tags, warnings: &mut Warnings) -> Option<String> {
    let text = |tag: &Tag| ascii(find(fields, *tag)?);
    let given = text(time)?;
    let Some(mut found) = date_time(&given) else {
        // A camera whose clock was never set writes zeros or blanks. That is not worth a warning.
        if given.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
            warnings.add(format!("{time}: {} is not a date", quoted(&given)));
        }
        return None;
    };
    if let Some(fraction) = text(fraction) {
        let digits = fraction
            .bytes()
            .take_while(u8::is_ascii_digit)
            .take(MAX_FRACTION_DIGITS)
            .count();
        if digits > 0 {
            found = found + "." + &fraction[..digits];
        }
    }
    if let Some(given) = text(offset) {
        if is_offset(&given) {
            found += &given;
        } else if given.bytes().any(|byte| byte.is_ascii_digit()) {
            warnings.add(format!("{offset}: {} is not an offset", quoted(&given)));
        }
    }
    Some(found)
}

/// Converts `YYYY:MM:DD HH:MM:SS` to RFC 3339 without an offset. `None` if there is no such time.
///
/// Writers use different separators, so any are accepted.
pub fn date_time(text: &str) -> Option<String> {
    let bytes: &[u8; 19] = text.as_bytes().try_into().ok()?;
    let field = |range: std::ops::Range<usize>| -> Option<u16> {
        let digits = &bytes[range];
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
    };
    if [4, 7, 10, 13, 16].iter().any(|&at| bytes[at].is_ascii_digit()) {
        return None;
    }
    let (year, month, day) = (field(0..4)?, field(5..7)?, field(8..10)?);
    let (hour, minute, second) = (field(11..13)?, field(14..16)?, field(17..19)?);
    let small = |number: u16| u8::try_from(number).ok();
    let month_of_year = time::Month::try_from(small(month)?).ok()?;
    if year == 0 || Date::from_calendar_date(i32::from(year), month_of_year, small(day)?).is_err() {
        return None;
    }
    Time::from_hms(small(hour)?, small(minute)?, small(second)?).ok()?;
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
    ))
}

fn is_offset(text: &str) -> bool {
    let two = |tens: u8, ones: u8, below: u8| {
        tens.is_ascii_digit() && ones.is_ascii_digit() && (tens - b'0') * 10 + (ones - b'0') < below
    };
    match *text.as_bytes() {
        [b'Z'] => true,
        [b'+' | b'-', h, hh, b':', m, mm] => two(h, hh, 24) && two(m, mm, 60),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_dates_are_absent() {
        for (text, expected) in [
            ("2018:08:15 14:59:52", Some("2018-08-15T14:59:52")),
            ("2018-08-15 14:59:52", Some("2018-08-15T14:59:52")),
            ("2018:02:30 14:59:52", None),
            ("2018:08:15 24:00:00", None),
            ("0000:00:00 00:00:00", None),
            ("    :  :     :  :  ", None),
            ("2018:08:15", None),
            ("20180:8:15 14:59:52", None),
        ] {
            assert_eq!(date_time(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn offsets_are_checked() {
        for (text, valid) in [
            ("+09:00", true),
            ("-03:30", true),
            ("Z", true),
            ("+24:00", false),
            ("+09:60", false),
            ("09:00", false),
            ("+9:00", false),
            ("   :  ", false),
        ] {
            assert_eq!(is_offset(text), valid, "{text}");
        }
    }
}
