//! The items of a HEIF file, and what describes them. Nothing of the file is copied until an item's bytes are asked for.
//!
//! Sources: ISO/IEC 14496-12, 4.2 and 8.11, for boxes and items; ISO/IEC 23008-12, 6 and 9, for images.

use std::collections::BTreeMap;

use super::reader::Reader;
use crate::error::Error;

/// The most items, properties and links. A picture of 268 million pixels in tiles of 256 × 256 has 4,096 items.
const MAX_ENTRIES: usize = 16_384;

/// The most pieces of an item.
const MAX_PIECES: u64 = 64;

pub type Kind = [u8; 4];

/// A file, read up to the description of its items.
pub struct Container<'a> {
    file: &'a [u8],
    /// The item to be shown.
    pub primary: u32,
    kinds: BTreeMap<u32, Kind>,
    places: BTreeMap<u32, Place>,
    properties: Vec<(Kind, &'a [u8])>,
    /// The numbers of each item's properties, which count from 1.
    associations: BTreeMap<u32, Vec<u16>>,
    links: Vec<Link>,
    /// The content of the `idat` box.
    data: &'a [u8],
}

/// The pieces of an item: where each starts, and its length.
struct Place {
    is_in_data: bool,
    pieces: Vec<(usize, usize)>,
}

struct Link {
    kind: Kind,
    from: u32,
    to: Vec<u32>,
}

impl<'a> Container<'a> {
    pub fn read(file: &'a [u8]) -> Result<Self, Error> {
        let meta = Reader(file).boxes().find(|(kind, _)| *kind == b"meta");
        let (_, mut meta) = meta.ok_or_else(|| Error::Unsupported("a HEIF file without a still picture".to_owned()))?;
        meta.full_box();
        let mut container = Self {
            file,
            primary: 0,
            kinds: BTreeMap::new(),
            places: BTreeMap::new(),
            properties: Vec::new(),
            associations: BTreeMap::new(),
            links: Vec::new(),
            data: &[],
        };
        for (kind, body) in meta.boxes() {
            container.read_box(*kind, body).ok_or_else(|| {
                let kind = String::from_utf8_lossy(kind);
                Error::Damaged(format!("its box {kind:?} is damaged, or too large"))
            })?;
        }
        Ok(container)
    }

    fn read_box(&mut self, kind: Kind, mut body: Reader<'a>) -> Option<()> {
        match &kind {
            b"pitm" => {
                let width = if body.full_box()?.0 == 0 { 2 } else { 4 };
                self.primary = body.id(width)?;
            }
            b"iinf" => {
                let width = if body.full_box()?.0 == 0 { 2 } else { 4 };
                body.number(width)?;
                self.kinds = body
                    .boxes()
                    .filter(|(kind, _)| *kind == b"infe")
                    .filter_map(|(_, entry)| kind_of_item(entry))
                    .take(MAX_ENTRIES)
                    .collect();
            }
            b"iloc" => self.places = places(body)?,
            b"iprp" => {
                for (kind, body) in body.boxes() {
                    match kind {
                        b"ipco" => {
                            let properties = body.boxes().map(|(kind, body)| (*kind, body.0));
                            self.properties.extend(properties.take(MAX_ENTRIES));
                        }
                        b"ipma" => self.associations.extend(associations(body)?),
                        _ => {}
                    }
                }
            }
            b"iref" => self.links = links(body)?,
            b"idat" => self.data = body.0,
            _ => {}
        }
        Some(())
    }

    /// The type of an item.
    pub fn kind(&self, item: u32) -> Option<Kind> {
        self.kinds.get(&item).copied()
    }

    /// The properties of an item, in their order.
    pub fn properties(&self, item: u32) -> impl Iterator<Item = (Kind, &'a [u8])> {
        let numbers = self.associations.get(&item).into_iter().flatten();
        numbers.filter_map(|&number| self.properties.get(usize::from(number).checked_sub(1)?).copied())
    }

