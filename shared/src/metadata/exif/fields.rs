//! The fields of a record's `exif`. Each comes from one tag in one IFD, without a fallback.

use exif::{Field, Tag, Value};
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::gps::{self, Gps};
use super::value::{ascii, find};
use super::{date_time, number, text};
use crate::metadata::warnings::Warnings;

/// The EXIF of an image, in plain units. A value that is missing, empty or impossible is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exif {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub make: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens_model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// Photographer, newline, editor, if both are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copyright: Option<String>,
    /// RFC 3339. Without an offset, it is local time in an unknown zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orientation: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure_time_s: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f_number: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iso: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focal_length_mm: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focal_length_35mm: Option<Number>,
    /// The bits of the EXIF tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flash: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub white_balance: Option<WhiteBalance>,
    /// As EXIF gives it, which can differ from the image itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_width: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_height: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gps: Option<Gps>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhiteBalance {
    Auto,
    Manual,
}

/// The fields of a record, from the fields of a block.
pub fn of(fields: &[&Field], warnings: &mut Warnings) -> Exif {
    let value = |tag| find(fields, tag);
    let text = |tag| ascii(value(tag)?);
    let number = |tag| number::first(value(tag)?).and_then(number::json);
    Exif {
        make: text(Tag::Make),
        model: text(Tag::Model),
        lens_model: text(Tag::LensModel),
        software: text(Tag::Software),
        artist: text(Tag::Artist),
        copyright: value(Tag::Copyright).and_then(copyright),
        taken_at: date_time::original(fields, warnings),
        orientation: number(Tag::Orientation),
        exposure_time_s: number(Tag::ExposureTime),
        f_number: number(Tag::FNumber),
        iso: number(Tag::PhotographicSensitivity),
        focal_length_mm: number(Tag::FocalLength),
        focal_length_35mm: number(Tag::FocalLengthIn35mmFilm),
        flash: number(Tag::Flash),
        white_balance: match value(Tag::WhiteBalance).and_then(number::first) {
            Some(0.0) => Some(WhiteBalance::Auto),
            Some(1.0) => Some(WhiteBalance::Manual),
            _ => None,
        },
        pixel_width: number(Tag::PixelXDimension),
        pixel_height: number(Tag::PixelYDimension),
        gps: gps::of(fields, warnings),
    }
}

fn copyright(value: &Value) -> Option<String> {
    let parts: Vec<String> = match value {
        Value::Ascii(parts) => parts.iter().take(2).filter_map(|part| text::clean(part)).collect(),
        Value::Undefined(bytes, _) => bytes.split(|&byte| byte == 0).take(2).filter_map(text::clean).collect(),
        _ => Vec::new(),
    };
    (!parts.is_empty()).then(|| parts.join("\n"))
}
