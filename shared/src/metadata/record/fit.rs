//! Makes a record fit into its limit.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Record;

/// What the name of a value that is taken out takes in `omitted`, at most.
const NAME_BYTES: usize = 320;

/// The most names in `omitted`. Further values are counted.
const MAX_NAMES: usize = 64;

/// A longer text of `exif`, a warning and a name are cut if nothing else helps.
const MAX_TEXT_BYTES: usize = 256;

/// A value of one of the maps of a record.
enum Place {
    Tag(crate::metadata::TagName),
    Xmp(String),
    Iptc(&'static str),
}

/// Takes out values of `tags`, `xmp` and `iptc`, the largest first, until the record is shorter by `excess` bytes.
pub fn values(record: &mut Record, excess: usize) {
    let mut all: Vec<(usize, Place)> = Vec::new();
    for (name, value) in &record.tags {
        all.push((bytes(value), Place::Tag(*name)));
    }
    for (name, value) in record.xmp.iter().flatten() {
        all.push((bytes(value), Place::Xmp(name.clone())));
    }
    for (name, value) in record.iptc.iter().flatten() {
        all.push((bytes(value), Place::Iptc(name)));
    }
    all.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let mut excess = excess;
    let mut unnamed = 0;
    for (index, (bytes, place)) in all.into_iter().enumerate() {
        let is_named = index < MAX_NAMES;
        // A name takes room, too.
        let gain = if is_named {
            bytes.saturating_sub(NAME_BYTES)
        } else {
            bytes
        };
        if excess == 0 || gain == 0 {
            break;
        }
        excess = excess.saturating_sub(gain);
        let name = remove(record, place);
        if is_named {
            record.omitted.push(format!("{}: {bytes} bytes, to fit", start(&name)));
        } else {
            unnamed += 1;
        }
    }
    if unnamed > 0 {
        record.omitted.push(format!("{unnamed} more values, to fit"));
    }
}

/// Takes a value out, and returns its name.
fn remove(record: &mut Record, place: Place) -> String {
    match place {
        Place::Tag(name) => {
            record.tags.remove(&name);
            name.to_string()
        }
        Place::Xmp(name) => {
            record.xmp.as_mut().map(|xmp| xmp.remove(&name));
            name
        }
        Place::Iptc(name) => {
            record.iptc.as_mut().map(|iptc| iptc.remove(name));
            format!("IPTC:{name}")
        }
    }
}

/// Takes out `description` and the long texts of `exif`, and cuts warnings.
pub fn texts(record: &mut Record) {
    if let Some(description) = record.description.take() {
        record
            .omitted
            .push(format!("description: {} bytes, to fit", bytes(&description)));
    }
    if let Some(exif) = &mut record.exif
        && let Ok(Value::Object(fields)) = serde_json::to_value(&*exif)
    {
        let (short, long): (Map<_, _>, Map<_, _>) = fields
            .into_iter()
            .partition(|(_, value)| bytes(value) <= MAX_TEXT_BYTES);
        **exif = serde_json::from_value(Value::Object(short)).unwrap_or_default();
        let names = long
            .iter()
            .map(|(name, value)| format!("exif.{name}: {} bytes, to fit", bytes(value)));
        record.omitted.extend(names);
    }
    for text in record.warnings.iter_mut().chain(&mut record.omitted) {
        *text = start(text).to_owned();
    }
}

/// The first bytes of a text.
fn start(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

/// The bytes of a value as JSON.
fn bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metadata::read_whole;
    use crate::metadata::record::{MAX_BYTES, Origin};

    /// The record of a TIFF file with a short make and two texts of control characters, which take six bytes each in JSON.
    fn large(characters: u32) -> Record {
        let fields = [(0x10e_u16, 50), (0x10f, 0), (0x13b, 50 + characters)];
        let mut tiff = b"II*\0\x08\0\0\0\x03\0".to_vec();
        for (tag, offset) in fields {
            tiff.extend([tag.to_le_bytes(), 2_u16.to_le_bytes()].concat());
            if offset == 0 {
                tiff.extend(b"\x02\0\0\0A\0\0\0");
            } else {
                tiff.extend([characters.to_le_bytes(), offset.to_le_bytes()].concat());
            }
        }
        tiff.extend([0; 4]);
        tiff.extend(vec![1; 2 * characters as usize]);
        Record::new(Origin::default(), read_whole(tiff.into()))
    }

    fn fitted(record: &mut Record) -> Value {
        let json = record.fit(MAX_BYTES);
        assert!(json.len() <= MAX_BYTES, "{} bytes", json.len());
        let value = serde_json::from_slice(&json).unwrap();
        assert_eq!(serde_json::to_value(record).unwrap(), value);
        value
    }

    #[test]
    fn a_record_that_fits_stays_as_it_is() {
        let mut record = large(10);
        let whole = serde_json::to_value(&record).unwrap();
        assert_eq!(fitted(&mut record), whole);
    }

    #[test]
    fn the_largest_values_go_first() {
        let mut record = large(2_500);
        let value = fitted(&mut record);
        let names: Vec<&String> = value["tags"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["IFD0:Artist", "IFD0:Make"]);
        assert_eq!(value["exif"]["artist"], value["tags"]["IFD0:Artist"]);
        assert_eq!(value["omitted"], json!(["IFD0:ImageDescription: 15002 bytes, to fit"]));
    }

    #[test]
    fn long_texts_go_last() {
        let mut record = large(60_000);
        record.warnings = vec!["w".repeat(70_000)];
        let value = fitted(&mut record);
        assert_eq!(value["exif"], json!({"make": "A"}));
        assert_eq!(value["description"], Value::Null);
        assert_eq!(value["warnings"][0].as_str().map(str::len), Some(MAX_TEXT_BYTES));
        let omitted = value["omitted"].to_string();
        assert!(
            omitted.contains("exif.artist: ") && omitted.contains("description: "),
            "{omitted}"
        );
    }
}
