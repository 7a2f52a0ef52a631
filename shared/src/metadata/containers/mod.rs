//! Finds the EXIF block in each container.

mod heif;
mod iso_box;
mod jpeg;
mod png;
mod skim;
mod webp;

use super::format::Format;
use super::tiff::block::Block;
use super::view::{FileView, Missing};
use super::warnings::Warnings;
pub use skim::Skim;

/// What must be read before a search can go on.
#[derive(Debug)]
pub enum Unread {
    Missing(Missing),
    /// The rest of the file, from this byte on. Only a little of it must be kept.
    Rest(u64),
}

impl From<Missing> for Unread {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

/// The EXIF block of a file. `None` if there is none.
pub fn find_exif<'a>(file: &'a FileView, format: Format, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Unread> {
    Ok(match format {
        Format::Jpeg => jpeg::find(file, warnings)?,
        Format::Tiff => Some(Block::at(file, 0..file.size(), warnings)),
        Format::Heif | Format::Avif => heif::find(file, warnings)?,
        Format::Png => png::find(file, warnings)?,
        Format::Webp => webp::find(file, warnings)?,
        Format::Unknown => None,
    })
}
