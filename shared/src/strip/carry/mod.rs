//! Gives an encoded picture metadata of the image that it was made of.
//!
//! | module | what it holds |
//! |---|---|
//! | [`exif`] | EXIF that is true of the output |

mod exif;

use std::borrow::Cow;

use bytes::Bytes;

use super::jpeg::MAX_BLOCK_BYTES;
use super::{Blocks, Job, Options, Rights, Stop, Whole, rights, xmp};
use crate::metadata::containers::{self, Unread};
use crate::metadata::view::FileView;
use crate::metadata::warnings::Warnings;
use crate::metadata::xmp::{self as packets, Name, Node};
use crate::metadata::{Format, Metadata, Picture, read_whole};
use exif::Target;

/// Adds who made the picture, and who may use it.
#[must_use]
pub fn with_copyright(output: &Bytes, source: &Bytes, metadata: &Metadata) -> Whole {
    let view = FileView::whole(source.clone());
    // What cannot be read has none.
    let rights = rights(&view, metadata).unwrap_or_default();
    added(
        output,
        &read_whole(output.clone()),
        Blocks::of(&rights, None),
        Vec::new(),
    )
}

/// Adds EXIF, XMP and IPTC. What they say of the orientation and of the size becomes true of the output.
#[must_use]
pub fn with_metadata(output: &Bytes, source: &Bytes, metadata: &Metadata) -> Whole {
    let made = read_whole(output.clone());
    let view = FileView::whole(source.clone());
    let mut warnings = Vec::new();
    let blocks = match containers::walk(&view, metadata.format, &mut Warnings::default()) {
        Ok(blocks) => blocks,
        Err(Unread::Missing(_) | Unread::Rest(_)) => {
            warnings.push("the output has no metadata, because that of the image is damaged".to_owned());
            containers::Blocks::default()
        }
    };
    let (width, height) = size(&made);
    let mut target = Target {
        width,
        height,
        has_pages: metadata.format == Format::Tiff,
        thumbnail: thumbnail(&view, metadata),
    };
    let mut exif = blocks.exif.as_ref().and_then(|block| exif::block(block, &target));
    let is_too_long = |exif: &Vec<u8>| made.format == Format::Jpeg && exif.len() > MAX_BLOCK_BYTES;
    if exif.as_ref().is_some_and(is_too_long) && target.thumbnail.take().is_some() {
        exif = blocks.exif.as_ref().and_then(|block| exif::block(block, &target));
        warnings.push("the output has no thumbnail, because a segment has no room for it".to_owned());
    }
    let new = Blocks {
        exif,
        xmp: packet(&blocks.xmp, width, height),
        iptc: blocks.iptc.map(Cow::into_owned).unwrap_or_default(),
    };
    added(output, &made, new, warnings)
}

fn added(output: &Bytes, made: &Metadata, new: Blocks, mut warnings: Vec<String>) -> Whole {
    let unchanged = |warnings| Whole {
        bytes: output.clone(),
        warnings,
    };
    if new.is_empty() {
        return unchanged(warnings);
    }
    if made.format == Format::Avif {
        warnings.push("the output has no metadata, because that of AVIF is not written".to_owned());
        return unchanged(warnings);
    }
    let file = FileView::whole(output.clone());
    let mut job = Job {
        file: &file,
        options: Options::default(),
        image: made.image.as_deref().cloned().unwrap_or_default(),
        orientation: None,
        rights: Rights::default(),
        new,
        warnings,
    };
    match job.write(made.format) {
        Ok(pieces) => Whole {
            bytes: pieces.of(output).into(),
            warnings: job.warnings,
        },
        Err(stop) => {
            let reason = match stop {
                Stop::Unsupported(reason) => reason,
                Stop::Missing(_) => "the file ends too early".to_owned(),
            };
            job.warnings.push(format!("the output has no metadata: {reason}"));
            unchanged(job.warnings)
        }
    }
}

fn size(made: &Metadata) -> (u32, u32) {
    let Picture { width, height, .. } = made.image.as_deref().cloned().unwrap_or_default();
    (width.unwrap_or(0), height.unwrap_or(0))
}

/// The thumbnail of a source that is upright. That of another one would lie on its side.
fn thumbnail<'a>(view: &'a FileView, metadata: &Metadata) -> Option<&'a [u8]> {
    let orientation = metadata.exif.as_ref()?.orientation.as_ref();
    let is_upright = orientation.is_none_or(|value| !value.as_u64().is_some_and(|value| (2..=8).contains(&value)));
    if !is_upright || matches!(metadata.format, Format::Tiff | Format::Heif) {
        return None;
    }
    let span = metadata.image.as_ref()?.thumbnail?;
    view.get(span.offset, span.length).ok()
}

/// One packet for an output of this size. Empty if there is none, or nothing in it can be read.
fn packet(packets: &[Cow<'_, [u8]>], width: u32, height: u32) -> Vec<u8> {
    let values = [
        ("tiff:Orientation", "1".to_owned()),
        ("tiff:ImageWidth", width.to_string()),
        ("tiff:ImageLength", height.to_string()),
        ("exif:PixelXDimension", width.to_string()),
        ("exif:PixelYDimension", height.to_string()),
    ];
    if let [packet] = packets
        && let Some(packet) = xmp::corrected(packet, is_untrue, &values)
    {
        return packet;
    }
    let found = packets::read(packets, &mut Warnings::default()).unwrap_or_default();
    let mut properties = found.properties;
    properties.retain(|name, _| !is_untrue(name));
    for (name, value) in values {
        properties
            .entry(Name::from(name))
            .and_modify(|node| *node = Node::Text(value));
    }
    if properties.is_empty() {
        return Vec::new();
    }
    xmp::packet(properties.iter().map(|(name, node)| (name.as_str(), node)), "")
}

/// Whether a property of XMP is about what the output does not have: parts of the source, a gain map, or a second packet.
fn is_untrue(name: &str) -> bool {
    xmp::is_of_parts(name) || name.starts_with("hdrgm:") || name.starts_with("xmpNote:")
}
