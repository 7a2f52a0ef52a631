//! The value of a tag.

use exif::{Field, In, Tag, Value};

use super::text;

/// The value of a tag of the image itself. If there are several, the last one counts.
pub fn find<'a>(fields: &[&'a Field], tag: Tag) -> Option<&'a Value> {
    let is_it = |field: &&&Field| field.tag == tag && field.ifd_num == In::PRIMARY;
    fields.iter().rev().find(is_it).map(|field| &field.value)
}

/// A text. Some writers store texts as bytes without a type.
pub fn ascii(value: &Value) -> Option<String> {
    match value {
        Value::Ascii(parts) => text::clean(parts.first()?),
        Value::Undefined(bytes, _) => text::clean(bytes),
        _ => None,
    }
}
