use std::borrow::Cow;
use std::ops::Range;

use super::format::Format;
use super::picture::Picture;
use super::tiff::block::Block;
use super::tiff::note::MakerNote;

/// What a container holds: blocks of metadata, and facts of the picture.
#[derive(Debug, Default)]
pub struct Blocks<'a> {
    pub exif: Option<Block<'a>>,
    /// The EXIF of an embedded JPEG, which has what the main one lacks.
    pub embedded_exif: Option<Block<'a>>,
    /// A maker note that lies outside of the EXIF.
    pub maker_note: Option<MakerNote<'a>>,
    /// The packets of XMP. The main one comes first.
    pub xmp: Vec<Cow<'a, [u8]>>,
    pub iptc: Option<Cow<'a, [u8]>>,
    /// What Photoshop says is the MD5 of the IPTC block.
    pub iptc_digest: Option<[u8; 16]>,
    /// A colour profile, or its front.
    pub icc: Option<Cow<'a, [u8]>>,
    pub picture: Picture,
    /// What must be read before all blocks can be named.
    pub unread: Vec<Range<u64>>,
    /// What the content says of the format, if it is not what the front seemed to say.
    pub format: Option<Format>,
}
