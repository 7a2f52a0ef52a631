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
    pub lens_make: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens_model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens_serial_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Photographer, newline, editor, if both are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copyright: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_unique_id: Option<String>,
    /// RFC 3339. Without an offset, it is local time in an unknown zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digitized_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<String>,
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

impl Exif {
    /// These fields, with those of another block where there are none.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            make: self.make.or(other.make),
            model: self.model.or(other.model),
            lens_make: self.lens_make.or(other.lens_make),
            lens_model: self.lens_model.or(other.lens_model),
            serial_number: self.serial_number.or(other.serial_number),
            lens_serial_number: self.lens_serial_number.or(other.lens_serial_number),
            software: self.software.or(other.software),
            artist: self.artist.or(other.artist),
            owner: self.owner.or(other.owner),
            copyright: self.copyright.or(other.copyright),
            image_unique_id: self.image_unique_id.or(other.image_unique_id),
            taken_at: self.taken_at.or(other.taken_at),
            digitized_at: self.digitized_at.or(other.digitized_at),
            modified_at: self.modified_at.or(other.modified_at),
            orientation: self.orientation.or(other.orientation),
            exposure_time_s: self.exposure_time_s.or(other.exposure_time_s),
            f_number: self.f_number.or(other.f_number),
            iso: self.iso.or(other.iso),
            focal_length_mm: self.focal_length_mm.or(other.focal_length_mm),
            focal_length_35mm: self.focal_length_35mm.or(other.focal_length_35mm),
            flash: self.flash.or(other.flash),
            white_balance: self.white_balance.or(other.white_balance),
            pixel_width: self.pixel_width.or(other.pixel_width),
            pixel_height: self.pixel_height.or(other.pixel_height),
            gps: self.gps.or(other.gps),
        }
    }
}

/// The fields of a record, from the fields of a block.
pub fn of(fields: &[&Field], warnings: &mut Warnings) -> Exif {
    let value = |tag| find(fields, tag);
    let text = |tag| ascii(value(tag)?);
    let number = |tag| number::first(value(tag)?).and_then(number::json);
    Exif {
        make: text(Tag::Make),
        model: text(Tag::Model),
        lens_make: text(Tag::LensMake),
        lens_model: text(Tag::LensModel),
        serial_number: text(Tag::BodySerialNumber),
        lens_serial_number: text(Tag::LensSerialNumber),
        software: text(Tag::Software),
        artist: text(Tag::Artist),
        copyright: value(Tag::Copyright).and_then(copyright),
        owner: text(Tag::CameraOwnerName),
        image_unique_id: text(Tag::ImageUniqueID),
        taken_at: date_time::of(fields, &date_time::ORIGINAL, warnings),
        digitized_at: date_time::of(fields, &date_time::DIGITIZED, warnings),
        modified_at: date_time::of(fields, &date_time::MODIFIED, warnings),
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
