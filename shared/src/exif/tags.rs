//! Every field of an EXIF block, by group and name.

use std::collections::BTreeMap;

use exif::{Context, Exif, Field, In, Tag, Value as Exifs};
use serde_json::Value;

use super::{number, text};

/// More values than this, or more bytes of no known meaning, are left out of `tags`.
const MOST_VALUES: usize = 64;

/// The XP* tags of Windows: text as UTF-16 in a row of bytes.
const XP_TITLE: u16 = 0x9C9B;
const XP_SUBJECT: u16 = 0x9C9F;

pub fn all(exif: &Exif, warnings: &mut Vec<String>) -> BTreeMap<String, Value> {
    let mut tags = BTreeMap::new();
    for field in exif.fields() {
        let name = name(field);
        match value(field, exif.little_endian()) {
            Found::Value(value) => {
                // A field given twice: the first one counts.
                tags.entry(name).or_insert(value);
            }
            Found::TooLong(size) => warnings.push(format!("{name}: {size} left out")),
            Found::Nothing => {}
        }
    }
    tags
}

fn name(field: &Field) -> String {
    let group = match (field.tag.context(), field.ifd_num) {
        (Context::Exif, _) => "ExifIFD".to_owned(),
        (Context::Gps, _) => "GPS".to_owned(),
        (Context::Interop, _) => "InteropIFD".to_owned(),
        (_, In(number)) => format!("IFD{number}"),
    };
    match field.tag.description() {
        Some(_) => format!("{group}:{}", field.tag),
        None => format!("{group}:0x{:04x}", field.tag.number()),
    }
}

enum Found {
    Value(Value),
    /// What was left out, as in "1024 bytes".
    TooLong(String),
    Nothing,
}

fn value(field: &Field, little_endian: bool) -> Found {
    let text = |text: Option<String>| text.map_or(Found::Nothing, |text| Found::Value(text.into()));
    match &field.value {
        Exifs::Ascii(parts) => {
            let parts: Vec<String> = parts.iter().filter_map(|part| text::clean(part)).collect();
            text((!parts.is_empty()).then(|| parts.join("\n")))
        }
        Exifs::Byte(bytes) if is_xp(field.tag) => text(text::utf16_le(bytes)),
        Exifs::Undefined(bytes, _) if field.tag == Tag::UserComment => {
            text(text::with_character_code(bytes, little_endian))
        }
        Exifs::Undefined(bytes, _) => undefined(bytes),
        other => match number::all(other) {
            Some(values) if values.len() > MOST_VALUES => Found::TooLong(format!("{} values", values.len())),
            Some(values) => numbers(&values),
            None => Found::Nothing,
        },
    }
}

fn is_xp(tag: Tag) -> bool {
    tag.context() == Context::Tiff && (XP_TITLE..=XP_SUBJECT).contains(&tag.number())
}

/// Bytes without a type of their own: text where they read as text (`ExifVersion`), numbers otherwise.
fn undefined(bytes: &[u8]) -> Found {
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ' || *byte == 0;
    if bytes.len() > MOST_VALUES {
        return Found::TooLong(format!("{} bytes", bytes.len()));
    }
    if bytes.first().is_some_and(u8::is_ascii_graphic)
        && bytes.iter().all(printable)
        && let Some(text) = text::clean(bytes)
    {
        return Found::Value(text.into());
    }
    let values: Vec<_> = bytes.iter().map(|&byte| Some(f64::from(byte))).collect();
    numbers(&values)
}

fn numbers(values: &[Option<f64>]) -> Found {
    let json = |value: &Option<f64>| value.and_then(number::json).map_or(Value::Null, Value::Number);
    if values.iter().all(Option::is_none) {
        return Found::Nothing;
    }
    Found::Value(match values {
        [one] => json(one),
        many => Value::Array(many.iter().map(json).collect()),
    })
}
