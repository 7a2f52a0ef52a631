use std::collections::BTreeSet;
use std::ops::Range;

use super::super::overlay::Overlay;
use super::super::{Job, Stop, exif, unsupported, xmp};
use super::meta::{Item, Meta};
use crate::metadata::containers::heif::{ALPHA, GAIN_MAP};
use crate::metadata::view::Missing;

/// Types of pictures whose data holds nothing but a picture: coded ones, and those that are made of others.
const PICTURES: [&[u8; 4]; 13] = [
    b"hvc1", b"hvc2", b"av01", b"avc1", b"vvc1", b"lhv1", b"j2k1", b"unci", b"grid", b"iovl", b"iden", b"tmap", b"mski",
];

/// Properties that are needed to show a picture.
const PROPERTIES: [&[u8; 4]; 26] = [
    b"ispe", b"pixi", b"colr", b"hvcC", b"av1C", b"avcC", b"vvcC", b"lhvC", b"j2kH", b"cmpd", b"uncC", b"cpat",
    b"irot", b"imir", b"clap", b"pasp", b"auxC", b"clli", b"mdcv", b"cclv", b"amve", b"reve", b"ndwt", b"lsel",
    b"a1op", b"a1lx",
];

const XMP_TYPE: &[u8] = b"application/rdf+xml";

/// Decides which items stay, and what becomes of their bytes. Returns what is added behind the file, which ends at `end`.
pub fn choose(job: &mut Job<'_>, meta: &mut Meta<'_>, out: &mut Overlay, end: u64) -> Result<Vec<u8>, Stop> {
    let mut added = Added {
        start: end,
        bytes: Vec::new(),
    };
    let kept = if job.is_all() {
        let mut kept = pictures(job, meta)?;
        kept.extend(copyright(job, meta, &mut added)?);
        for item in &mut meta.items {
            item.clear_name();
        }
        meta.clear_handler();
        kept
    } else {
        let others = meta.items.iter().filter(|item| is_picture(item) || is_metadata(item));
        others.map(|item| item.id).collect()
    };
    for id in &kept {
        keep(job, meta, out, *id, &added)?;
    }
    meta.keep_only(&kept, job.is_all());
    clear_data(meta, &kept)?;
    Ok(added.into_box())
}

fn is_picture(item: &Item<'_>) -> bool {
    PICTURES.contains(&&item.kind)
}

fn is_exif(item: &Item<'_>) -> bool {
    &item.kind == b"Exif"
}

fn is_xmp(item: &Item<'_>) -> bool {
    &item.kind == b"mime" && item.media_type.starts_with(XMP_TYPE)
}

fn is_metadata(item: &Item<'_>) -> bool {
    is_exif(item) || is_xmp(item)
}

/// The primary picture, what it is made of, its alpha, and its gain map.
fn pictures(job: &mut Job<'_>, meta: &Meta<'_>) -> Result<BTreeSet<u32>, Stop> {
    let mut kept = BTreeSet::from([meta.primary]);
    add_sources(meta, &mut kept);
    // A picture with a gain map applied, which is made of the primary picture and the map.
    for item in meta.items.iter().filter(|item| &item.kind == b"tmap") {
        let is_of_primary = |link: &&super::meta::Link| {
            &link.kind == b"dimg" && link.from == item.id && link.to.contains(&meta.primary)
        };
        if meta.links.iter().any(|link| is_of_primary(&link)) {
            kept.insert(item.id);
        }
    }
    add_sources(meta, &mut kept);
    let auxiliary = meta.links.iter().filter(|link| &link.kind == b"auxl");
    for link in auxiliary {
        if !link.to.iter().any(|to| kept.contains(to)) || kept.contains(&link.from) {
            continue;
        }
        if meta.is_auxiliary(link.from, &ALPHA) {
            kept.insert(link.from);
        } else if meta.is_auxiliary(link.from, &GAIN_MAP) {
            job.warnings
                .push("the gain map is lost, because only a maker note describes it".to_owned());
        }
    }
    add_sources(meta, &mut kept);
    for id in &kept {
        match meta.item(*id) {
            Some(item) if is_picture(item) => {}
            Some(item) => {
                let kind = String::from_utf8_lossy(&item.kind).into_owned();
                return unsupported(format!("a picture of type {kind}, which can hold metadata"));
            }
            None => return unsupported("the list of pictures names one that is not there"),
        }
    }
    Ok(kept)
}

/// Adds the pictures of which these are made.
fn add_sources(meta: &Meta<'_>, kept: &mut BTreeSet<u32>) {
    loop {
        let before = kept.len();
        for link in meta.links.iter().filter(|link| &link.kind == b"dimg") {
            if kept.contains(&link.from) {
                kept.extend(&link.to);
            }
        }
        if kept.len() == before {
            return;
        }
    }
}

