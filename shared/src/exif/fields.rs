//! The fields of a record's `exif`. Each comes from one tag in its own IFD, without fallback.

use exif::{Field, In, Tag, Value};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use time::{Date, Time};

use super::warnings::Warnings;
use super::{number, text};

/// What an image's EXIF says, in plain units. Absent is absent: no empty texts, no impossible values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exif {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub make: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens_model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// Photographer, newline, editor, where both are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copyright: Option<String>,
    /// RFC 3339; without an offset it is local time in a zone nobody noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orientation: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure_time_s: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f_number: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iso: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focal_length_mm: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focal_length_35mm: Option<Number>,
    /// The bits of the EXIF tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flash: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub white_balance: Option<WhiteBalance>,
    /// As EXIF says, which need not be what the image has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_width: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_height: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gps: Option<Gps>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhiteBalance {
    Auto,
    Manual,
}

/// Latitude and longitude come both or not at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gps {
    /// Degrees, north positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<Number>,
    /// Degrees, east positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<Number>,
    /// Metres, negative below sea level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude_m: Option<Number>,
    /// RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<String>,
}

/// The fields of a record out of those of a block.
pub fn of(fields: &[&Field], warnings: &mut Warnings) -> Exif {
    let value = |tag| find(fields, tag);
    let text = |tag| ascii(value(tag)?);
    let number = |tag| number::first(value(tag)?).and_then(number::json);
    Exif {
        make: text(Tag::Make),
        model: text(Tag::Model),
        lens_model: text(Tag::LensModel),
        software: text(Tag::Software),
        artist: text(Tag::Artist),
        copyright: value(Tag::Copyright).and_then(copyright),
        taken_at: taken_at(fields, warnings),
        orientation: number(Tag::Orientation),
        exposure_time_s: number(Tag::ExposureTime),
        f_number: number(Tag::FNumber),
        iso: number(Tag::PhotographicSensitivity),
        focal_length_mm: number(Tag::FocalLength),
        focal_length_35mm: number(Tag::FocalLengthIn35mmFilm),
        flash: number(Tag::Flash),
        white_balance: match value(Tag::WhiteBalance).and_then(number::first) {
            Some(0.0) => Some(WhiteBalance::Auto),
            Some(1.0) => Some(WhiteBalance::Manual),
            _ => None,
        },
        pixel_width: number(Tag::PixelXDimension),
        pixel_height: number(Tag::PixelYDimension),
        gps: gps(fields, warnings),
    }
}

/// The value of a tag of the image itself; of several the last one.
fn find<'a>(fields: &[&'a Field], tag: Tag) -> Option<&'a Value> {
    let is_it = |field: &&&Field| field.tag == tag && field.ifd_num == In::PRIMARY;
    fields.iter().rev().find(is_it).map(|field| &field.value)
}

/// Some writers call their texts bytes of no type.
fn ascii(value: &Value) -> Option<String> {
    match value {
        Value::Ascii(parts) => text::clean(parts.first()?),
        Value::Undefined(bytes, _) => text::clean(bytes),
        _ => None,
    }
}

fn copyright(value: &Value) -> Option<String> {
    let parts: Vec<String> = match value {
        Value::Ascii(parts) => parts.iter().take(2).filter_map(|part| text::clean(part)).collect(),
        Value::Undefined(bytes, _) => bytes.split(|&byte| byte == 0).take(2).filter_map(text::clean).collect(),
        _ => Vec::new(),
    };
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// Of a second: nanoseconds.
const MOST_DIGITS: usize = 9;

/// The start of a text that should be short.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(32).collect::<String>())
}

fn taken_at(fields: &[&Field], warnings: &mut Warnings) -> Option<String> {
    let text = |tag| ascii(find(fields, tag)?);
    let given = text(Tag::DateTimeOriginal)?;
    let Some(mut time) = date_time(&given) else {
        // A camera whose clock was never set writes zeros or blanks: nothing worth a warning.
        if given.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
            warnings.add(format!("DateTimeOriginal: {} is no date", quoted(&given)));
        }
        return None;
    };
    if let Some(fraction) = text(Tag::SubSecTimeOriginal) {
        let digits = fraction
            .bytes()
            .take_while(u8::is_ascii_digit)
            .take(MOST_DIGITS)
            .count();
        if digits > 0 {
            time = time + "." + &fraction[..digits];
        }
    }
    if let Some(offset) = text(Tag::OffsetTimeOriginal) {
        if is_offset(&offset) {
            time += &offset;
        } else if offset.bytes().any(|byte| byte.is_ascii_digit()) {
            warnings.add(format!("OffsetTimeOriginal: {} is no offset", quoted(&offset)));
        }
    }
    Some(time)
}

