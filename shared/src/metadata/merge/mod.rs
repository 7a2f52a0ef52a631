//! What EXIF, XMP and IPTC say together.
//!
//! | module | what it holds |
//! |---|---|
//! | [`description`] | title, caption, keywords, creators, places, people |
//! | [`boilerplate`] | captions that cameras and programs write by themselves |
//! | [`taken`] | when the picture was taken |

mod boilerplate;
pub mod description;
pub mod taken;

use super::Exif;
use super::exif::Tags;
use super::iptc::Iptc;
use super::tiff::table::Table;
use super::xmp::Xmp;

/// The blocks of a file, as far as it has them.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub exif: Option<&'a Exif>,
    pub tags: &'a Tags,
    pub xmp: Option<&'a Xmp>,
    pub iptc: Option<&'a Iptc>,
    /// Whether IPTC was edited after XMP: Photoshop's digest of it is another one.
    pub iptc_is_newer: bool,
}

impl<'a> Sources<'a> {
    /// The text of a tag of the main table, or of the EXIF table.
    fn tag(&self, table: Table, number: u16) -> Option<&'a str> {
        self.tags.get(&table.tag(number))?.as_str()
    }

    fn iptc(&self, name: &str) -> Option<&'a str> {
        self.iptc?.get(name)?.as_str()
    }

    fn xmp(&self, name: &str) -> Option<&'a str> {
        self.xmp?.properties.get(name)?.text()
    }
}
