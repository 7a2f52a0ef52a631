//! JPEG: metadata in segments before the image data, and the frame header.
//!
//! Sources: ITU-T T.81, annex B; CIPA DC-008 (Exif 3.0), 4.7.2; XMP specification part 3, 1.1.3; ICC.1:2022, B.4.

pub mod marker;

use std::borrow::Cow;
use std::ops::Range;

use super::photoshop;
use crate::metadata::blocks::Blocks;
use crate::metadata::picture::Picture;
use crate::metadata::tiff::block::{Block, is_tiff};
use crate::metadata::view::{FileView, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;
use marker::{APP1, APP2, APP13, DAC, DHT, EOI, JPG, Markers, SOF0, SOF15, SOS};

/// The identifier, a NUL and a pad byte. Some real files have the identifier in capitals, or another pad byte.
pub const EXIF_ID: &[u8] = b"Exif\0";
pub const XMP_ID: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
pub const EXTENDED_XMP_ID: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
pub const ICC_ID: &[u8] = b"ICC_PROFILE\0";
pub const GAIN_MAP_ID: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";
pub const PHOTOSHOP_ID: &[u8] = b"Photoshop 3.0\0";

/// The name of an extended packet, its length, and the offset of a part of it.
pub const GUID_BYTES: usize = 32;
pub const EXTENDED_HEADER_BYTES: usize = GUID_BYTES + 8;

/// The most of a packet, a profile or of Photoshop's resources that is joined from segments.
const MAX_JOINED_BYTES: usize = 1024 * 1024;

/// Walks the segments of the JPEG in this range of a file, up to the image data.
pub fn walk<'a>(file: &'a FileView, within: Range<u64>, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let mut walk = Walk {
        file,
        blocks: Blocks::default(),
        extended: Extended::default(),
        profile: Vec::new(),
        resources: Vec::new(),
        warnings,
    };
    match walk.segments(within.start + 2) {
        Ok(()) => {}
        Err(Missing::PastEnd) => walk.warnings.add("the file ends before its image data"),
        Err(unread) => return Err(unread),
    }
    Ok(walk.finish())
}

struct Walk<'a, 'w> {
    file: &'a FileView,
    blocks: Blocks<'a>,
    extended: Extended<'a>,
    /// The parts of the colour profile, with their numbers.
    profile: Vec<(u8, &'a [u8])>,
    /// Photoshop's resources, which may be split anywhere.
    resources: Vec<u8>,
    warnings: &'w mut Warnings,
}

/// An extended XMP packet, in parts.
#[derive(Default)]
pub struct Extended<'a> {
    guid: &'a [u8],
    length: usize,
    parts: Vec<(usize, &'a [u8])>,
}

impl<'a> Walk<'a, '_> {
    fn segments(&mut self, at: u64) -> Result<(), Missing> {
        let mut markers = Markers::new(self.file, at);
        while let Some(marker) = markers.next()? {
            if matches!(marker.code, SOS | EOI) {
                return Ok(());
            }
            if marker.is_alone() {
                continue;
            }
            let content = markers.content(marker)?;
            match marker.code {
                APP1 => self.app1(&content)?,
                APP2 => self.app2(&content)?,
                APP13 => self.app13(&content)?,
                DHT | JPG | DAC => {}
                SOF0..=SOF15 => self.frame(&content)?,
                _ => {}
            }
        }
        self.warnings.add(TOO_MANY_STEPS);
        Ok(())
    }

