//! BMP: only the facts of the picture. Source: Microsoft's "Bitmap Storage".

use crate::metadata::blocks::Blocks;
use crate::metadata::picture::Picture;
use crate::metadata::view::{FileView, Missing};

/// The header of OS/2, and the first one of Windows.
const OLD_HEADER_BYTES: u32 = 12;
const HEADER_BYTES: u32 = 40;

/// The bits of each sample are in masks.
const BITFIELDS: [u32; 2] = [3, 6];

pub fn walk(file: &FileView) -> Result<Blocks<'_>, Missing> {
    let picture = match picture(file) {
        Ok(picture) => picture,
        Err(Missing::PastEnd) => Picture::default(),
        Err(unread) => return Err(unread),
    };
    Ok(Blocks {
        picture,
        ..Blocks::default()
    })
}

fn picture(file: &FileView) -> Result<Picture, Missing> {
    let header = u32::from_le_bytes(file.array(14)?);
    if header == OLD_HEADER_BYTES {
        let [w0, w1, h0, h1, _, _, b0, b1] = file.array(18)?;
        let side = |low, high| u16::from_le_bytes([low, high]);
        return Ok(Picture {
            bit_depth: Some(per_sample(u16::from_le_bytes([b0, b1]))),
            ..Picture::sized(side(w0, w1), side(h0, h1))
        });
    }
    if header < HEADER_BYTES {
        return Ok(Picture::default());
    }
    let width = i32::from_le_bytes(file.array(18)?);
    // Negative: the rows are from top to bottom.
    let height = i32::from_le_bytes(file.array(22)?);
    let bits = u16::from_le_bytes(file.array(28)?);
    let is_masked = BITFIELDS.contains(&u32::from_le_bytes(file.array(30)?));
    let red = if is_masked {
        u32::from_le_bytes(file.array(54)?).count_ones()
    } else {
        0
    };
    Ok(Picture {
        bit_depth: Some(
            u16::try_from(red)
                .ok()
                .filter(|bits| *bits > 0)
                .unwrap_or(per_sample(bits)),
        ),
        ..Picture::sized(width.unsigned_abs(), height.unsigned_abs())
    })
}

/// The bits of a sample, from those of a pixel.
fn per_sample(bits: u16) -> u16 {
    match bits {
        24 | 32 => 8,
        16 => 5,
        palette => palette,
    }
}
