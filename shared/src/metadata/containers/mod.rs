//! Finds the EXIF block in each container.

mod heif;
mod iso_box;
mod jpeg;
mod png;
mod webp;

use super::format::Format;
use super::tiff::block::Block;
use super::view::{FileView, Missing};
use super::warnings::Warnings;

/// The EXIF block of a file. `None` if there is none.
pub fn find_exif<'a>(
    file: &'a FileView,
    format: Format,
    warnings: &mut Warnings,
) -> Result<Option<Block<'a>>, Missing> {
    match format {
        Format::Jpeg => jpeg::find(file, warnings),
        Format::Tiff => Ok(Some(Block::at(file, 0..file.size(), warnings))),
        Format::Heif | Format::Avif => heif::find(file, warnings),
        Format::Png => png::find(file, warnings),
        Format::Webp => webp::find(file, warnings),
        Format::Unknown => Ok(None),
    }
}
