//! Every field of an EXIF block, by table and name.

use std::collections::BTreeMap;

use exif::{Field, Value as Exifs};
use serde_json::{Number, Value};

use super::{number, text};
use crate::metadata::tiff::table::{Table, TagName};
use crate::metadata::warnings::Warnings;

/// The values of all fields. `little_endian` is the byte order of the block.
pub fn all(fields: &[&Field], little_endian: bool, warnings: &mut Warnings) -> BTreeMap<TagName, Value> {
    let mut tags = Vec::with_capacity(fields.len());
    for field in fields {
        let table = Table::of(field.tag.context(), field.ifd_num.index());
        let name = table.tag(field.tag.number());
        let mut warn = |warning: &str| warnings.add(format!("{name}: {warning}"));
        if let Some(value) = value(field, name, little_endian, &mut warn) {
            tags.push((name, value));
        }
    }
    // If a field occurs twice, the last one counts, as in the fields of a record.
    tags.into_iter().collect()
}

fn value(field: &Field, name: TagName, little_endian: bool, warn: &mut impl FnMut(&str)) -> Option<Value> {
    match &field.value {
        Exifs::Ascii(parts) => {
            let mut texts = parts.iter().filter_map(|part| text::clean_or_warn(part, warn));
            let first = texts.next()?;
            Some(texts.fold(first, |all, text| all + "\n" + &text).into())
        }
        Exifs::Undefined(bytes, _) if name.is_xp() => text::utf16_le(bytes).map(Value::from),
        Exifs::Undefined(bytes, _) if name.is_text() => {
            text::with_character_code(bytes, little_endian, warn).map(Value::from)
        }
        Exifs::Undefined(bytes, _) => Some(undefined(bytes)),
        numbers => match number::count(numbers) {
            1 => number::first(numbers).and_then(number::json).map(Value::Number),
            count => list((0..count).map(|index| number::at(numbers, index).and_then(number::json))),
        },
    }
}

/// A list of numbers, with null for each that is invalid. `None` if all are invalid.
fn list(numbers: impl ExactSizeIterator<Item = Option<Number>>) -> Option<Value> {
    let list: Vec<Value> = numbers
        .map(|number| number.map_or(Value::Null, Value::Number))
        .collect();
    let any = list.iter().any(|value| !value.is_null());
    any.then_some(Value::Array(list))
}

/// Bytes without a type: a text if they look like one (`ExifVersion`), otherwise hexadecimal digits.
fn undefined(bytes: &[u8]) -> Value {
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ' || *byte == 0;
    if bytes.first().is_some_and(u8::is_ascii_graphic)
        && bytes.iter().all(printable)
        && let Some(text) = text::clean(bytes)
    {
        return text.into();
    }
    hex::encode(bytes).into()
}
