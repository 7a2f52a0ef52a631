//! HEIF, HEIC and AVIF: items of EXIF and XMP, and properties of the primary picture, which the `meta` box describes.
//!
//! Sources: ISO/IEC 14496-12, 4.2 and 8.11, for boxes and items; ISO/IEC 23008-12, 6.5, 6.6 and annex A, for properties,
//! auxiliary pictures and EXIF items.

use std::borrow::Cow;
use std::ops::Range;

use super::iso_box::{FileBox, Reader};
use super::{item, mini};
use crate::metadata::blocks::Blocks;
use crate::metadata::picture::{Picture, Span};
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

const MAX_EXTENTS: u64 = 64;

/// The most items of a kind that are considered, and the most items, properties and associations in all.
const MAX_ITEMS: usize = 64;
const MAX_ALL_ITEMS: usize = 4096;
const MAX_PROPERTIES: usize = 4096;
const MAX_ASSOCIATIONS: usize = 16 * 1024;

/// The major brands of sequences of pictures.
const SEQUENCES: [[u8; 4]; 6] = [*b"avis", *b"msf1", *b"hevc", *b"hevx", *b"hevm", *b"hevs"];

/// The types of auxiliary pictures.
pub const ALPHA: [&[u8]; 2] = [
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:hevc:2015:auxid:1",
];
const DEPTH: [&[u8]; 2] = [
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth",
    b"urn:mpeg:hevc:2015:auxid:2",
];
pub const GAIN_MAP: [&[u8]; 1] = [b"urn:com:apple:photo:2020:aux:hdrgainmap"];

pub fn walk<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let mut blocks = Blocks::default();
    let searched = boxes(file, &mut blocks, warnings);
    warnings.unless_cut(searched)?;
    Ok(blocks)
}

fn boxes<'a>(file: &'a FileView, blocks: &mut Blocks<'a>, warnings: &mut Warnings) -> Result<(), Missing> {
    let mut at = 0;
    let mut animated = false;
    for _ in 0..MAX_STEPS {
        if at >= file.size() {
            return Ok(());
        }
        let found = FileBox::at(file, at)?;
        match &found.kind {
            b"ftyp" => animated = SEQUENCES.contains(&file.array(found.body.start)?),
            b"meta" => {
                let bytes = file.get(found.body.start, found.body.end.min(file.size()) - found.body.start)?;
                let meta = Meta::new(bytes, found.body.start);
                blocks.picture = Picture {
                    animated: Some(animated),
                    ..meta.picture()
                };
                blocks.icc = meta.profile().map(Into::into);
                if let Some(place) = meta.exif(warnings) {
                    blocks.exif = Some(item::block(file, &place, warnings)?);
                }
                if let Some(place) = meta.xmp() {
                    blocks.xmp.extend(item::joined(file, &place, "XMP", warnings)?);
                }
                // Only a motion photo has something behind its pictures.
                let is_motion = |packet: &Cow<'_, [u8]>| memchr::memmem::find(packet, b"MotionPhoto").is_some();
                if !blocks.xmp.iter().any(is_motion) {
                    return Ok(());
                }
            }
            b"mini" => {
                *blocks = mini::walk(file, &found.body, warnings)?;
                return Ok(());
            }
            b"mpvd" => {
                let length = found.body.end.min(file.size()) - found.body.start;
                blocks.picture.motion_photo = Some(Span {
                    offset: found.body.start,
                    length,
                });
                return Ok(());
            }
            _ => {}
        }
        at = found.body.end;
    }
    warnings.add(TOO_MANY_STEPS);
    Ok(())
}

/// The content of a `meta` box.
#[derive(Default)]
struct Meta<'a> {
    primary: Option<u32>,
    items: Vec<Item<'a>>,
    links: Option<Reader<'a>>,
    places: Option<Reader<'a>>,
    properties: Properties<'a>,
    /// Where the data of items is that lies in the box itself.
    data: Option<Range<u64>>,
}

/// An item: a picture, or a block of metadata.
struct Item<'a> {
    id: u32,
    kind: &'a [u8],
    /// Of an item of type `mime`.
    media_type: &'a [u8],
}

impl<'a> Meta<'a> {
    /// `start` is the offset of the content in the file.
    fn new(bytes: &'a [u8], start: u64) -> Self {
        let mut meta = Self::default();
        let mut inside = Reader(bytes);
        inside.take(4);
        while let Some((kind, body)) = inside.next_box() {
            match kind {
                b"pitm" => meta.primary = primary_item(body),
                b"iinf" => meta.items = items(body),
                b"iref" => meta.links = Some(body),
                b"iloc" => meta.places = Some(body),
                b"iprp" => meta.properties = Properties::new(body),
                b"idat" => {
                    let end = start + (bytes.len() - inside.0.len()) as u64;
                    meta.data = Some(end - body.0.len() as u64..end);
                }
                _ => {}
            }
        }
        meta
    }

