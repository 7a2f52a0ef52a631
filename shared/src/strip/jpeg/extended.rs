use md5::{Digest as _, Md5};

use super::super::pieces::Pieces;
use super::super::xmp;
use super::{APP1, EXTENDED_XMP_ID, Segment, has_start, put};
use crate::metadata::containers::jpeg::Extended as Parts;
use crate::metadata::view::{FileView, Missing};
use crate::metadata::warnings::Warnings;
use crate::metadata::xmp::Node;

/// How much of a packet is written into one segment, besides its header.
const PART_BYTES: usize = 65_000;

/// XMP that is too long for one segment. The main packet names it by its MD5.
pub struct Extended<'a> {
    parts: Option<Parts<'a>>,
    old_name: Vec<u8>,
    /// Without places.
    packet: Vec<u8>,
}

impl<'a> Extended<'a> {
    pub fn of(file: &'a FileView, segments: &[Segment]) -> Result<Self, Missing> {
        let mut parts = Parts::default();
        for segment in segments.iter().filter(|segment| segment.marker == APP1) {
            let content = file.get(segment.content.start, segment.content.end - segment.content.start)?;
            if has_start(content, EXTENDED_XMP_ID) {
                parts.add(&content[EXTENDED_XMP_ID.len()..], &mut Warnings::default());
            }
        }
        Ok(Self {
            old_name: parts.guid().to_vec(),
            parts: Some(parts),
            packet: Vec::new(),
        })
    }

    /// A packet that is too long for one segment, and a main packet that names it.
    pub fn new(packet: &[u8]) -> (Vec<u8>, Self) {
        let name = hex::encode_upper(Md5::digest(packet));
        let node = Node::Text(name.clone());
        let extended = Self {
            parts: None,
            old_name: name.into_bytes(),
            packet: packet.to_vec(),
        };
        (xmp::packet([("xmpNote:HasExtendedXMP", &node)], ""), extended)
    }

    /// The main packet without places, and with the new name of the extended one. `None` if it is damaged.
    pub fn main(&mut self, packet: &[u8], directory: Option<&str>) -> Option<Vec<u8>> {
        let mut cleaned = xmp::without_places(packet, directory)?;
        let joined = self
            .parts
            .take()
            .and_then(|parts| parts.joined(&[packet.into()], &mut Warnings::default()));
        if let Some(extended) = joined.and_then(|joined| xmp::without_places(&joined, None))
            && let Some(at) = memchr::memmem::find(&cleaned, &self.old_name)
        {
            let name = hex::encode_upper(Md5::digest(&extended));
            cleaned[at..at + name.len()].copy_from_slice(name.as_bytes());
            self.old_name = name.into_bytes();
            self.packet = extended;
        }
        Some(cleaned)
    }

    /// Writes the segments of the extended packet, once.
    pub fn put(&mut self, pieces: &mut Pieces) {
        let packet = std::mem::take(&mut self.packet);
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
        for (number, part) in packet.chunks(PART_BYTES).enumerate() {
            let offset = length(number * PART_BYTES);
            let head = [EXTENDED_XMP_ID, &self.old_name, &length(packet.len()), &offset].concat();
            put(pieces, APP1, &[&head, part].concat());
        }
    }
}
