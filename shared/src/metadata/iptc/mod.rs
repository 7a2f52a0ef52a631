//! IPTC-IIM: from a block of datasets to the record's `iptc`.
//!
//! Source: IPTC-NAA Information Interchange Model, version 4.2. The names are those of ExifTool.
//!
//! | module | what it holds |
//! |---|---|
//! | [`names`] | the datasets of the application record |

mod names;

use std::collections::BTreeMap;

use encoding_rs::WINDOWS_1252;
use serde_json::Value;
use time::macros::format_description;
use time::{Date, Time, UtcOffset};

use super::warnings::Warnings;
use names::{Kind, NAMES};

/// The fields of a block.
pub type Iptc = BTreeMap<&'static str, Value>;

/// Each dataset starts with this byte.
pub const MARKER: u8 = 0x1C;

/// The envelope record, and its dataset that names the encoding of texts.
const ENVELOPE: u8 = 1;
const CODED_CHARACTER_SET: u8 = 90;
const UTF_8: &[u8] = b"\x1B%G";

/// The application record, which has the texts.
pub const APPLICATION: u8 = 2;

/// A text with more bytes is left out.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// The most datasets that are read.
const MAX_DATASETS: usize = 4096;

/// Reads a block. `None` if it has no dataset.
pub fn read(block: &[u8], warnings: &mut Warnings) -> Option<Iptc> {
    let mut sets = Datasets::new(block);
    let all: Vec<Dataset<'_>> = sets.by_ref().take(MAX_DATASETS).collect();
    if let Some(damage) = sets.damage {
        warnings.add(format!("IPTC: {damage}"));
    }
    if all.is_empty() {
        return None;
    }
    let declared = all.iter().find(|set| set.is(ENVELOPE, CODED_CHARACTER_SET));
    let is_utf_8 = declared.is_some_and(|set| set.data == UTF_8);
    let mut fields = Iptc::new();
    for set in all.iter().filter(|set| set.record == APPLICATION) {
        let Some((name, kind)) = NAMES
            .iter()
            .find(|(number, ..)| *number == set.number)
            .map(|(_, name, kind)| (*name, *kind))
        else {
            continue;
        };
        if set.data.len() > MAX_TEXT_BYTES {
            warnings.omit(format!("IPTC:{name}: {} bytes", set.data.len()));
            continue;
        }
        let Some(text) = text(set.data, is_utf_8) else {
            continue;
        };
        let value = match kind {
            Kind::Text | Kind::List => Some(text),
            Kind::Date => date(&text),
            Kind::Time => time(&text),
        };
        let Some(value) = value else {
            warnings.add(format!("IPTC:{name}: impossible"));
            continue;
        };
        if kind == Kind::List {
            let list = fields.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(value.into());
            }
        } else {
            fields.entry(name).or_insert(value.into());
        }
    }
    Some(fields)
}

/// One field.
pub struct Dataset<'a> {
    pub record: u8,
    pub number: u8,
    pub data: &'a [u8],
    /// With what comes before the data.
    pub whole: &'a [u8],
}

impl Dataset<'_> {
    fn is(&self, record: u8, number: u8) -> bool {
        (self.record, self.number) == (record, number)
    }
}

/// The fields of a block, up to damage.
pub struct Datasets<'a> {
    rest: &'a [u8],
    damage: Option<&'static str>,
}

impl<'a> Datasets<'a> {
    pub fn new(block: &'a [u8]) -> Self {
        Self {
            rest: block,
            damage: None,
        }
    }
}

impl<'a> Iterator for Datasets<'a> {
    type Item = Dataset<'a>;

    fn next(&mut self) -> Option<Dataset<'a>> {
        // Blocks are padded with zeros.
        let [MARKER, record, number, high, low, rest @ ..] = self.rest else {
            if self.rest.iter().any(|&byte| byte != 0) {
                self.damage = Some("the rest is no dataset");
            }
            return None;
        };
        let short = u16::from_be_bytes([*high, *low]);
        let (length, rest) = if short & 0x8000 == 0 {
            (usize::from(short), rest)
        } else {
            // An extended dataset: the length has as many bytes as these bits say.
            let width = usize::from(short & 0x7FFF);
            let Some((length, rest)) = rest.split_at_checked(width).filter(|_| width <= 4) else {
                self.damage = Some("a length is out of range");
                return None;
            };
            let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
            (length, rest)
        };
        let Some((data, rest)) = rest.split_at_checked(length) else {
            self.damage = Some("it ends within a dataset");
            return None;
        };
        let whole = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        Some(Dataset {
            record: *record,
            number: *number,
            data,
            whole,
        })
    }
}

