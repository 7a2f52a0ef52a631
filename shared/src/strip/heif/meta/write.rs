use super::{Group, Meta, Places};

impl Meta<'_> {
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
}

impl Group {
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

fn put(out: &mut Vec<u8>, value: u64, width: usize) {
    out.extend_from_slice(&value.to_be_bytes()[8 - width..]);
}

/// `None` if it is too large.
fn a_box(kind: [u8; 4], body: &[u8]) -> Option<Vec<u8>> {
    let size = u32::try_from(body.len() + 8).ok()?;
    Some([&size.to_be_bytes()[..], &kind, body].concat())
}
