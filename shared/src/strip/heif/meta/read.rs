use super::{Association, Group, Item, Link, Meta, Places, Property};
use crate::metadata::containers::iso_box::Reader;

/// The most items, and the most extents of an item.
const MAX_ITEMS: usize = 16 * 1024;
const MAX_EXTENTS: u64 = 4096;

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
}

fn primary(mut body: Reader<'_>) -> Option<u32> {
    let width = if body.full_box()? == 0 { 2 } else { 4 };
    body.number(width)?.try_into().ok()
}
