use std::ops::Range;

use crate::metadata::containers::iso_box::Reader;

/// The most items, and the most extents of an item.
const MAX_ITEMS: usize = 16 * 1024;
const MAX_EXTENTS: u64 = 4096;

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
    /// `start` is the offset of the content in the file. `None` if it is damaged.
    pub fn read(bytes: &'a [u8], start: u64) -> Option<Self> {
        let mut meta = Self::default();
        let mut inside = Reader(bytes);
        inside.take(4)?;
        let mut places = None;
        while let Some((kind, body)) = inside.next_box() {
            match kind {
                b"hdlr" => meta.boxes.push((*kind, body.0.to_vec())),
                b"pitm" => {
                    meta.boxes.push((*kind, body.0.to_vec()));
                    meta.primary = primary(body)?;
                }
                b"iinf" => meta.read_items(body)?,
                b"iref" => meta.read_links(body)?,
                b"iloc" => places = Some(body),
                b"iprp" => meta.read_properties(body)?,
                b"grpl" => {
                    let groups = body.boxes().filter_map(|(kind, body)| Group::read(*kind, body));
                    meta.groups = groups.collect();
                }
                b"idat" => {
                    let end = start + (bytes.len() - inside.0.len()) as u64;
                    meta.data = Some((end - body.0.len() as u64..end, body.0.to_vec()));
                }
                // Where else data may be, protection, and what nobody needs.
                _ => {}
            }
        }
        meta.read_places(places?)?;
        Some(meta)
    }

    fn read_items(&mut self, mut body: Reader<'a>) -> Option<()> {
        self.items_version = body.full_box()?;
        body.number(if self.items_version == 0 { 2 } else { 4 })?;
        for (kind, mut entry) in body.boxes() {
            let [version, flags @ ..] = *entry.take(4)?.first_chunk::<4>()?;
            // Versions 0 and 1 have no types of items.
            if kind != b"infe" || version < 2 || self.items.len() == MAX_ITEMS {
                return None;
            }
            let id = entry.number(if version == 2 { 2 } else { 4 })?;
            let _protection = entry.number(2)?;
            let kind = *entry.take(4)?.first_chunk::<4>()?;
            let media_type = entry.0.split(|&byte| byte == 0).nth(1).unwrap_or_default();
            self.items.push(Item {
                id: id.try_into().ok()?,
                kind,
                media_type: if &kind == b"mime" { media_type } else { b"" },
                version,
                flags,
                names: entry.0.to_vec(),
                method: 0,
                data_reference: 0,
                base: 0,
                extents: Vec::new(),
            });
        }
        Some(())
    }

    fn read_links(&mut self, mut body: Reader<'_>) -> Option<()> {
        self.links_version = body.full_box()?;
        let width = self.link_width();
        for (kind, mut link) in body.boxes() {
            let from = link.number(width)?.try_into().ok()?;
            let count = link.number(2)?;
            let to: Option<Vec<u32>> = (0..count).map(|_| link.number(width)?.try_into().ok()).collect();
            self.links.push(Link {
                kind: *kind,
                from,
                to: to?,
            });
        }
        Some(())
    }

    fn link_width(&self) -> usize {
        if self.links_version == 0 { 2 } else { 4 }
    }

    fn read_places(&mut self, mut body: Reader<'_>) -> Option<()> {
        let version = body.full_box()?;
        let sizes = body.number(2)?;
        let width = |shift: u32| (sizes >> shift & 0xF) as usize;
        self.places = Places {
            version,
            offset: width(12),
            length: width(8),
            base: width(4),
            index: if version == 0 { 0 } else { width(0) },
        };
        let Places {
            offset,
            length,
            base,
            index,
            ..
        } = self.places;
        let id_width = if version < 2 { 2 } else { 4 };
        for _ in 0..body.number(id_width)? {
            let id = body.number(id_width)?;
            let method = if version == 0 { 0 } else { body.number(2)? & 0xF };
            let data_reference = body.number(2)?;
            let base = body.number(base)?;
            let count = body.number(2)?;
            if count > MAX_EXTENTS {
                return None;
            }
            let extents: Option<Vec<_>> = (0..count)
                .map(|_| Some((body.number(index)?, body.number(offset)?, body.number(length)?)))
                .collect();
            let extents = extents?;
            if let Some(item) = self.items.iter_mut().find(|item| u64::from(item.id) == id) {
                item.method = u8::try_from(method).ok()?;
                item.data_reference = data_reference;
                item.base = base;
                item.extents = extents;
            }
        }
        Some(())
    }

    fn read_properties(&mut self, body: Reader<'_>) -> Option<()> {
        for (kind, mut body) in body.boxes() {
            match kind {
                b"ipco" => {
                    let boxes = body.boxes().map(|(kind, body)| Property {
                        kind: *kind,
                        body: body.0.to_vec(),
                    });
                    self.properties = boxes.collect();
                }
                b"ipma" if self.associations.is_empty() => {
                    self.associations_head = *body.take(4)?.first_chunk()?;
                    let (version, is_wide) = (self.associations_head[0], self.associations_head[3] & 1 == 1);
                    for _ in 0..body.number(4)? {
                        let item = body.number(if version < 1 { 2 } else { 4 })?.try_into().ok()?;
                        let count = body.number(1)?;
                        let one = |body: &mut Reader<'_>| {
                            let (number, bit) = if is_wide {
                                (body.number(2)?, 0x8000)
                            } else {
                                (body.number(1)?, 0x80)
                            };
                            Some((number & bit != 0, usize::try_from(number & (bit - 1)).ok()?))
                        };
                        let properties: Option<Vec<_>> = (0..count).map(|_| one(&mut body)).collect();
                        self.associations.push(Association {
                            item,
                            properties: properties?,
                        });
                    }
                }
                // Two lists of associations, which no known writer makes.
                b"ipma" => return None,
                _ => {}
            }
        }
        Some(())
    }

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

    /// The content of the box, with this length. `None` if it needs more.
    pub fn write(&self, length: usize) -> Option<Vec<u8>> {
        let mut boxes = self.boxes.clone();
        boxes.push((*b"iinf", self.written_items()?));
        boxes.push((*b"iloc", self.written_places()));
        if !self.properties.is_empty() {
            boxes.push((*b"iprp", self.written_properties()?));
        }
        if !self.links.is_empty() {
            boxes.push((*b"iref", self.written_links()?));
        }
        if !self.groups.is_empty() {
            let groups = self.groups.iter().map(Group::written).collect::<Option<Vec<_>>>()?;
            boxes.push((*b"grpl", groups.concat()));
        }
        if let Some((_, data)) = &self.data {
            boxes.push((*b"idat", data.clone()));
        }
        let used: usize = 4 + boxes.iter().map(|(_, body)| 8 + body.len()).sum::<usize>();
        let left = length.checked_sub(used)?;
        match left {
            0 => {}
            // Less than a box fills up the name of the handler, which ends with a NUL.
            1..8 => boxes
                .iter_mut()
                .find(|(kind, _)| kind == b"hdlr")?
                .1
                .extend(vec![0; left]),
            _ => boxes.push((*b"free", vec![0; left - 8])),
        }
        let boxes = boxes
            .iter()
            .map(|(kind, body)| a_box(*kind, body))
            .collect::<Option<Vec<_>>>()?;
        Some([&[0; 4], &boxes.concat()[..]].concat())
    }

    fn written_items(&self) -> Option<Vec<u8>> {
        let mut out = vec![self.items_version, 0, 0, 0];
        put(
            &mut out,
            self.items.len() as u64,
            if self.items_version == 0 { 2 } else { 4 },
        );
        for item in &self.items {
            let mut body = vec![item.version];
            body.extend(item.flags);
            put(&mut body, item.id.into(), if item.version == 2 { 2 } else { 4 });
            body.extend([0, 0]);
            body.extend(item.kind);
            body.extend_from_slice(&item.names);
            out.extend(a_box(*b"infe", &body)?);
        }
        Some(out)
    }

    fn written_links(&self) -> Option<Vec<u8>> {
        let width = self.link_width();
        let mut out = vec![self.links_version, 0, 0, 0];
        for link in &self.links {
            let mut body = Vec::new();
            put(&mut body, link.from.into(), width);
            put(&mut body, link.to.len() as u64, 2);
            for to in &link.to {
                put(&mut body, (*to).into(), width);
            }
            out.extend(a_box(link.kind, &body)?);
        }
        Some(out)
    }

    fn written_places(&self) -> Vec<u8> {
        let Places {
            version,
            offset,
            length,
            base,
            index,
        } = self.places;
        let sizes = (offset << 12 | length << 8 | base << 4 | index) as u64;
        let mut out = vec![version, 0, 0, 0];
        put(&mut out, sizes, 2);
        let id_width = if version < 2 { 2 } else { 4 };
        put(&mut out, self.items.len() as u64, id_width);
        for item in &self.items {
            put(&mut out, item.id.into(), id_width);
            if version > 0 {
                put(&mut out, item.method.into(), 2);
            }
            put(&mut out, item.data_reference, 2);
            put(&mut out, item.base, base);
            put(&mut out, item.extents.len() as u64, 2);
            for (number, start, bytes) in &item.extents {
                put(&mut out, *number, index);
                put(&mut out, *start, offset);
                put(&mut out, *bytes, length);
            }
        }
        out
    }

    fn written_properties(&self) -> Option<Vec<u8>> {
        let properties = self
            .properties
            .iter()
            .map(|property| a_box(property.kind, &property.body));
        let properties = properties.collect::<Option<Vec<_>>>()?;
        let (version, is_wide) = (self.associations_head[0], self.associations_head[3] & 1 == 1);
        let mut of_items = self.associations_head.to_vec();
        put(&mut of_items, self.associations.len() as u64, 4);
        for association in &self.associations {
            put(&mut of_items, association.item.into(), if version < 1 { 2 } else { 4 });
            put(&mut of_items, association.properties.len() as u64, 1);
            for (is_essential, number) in &association.properties {
                let (width, bit) = if is_wide { (2, 0x8000) } else { (1, 0x80) };
                put(
                    &mut of_items,
                    *number as u64 | if *is_essential { bit } else { 0 },
                    width,
                );
            }
        }
        Some([a_box(*b"ipco", &properties.concat())?, a_box(*b"ipma", &of_items)?].concat())
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

impl Group {
    fn read(kind: [u8; 4], mut body: Reader<'_>) -> Option<Self> {
        let head = body.take(8)?.to_vec();
        let count = body.number(4)?;
        let items: Option<Vec<u32>> = (0..count).map(|_| body.number(4)?.try_into().ok()).collect();
        Some(Self {
            kind,
            head,
            items: items?,
            rest: body.0.to_vec(),
        })
    }

    fn written(&self) -> Option<Vec<u8>> {
        let mut body = self.head.clone();
        put(&mut body, self.items.len() as u64, 4);
        for item in &self.items {
            put(&mut body, (*item).into(), 4);
        }
        body.extend_from_slice(&self.rest);
        a_box(self.kind, &body)
    }
}

fn primary(mut body: Reader<'_>) -> Option<u32> {
    let width = if body.full_box()? == 0 { 2 } else { 4 };
    body.number(width)?.try_into().ok()
}

fn put(out: &mut Vec<u8>, value: u64, width: usize) {
    out.extend_from_slice(&value.to_be_bytes()[8 - width..]);
}

/// `None` if it is too large.
fn a_box(kind: [u8; 4], body: &[u8]) -> Option<Vec<u8>> {
    let size = u32::try_from(body.len() + 8).ok()?;
    Some([&size.to_be_bytes()[..], &kind, body].concat())
}
