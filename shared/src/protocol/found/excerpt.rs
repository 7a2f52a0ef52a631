use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Cell, OTHER};
use crate::metadata::TakenFrom;
use crate::metadata::exif::Exif;
use crate::metadata::record::Record;
use crate::object::Key;
use crate::protocol::json_text;

/// The most bytes of a camera's name as JSON. Longer names are cut.
const MAX_CAMERA_BYTES: usize = 40;

/// From the first photo until clocks are wrong.
const YEARS: std::ops::Range<u16> = 1826..2100;

/// What a report takes from one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub format: String,
    pub has_exif: bool,
    pub is_damaged: bool,
    pub camera: Option<String>,
    pub taken: Option<Taken>,
    pub cell: Option<Cell>,
}

/// When an image was taken, by the camera's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub year: String,
    /// From 0 to 23. `None` if the record has a day alone, or a time in UTC.
    pub hour: Option<usize>,
}

/// A line of a record file, as far as it is used. Whatever has a key is a record, also one of another version: if it were
/// none, its image would be processed again and have two records.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordLine {
    pub key: Key,
    #[serde(default)]
    pub format: String,
    #[serde(default, deserialize_with = "any_exif")]
    pub exif: Option<Exif>,
    /// The record's `taken`. Records of schema 1 have none.
    #[serde(default)]
    pub taken: Value,
    #[serde(default)]
    pub warnings: Vec<IgnoredAny>,
}

/// EXIF that this version cannot read counts as EXIF without fields.
fn any_exif<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Exif>, D::Error> {
    let given = Option::<Value>::deserialize(deserializer)?;
    Ok(given.map(|given| serde_json::from_value(given).unwrap_or_default()))
}

impl RecordLine {
    #[must_use]
    pub fn excerpt(&self) -> Excerpt {
        let text = |name| self.taken.get(name)?.as_str();
        let of_exif = || self.exif.as_ref()?.taken_at.as_deref();
        Excerpt {
            taken: text("at")
                .or_else(of_exif)
                .and_then(|at| taken(at, text("from") == Some("gps"))),
            ..Excerpt::new(self.format.clone(), self.exif.as_ref(), !self.warnings.is_empty())
        }
    }
}

impl From<&Record> for Excerpt {
    fn from(record: &Record) -> Self {
        let at = record.taken.as_ref();
        Self {
            taken: at.and_then(|found| taken(&found.at, found.from == TakenFrom::Gps)),
            ..Self::new(
                record.format.to_string(),
                record.exif.as_deref(),
                !record.warnings.is_empty(),
            )
        }
    }
}

impl Excerpt {
    /// Without the time.
    fn new(format: String, exif: Option<&Exif>, is_damaged: bool) -> Self {
        let gps = exif.and_then(|exif| exif.gps.as_ref());
        let position = gps.and_then(|gps| gps.latitude.as_ref().zip(gps.longitude.as_ref()));
        Self {
            format,
            has_exif: exif.is_some(),
            is_damaged,
            camera: exif.and_then(camera),
            taken: None,
            cell: position
                .and_then(|(latitude, longitude)| latitude.as_f64().zip(longitude.as_f64()))
                .and_then(|(latitude, longitude)| Cell::of(latitude, longitude)),
        }
    }
}

/// Make and model. Many models begin with the make.
fn camera(exif: &Exif) -> Option<String> {
    let [make, model] = [&exif.make, &exif.model].map(|text| text.as_deref().unwrap_or_default().trim());
    let begins_with_make = model
        .get(..make.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(make));
    let name = if begins_with_make || model.is_empty() {
        if model.is_empty() { make } else { model }.to_owned()
    } else {
        format!("{make} {model}")
    };
    let name = json_text::cut(name.trim(), MAX_CAMERA_BYTES);
    (!name.is_empty()).then(|| name.to_owned())
}

/// `at` begins like `2018-08-15T14`, or is a day, a month or a year.
fn taken(at: &str, is_utc: bool) -> Option<Taken> {
    let year = at.get(..4)?;
    let hour = at.get(11..13).and_then(|hour| hour.parse().ok());
    let is_plausible = year.parse().is_ok_and(|year| YEARS.contains(&year));
    Some(Taken {
        year: if is_plausible { year } else { OTHER }.to_owned(),
        hour: hour.filter(|hour| *hour < 24 && !is_utc),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(make: Option<&str>, model: Option<&str>) -> Option<String> {
        camera(&Exif {
            make: make.map(str::to_owned),
            model: model.map(str::to_owned),
            ..Exif::default()
        })
    }

    #[test]
    fn a_camera_is_named_by_make_and_model() {
        for (make, model, expected) in [
            (Some("Apple"), Some("iPhone 12"), Some("Apple iPhone 12")),
            (Some("Canon"), Some("Canon EOS 5D"), Some("Canon EOS 5D")),
            (Some("NIKON"), Some("Nikon D850 "), Some("Nikon D850")),
            (None, Some("X100"), Some("X100")),
            (Some("Leica"), None, Some("Leica")),
            (Some("é"), Some("x"), Some("é x")),
            (None, None, None),
        ] {
            assert_eq!(named(make, model).as_deref(), expected);
        }
        let long = named(Some("A"), Some(&"\"".repeat(100))).unwrap_or_default();
        assert!(json_text::size(&long) <= MAX_CAMERA_BYTES, "{long}");
    }

    #[test]
    fn a_line_says_when_its_image_was_taken() {
        let taken = |line: &str| {
            let line: RecordLine = serde_json::from_str(line).unwrap();
            line.excerpt().taken.map(|taken| (taken.year, taken.hour))
        };
        let of_2021 = |hour| Some(("2021".to_owned(), hour));
        for (fields, expected) in [
            (
                r#""taken": {"at": "2021-03-14T15:09:26", "from": "iptc"}"#,
                of_2021(Some(15)),
            ),
            (r#""taken": {"at": "2021-03-14", "from": "photoshop"}"#, of_2021(None)),
            (
                r#""taken": {"at": "2021-03-14T15:09:26", "from": "gps"}"#,
                of_2021(None),
            ),
            (r#""taken": null, "exif": {}"#, None),
            // Schema 1.
            (r#""exif": {"taken_at": "2021-03-14T15:09:26"}"#, of_2021(Some(15))),
        ] {
            assert_eq!(taken(&format!(r#"{{"key": "a.jpg", {fields}}}"#)), expected, "{fields}");
        }
    }

    #[test]
    fn years_are_bounded() {
        let when = |at| taken(at, false).map(|taken| (taken.year, taken.hour));
        assert_eq!(
            when("2018-08-15T14:59:52.27+09:00"),
            Some(("2018".to_owned(), Some(14)))
        );
        assert_eq!(when("9999-12-31T00:00:00"), Some((OTHER.to_owned(), Some(0))));
        assert_eq!(when("2018-08"), Some(("2018".to_owned(), None)));
        assert_eq!(when("18"), None);
        assert_eq!(taken("2018-08-15T14:59:52", true).unwrap().hour, None);
    }
}
