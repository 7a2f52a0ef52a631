//! Every field of an EXIF block, by group and name.

use std::collections::BTreeMap;

use exif::{Exif, Field, Value as Exifs};
use serde_json::Value;

use super::table::Table;
use super::warnings::Warnings;
use super::{number, text};

pub fn all(exif: &Exif, warnings: &mut Warnings) -> BTreeMap<String, Value> {
    let mut tags = BTreeMap::new();
    for field in exif.fields() {
        let table = Table::of(field.tag.context(), field.ifd_num.index());
        let mut warn = |warning: &str| warnings.add(format!("{}: {warning}", table.tag_name(field.tag.number())));
        if let Some(value) = value(field, table, exif.little_endian(), &mut warn) {
            // Of a field given twice the last one counts, as in the fields of a record.
            tags.insert(table.tag_name(field.tag.number()), value);
        }
    }
    tags
}

fn value(field: &Field, table: Table, little_endian: bool, warn: &mut impl FnMut(&str)) -> Option<Value> {
    let tag = field.tag.number();
    match &field.value {
        Exifs::Ascii(parts) => {
            if !parts.iter().all(|part| text::is_utf8(part)) {
                warn("not UTF-8, read as Windows-1252");
            }
            let parts: Vec<String> = parts.iter().filter_map(|part| text::clean(part)).collect();
            (!parts.is_empty()).then(|| parts.join("\n").into())
        }
        Exifs::Byte(bytes) | Exifs::Undefined(bytes, _) if table.is_xp(tag) => text::utf16_le(bytes).map(Value::from),
        Exifs::Undefined(bytes, _) if table.is_text(tag) => {
            text::with_character_code(bytes, little_endian, warn).map(Value::from)
        }
        Exifs::Undefined(bytes, _) => undefined(bytes),
        other => numbers(&number::all(other)?),
    }
}

/// Bytes without a type of their own: text where they read as text (`ExifVersion`), numbers otherwise.
fn undefined(bytes: &[u8]) -> Option<Value> {
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ' || *byte == 0;
    if bytes.first().is_some_and(u8::is_ascii_graphic)
        && bytes.iter().all(printable)
        && let Some(text) = text::clean(bytes)
    {
        return Some(text.into());
    }
    let values: Vec<_> = bytes.iter().map(|&byte| Some(f64::from(byte))).collect();
    numbers(&values)
}

fn numbers(values: &[Option<f64>]) -> Option<Value> {
    let json = |value: &Option<f64>| value.and_then(number::json).map_or(Value::Null, Value::Number);
    if values.iter().all(Option::is_none) {
        return None;
    }
    Some(match values {
        [one] => json(one),
        many => Value::Array(many.iter().map(json).collect()),
    })
}
