//! From an EXIF block to the fields of a record. `kamadak-exif` reads the values.
//!
//! | module | what it holds |
//! |---|---|
//! | [`fields`] | the record's `exif` |
//! | [`gps`] [`date_time`] | the position and the times in it |
//! | [`tags`] | the record's `tags`: every field by name |
//! | [`maker_note`] | a few fields of maker notes |
//! | [`value`] [`text`] [`number`] | values |

mod date_time;
mod fields;
mod gps;
mod maker_note;
mod number;
mod tags;
mod text;
mod value;

use std::collections::BTreeMap;

use exif::{Field, Reader};
use serde_json::Value;

use crate::metadata::tiff::note::MakerNote;
use crate::metadata::tiff::table::{Table, TagName};
use crate::metadata::warnings::Warnings;

pub use fields::{Exif, WhiteBalance};
pub use gps::Gps;
pub use number::json as number_json;

/// Every field by its name.
pub type Tags = BTreeMap<TagName, Value>;

/// The fields of a record, and every field by name.
pub type Fields = (Exif, Tags);

/// Reads a compact block, whose offsets and counts were checked when it was copied, and a maker note.
///
/// `None` if nothing in the block could be read.
pub fn read(block: Vec<u8>, maker_note: Option<MakerNote<'_>>, warnings: &mut Warnings) -> Option<Fields> {
    let exif = match Reader::new().continue_on_error(true).read_raw(block) {
        Ok(exif) => exif,
        Err(exif::Error::PartialResult(partial)) => {
            let (exif, damage) = partial.into_inner();
            for error in damage {
                warnings.add(format!("EXIF: {error}"));
            }
            exif
        }
        Err(error) => {
            warnings.add(format!("EXIF: {error}"));
            return None;
        }
    };
    let fields: Vec<&Field> = exif.fields().collect();
    let mut tags = tags::all(&fields, exif.little_endian(), warnings);
    if tags.is_empty() {
        return None;
    }
    let fields = fields::of(&fields, warnings);
    if let Some(note) = maker_note {
        maker_note::add(&note, fields.make.as_deref(), &mut tags);
    }
    Some((fields, tags))
}

/// The fields of one block, with those of another block where the first one has none. What belongs to the thumbnail of the
/// other block stays out.
#[must_use]
pub fn complete((exif, mut tags): Fields, (other_exif, other_tags): Fields) -> Fields {
    for (name, value) in other_tags {
        if !name.is_of(Table::Ifd1) {
            tags.entry(name).or_insert(value);
        }
    }
    (exif.or(other_exif), tags)
}