/// `YYYY:MM:DD HH:MM:SS` to RFC 3339 without an offset. Any separators are taken: writers differ.
fn date_time(text: &str) -> Option<String> {
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

fn gps(fields: &[&Field], warnings: &mut Warnings) -> Option<Gps> {
    let value = |tag| find(fields, tag);
    let mut degrees = |tag, reference, [positive, negative]: [char; 2], limit| {
        let given = value(tag)?;
        let Some(size) = degrees_of(given) else {
            warnings.add(format!("{tag}: no position"));
            return None;
        };
        // Some writers spell them out: "South".
        let letter = value(reference).and_then(ascii);
        let letter = letter
            .and_then(|text| text.chars().next())
            .map(|letter| letter.to_ascii_uppercase());
        let sign = match letter {
            Some(letter) if letter == positive => 1.0,
            Some(letter) if letter == negative => -1.0,
            _ => {
                warnings.add(format!(
                    "{tag}: {reference} is missing, so its half of the globe is unknown"
                ));
                return None;
            }
        };
        // Some writers give a sign as well.
        let signed = sign * size.abs();
        if size.abs() > limit {
            warnings.add(format!("{tag}: more than {limit} degrees"));
            return None;
        }
        number::json(signed)
    };
    let latitude = degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, ['N', 'S'], 90.0);
    let longitude = degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, ['E', 'W'], 180.0);
    let (latitude, longitude) = latitude.zip(longitude).unzip();
    // 1: below; Exif 3.0 adds 2 and 3 to tell sea level from ellipsoid. Some writers give a letter.
    let reference = value(Tag::GPSAltitudeRef);
    let below = matches!(reference.and_then(number::first), Some(1.0 | 3.0))
        || reference.and_then(ascii).is_some_and(|text| text == "1");
    let altitude = value(Tag::GPSAltitude).and_then(number::first);
    let gps = Gps {
        latitude,
        longitude,
        altitude_m: altitude
            .map(|metres| if below { -metres.abs() } else { metres })
            .and_then(number::json),
        taken_at: gps_time(value(Tag::GPSDateStamp), value(Tag::GPSTimeStamp)),
    };
    (gps != Gps::default()).then_some(gps)
}

/// Degrees, minutes and seconds: minutes or degrees may carry the fraction, the rest then being zero
/// or left out. A part that is no number, as 0/0, leaves nothing of them.
fn degrees_of(value: &Value) -> Option<f64> {
    let count = number::count(value).min(3);
    let parts = (0..count).zip([1.0, 60.0, 3600.0]);
    let degrees = parts.map(|(index, unit)| Some(number::at(value, index)? / unit));
    degrees.sum::<Option<f64>>().filter(|_| count > 0)
}

fn gps_time(date: Option<&Value>, clock: Option<&Value>) -> Option<String> {
    let clock = clock?;
    let part = |index| number::at(clock, index);
    let (hour, minute, second) = (part(0)?, part(1)?, part(2)?);
    let time = format!("{} {hour:02}:{minute:02}:{:02}", ascii(date?)?, second.trunc());
    let fraction = (second.fract() > 0.0).then(|| format!("{:.3}", second.fract()));
    let fraction = fraction.as_deref().and_then(|text| text.strip_prefix('0'));
    Some(format!("{}{}Z", date_time(&time)?, fraction.unwrap_or_default()))
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

    #[test]
    fn degrees_come_in_three_forms() {
        for parts in [
            [(48, 1), (30, 1), (36, 1)],
            [(48, 1), (306, 10), (0, 1)],
            [(4851, 100), (0, 1), (0, 1)],
        ] {
            let value = Value::Rational(parts.iter().map(|&part| part.into()).collect());
            assert!((degrees_of(&value).unwrap() - 48.51).abs() < 1e-9);
        }
        for parts in [vec![(0, 0); 3], vec![(48, 1), (30, 1), (0, 0)], vec![]] {
            let value = Value::Rational(parts.into_iter().map(Into::into).collect());
            assert_eq!(degrees_of(&value), None);
        }
    }

    #[test]
    fn gps_time_is_utc() {
        let date = Value::Ascii(vec![b"2018:08:15".to_vec()]);
        let clock = Value::Rational(vec![(5, 1).into(), (7, 1).into(), (95, 10).into()]);
        assert_eq!(
            gps_time(Some(&date), Some(&clock)).as_deref(),
            Some("2018-08-15T05:07:09.500Z")
        );
        assert_eq!(gps_time(None, Some(&clock)), None);
    }
}
