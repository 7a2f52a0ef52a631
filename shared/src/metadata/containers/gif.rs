//! GIF: the screen, frames, and XMP and a colour profile in application extensions. Sources: the
//! specification of `GIF89a`; XMP specification part 3, 1.1.2.

use std::ops::Range;

use crate::metadata::blocks::Blocks;
use crate::metadata::picture::Picture;
use crate::metadata::view::{FileView, MAX_STEPS, Missing};
use crate::metadata::warnings::Warnings;

/// Blocks go through all of the file, so only this much of it is looked at.
const MAX_WALKED_BYTES: u64 = 1024 * 1024;

const IMAGE: u8 = 0x2C;
const EXTENSION: u8 = 0x21;

const GRAPHIC_CONTROL: u8 = 0xF9;
const COMMENT: u8 = 0xFE;
const APPLICATION: u8 = 0xFF;

/// The XMP packet is not in sub-blocks. These bytes behind it lead readers of sub-blocks to its end.
pub const XMP_TRAILER_BYTES: usize = 257;

pub fn walk<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let mut blocks = Blocks::default();
    let [w0, w1, h0, h1, flags] = match file.array(6) {
        Ok(screen) => screen,
        Err(Missing::PastEnd) => return Ok(blocks),
        Err(unread) => return Err(unread),
    };
    let side = |low, high| u16::from_le_bytes([low, high]);
    blocks.picture = Picture {
        bit_depth: Some(u16::from(flags & 7) + 1),
        ..Picture::sized(side(w0, w1), side(h0, h1))
    };
    let mut frames = Frames::default();
    match search(file, &mut blocks, &mut frames) {
        Ok(true) => {}
        Ok(false) => warnings.omit(format!("GIF: all after {MAX_WALKED_BYTES} bytes")),
        Err(Missing::PastEnd) => warnings.add("the file ends before all of it could be searched"),
        Err(unread) => return Err(unread),
    }
    blocks.picture.has_alpha = Some(frames.transparent);
    blocks.picture.animated = Some(frames.count > 1);
    blocks.picture.frames = Some(frames.count).filter(|count| *count > 1 && !frames.cut);
    Ok(blocks)
}

#[derive(Default)]
struct Frames {
    count: u32,
    transparent: bool,
    /// Whether there may be more.
    cut: bool,
}

/// Whether all parts were looked at.
fn search<'a>(file: &'a FileView, blocks: &mut Blocks<'a>, frames: &mut Frames) -> Result<bool, Missing> {
    let mut parts = Parts {
        limit: MAX_WALKED_BYTES,
        ..parts(file)?
    };
    while let Some(part) = parts.next()? {
        match part {
            Part::Picture(_) => frames.count += 1,
            Part::Control(range) => {
                let [flags] = file.array(range.start + 3)?;
                frames.transparent |= flags & 1 == 1;
            }
            Part::Application { id, content, .. } if id == b"XMP DataXMP" => {
                let packet = file.get(content.start, content.end - content.start)?;
                let packet = packet
                    .len()
                    .checked_sub(XMP_TRAILER_BYTES + 1)
                    .map(|length| &packet[..length]);
                blocks.xmp.extend(packet.map(Into::into));
            }
            Part::Application { id, content, .. } if id == b"ICCRGBG1012" && blocks.icc.is_none() => {
                blocks.icc = Some(joined(file, content.start)?.into());
            }
            Part::Application { .. } | Part::Comment(_) | Part::Other | Part::Padding => {}
        }
    }
    frames.cut = parts.is_cut;
    Ok(!parts.is_cut)
}

/// A part of a file, and where it is.
pub enum Part<'a> {
    /// With its colours.
    Picture(Range<u64>),
    /// How the next picture is shown.
    Control(Range<u64>),
    Comment(Range<u64>),
    Application {
        id: &'a [u8],
        /// Sub-blocks, or what looks like them.
        content: Range<u64>,
        range: Range<u64>,
    },
    /// Another extension.
    Other,
    /// Some writers pad with zeros.
    Padding,
}

/// The parts of a file, up to its trailer, or to rubbish.
pub struct Parts<'a> {
    file: &'a FileView,
    at: u64,
    steps_left: usize,
    limit: u64,
    /// Whether there may be more than was looked at.
    is_cut: bool,
}

/// The parts of a file behind its screen and its table of colours.
pub fn parts(file: &FileView) -> Result<Parts<'_>, Missing> {
    let [flags] = file.array(10)?;
    Ok(Parts {
        file,
        at: 13 + table_bytes(flags),
        steps_left: MAX_STEPS,
        limit: u64::MAX,
        is_cut: false,
    })
}

impl<'a> Parts<'a> {
    /// Whether there may be more than was looked at.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Where the next part is.
    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn next(&mut self) -> Result<Option<Part<'a>>, Missing> {
        if self.at >= self.limit || self.steps_left == 0 {
            self.is_cut = true;
            return Ok(None);
        }
        self.steps_left -= 1;
        let start = self.at;
        Ok(match self.file.array(start)? {
            [IMAGE] => {
                let [flags] = self.file.array(start + 9)?;
                self.at = self.sub_blocks(start + 11 + table_bytes(flags))?;
                Some(Part::Picture(start..self.at))
            }
            [EXTENSION] => Some(self.extension(start)?),
            [0] => {
                self.at += 1;
                Some(Part::Padding)
            }
            // The trailer, or rubbish.
            [_] => None,
        })
    }

    fn extension(&mut self, start: u64) -> Result<Part<'a>, Missing> {
        let [label, length] = self.file.array(start + 1)?;
        let data = start + 3;
        let content = data + u64::from(length);
        // Those of XMP are no sub-blocks, but lead into the bytes behind the packet.
        self.at = self.sub_blocks(if label == COMMENT { start + 2 } else { content })?;
        let range = start..self.at;
        Ok(match label {
            GRAPHIC_CONTROL if length >= 4 => Part::Control(range),
            COMMENT => Part::Comment(range),
            APPLICATION if length == 11 => Part::Application {
                id: self.file.get(data, 11)?,
                content: content..self.at,
                range,
            },
            _ => Part::Other,
        })
    }

    /// Where the sub-blocks end that start here.
    fn sub_blocks(&self, start: u64) -> Result<u64, Missing> {
        let file = self.file;
        let mut at = file.searched(start);
        loop {
            let length = file.stretch(at, file.size())?[0];
            let next = at + 1 + u64::from(length);
            if length == 0 || next >= self.limit {
                // The next window must have it, too.
                file.get(at, 1)?;
                return Ok(next);
            }
            at = next;
            file.note_searched(start, at);
        }
    }
}

/// The size of a colour table.
fn table_bytes(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// The content of the sub-blocks that start here.
fn joined(file: &FileView, mut at: u64) -> Result<Vec<u8>, Missing> {
    let mut joined = Vec::new();
    loop {
        let [length] = file.array(at)?;
        if length == 0 || at >= MAX_WALKED_BYTES {
            return Ok(joined);
        }
        joined.extend_from_slice(file.ahead(at + 1, length.into())?);
        at += 1 + u64::from(length);
    }
}