/// A text without the padding around it. `None` if nothing is left. Without a declared encoding, it is UTF-8 if it can be,
/// and Windows-1252 otherwise.
fn text(data: &[u8], is_utf_8: bool) -> Option<String> {
    let data = data.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = match std::str::from_utf8(data) {
        Ok(text) => text.into(),
        Err(_) if is_utf_8 => String::from_utf8_lossy(data),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(data).0,
    };
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// `20240714` as `2024-07-14`. `None` if there is no such day.
fn date(text: &str) -> Option<String> {
    let date = Date::parse(text, format_description!("[year][month][day]"));
    let date = date.or_else(|_| Date::parse(text, format_description!("[year]-[month]-[day]")));
    let date = date
        .or_else(|_| Date::parse(text, format_description!("[year]:[month]:[day]")))
        .ok()?;
    date.format(format_description!("[year]-[month]-[day]")).ok()
}

/// `143000+0200` as `14:30:00+02:00`. `None` if there is no such time.
fn time(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let (clock, zone) = match digits.find(['+', '-']) {
        Some(at) => digits.split_at(at),
        None => (digits.as_str(), ""),
    };
    let clock = Time::parse(clock, format_description!("[hour][minute][second]")).ok()?;
    let clock = clock.format(format_description!("[hour]:[minute]:[second]")).ok()?;
    if zone.is_empty() {
        return Some(clock);
    }
    let zone = UtcOffset::parse(zone, format_description!("[offset_hour sign:mandatory][offset_minute]")).ok()?;
    let zone = zone
        .format(format_description!("[offset_hour sign:mandatory]:[offset_minute]"))
        .ok()?;
    Some(clock + &zone)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(record: u8, number: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        [&[MARKER, record, number], &length[..], data].concat()
    }

    fn fields(sets: &[Vec<u8>]) -> (Value, Vec<String>) {
        let mut warnings = Warnings::default();
        let fields = read(&sets.concat(), &mut warnings);
        (json!(fields), warnings.into_vec())
    }

    #[test]
    fn fields_have_names_lists_dates_and_times() {
        let (fields, warnings) = fields(&[
            set(2, 0, &[0, 4]),
            set(2, 5, b"Title  "),
            set(2, 25, b"one"),
            set(2, 25, b""),
            set(2, 25, b"two"),
            set(2, 80, b"Ann"),
            set(2, 55, b"20240714"),
            set(2, 60, b"143000+0200"),
            set(2, 62, b"00000000"),
            set(2, 63, b"143000"),
            set(2, 10, b"5"),
            set(2, 200, b"unknown"),
            vec![0; 3],
        ]);
        let expected = json!({
            "ObjectName": "Title", "Keywords": ["one", "two"], "By-line": ["Ann"], "DateCreated": "2024-07-14",
            "TimeCreated": "14:30:00+02:00", "DigitalCreationTime": "14:30:00", "Urgency": "5",
        });
        assert_eq!(fields, expected);
        assert_eq!(warnings, ["IPTC:DigitalCreationDate: impossible"]);
    }

    #[test]
    fn texts_are_in_the_declared_encoding_or_in_a_likely_one() {
        for (sets, city) in [
            (vec![set(1, 90, UTF_8), set(2, 90, "Zürich".as_bytes())], "Zürich"),
            (vec![set(2, 90, "Zürich".as_bytes())], "Zürich"),
            (vec![set(2, 90, b"Z\xFCrich")], "Zürich"),
            (vec![set(1, 90, UTF_8), set(2, 90, b"Z\xFCrich")], "Z\u{fffd}rich"),
        ] {
            assert_eq!(fields(&sets).0["City"], city);
        }
    }

    #[test]
    fn damage_gives_what_came_before() {
        let title = set(2, 5, b"t");
        for (rest, damage) in [
            (&[MARKER, 2, 25, 0, 9, b'x'][..], "IPTC: it ends within a dataset"),
            (&[MARKER, 2, 25, 0x80, 9, 1], "IPTC: a length is out of range"),
            (
                &[MARKER, 2, 25, 0x80, 4, 255, 255, 255, 255, 1],
                "IPTC: it ends within a dataset",
            ),
            (&[MARKER, 2], "IPTC: the rest is no dataset"),
            (b"rubbish", "IPTC: the rest is no dataset"),
        ] {
            let (fields, warnings) = fields(&[title.clone(), rest.to_vec()]);
            assert_eq!(
                (fields, warnings),
                (json!({"ObjectName": "t"}), vec![damage.to_owned()])
            );
        }
        let long = [&[MARKER, 2, 5, 0x80, 4, 0, 0, 0, 1], &b"t"[..]].concat();
        assert_eq!(fields(&[long]).0, json!({"ObjectName": "t"}));
        assert_eq!(fields(&[vec![0; 9]]).0, Value::Null);
    }
}