    /// Where the EXIF of the primary item lies.
    fn exif(&self, warnings: &mut Warnings) -> Option<Vec<Range<u64>>> {
        let place = self.place(self.described_by(|item| item.kind == b"Exif")?);
        if place.is_none() {
            warnings.add("EXIF: the file does not say where it is");
        }
        // ExifTool leaves an empty item where it has removed EXIF.
        place.filter(|pieces| pieces.iter().any(|piece| !piece.is_empty()))
    }

    /// Where the XMP of the primary item lies.
    fn xmp(&self) -> Option<Vec<Range<u64>>> {
        let item =
            self.described_by(|item| item.kind == b"mime" && item.media_type.starts_with(b"application/rdf+xml"))?;
        self.place(item)
    }

    /// The first item of a kind that describes the primary item, or else the first one.
    fn described_by(&self, is_one: impl Fn(&Item<'_>) -> bool) -> Option<u32> {
        let of_kind = self.items.iter().filter(|item| is_one(item)).take(MAX_ITEMS);
        let ids: Vec<u32> = of_kind.map(|item| item.id).collect();
        let linked = self.links.and_then(|links| describes(links, &ids, self.primary?));
        linked.or(ids.first().copied())
    }

    /// Where an item lies. `None` if the file does not say it.
    fn place(&self, item: u32) -> Option<Vec<Range<u64>>> {
        place(self.places?, item, self.data.as_ref())
    }

    fn picture(&self) -> Picture {
        let Some(primary) = self.primary else {
            return Picture::default();
        };
        let own: Vec<_> = self.properties.of(primary).collect();
        let size = own.iter().find_map(|(kind, body)| {
            let mut body = *body;
            body.full_box().filter(|_| *kind == b"ispe")?;
            Some((body.number(4)?, body.number(4)?))
        });
        let (width, height) = size.unwrap_or((0, 0));
        let of_others = self.links.map(|links| auxiliaries(links, primary)).unwrap_or_default();
        let has = |kinds: &[&[u8]]| of_others.iter().any(|item| self.properties.is_auxiliary(*item, kinds));
        Picture {
            // A picture in tiles has some properties only at its tiles.
            bit_depth: own
                .iter()
                .chain(&self.properties.all)
                .find_map(|(kind, body)| bit_depth(**kind, *body)),
            has_alpha: Some(has(&ALPHA)),
            depth: has(&DEPTH),
            gain_map: has(&GAIN_MAP) || self.items.iter().any(|item| item.kind == b"tmap"),
            ..Picture::sized(width, height)
        }
    }

    /// The colour profile of the primary item.
    fn profile(&self) -> Option<&'a [u8]> {
        let own = self.properties.of(self.primary?);
        own.chain(self.properties.all.iter().copied())
            .find_map(|(kind, mut body)| {
                let is_profile = kind == b"colr" && matches!(body.take(4)?, b"prof" | b"rICC");
                is_profile.then_some(body.0)
            })
    }
}

/// The bits of a sample, from the property that says it, or from the configuration of the codec.
fn bit_depth(kind: [u8; 4], mut body: Reader<'_>) -> Option<u16> {
    match &kind {
        b"pixi" => {
            body.full_box()?;
            body.number(1).filter(|channels| *channels > 0)?;
            body.number(1).and_then(|bits| u16::try_from(bits).ok())
        }
        // AV1 codec ISO media file format binding, 2.3.3.
        b"av1C" => match body.0.get(2)? {
            bits if bits & 0x40 == 0 => Some(8),
            bits if bits & 0x20 == 0 => Some(10),
            _ => Some(12),
        },
        // ISO/IEC 14496-15, 8.3.2.1.
        b"hvcC" => body.0.get(17).map(|bits| u16::from(bits & 7) + 8),
        _ => None,
    }
}

/// The properties of items: `ipco` has them, and `ipma` says which item has which.
#[derive(Default)]
struct Properties<'a> {
    all: Vec<(&'a [u8; 4], Reader<'a>)>,
    /// Item, and the number of a property from 1 on.
    of_items: Vec<(u32, usize)>,
}

impl<'a> Properties<'a> {
    fn new(body: Reader<'a>) -> Self {
        let mut properties = Self::default();
        for (kind, body) in body.boxes() {
            match kind {
                b"ipco" => properties.all = body.boxes().take(MAX_PROPERTIES).collect(),
                b"ipma" => {
                    let _ended_early = properties.associate(body);
                }
                _ => {}
            }
        }
        properties
    }

    /// `None` if the box ends early. What came before is kept.
    fn associate(&mut self, mut body: Reader<'a>) -> Option<()> {
        let [version, .., flags] = *body.take(4)?.first_chunk::<4>()?;
        let count = body.number(4)?;
        for _ in 0..count {
            let id = u32::try_from(body.number(if version < 1 { 2 } else { 4 })?).ok()?;
            for _ in 0..body.number(1)? {
                let index = if flags & 1 == 0 {
                    body.number(1)? & 0x7F
                } else {
                    body.number(2)? & 0x7FFF
                };
                if self.of_items.len() < MAX_ASSOCIATIONS {
                    self.of_items.push((id, usize::try_from(index).ok()?));
                }
            }
        }
        Some(())
    }