/// Gives the items of EXIF and XMP the copyright as their content. Returns these items.
fn copyright(job: &mut Job<'_>, meta: &mut Meta<'_>, added: &mut Added) -> Result<Vec<u32>, Missing> {
    let exif = job.new.exif.as_ref().map(|block| [&[0; 4], &block[..]].concat());
    let xmp = Some(job.new.xmp.clone()).filter(|packet| !packet.is_empty());
    let mut kept = Vec::new();
    for (is_one, content) in [(is_exif as fn(&Item<'_>) -> bool, exif), (is_xmp, xmp)] {
        let Some(content) = content else { continue };
        let item = meta.items.iter().find(|item| is_one(item)).map(|item| item.id);
        if let Some(id) = item
            && has_content(job, meta, id, &content)?
        {
            kept.push(id);
            continue;
        }
        let place = added.place(content.len());
        if let Some(id) = item.filter(|id| meta.move_to(*id, &place).is_some()) {
            added.bytes.extend(content);
            kept.push(id);
        } else {
            job.warnings
                .push("a part of the copyright is lost, because the file has no room for it".to_owned());
        }
    }
    if !job.new.iptc.is_empty() {
        job.warnings
            .push("the copyright in IPTC is lost, because HEIF has no place for it".to_owned());
    }
    Ok(kept)
}

/// Whether an item lies in one piece of the file, and has this content already.
fn has_content(job: &Job<'_>, meta: &Meta<'_>, id: u32, content: &[u8]) -> Result<bool, Missing> {
    let item = meta.item(id).filter(|item| item.method == 0);
    let place = item.and_then(|item| meta.place(item)).unwrap_or_default();
    let length = content.len() as u64;
    match &place[..] {
        [piece] if piece.end - piece.start == length => match job.file.get(piece.start, length) {
            Ok(bytes) => Ok(bytes == content),
            Err(Missing::PastEnd) => Ok(false),
            Err(unread) => Err(unread),
        },
        _ => Ok(false),
    }
}

/// Keeps the bytes of an item, or writes them without places.
fn keep(job: &Job<'_>, meta: &mut Meta<'_>, out: &mut Overlay, id: u32, added: &Added) -> Result<(), Stop> {
    let Some(item) = meta.item(id) else { return Ok(()) };
    let Some(pieces) = meta.place(item) else {
        return unsupported("the file does not say where a picture is, or in a way that is not known");
    };
    if !job.is_all() && is_metadata(item) {
        let (is_inside, is_exif) = (item.method == 1, is_exif(item));
        let cleaned = cleaned(job, &pieces, is_exif)?;
        write(&cleaned, &pieces, is_inside, meta, out);
    } else if item.method == 0 {
        for piece in pieces.iter().filter(|piece| piece.start < added.start) {
            out.keep(piece.clone());
        }
    }
    Ok(())
}

/// The bytes of EXIF or XMP without places, in the same length. They are zeros if the old ones cannot be read.
fn cleaned(job: &Job<'_>, pieces: &[Range<u64>], is_exif: bool) -> Result<Vec<u8>, Stop> {
    let lengths = pieces.iter().map(|piece| piece.end - piece.start);
    let length = lengths.fold(0, u64::saturating_add);
    if length > job.file.size() {
        return unsupported("a block of metadata is longer than the file");
    }
    let mut content = Vec::new();
    for piece in pieces {
        match job.file.get(piece.start, piece.end - piece.start) {
            Ok(bytes) => content.extend_from_slice(bytes),
            Err(Missing::PastEnd) => break,
            Err(unread) => return Err(unread.into()),
        }
    }
    let (cleaned, padding) = if is_exif {
        (exif_without_places(&content), 0)
    } else {
        (xmp::without_places(&content, None), b' ')
    };
    let length = usize::try_from(length).unwrap_or(0);
    Ok(match cleaned {
        Some(mut cleaned) if content.len() == length => {
            cleaned.resize(length, padding);
            cleaned
        }
        _ => vec![0; length],
    })
}

/// Writes the bytes of an item over the old ones, in the file or in the box itself.
fn write(mut bytes: &[u8], pieces: &[Range<u64>], is_inside: bool, meta: &mut Meta<'_>, out: &mut Overlay) {
    for piece in pieces {
        let (part, rest) = bytes.split_at(usize::try_from(piece.end - piece.start).unwrap_or(0));
        bytes = rest;
        match &mut meta.data {
            Some((range, data)) if is_inside => {
                let start = usize::try_from(piece.start - range.start).unwrap_or(0);
                data[start..start + part.len()].copy_from_slice(part);
            }
            _ => out.put(piece.start, part.to_vec()),
        }
    }
}

/// The first four bytes say how far behind them the TIFF block starts. Some writers leave them out.
fn exif_without_places(content: &[u8]) -> Option<Vec<u8>> {
    if let [b'I', b'I', ..] | [b'M', b'M', ..] = content {
        return exif::without_places(content);
    }
    let (offset, rest) = content.split_first_chunk::<4>()?;
    let offset = usize::try_from(u32::from_be_bytes(*offset)).ok()?;
    let starts = [offset, 0, 6];
    let start = starts.into_iter().find(|start| {
        let header = rest.get(*start..).unwrap_or_default();
        header.starts_with(b"II") || header.starts_with(b"MM")
    })?;
    let block = exif::without_places(rest.get(start..)?)?;
    Some([&content[..4 + start], &block].concat())
}

/// Makes zeros of what no item that stays has in the box itself.
fn clear_data(meta: &mut Meta<'_>, kept: &BTreeSet<u32>) -> Result<(), Stop> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for item in meta
        .items
        .iter()
        .filter(|item| item.method == 1 && kept.contains(&item.id))
    {
        match meta.place(item) {
            Some(pieces) => ranges.extend(pieces),
            None => return unsupported("the file does not say where a picture is"),
        }
    }
    let Some((whole, data)) = &mut meta.data else {
        return Ok(());
    };
    let mut cleared = vec![0; data.len()];
    for range in ranges {
        let inside = |at: u64| usize::try_from(at - whole.start).unwrap_or(0).min(data.len());
        let (start, end) = (inside(range.start), inside(range.end));
        cleared[start..end].copy_from_slice(&data[start..end]);
    }
    *data = cleared;
    Ok(())
}

/// A box with new bytes of items, behind the end of the file.
struct Added {
    /// Where the box starts.
    start: u64,
    bytes: Vec<u8>,
}

impl Added {
    /// Where the next bytes lie.
    fn place(&self, length: usize) -> Range<u64> {
        let start = self.start + 8 + self.bytes.len() as u64;
        start..start + length as u64
    }

    /// Empty if there are no bytes.
    fn into_box(self) -> Vec<u8> {
        if self.bytes.is_empty() {
            return Vec::new();
        }
        let size = u32::try_from(self.bytes.len() + 8).unwrap_or(0);
        [&size.to_be_bytes()[..], b"mdat", &self.bytes].concat()
    }
}

impl Item<'_> {
    /// Removes the name, which ends with a NUL, and keeps what follows it.
    fn clear_name(&mut self) {
        let end = self
            .names
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(self.names.len());
        self.names.drain(..end);
    }
}

impl Meta<'_> {
    /// Whether an item has a property that says that it is an auxiliary picture of one of these kinds.
    fn is_auxiliary(&self, item: u32, kinds: &[&[u8]]) -> bool {
        let own = self.associations.iter().find(|association| association.item == item);
        own.is_some_and(|own| {
            own.properties.iter().any(|(_, number)| {
                let property = number.checked_sub(1).and_then(|index| self.properties.get(index));
                property.is_some_and(|property| {
                    let name = property.body.get(4..).unwrap_or_default();
                    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
                    &property.kind == b"auxC" && kinds.contains(&name)
                })
            })
        })
    }

    /// Removes other items from all lists. A property that is not needed becomes a free box, so that the numbers of the others
    /// stay the same.
    fn keep_only(&mut self, kept: &BTreeSet<u32>, is_all: bool) {
        self.items.retain(|item| kept.contains(&item.id));
        for link in &mut self.links {
            link.to.retain(|to| kept.contains(to));
        }
        self.links
            .retain(|link| kept.contains(&link.from) && !link.to.is_empty());
        for group in &mut self.groups {
            group.items.retain(|item| kept.contains(item));
        }
        self.groups.retain(|group| group.items.len() > 1);
        let needed = |kind: &[u8; 4]| !is_all || PROPERTIES.contains(&kind);
        self.associations.retain(|association| kept.contains(&association.item));
        for association in &mut self.associations {
            let properties = &self.properties;
            association.properties.retain(|(_, number)| {
                let property = number.checked_sub(1).and_then(|index| properties.get(index));
                property.is_some_and(|property| needed(&property.kind))
            });
        }
        let used: BTreeSet<usize> = self
            .associations
            .iter()
            .flat_map(|one| &one.properties)
            .map(|(_, number)| *number)
            .collect();
        for (index, property) in self.properties.iter_mut().enumerate() {
            if !used.contains(&(index + 1)) {
                property.kind = *b"free";
                property.body.fill(0);
            }
        }
    }
}
