//! JPEGs inside of other files: thumbnails, and strips of TIFF.

use bytes::Bytes;

use crate::metadata::containers::jpeg::marker::{APP0, APP13, APP14, APP15, COM, EOI, Markers, SOS};
use crate::metadata::view::{FileView, Missing};

/// In a segment of its own.
const ADOBE_CM: &[u8] = b"Adobe_CM";

/// Whether a JPEG holds anything but a picture.
pub fn has_metadata(jpeg: &[u8]) -> bool {
    let file = FileView::whole(Bytes::copy_from_slice(jpeg));
    // What ends before its picture holds none either.
    found_metadata(&file).unwrap_or(false)
}

fn found_metadata(file: &FileView) -> Result<bool, Missing> {
    let mut markers = Markers::new(file, 2);
    while let Some(marker) = markers.next()? {
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
