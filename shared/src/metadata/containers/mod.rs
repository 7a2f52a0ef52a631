//! Walks each container, and names the blocks in it.

mod bmp;
mod cr3;
pub mod gif;
pub mod heif;
pub mod iso_box;
mod item;
mod jp2;
pub mod jpeg;
pub mod jxl;
mod mini;
pub mod photoshop;
pub mod png;
mod psd;
mod raw;
mod skim;
pub mod tiff;
pub mod unpack;
pub mod webp;

pub use super::blocks::Blocks;
use super::format::Format;
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

/// The blocks of a file, and facts of its picture.
pub fn walk<'a>(file: &'a FileView, format: Format, warnings: &mut Warnings) -> Result<Blocks<'a>, Unread> {
    Ok(match format {
        Format::Jpeg => jpeg::walk(file, 0..file.size(), warnings)?,
        Format::Tiff
        | Format::Dng
        | Format::Cr2
        | Format::Nef
        | Format::Arw
        | Format::Orf
        | Format::Rw2
        | Format::Pef
        | Format::Srw
        | Format::Iiq
        | Format::Kdc
        | Format::Jxr => tiff::walk(file, 0..file.size(), format, warnings)?,
        Format::Heif | Format::Avif => heif::walk(file, warnings)?,
        Format::Png => png::walk(file, warnings)?,
        Format::Webp => webp::walk(file, warnings)?,
        Format::Jxl => jxl::walk(file, warnings)?,
        Format::Jp2 => jp2::walk(file, warnings)?,
        Format::Gif => gif::walk(file, warnings)?,
        Format::Bmp => bmp::walk(file)?,
        Format::Psd => psd::walk(file, warnings)?,
        Format::Cr3 => cr3::walk(file, warnings)?,
        Format::Raf => raw::raf(file, warnings)?,
        Format::Mrw => raw::mrw(file, warnings)?,
        Format::X3f => raw::x3f(file, warnings)?,
        // Canon's older files have no EXIF.
        Format::Crw | Format::Unknown => Blocks::default(),
    })
}
