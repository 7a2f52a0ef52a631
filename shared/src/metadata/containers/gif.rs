//! GIF: the screen, frames, and XMP and a colour profile in application extensions. Sources: the
//! specification of `GIF89a`; XMP specification part 3, 1.1.2.

use crate::metadata::blocks::Blocks;
use crate::metadata::picture::Picture;
use crate::metadata::view::{FileView, MAX_STEPS, Missing};
use crate::metadata::warnings::Warnings;

/// Blocks go through all of the file, so only this much of it is looked at.
const MAX_WALKED_BYTES: u64 = 1024 * 1024;

const IMAGE: u8 = 0x2C;
const EXTENSION: u8 = 0x21;

const GRAPHIC_CONTROL: u8 = 0xF9;
const APPLICATION: u8 = 0xFF;

/// The XMP packet is not in sub-blocks. These bytes behind it lead readers of sub-blocks to its end.
const XMP_TRAILER_BYTES: usize = 257;

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
    match parts(file, 13 + table_bytes(flags), &mut blocks, &mut frames) {
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

/// The size of a colour table.
fn table_bytes(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Whether all parts were looked at.
fn parts<'a>(file: &'a FileView, mut at: u64, blocks: &mut Blocks<'a>, frames: &mut Frames) -> Result<bool, Missing> {
    for _ in 0..MAX_STEPS {
        if at >= MAX_WALKED_BYTES {
            frames.cut = true;
            return Ok(false);
        }
        at = match file.array(at)? {
            [IMAGE] => {
                frames.count += 1;
                let [flags] = file.array(at + 9)?;
                sub_blocks(file, at + 11 + table_bytes(flags))?
            }
            [EXTENSION] => extension(file, at + 1, blocks, frames)?,
            // Some writers pad with zeros.
            [0] => at + 1,
            // The trailer, or rubbish.
            [_] => return Ok(true),
        };
    }
    frames.cut = true;
    Ok(false)
}

/// Where the sub-blocks end that start here.
fn sub_blocks(file: &FileView, mut at: u64) -> Result<u64, Missing> {
    loop {
        let [length] = file.array(at)?;
        at += 1 + u64::from(length);
        if length == 0 || at >= MAX_WALKED_BYTES {
            return Ok(at);
        }
    }
}

/// An extension from its label on. Returns where it ends.
fn extension<'a>(file: &'a FileView, at: u64, blocks: &mut Blocks<'a>, frames: &mut Frames) -> Result<u64, Missing> {
    let [label, length] = file.array(at)?;
    let data = at + 2;
    let end = data + u64::from(length);
    match label {
        GRAPHIC_CONTROL if length >= 4 => {
            let [flags] = file.array(data)?;
            frames.transparent |= flags & 1 == 1;
        }
        APPLICATION if length == 11 => {
            let id: [u8; 11] = file.array(data)?;
            if &id == b"XMP DataXMP" {
                // Its bytes, read as lengths of sub-blocks, lead into the bytes behind it.
                let after = sub_blocks(file, end)?;
                let packet = file.get(end, after - end)?;
                let packet = packet
                    .len()
                    .checked_sub(XMP_TRAILER_BYTES + 1)
                    .map(|length| &packet[..length]);
                blocks.xmp.extend(packet.map(Into::into));
                return Ok(after);
            }
            if &id == b"ICCRGBG1012" && blocks.icc.is_none() {
                blocks.icc = Some(joined(file, end)?.into());
            }
        }
        _ => {}
    }
    sub_blocks(file, end)
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
