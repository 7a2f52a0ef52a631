//! PSD and PSB: the header, and Photoshop's resources. Source: Adobe Photoshop File Formats Specification.

use super::photoshop;
use crate::metadata::blocks::Blocks;
use crate::metadata::picture::Picture;
use crate::metadata::view::{FileView, Missing};
use crate::metadata::warnings::Warnings;

/// The header, before the colour mode data.
const HEADER_BYTES: u64 = 26;

/// More resources are not read. Large ones hold other pictures.
const MAX_RESOURCES_BYTES: u64 = 4 * 1024 * 1024;

pub fn walk<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let mut blocks = Blocks::default();
    let searched = parts(file, &mut blocks, warnings);
    warnings.unless_cut(searched)?;
    Ok(blocks)
}

fn parts(file: &FileView, blocks: &mut Blocks<'_>, warnings: &mut Warnings) -> Result<(), Missing> {
    let [h0, h1, h2, h3, w0, w1, w2, w3, d0, d1] = file.array(14)?;
    let side = |bytes| u32::from_be_bytes(bytes);
    blocks.picture = Picture {
        bit_depth: Some(u16::from_be_bytes([d0, d1])),
        ..Picture::sized(side([w0, w1, w2, w3]), side([h0, h1, h2, h3]))
    };
    let colours = u32::from_be_bytes(file.array(HEADER_BYTES)?);
    let at = HEADER_BYTES + 4 + u64::from(colours);
    let length = u64::from(u32::from_be_bytes(file.array(at)?));
    if length > MAX_RESOURCES_BYTES {
        warnings.omit(format!("Photoshop resources: {length} bytes"));
        return Ok(());
    }
    let start = at + 4;
    let resources = file.get(start, length.min(file.size().saturating_sub(start)))?;
    photoshop::add(resources, blocks, warnings);
    Ok(())
}
