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
        TagName::Field(self, number)
    }

    /// The table that a tag in this one points to.
    pub fn child(self, tag: u16) -> Option<Self> {
        match (self, self.tag(tag).known()) {
            (Self::Ifd0, Some(Tag::ExifIFDPointer)) => Some(Self::Exif),
            (Self::Ifd0, Some(Tag::GPSInfoIFDPointer)) => Some(Self::Gps),
            (Self::Exif, Some(Tag::InteropIFDPointer)) => Some(Self::Interop),
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
pub enum TagName {
    Field(Table, u16),
    /// A field of a maker note: its maker and name (`Apple:ContentIdentifier`).
    MakerNote(&'static str),
}

impl TagName {
    /// The tag as `kamadak-exif` names it.
    fn known(self) -> Option<Tag> {
        let Self::Field(table, number) = self else {
            return None;
        };
        let context = match table {
            Table::Ifd0 | Table::Ifd1 => Context::Tiff,
            Table::Exif => Context::Exif,
            Table::Gps => Context::Gps,
            Table::Interop => Context::Interop,
        };
        Some(Tag(context, number))
    }

    #[must_use]
    pub fn is_of(self, table: Table) -> bool {
        matches!(self, Self::Field(own, _) if own == table)
    }

    /// Whether bytes are text in this tag.
    #[must_use]
    pub fn is_text(self) -> bool {
        self.known().is_some_and(|tag| TEXTS.contains(&tag)) || self.is_xp()
    }

    /// Whether the tag holds XMP, IPTC, Photoshop's resources or a colour profile.
    #[must_use]
    pub fn is_block(self) -> bool {
        matches!(self, Self::Field(Table::Ifd0, number) if BLOCKS.contains(&number))
    }

    #[must_use]
    pub fn is_maker_note(self) -> bool {
        self.known() == Some(Tag::MakerNote)
    }

    /// Whether bytes are UTF-16 in this tag.
    #[must_use]
    pub fn is_xp(self) -> bool {
        matches!(self, Self::Field(Table::Ifd0, XP_TITLE..=XP_SUBJECT))
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MakerNote(name) => f.write_str(name),
            Self::Field(table, number) => match self.known().filter(|tag| tag.description().is_some()) {
                Some(tag) => write!(f, "{table}:{tag}"),
                None => write!(f, "{table}:0x{number:04x}"),
            },
        }
    }
}

impl Serialize for TagName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
