//! The same picture without its metadata: a list of parts of the source and of new bytes. Pure functions without I/O.
//!
//! Each writer walks a file as the reader of metadata does, copies what is on its list, and leaves everything else out. Coded
//! pictures stay as they are. [`check`] reads the output again.
//!
//! | module | what it holds |
//! |---|---|
//! | [`jpeg`] [`png`] [`webp`] [`gif`] [`tiff`] [`heif`] [`jxl`] | the writer of each container |
//! | [`exif`] [`xmp`] [`iptc`] [`photoshop`] | blocks without places, and blocks of the copyright alone |
//! | [`places`] | names that tell a place |
//! | [`pieces`] | the output |
//! | [`check`] | what must not be in an output |

mod check;
mod exif;
mod gif;
mod heif;
mod iptc;
mod jpeg;
mod jxl;
mod photoshop;
mod pieces;
mod places;
mod png;
mod tiff;
mod webp;
mod xmp;

use serde::{Deserialize, Serialize};

use crate::metadata::containers::{self, Unread};
use crate::metadata::view::{FileView, Missing};
use crate::metadata::warnings::Warnings;
use crate::metadata::{Format, Metadata};
pub use check::check;
pub use pieces::{Piece, Pieces};

/// What is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All but what is needed to show the picture.
    #[default]
    All,
    /// Where it was taken, and what reveals this.
    Location,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub scope: Scope,
    /// With [`Scope::All`]: keep who made the picture, and who may use it.
    pub keep_copyright: bool,
}

/// A stripped image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stripped {
    pub pieces: Pieces,
    /// What is lost beside metadata.
    pub warnings: Vec<String>,
}

/// Why an image was not stripped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// This must be read first.
    Missing(Missing),
    /// This cannot be done, and why.
    Unsupported(String),
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

/// An image that cannot be stripped, and why.
fn unsupported<T>(reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Unsupported(reason.into()))
}

/// The work on one image.
struct Job<'a> {
    file: &'a FileView,
    options: Options,
    /// How the picture is to be turned, if it is.
    orientation: Option<u16>,
    copyright: Copyright,
    warnings: Vec<String>,
}

/// Blocks that hold the copyright alone. They are empty if there is nothing to hold.
#[derive(Debug, Default)]
struct Copyright {
    artist: Option<String>,
    /// Of the photographer and of the editor.
    copyright: Option<String>,
    xmp: Vec<u8>,
    iptc: Vec<u8>,
}

/// Strips an image whose metadata was read.
pub fn strip(file: &FileView, metadata: &Metadata, options: Options) -> Result<Stripped, Stop> {
    let orientation = metadata.exif.as_ref().and_then(|exif| exif.orientation.as_ref()?.as_u64());
    let mut job = Job {
        file,
        options,
        orientation: orientation
            .and_then(|value| u16::try_from(value).ok())
            .filter(|value| (2..=8).contains(value)),
        copyright: if options.keep_copyright && options.scope == Scope::All {
            copyright(file, metadata)?
        } else {
            Copyright::default()
        },
        warnings: Vec::new(),
    };
    let pieces = match metadata.format {
        Format::Jpeg => jpeg::write(&mut job)?,
        Format::Png => png::write(&mut job)?,
        Format::Webp => webp::write(&mut job)?,
        Format::Gif => gif::write(&mut job)?,
        Format::Tiff => tiff::write(&mut job)?,
        Format::Heif | Format::Avif => heif::write(&mut job)?,
        Format::Jxl => jxl::write(&mut job)?,
        Format::Unknown => return unsupported("strip needs an image whose format is known"),
        other => return unsupported(format!("strip cannot write {other} files")),
    };
    Ok(Stripped {
        pieces,
        warnings: job.warnings,
    })
}

/// Who made the picture, and who may use it.
fn copyright(file: &FileView, metadata: &Metadata) -> Result<Copyright, Stop> {
    let blocks = match containers::walk(file, metadata.format, &mut Warnings::default()) {
        Ok(blocks) => blocks,
        Err(Unread::Missing(Missing::PastEnd)) => return Ok(Copyright::default()),
        Err(Unread::Missing(missing)) => return Err(missing.into()),
        Err(Unread::Rest(from)) => return Err(Missing::NotRead(from..file.size()).into()),
    };
    let found = crate::metadata::xmp::read(&blocks.xmp, &mut Warnings::default());
    let properties = found.map(|found| found.properties).unwrap_or_default();
    let kept: Vec<_> = properties.iter().filter(|(name, _)| xmp::is_copyright(name)).collect();
    let exif = metadata.exif.as_deref();
    Ok(Copyright {
        artist: exif.and_then(|exif| exif.artist.clone()),
        copyright: exif.and_then(|exif| exif.copyright.clone()),
        xmp: if kept.is_empty() {
            Vec::new()
        } else {
            xmp::packet(kept.into_iter().map(|(name, node)| (name.as_str(), node)))
        },
        iptc: blocks.iptc.as_deref().map(iptc::copyright).unwrap_or_default(),
    })
}

impl Job<'_> {
    fn is_all(&self) -> bool {
        self.options.scope == Scope::All
    }

    /// The only EXIF that an output of [`Scope::All`] has: how the picture is turned, and the copyright.
    fn exif(&self) -> Option<Vec<u8>> {
        exif::block(self.orientation, &self.copyright)
    }
}
