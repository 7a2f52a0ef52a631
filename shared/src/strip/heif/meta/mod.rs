//! The box that describes items.
//!
//! | module | what it holds |
//! |---|---|
//! | [`read`] | from its bytes to lists |
//! | [`write`] | and back |

mod read;
mod write;

use std::ops::Range;

/// The box that describes items. What is removed from it is filled up, so that it keeps its length.
#[derive(Default)]
pub struct Meta<'a> {
    /// Other boxes that stay, whole: their types and contents.
    boxes: Vec<([u8; 4], Vec<u8>)>,
    pub primary: u32,
    pub items: Vec<Item<'a>>,
    items_version: u8,
    pub links: Vec<Link>,
    links_version: u8,
    places: Places,
    pub properties: Vec<Property>,
    pub associations: Vec<Association>,
    associations_head: [u8; 4],
    pub groups: Vec<Group>,
    /// The bytes of items in this box, and where they lie in the file.
    pub data: Option<(Range<u64>, Vec<u8>)>,
}

/// An item: a picture, or a block of metadata.
pub struct Item<'a> {
    pub id: u32,
    pub kind: [u8; 4],
    pub media_type: &'a [u8],
    version: u8,
    flags: [u8; 3],
    /// The name, and what follows it.
    pub names: Vec<u8>,
    pub method: u8,
    pub data_reference: u64,
    base: u64,
    /// Index, offset, length.
    extents: Vec<(u64, u64, u64)>,
}

/// A reference between items.
pub struct Link {
    pub kind: [u8; 4],
    pub from: u32,
    pub to: Vec<u32>,
}

/// A property of items. Its number counts from 1.
pub struct Property {
    pub kind: [u8; 4],
    pub body: Vec<u8>,
}

/// The properties of an item: their numbers, with a bit for essential ones.
pub struct Association {
    pub item: u32,
    pub properties: Vec<(bool, usize)>,
}

/// Items that belong together.
pub struct Group {
    kind: [u8; 4],
    head: Vec<u8>,
    pub items: Vec<u32>,
    rest: Vec<u8>,
}

/// The widths of the numbers in `iloc`.
#[derive(Default)]
struct Places {
    version: u8,
    offset: usize,
    length: usize,
    base: usize,
    index: usize,
}

impl<'a> Meta<'a> {
    pub fn item(&self, id: u32) -> Option<&Item<'a>> {
        self.items.iter().find(|item| item.id == id)
    }

    /// Where the bytes of an item lie in the file. `None` if the file does not say it, or in a way that is not known.
    pub fn place(&self, item: &Item<'_>) -> Option<Vec<Range<u64>>> {
        let within = match item.method {
            0 if item.data_reference == 0 => 0..u64::MAX,
            1 => self.data.as_ref()?.0.clone(),
            _ => return None,
        };
        let ranges = item.extents.iter().map(|(_, offset, length)| {
            let start = within.start.checked_add(item.base)?.checked_add(*offset)?;
            let end = start.checked_add(*length)?;
            (end <= within.end).then_some(start..end)
        });
        ranges.collect()
    }

    /// Says that an item lies at another place of the file. `None` if its numbers have no room for this.
    pub fn move_to(&mut self, id: u32, place: &Range<u64>) -> Option<()> {
        let fits = |value: u64, width: usize| width >= 8 || width > 0 && value < 1 << (8 * width);
        let length = place.end - place.start;
        if !fits(place.start, self.places.offset) || !fits(length, self.places.length) {
            return None;
        }
        let item = self.items.iter_mut().find(|item| item.id == id)?;
        (item.method, item.base, item.extents) = (0, 0, vec![(0, place.start, length)]);
        Some(())
    }

    fn link_width(&self) -> usize {
        if self.links_version == 0 { 2 } else { 4 }
    }

    /// Removes the text of the handler.
    pub fn clear_handler(&mut self) {
        for (kind, body) in &mut self.boxes {
            if kind == b"hdlr" {
                // Version, a reserved number, the type, and three more reserved ones come before the name.
                body.truncate(24);
                body.push(0);
            }
        }
    }
}
