//! TIFF and `BigTIFF`.

use super::pieces::Pieces;
use super::tables::{self, Aim, Fate, IPTC, Walk, XMP};
use super::{Job, Options, Scope, Stop, exif, photoshop, unsupported};
use crate::metadata::tiff::kind;

pub fn write(job: &mut Job<'_>) -> Result<Pieces, Stop> {
    let aim = match job.options {
        Options {
            scope: Scope::Location, ..
        } => Aim::File,
        Options {
            keep_copyright: true, ..
        } => Aim::Copyright,
        Options { .. } => Aim::Picture,
    };
    let mut walk = Walk::new(job.file, aim, cleaned);
    let blocks = [
        (IPTC, kind::UNDEFINED, job.new.iptc.clone()),
        (XMP, kind::BYTE, job.new.xmp.clone()),
    ];
    walk.new_blocks = blocks.into_iter().filter(|(.., block)| !block.is_empty()).collect();
    walk.chain()?;
    if walk.pages == 0 {
        return unsupported("the file has no picture in full resolution");
    }
    if walk.has_layers {
        job.warnings
            .push("Photoshop's layers are lost, because they can hold other images".to_owned());
    }
    if !walk.new_blocks.is_empty() {
        job.warnings
            .push("the copyright in XMP or IPTC is lost, because the file has no room for it".to_owned());
    }
    Ok(walk.pieces())
}

/// What becomes of a block or a description, without places.
fn cleaned(tag: u16, bytes: &[u8]) -> Fate {
    match tag {
        tables::PHOTOSHOP => Fate::Replaced(photoshop::without_places(bytes)),
        other => exif::cleaned(other, bytes),
    }
}
