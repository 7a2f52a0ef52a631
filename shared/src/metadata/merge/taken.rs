//! When the picture was taken: the best answer of EXIF, XMP, IPTC and GPS.

use serde::Serialize;
use time::macros::format_description;
use time::{Date, Duration, PrimitiveDateTime, Time};

use super::Sources;

/// When a picture was taken, by the clock on the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// As precise as its source, and without an offset: `2021-03-14T15:09:26.5`, or `2021-03-14` alone.
    pub at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    pub from: Source,
    /// What the offset comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_from: Option<OffsetSource>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Exif,
    Photoshop,
    Iptc,
    Digitized,
    Xmp,
    Gps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OffsetSource {
    Exif,
    Xmp,
    Iptc,
    Gps,
}

/// `None` if no block says it.
pub fn of(sources: &Sources<'_>) -> Option<Taken> {
    let exif = |at: &Option<String>| at.as_deref().and_then(Moment::parse);
    let gps = sources
        .exif
        .and_then(|exif| exif.gps.as_ref())
        .and_then(|gps| exif(&gps.taken_at));
    let found = [
        (
            Source::Exif,
            OffsetSource::Exif,
            sources.exif.and_then(|block| exif(&block.taken_at)),
        ),
        (
            Source::Photoshop,
            OffsetSource::Xmp,
            sources.xmp("photoshop:DateCreated").and_then(Moment::parse),
        ),
        (Source::Iptc, OffsetSource::Iptc, iptc(sources)),
        (
            Source::Digitized,
            OffsetSource::Exif,
            sources.exif.and_then(|block| exif(&block.digitized_at)),
        ),
        (
            Source::Xmp,
            OffsetSource::Xmp,
            sources.xmp("xmp:CreateDate").and_then(Moment::parse),
        ),
        (Source::Gps, OffsetSource::Gps, gps.clone()),
    ];
    let (from, offset_from, moment) = found
        .into_iter()
        .find_map(|(from, offset, moment)| Some((from, offset, moment?)))?;
    let own = moment.offset.clone().map(|offset| (offset, offset_from));
    let by_gps = || Some((moment.offset_to(gps.as_ref()?)?, OffsetSource::Gps));
    let (offset, offset_from) = own.or_else(by_gps).unzip();
    Some(Taken {
        at: moment.at,
        offset,
        from,
        offset_from,
    })
}

/// The date and the time of IPTC, which are two fields.
fn iptc(sources: &Sources<'_>) -> Option<Moment> {
    let date = sources.iptc("DateCreated")?;
    match sources.iptc("TimeCreated") {
        Some(time) => Moment::parse(&format!("{date}T{time}")).or_else(|| Moment::parse(date)),
        None => Moment::parse(date),
    }
}

/// A local time, perhaps with its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moment {
    at: String,
    /// Within -12:00 to +14:00.
    offset: Option<String>,
}

impl Moment {
    /// Reads a date or a time as in RFC 3339, with less precision if need be. `None` if there is no such time.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let date = text.get(..10)?;
        Date::parse(date, format_description!("[year]-[month]-[day]")).ok()?;
        if date.starts_with("0000") {
            return None;
        }
        let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else {
            return Some(Self {
                at: date.to_owned(),
                offset: None,
            });
        };
        let clock = rest.strip_prefix(['T', ' '])?;
        let zone_at = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
        let (clock, zone) = clock.split_at(zone_at);
        let (whole, fraction) = match clock.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (clock, None),
        };
        // Seconds may be missing.
        let whole = if whole.len() == 5 {
            format!("{whole}:00")
        } else {
            whole.to_owned()
        };
        Time::parse(&whole, format_description!("[hour]:[minute]:[second]")).ok()?;
        let digits = fraction.map(|fraction| fraction.bytes().take_while(u8::is_ascii_digit).count());
        let fraction = fraction.zip(digits).filter(|(_, digits)| *digits > 0);
        let fraction = fraction.map(|(fraction, digits)| format!(".{}", &fraction[..digits]));
        Some(Self {
            at: format!("{date}T{whole}{}", fraction.unwrap_or_default()),
            offset: offset(zone),
        })
    }

    fn time(&self) -> Option<PrimitiveDateTime> {
        PrimitiveDateTime::parse(
            self.at.get(..19)?,
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]"),
        )
        .ok()
    }

    /// The offset that lies between this local time and UTC, if it is within three minutes of a quarter hour.
    fn offset_to(&self, utc: &Self) -> Option<String> {
        let apart: Duration = self.time()? - utc.time()?;
        let seconds = apart.whole_seconds();
        let quarters = (seconds + 450).div_euclid(900);
        let is_near = (seconds - quarters * 900).abs() <= 180;
        let minutes = quarters * 15;
        (is_near && (-12 * 60..=14 * 60).contains(&minutes)).then(|| {
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        })
    }
}

/// A zone as `+02:00`. `None` if it is none, or is outside of those on Earth.
fn offset(zone: &str) -> Option<String> {
    if zone == "Z" {
        return Some("+00:00".to_owned());
    }
    let digits = zone.get(1..)?.replace(':', "");
    let (hours, minutes) = (
        digits.get(..2)?.parse::<i32>().ok()?,
        digits.get(2..4)?.parse::<i32>().ok()?,
    );
    if digits.len() != 4 || minutes > 59 {
        return None;
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let total = sign * (hours * 60 + minutes);
    (-12 * 60..=14 * 60)
        .contains(&total)
        .then(|| format!("{}{hours:02}:{minutes:02}", &zone[..1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Option<String>)> {
        Moment::parse(text).map(|moment| (moment.at, moment.offset))
    }

    #[test]
    fn times_keep_their_precision_and_lose_their_zone() {
        for (text, at, offset) in [
            ("2021-03-14T15:09:26.5+02:00", "2021-03-14T15:09:26.5", Some("+02:00")),
            ("2021-03-14T15:09:26Z", "2021-03-14T15:09:26", Some("+00:00")),
            ("2021-03-14T15:09-08:00", "2021-03-14T15:09:00", Some("-08:00")),
            ("2021-03-14 15:09:26", "2021-03-14T15:09:26", None),
            ("2021-03-14T15:09:26+23:00", "2021-03-14T15:09:26", None),
            ("2021-03-14", "2021-03-14", None),
        ] {
            assert_eq!(parsed(text), Some((at.to_owned(), offset.map(str::to_owned))), "{text}");
        }
        for text in [
            "",
            "2021",
            "2021-02-30",
            "2021-03-14T25:00:00",
            "0000-00-00",
            "14.3.2021 10:00",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn gps_gives_the_offset_if_it_is_near_a_quarter_hour() {
        let utc = Moment::parse("2024-07-14T10:00:00Z").unwrap();
        for (local, offset) in [
            ("2024-07-14T12:02:30", Some("+02:00")),
            ("2024-07-14T15:43:00", Some("+05:45")),
            ("2024-07-14T00:00:10", Some("-10:00")),
            ("2024-07-14T09:59:00", Some("+00:00")),
            ("2024-07-14T12:07:00", None),
            ("2024-07-15T10:00:00", None),
            ("2024-07-14", None),
        ] {
            let local = Moment::parse(local).unwrap();
            assert_eq!(local.offset_to(&utc).as_deref(), offset, "{local:?}");
        }
    }
}