    fn of(&self, item: u32) -> impl Iterator<Item = (&'a [u8; 4], Reader<'a>)> {
        let own = self.of_items.iter().filter(move |(id, _)| *id == item);
        own.filter_map(|(_, index)| self.all.get(index.checked_sub(1)?).copied())
    }

    fn is_auxiliary(&self, item: u32, kinds: &[&[u8]]) -> bool {
        self.of(item).any(|(kind, mut body)| {
            body.full_box();
            kind == b"auxC" && kinds.contains(&body.0.split(|&byte| byte == 0).next().unwrap_or_default())
        })
    }
}

fn primary_item(mut body: Reader) -> Option<u32> {
    let version = body.full_box()?;
    if version == 0 { body.number(2) } else { body.number(4) }?
        .try_into()
        .ok()
}

/// The items, in the order of the file.
fn items(mut body: Reader<'_>) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    let version = body.full_box();
    body.number(if version == Some(0) { 2 } else { 4 });
    for (kind, mut entry) in body.boxes() {
        if kind != b"infe" {
            continue;
        }
        // Versions 0 and 1 have no item types.
        let Some(version @ 2..) = entry.full_box() else {
            continue;
        };
        let id = entry.number(if version == 2 { 2 } else { 4 });
        let _protection = entry.number(2);
        if let Some(kind) = entry.take(4)
            && let Some(id) = id.and_then(|id| id.try_into().ok())
        {
            // The name comes first, and ends with a NUL.
            let media_type = entry.0.splitn(2, |&byte| byte == 0).nth(1).unwrap_or_default();
            items.push(Item { id, kind, media_type });
            if items.len() == MAX_ALL_ITEMS {
                break;
            }
        }
    }
    items
}

/// The items that are auxiliary pictures of an item.
fn auxiliaries(mut body: Reader<'_>, primary: u32) -> Vec<u32> {
    let Some(version) = body.full_box() else {
        return Vec::new();
    };
    let width = if version == 0 { 2 } else { 4 };
    let links = body.boxes().filter(|(kind, _)| *kind == b"auxl");
    let from = links.filter_map(|(_, mut link)| {
        let from = u32::try_from(link.number(width)?).ok()?;
        let count = link.number(2)?;
        let mut to = (0..count).map_while(|_| link.number(width));
        to.any(|id| id == u64::from(primary)).then_some(from)
    });
    from.take(MAX_ITEMS).collect()
}

/// The first of these items with a content description reference to the primary item.
fn describes(mut body: Reader, items: &[u32], primary: u32) -> Option<u32> {
    let width = if body.full_box()? == 0 { 2 } else { 4 };
    let describing = body.boxes().filter_map(|(kind, mut link)| {
        let from = u32::try_from(link.number(width)?).ok()?;
        let is_one = kind == b"cdsc" && items.contains(&from);
        let count = link.number(2).filter(|_| is_one)?;
        let mut to = (0..count).map_while(|_| link.number(width));
        to.any(|id| id == u64::from(primary)).then_some(from)
    });
    let describing: Vec<u32> = describing.take(MAX_ITEMS).collect();
    items.iter().copied().find(|item| describing.contains(item))
}

/// The pieces of an item, from the `iloc` box. `data` is the range of the `idat` box's content.
fn place(mut body: Reader, item: u32, data: Option<&Range<u64>>) -> Option<Vec<Range<u64>>> {
    let version = body.full_box()?;
    let sizes = body.number(2)?;
    let width = |shift: u32| (sizes >> shift & 0xF) as usize;
    let (offset_width, length_width, base_width) = (width(12), width(8), width(4));
    let index_width = if version == 0 { 0 } else { width(0) };
    let id_width = if version < 2 { 2 } else { 4 };
    let count = body.number(id_width)?;
    for _ in 0..count {
        let id = body.number(id_width)?;
        let method = if version == 0 { 0 } else { body.number(2)? & 0xF };
        let _data_reference = body.number(2)?;
        let base = body.number(base_width)?;
        let extents = body.number(2)?;
        if id != u64::from(item) {
            let extent_width = index_width + offset_width + length_width;
            body.take(usize::try_from(extents).ok()? * extent_width)?;
            continue;
        }
        // Method 0: offsets are in the file. 1: in the `idat` box. 2: in other items, which no writer uses for EXIF.
        let within = match method {
            0 => 0..u64::MAX,
            1 => data.cloned()?,
            _ => return None,
        };
        if extents > MAX_EXTENTS {
            return None;
        }
        let mut pieces = Vec::new();
        for _ in 0..extents {
            let _index = body.number(index_width)?;
            let offset = body.number(offset_width)?;
            let length = body.number(length_width)?;
            let start = within.start.checked_add(base)?.checked_add(offset)?;
            let end = start.checked_add(length)?;
            if start > within.end || end > within.end {
                return None;
            }
            pieces.push(start..end);
        }
        return Some(pieces);
    }
    None
}