    pub fn property(&self, item: u32, wanted: Kind) -> Option<&'a [u8]> {
        self.properties(item)
            .find_map(|(kind, body)| (kind == wanted).then_some(body))
    }

    /// The items to which an item is linked by links of a type.
    pub fn linked(&self, wanted: Kind, item: u32) -> &[u32] {
        let link = self.links.iter().find(|link| link.kind == wanted && link.from == item);
        link.map_or(&[], |link| &link.to)
    }

    /// The items with a link of a type to an item.
    pub fn linking(&self, wanted: Kind, item: u32) -> impl Iterator<Item = u32> {
        let links = self.links.iter();
        links.filter_map(move |link| (link.kind == wanted && link.to.contains(&item)).then_some(link.from))
    }

    /// The length of an item in bytes. It is at most that of the file.
    pub fn length(&self, item: u32) -> Result<usize, Error> {
        let missing = || Error::Damaged(format!("the file does not say where its item {item} is"));
        let place = self.places.get(&item).ok_or_else(missing)?;
        let lengths = place.pieces.iter().map(|&(_, length)| length);
        let length = lengths.fold(0, usize::saturating_add);
        if length > self.file.len() {
            return Err(Error::Damaged(format!("its item {item} is longer than the file")));
        }
        Ok(length)
    }

    /// The bytes of an item.
    pub fn bytes(&self, item: u32) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(self.length(item)?);
        if let Some(place) = self.places.get(&item) {
            let source = if place.is_in_data { self.data } else { self.file };
            for &(start, length) in &place.pieces {
                let piece = source.get(start..).and_then(|rest| rest.get(..length));
                let cut_off = || Error::Damaged(format!("its item {item} lies outside of the file"));
                bytes.extend_from_slice(piece.ok_or_else(cut_off)?);
            }
        }
        Ok(bytes)
    }
}

/// The number and the type of an item (8.11.6). Versions 0 and 1 have no types.
fn kind_of_item(mut entry: Reader) -> Option<(u32, Kind)> {
    let width = match entry.full_box()?.0 {
        2 => 2,
        3 => 4,
        _ => return None,
    };
    let item = entry.id(width)?;
    entry.number(2)?;
    Some((item, *entry.take(4)?.first_chunk()?))
}

/// Where each item is (8.11.3).
fn places(mut body: Reader) -> Option<BTreeMap<u32, Place>> {
    let (version, _) = body.full_box()?;
    let sizes = body.number(2)?;
    let size = |shift: u32| (sizes >> shift & 15) as usize;
    let (offsets, lengths, bases) = (size(12), size(8), size(4));
    let indices = if version == 0 { 0 } else { size(0) };
    let width = if version < 2 { 2 } else { 4 };
    let mut places = BTreeMap::new();
    let count = body.number(width)?;
    if count > MAX_ENTRIES as u64 {
        return None;
    }
    for _ in 0..count {
        let item = body.id(width)?;
        let method = if version == 0 { 0 } else { body.number(2)? & 15 };
        body.number(2)?;
        let base = body.number(bases)?;
        let pieces = body.number(2)?;
        if pieces > MAX_PIECES {
            return None;
        }
        let pieces = (0..pieces).map(|_| {
            body.number(indices)?;
            let start = base.checked_add(body.number(offsets)?)?;
            Some((start.try_into().ok()?, body.number(lengths)?.try_into().ok()?))
        });
        let pieces = pieces.collect::<Option<_>>()?;
        // Method 2 takes the bytes of another item, which no still picture does.
        if method < 2 {
            let is_in_data = method == 1;
            places.insert(item, Place { is_in_data, pieces });
        }
    }
    Some(places)
}

/// Which properties each item has (8.11.14).
fn associations(mut body: Reader) -> Option<BTreeMap<u32, Vec<u16>>> {
    let (version, flags) = body.full_box()?;
    let width = if version == 0 { 2 } else { 4 };
    // The highest bit says whether the property is essential.
    let (number_width, mask) = if flags & 1 == 1 { (2, 0x7FFF) } else { (1, 0x7F) };
    let count = body.number(4)?;
    if count > MAX_ENTRIES as u64 {
        return None;
    }
    let mut associations = BTreeMap::new();
    for _ in 0..count {
        let item = body.id(width)?;
        let count = body.number(1)?;
        let numbers = (0..count).map(|_| Some((body.number(number_width)? & mask) as u16));
        associations.insert(item, numbers.collect::<Option<_>>()?);
    }
    Some(associations)
}

/// The links between items (8.11.12).
fn links(mut body: Reader) -> Option<Vec<Link>> {
    let width = if body.full_box()?.0 == 0 { 2 } else { 4 };
    let mut links = Vec::new();
    let mut total = 0;
    for (kind, mut entry) in body.boxes() {
        let from = entry.id(width)?;
        let count = entry.number(2)?;
        total += 1 + count;
        if total > MAX_ENTRIES as u64 {
            return None;
        }
        let to = (0..count).map(|_| entry.id(width)).collect::<Option<_>>()?;
        links.push(Link { kind: *kind, from, to });
    }
    Some(links)
}
