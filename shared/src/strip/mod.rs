//! The same picture without its metadata: a list of parts of the source and of new bytes. Pure functions without I/O.
//!
//! Each writer walks a file as the reader of metadata does, copies what is on its list, and leaves everything else out. Coded
//! pictures stay as they are. [`check`] reads the output again.
//!
//! | module | what it holds |
//! |---|---|
//! | [`jpeg`] [`png`] [`webp`] [`gif`] [`tiff`] [`heif`] [`jxl`] | the writer of each container |
//! | [`exif`] [`xmp`] [`iptc`] [`photoshop`] | blocks without places, and blocks of the copyright alone |
//! | [`tables`] | the tables of TIFF and EXIF |
//! | [`embedded`] | JPEGs inside of other files |
//! | [`places`] | names that tell a place |
//! | [`pieces`], [`overlay`] | the output |
//! | [`check`] | what must not be in an output |
//! | [`carry`] | metadata of a source for pictures that were made of it |

mod carry;
mod check;
mod embedded;
mod exif;
mod gif;
mod heif;
mod iptc;
mod jpeg;
mod jxl;
mod overlay;
mod photoshop;
mod pieces;
mod places;
mod png;
mod tables;
mod tiff;
mod webp;
mod xmp;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::metadata::containers::{self, Unread};
use crate::metadata::view::{FileView, Missing};
use crate::metadata::warnings::Warnings;
use crate::metadata::xmp::{Name, Node};
use crate::metadata::{Format, Metadata, Picture, read_whole};
pub use carry::{with_copyright, with_metadata};
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    #[serde(rename = "strip")]
    pub scope: Scope,
    /// With [`Scope::All`]: keep who made the picture, and who may use it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_copyright: bool,
}

/// What is stripped of an image and of its object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    #[serde(flatten)]
    pub options: Options,
    /// The names of the S3 user metadata that stays, without `x-amz-meta-`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_user_metadata: Vec<String>,
}

/// A stripped image, which was not checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stripped {
    pub pieces: Pieces,
    /// What is lost beside metadata.
    pub warnings: Vec<String>,
}

/// The result of a strip, as far as the parts of the file allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Complete(Stripped),
    /// This range of the file must be read first.
    NeedRange(Range<u64>),
}

/// Why a writer stopped.
#[derive(Debug)]
enum Stop {
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
    /// What its headers say.
    image: Picture,
    /// How the picture is to be turned, if it is.
    orientation: Option<u16>,
    rights: Rights,
    /// With [`Scope::All`], all metadata that the output has.
    new: Blocks,
    warnings: Vec<String>,
}

/// Blocks of metadata. They are empty if there are none.
#[derive(Debug, Default)]
struct Blocks {
    exif: Option<Vec<u8>>,
    /// A packet.
    xmp: Vec<u8>,
    iptc: Vec<u8>,
}

impl Blocks {
    fn of(rights: &Rights, orientation: Option<u16>) -> Self {
        Self {
            exif: exif::block(orientation, rights),
            xmp: rights.packet(),
            iptc: rights.iptc.clone(),
        }
    }

    fn is_empty(&self) -> bool {
        self.exif.is_none() && self.xmp.is_empty() && self.iptc.is_empty()
    }
}

/// Who made the picture, and who may use it.
#[derive(Debug, Default)]
struct Rights {
    artist: Option<String>,
    /// Of the photographer and of the editor.
    copyright: Option<String>,
    xmp: BTreeMap<Name, Node>,
    iptc: Vec<u8>,
}

impl Rights {
    /// XMP with the copyright alone. Empty if there is none.
    fn packet(&self) -> Vec<u8> {
        if self.xmp.is_empty() {
            return Vec::new();
        }
        xmp::packet(self.xmp.iter().map(|(name, node)| (name.as_str(), node)), "")
    }
}

/// A stripped image that is in memory, and was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    pub bytes: Bytes,
    /// What is lost beside metadata.
    pub warnings: Vec<String>,
}

/// Why there is no output. Nothing may be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The image cannot be stripped.
    #[error("{0}")]
    Unsupported(String),
    /// The output was read again, and this should be gone. It is an error of ours.
    #[error("the stripped image still has {0}")]
    Left(String),
}