    /// The bytes of a segment. If the file ends inside, so does the segment.
    fn bytes(&self, content: &Range<u64>) -> Result<&'a [u8], Missing> {
        let end = content.end.min(self.file.size());
        self.file.ahead(content.start, end.saturating_sub(content.start))
    }

    /// Whether a segment starts with an identifier.
    fn has_id(&self, content: &Range<u64>, id: &[u8]) -> Result<bool, Missing> {
        let length = id.len() as u64;
        if content.end - content.start < length || content.start + length > self.file.size() {
            return Ok(false);
        }
        Ok(self.file.ahead(content.start, length)?.eq_ignore_ascii_case(id))
    }

    fn app1(&mut self, content: &Range<u64>) -> Result<(), Missing> {
        if self.blocks.exif.is_none() && self.has_id(content, EXIF_ID)? {
            self.blocks.exif = self.exif(content)?;
        } else if self.has_id(content, XMP_ID)? {
            let packet = &self.bytes(content)?[XMP_ID.len()..];
            self.blocks.xmp.push(packet.into());
        } else if self.has_id(content, EXTENDED_XMP_ID)? {
            let part = &self.bytes(content)?[EXTENDED_XMP_ID.len()..];
            self.extended.add(part, self.warnings);
        }
        Ok(())
    }

    /// The TIFF block of an APP1 segment.
    fn exif(&mut self, content: &Range<u64>) -> Result<Option<Block<'a>>, Missing> {
        let id = EXIF_ID.len() as u64 + 1;
        let length = content.end - content.start;
        if length < id {
            return Ok(None);
        }
        // All of the segment is asked for. Otherwise, its values would be asked for after what follows it.
        self.bytes(content)?;
        if length > id + 4 && is_tiff(self.file.array(content.start + id)?) {
            let block = content.start + id..content.end;
            return Ok(Some(Block::at(self.file, block, self.warnings)));
        }
        self.warnings.add("an EXIF segment without a TIFF header");
        Ok(None)
    }

    fn app2(&mut self, content: &Range<u64>) -> Result<(), Missing> {
        if self.has_id(content, ICC_ID)? {
            if let [number, _count, part @ ..] = &self.bytes(content)?[ICC_ID.len()..] {
                self.profile.push((*number, part));
            }
        } else if self.has_id(content, GAIN_MAP_ID)? {
            self.blocks.picture.gain_map = true;
        }
        Ok(())
    }

    fn app13(&mut self, content: &Range<u64>) -> Result<(), Missing> {
        if self.has_id(content, PHOTOSHOP_ID)? {
            let part = &self.bytes(content)?[PHOTOSHOP_ID.len()..];
            if self.resources.len() + part.len() > MAX_JOINED_BYTES {
                self.warnings.omit(format!("Photoshop resources: {} bytes", part.len()));
            } else {
                self.resources.extend_from_slice(part);
            }
        }
        Ok(())
    }

    /// The frame header: precision, height, width.
    fn frame(&mut self, content: &Range<u64>) -> Result<(), Missing> {
        if self.blocks.picture.width.is_none() && content.end - content.start >= 5 {
            let [precision, h0, h1, w0, w1] = self.file.array(content.start)?;
            let side = |high, low| u16::from_be_bytes([high, low]);
            let sized = Picture::sized(side(w0, w1), side(h0, h1));
            self.blocks.picture = Picture {
                bit_depth: Some(precision.into()),
                has_alpha: Some(false),
                animated: Some(false),
                gain_map: self.blocks.picture.gain_map,
                ..sized
            };
        }
        Ok(())
    }

    fn finish(mut self) -> Blocks<'a> {
        self.profile.sort_by_key(|(number, _)| *number);
        let profile: Vec<&[u8]> = self.profile.iter().map(|(_, part)| *part).collect();
        self.blocks.icc = match profile[..] {
            [] => None,
            [one] => Some(one.into()),
            _ => Some(Cow::Owned(profile.concat())),
        };
        if !self.resources.is_empty() {
            let resources = Cow::Owned(std::mem::take(&mut self.resources));
            photoshop::add(&resources, &mut self.blocks, self.warnings);
        }
        if let Some(packet) = self.extended.joined(&self.blocks.xmp, self.warnings) {
            self.blocks.xmp.push(Cow::Owned(packet));
        }
        self.blocks
    }
}

impl<'a> Extended<'a> {
    /// The name by which the main packet names it.
    pub fn guid(&self) -> &'a [u8] {
        self.guid
    }

    /// Adds a part. Only one packet is read.
    pub fn add(&mut self, part: &'a [u8], warnings: &mut Warnings) {
        let Some((header, bytes)) = part.split_at_checked(EXTENDED_HEADER_BYTES) else {
            warnings.add("extended XMP: a part is too short");
            return;
        };
        let (guid, numbers) = header.split_at(GUID_BYTES);
        let number = |at: usize| {
            numbers[at..at + 4]
                .iter()
                .fold(0, |sum, &byte| sum << 8 | usize::from(byte))
        };
        if self.guid.is_empty() {
            (self.guid, self.length) = (guid, number(0));
            if self.length > MAX_JOINED_BYTES {
                warnings.omit(format!("extended XMP: {} bytes", self.length));
            }
        }
        if self.guid == guid && self.length <= MAX_JOINED_BYTES {
            self.parts.push((number(4), bytes));
        }
    }

    /// The whole packet, if the main one names it and all of it is there.
    pub fn joined(mut self, main: &[Cow<'_, [u8]>], warnings: &mut Warnings) -> Option<Vec<u8>> {
        if self.parts.is_empty() {
            return None;
        }
        let names = |packet: &Cow<'_, [u8]>| memchr::memmem::find(packet, self.guid).is_some();
        if !main.iter().any(names) {
            warnings.add("extended XMP: no packet names it");
            return None;
        }
        self.parts.sort_by_key(|(offset, _)| *offset);
        let mut joined = Vec::new();
        for (offset, bytes) in &self.parts {
            if *offset == joined.len() {
                joined.extend_from_slice(bytes);
            }
        }
        if joined.len() != self.length {
            warnings.add("extended XMP: parts are missing");
            return None;
        }
        Some(joined)
    }
}
