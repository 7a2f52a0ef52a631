use std::fmt;

use exif::{Context, Tag};

/// A table of fields in an EXIF block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Ifd0,
    Exif,
    Gps,
    Interop,
    /// Of the thumbnail, or of a TIFF's second page.
    Ifd1,
}

/// Texts that do not say that they are: the `XP*` tags of Windows are rows of bytes, and three tags of
/// EXIF start with a character code.
const TEXTS: [Tag; 3] = [Tag::UserComment, Tag::GPSProcessingMethod, Tag::GPSAreaInformation];
const XP_TITLE: u16 = 0x9C9B;
const XP_SUBJECT: u16 = 0x9C9F;

impl Table {
    pub const ALL: [Self; 5] = [Self::Ifd0, Self::Exif, Self::Gps, Self::Interop, Self::Ifd1];

    pub fn of(context: Context, ifd: u16) -> Self {
        match context {
            Context::Exif => Self::Exif,
            Context::Gps => Self::Gps,
            Context::Interop => Self::Interop,
            _ if ifd == 0 => Self::Ifd0,
            _ => Self::Ifd1,
        }
    }

    fn tag(self, number: u16) -> Tag {
        let context = match self {
            Self::Ifd0 | Self::Ifd1 => Context::Tiff,
            Self::Exif => Context::Exif,
            Self::Gps => Context::Gps,
            Self::Interop => Context::Interop,
        };
        Tag(context, number)
    }

    /// Group and name, as ExifTool writes them, or the number of an unknown tag.
    pub fn tag_name(self, number: u16) -> String {
        let tag = self.tag(number);
        match tag.description() {
            Some(_) => format!("{self}:{tag}"),
            None => format!("{self}:0x{number:04x}"),
        }
    }

    /// Whether a row of bytes is text here.
    pub fn is_text(self, number: u16) -> bool {
        TEXTS.contains(&self.tag(number)) || self.is_xp(number)
    }

    /// Whether it is UTF-16 in a row of bytes.
    pub fn is_xp(self, number: u16) -> bool {
        self == Self::Ifd0 && (XP_TITLE..=XP_SUBJECT).contains(&number)
    }

    /// The tables that fields of this one point to.
    pub fn children(self) -> &'static [Self] {
        match self {
            Self::Ifd0 => &[Self::Exif, Self::Gps],
            Self::Exif => &[Self::Interop],
            _ => &[],
        }
    }

    pub fn child(self, tag: u16) -> Option<Self> {
        let mut children = self.children().iter().copied();
        children.find(|child| child.pointer() == Some(tag))
    }

    /// The tag that points to this table.
    pub fn pointer(self) -> Option<u16> {
        Some(match self {
            Self::Exif => Tag::ExifIFDPointer.number(),
            Self::Gps => Tag::GPSInfoIFDPointer.number(),
            Self::Interop => Tag::InteropIFDPointer.number(),
            Self::Ifd0 | Self::Ifd1 => return None,
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ifd0 => "IFD0",
            Self::Exif => "ExifIFD",
            Self::Gps => "GPS",
            Self::Interop => "InteropIFD",
            Self::Ifd1 => "IFD1",
        })
    }
}