/// Strips an image that is in memory, and checks the output. The output takes the place of the source, unless somebody else
/// holds it.
pub fn strip_whole(source: Bytes, metadata: &Metadata, options: Options) -> Result<Whole, Refused> {
    let Stripped { pieces, warnings } = match strip(&FileView::whole(source.clone()), metadata, options)? {
        Progress::Complete(stripped) => stripped,
        Progress::NeedRange(range) => unreachable!("the file is in memory, but {range:?} is missing"),
    };
    let bytes = pieces.of_owned(source);
    check(metadata, &read_whole(bytes.clone()), options)?;
    Ok(Whole { bytes, warnings })
}

/// Checks what was read of an output.
pub fn check(source: &Metadata, output: &Metadata, options: Options) -> Result<(), Refused> {
    if !check::is_same_picture(source, output) {
        let reason = "the file is damaged, and its picture cannot be told from its metadata";
        return Err(Refused::Unsupported(reason.to_owned()));
    }
    match check::left(source, output, options) {
        None => Ok(()),
        Some(left) => Err(Refused::Left(left)),
    }
}

/// Strips an image whose metadata was read. A large file is best viewed [through windows](FileView::with_windows).
pub fn strip(file: &FileView, metadata: &Metadata, options: Options) -> Result<Progress, Refused> {
    match write(file, metadata, options) {
        Ok(stripped) => Ok(Progress::Complete(stripped)),
        Err(Stop::Missing(Missing::NotRead(range))) => Ok(Progress::NeedRange(range)),
        Err(Stop::Missing(Missing::PastEnd)) => Err(Refused::Unsupported("the file ends too early".to_owned())),
        Err(Stop::Unsupported(reason)) => Err(Refused::Unsupported(reason)),
    }
}

fn write(file: &FileView, metadata: &Metadata, options: Options) -> Result<Stripped, Stop> {
    let rights = if options.keep_copyright && options.scope == Scope::All {
        rights(file, metadata)?
    } else {
        Rights::default()
    };
    let orientation = orientation(metadata);
    let mut job = Job {
        file,
        options,
        image: metadata.image.as_deref().cloned().unwrap_or_default(),
        orientation,
        new: Blocks::of(&rights, orientation),
        rights,
        warnings: Vec::new(),
    };
    let pieces = job.write(metadata.format)?;
    Ok(Stripped {
        pieces,
        warnings: job.warnings,
    })
}

/// How the picture is to be turned, in a format that has no other place for this than EXIF.
fn orientation(metadata: &Metadata) -> Option<u16> {
    if !matches!(metadata.format, Format::Jpeg | Format::Png | Format::Webp) {
        return None;
    }
    let value = metadata.exif.as_ref()?.orientation.as_ref()?.as_u64()?;
    u16::try_from(value).ok().filter(|value| (2..=8).contains(value))
}

/// Who made the picture, and who may use it.
fn rights(file: &FileView, metadata: &Metadata) -> Result<Rights, Stop> {
    let blocks = match containers::walk(file, metadata.format, &mut Warnings::default()) {
        Ok(blocks) => blocks,
        Err(Unread::Missing(Missing::PastEnd)) => return Ok(Rights::default()),
        Err(Unread::Missing(missing)) => return Err(missing.into()),
        Err(Unread::Rest(from)) => return Err(Missing::NotRead(from..file.size()).into()),
    };
    if let Some(range) = blocks.unread.first() {
        return Err(Missing::NotRead(range.clone()).into());
    }
    let found = crate::metadata::xmp::read(&blocks.xmp, &mut Warnings::default());
    let mut properties = found.map(|found| found.properties).unwrap_or_default();
    properties.retain(|name, _| xmp::is_copyright(name));
    let exif = metadata.exif.as_deref();
    Ok(Rights {
        artist: exif.and_then(|exif| exif.artist.clone()),
        copyright: exif.and_then(|exif| exif.copyright.clone()),
        xmp: properties,
        iptc: blocks.iptc.as_deref().map(iptc::copyright).unwrap_or_default(),
    })
}

impl Job<'_> {
    fn is_all(&self) -> bool {
        self.options.scope == Scope::All
    }

    fn write(&mut self, format: Format) -> Result<Pieces, Stop> {
        match format {
            Format::Jpeg => jpeg::write(self),
            Format::Png => png::write(self),
            Format::Webp => webp::write(self),
            Format::Gif => gif::write(self),
            Format::Tiff => tiff::write(self),
            Format::Heif | Format::Avif => heif::write(self),
            Format::Jxl => jxl::write(self),
            Format::Unknown => unsupported("strip needs an image whose format is known"),
            other => unsupported(format!("strip cannot write {other} files")),
        }
    }
}
