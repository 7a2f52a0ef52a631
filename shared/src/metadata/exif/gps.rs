//! The position and time from GPS.

use exif::{Field, Tag, Value};
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::date_time::date_time;
use super::number;
use super::value::{ascii, find};
use crate::metadata::warnings::Warnings;

/// Position and time. Latitude and longitude are both present or both absent.
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

pub fn of(fields: &[&Field], warnings: &mut Warnings) -> Option<Gps> {
    let value = |tag| find(fields, tag);
    let mut degrees = |tag, reference, [positive, negative]: [char; 2], limit| {
        let given = value(tag)?;
        let Some(size) = degrees_of(given) else {
            warnings.add(format!("{tag}: not a position"));
            return None;
        };
        // Some writers spell it out: "South".
        let letter = value(reference).and_then(ascii);
        let letter = letter
            .and_then(|text| text.chars().next())
            .map(|letter| letter.to_ascii_uppercase());
        let sign = match letter {
            Some(letter) if letter == positive => 1.0,
            Some(letter) if letter == negative => -1.0,
            _ => {
                warnings.add(format!(
                    "{tag}: {reference} is missing or invalid, so the half of the globe is unknown"
                ));
                return None;
            }
        };
        // Some writers also give a sign.
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
    // 1 and 3 mean below. Exif 3.0 adds 2 and 3, to distinguish sea level from the ellipsoid. Some writers give the
    // number as text.
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

/// Degrees from degrees, minutes and seconds.
///
/// Degrees or minutes may have a fraction. The parts after it are then zero or left out. If a part is not a number,
/// such as 0/0, there is no result.
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
