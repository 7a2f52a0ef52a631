//! JPEGs inside of other files: thumbnails, and strips of TIFF.

use std::ops::Range;

use bytes::Bytes;

use crate::metadata::containers::jpeg::marker::{APP0, APP13, APP14, APP15, COM, EOI, Markers, SOS};
use crate::metadata::view::{FileView, Missing};

/// In a segment of its own.
const ADOBE_CM: &[u8] = b"Adobe_CM";

/// Whether a JPEG in memory holds anything but a picture.
pub fn has_metadata(jpeg: &[u8]) -> bool {
    let file = FileView::whole(Bytes::copy_from_slice(jpeg));
    has_metadata_in(&file, 0..file.size()).unwrap_or(false)
}

/// Whether the JPEG in this range of a file holds anything but a picture. What ends before its picture holds none either.
pub fn has_metadata_in(file: &FileView, within: Range<u64>) -> Result<bool, Missing> {
    match found_metadata(file, &within) {
        Err(Missing::PastEnd) => Ok(false),
        found => found,
    }
}

fn found_metadata(file: &FileView, within: &Range<u64>) -> Result<bool, Missing> {
    let mut markers = Markers::new(file, within.start.saturating_add(2));
    while let Some(marker) = markers.next()? {
        if marker.start + 2 > within.end {
            return Ok(false);
        }
        match marker.code {
            SOS | EOI => return Ok(false),
            _ if marker.is_alone() => {}
            APP0 | APP14 => {
                markers.content(marker)?;
            }
            // How Photoshop marks its thumbnails.
            APP13 => {
                let content = markers.content(marker)?;
                if file.get(content.start, (content.end - content.start).min(8))? != ADOBE_CM {
                    return Ok(true);
                }
            }
            APP0..=APP15 | COM => return Ok(true),
            _ => {
                markers.content(marker)?;
            }
        }
    }
    Ok(false)
}
