use std::fmt;

use exif::{Context, Tag};
use serde::{Serialize, Serializer};

/// A table of fields in an EXIF block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Ifd0,
    Exif,
    Gps,
    Interop,
    /// The table of the thumbnail, or of a TIFF's second page.
    Ifd1,
}

/// Tags of EXIF whose bytes are a text that starts with a character code.
const TEXTS: [Tag; 3] = [Tag::UserComment, Tag::GPSProcessingMethod, Tag::GPSAreaInformation];
/// The first and the last of the `XP*` tags of Windows, whose bytes are a text in UTF-16.
const XP_TITLE: u16 = 0x9C9B;
const XP_SUBJECT: u16 = 0x9C9F;

/// Tags of a TIFF file that hold blocks of metadata: XMP, IPTC, Photoshop's resources, ICC profile.
const BLOCKS: [u16; 4] = [0x02BC, 0x83BB, 0x8649, 0x8773];

impl Table {
    /// The number of tables.
    pub const COUNT: usize = 5;

    pub fn of(context: Context, ifd: u16) -> Self {
        match context {
            Context::Exif => Self::Exif,
            Context::Gps => Self::Gps,
            Context::Interop => Self::Interop,
            _ if ifd == 0 => Self::Ifd0,
            _ => Self::Ifd1,
        }
    }

    /// The name of a tag in this table.
    pub fn tag(self, number: u16) -> TagName {
        TagName { table: self, number }
    }

    /// The table that a tag in this one points to.
    pub fn child(self, tag: u16) -> Option<Self> {
        match (self, self.tag(tag).known()) {
            (Self::Ifd0, Tag::ExifIFDPointer) => Some(Self::Exif),
            (Self::Ifd0, Tag::GPSInfoIFDPointer) => Some(Self::Gps),
            (Self::Exif, Tag::InteropIFDPointer) => Some(Self::Interop),
            _ => None,
        }
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

/// The name of a tag. As text, it is the table and the tag's name there (`ExifIFD:LensModel`), or the number of an
/// unknown tag (`IFD0:0xc4a5`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagName {
    table: Table,
    number: u16,
}

impl TagName {
    fn known(self) -> Tag {
        let context = match self.table {
            Table::Ifd0 | Table::Ifd1 => Context::Tiff,
            Table::Exif => Context::Exif,
            Table::Gps => Context::Gps,
            Table::Interop => Context::Interop,
        };
        Tag(context, self.number)
    }

    #[must_use]
    pub fn is_of(self, table: Table) -> bool {
        self.table == table
    }

    /// Whether bytes are text in this tag.
    #[must_use]
    pub fn is_text(self) -> bool {
        TEXTS.contains(&self.known()) || self.is_xp()
    }

    /// Whether the tag holds XMP, IPTC, Photoshop's resources or a colour profile.
    #[must_use]
    pub fn is_block(self) -> bool {
        self.table == Table::Ifd0 && BLOCKS.contains(&self.number)
    }

    /// Whether bytes are UTF-16 in this tag.
    #[must_use]
    pub fn is_xp(self) -> bool {
        self.table == Table::Ifd0 && (XP_TITLE..=XP_SUBJECT).contains(&self.number)
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = self.known();
        match tag.description() {
            Some(_) => write!(f, "{}:{tag}", self.table),
            None => write!(f, "{}:0x{:04x}", self.table, self.number),
        }
    }
}

impl Serialize for TagName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
