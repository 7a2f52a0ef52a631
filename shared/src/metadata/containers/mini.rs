//! The `mini` box: a picture with its properties, EXIF, XMP and colour profile in one box with a header of bits. Source:
//! ISO/IEC 23008-12:2025, annex O (`MinimizedImageBox`).

use std::ops::Range;

use super::item;
use super::unpack;
use crate::metadata::blocks::Blocks;
use crate::metadata::picture::Picture;
use crate::metadata::tiff::block::Block;
use crate::metadata::view::{FileView, Missing};
use crate::metadata::warnings::Warnings;

/// The header is shorter.
const MAX_HEADER_BYTES: u64 = 256;

/// Larger blocks are not possible: their sizes have 20 bits.
const LARGE_METADATA_BITS: u32 = 20;

/// What the header says: facts of the picture, and where blocks lie in the box.
#[derive(Debug, Default, PartialEq)]
struct Header {
    picture: Picture,
    icc: Option<Range<u64>>,
    exif: Option<Range<u64>>,
    xmp: Option<Range<u64>>,
    is_packed: bool,
}

pub fn walk<'a>(file: &'a FileView, body: &Range<u64>, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let mut blocks = Blocks::default();
    let end = body.end.min(file.size());
    let bytes = file.ahead(body.start, MAX_HEADER_BYTES.min(end.saturating_sub(body.start)))?;
    let Some(header) = header(bytes) else {
        warnings.add("its mini box is damaged, or of a kind that is not known");
        return Ok(blocks);
    };
    let place = |range: Range<u64>| body.start + range.start..(body.start + range.end).min(end);
    let get = |range: Range<u64>| file.get(range.start, range.end.saturating_sub(range.start));
    blocks.picture = header.picture;
    if let Some(range) = header.icc {
        blocks.icc = Some(get(place(range))?.into());
    }
    if let Some(range) = header.exif {
        blocks.exif = Some(if header.is_packed {
            Block::owned(unpack::zlib(get(place(range))?).into()).without_id()?
        } else {
            item::block(file, &[place(range)], warnings)?
        });
    }
    if let Some(range) = header.xmp {
        let packet = get(place(range))?;
        blocks.xmp.push(if header.is_packed {
            unpack::zlib(packet).into()
        } else {
            packet.into()
        });
    }
    Ok(blocks)
}

/// `None` if it ends too early, or has what is not known.
fn header(bytes: &[u8]) -> Option<Header> {
    let mut bits = Bits { bytes, at: 0 };
    let _version = bits.take(2)?;
    let has_codec_types = bits.flag()?;
    let is_float = bits.flag()?;
    let _full_range = bits.flag()?;
    let has_alpha = bits.flag()?;
    let has_colours = bits.flag()?;
    let has_hdr = bits.flag()?;
    let [has_icc, has_exif, has_xmp] = [bits.flag()?, bits.flag()?, bits.flag()?];
    let subsampling = bits.take(2)?;
    let _orientation = bits.take(3)?;
    let is_large = bits.flag()?;
    let side = if is_large { 15 } else { 7 };
    let (width, height) = (bits.take(side)? + 1, bits.take(side)? + 1);
    let depth = depth(&mut bits, subsampling, Some(is_float))?;
    if has_alpha {
        bits.take(1)?;
    }
    if has_colours {
        bits.take(24)?;
    }
    if has_codec_types {
        bits.take(32)?;
        bits.take(32)?;
    }
    let has_gain_map = has_hdr && bits.flag()?;
    let gain_map = if has_gain_map {
        Some(gain_map(&mut bits, side)?)
    } else {
        None
    };
    // That of the picture, and that of the picture with its gain map.
    for _ in 0..u32::from(has_hdr) + u32::from(has_gain_map) {
        dynamic_range(&mut bits)?;
    }
    let sizes = Sizes {
        has_alpha,
        gain_map,
        has_icc,
        has_exif,
        has_xmp,
    };
    let picture = Picture {
        bit_depth: u16::try_from(depth).ok(),
        has_alpha: Some(has_alpha),
        gain_map: gain_map.is_some(),
        ..Picture::sized(width, height)
    };
    sizes.chunks(bits, picture)
}

/// The depth of a sample, after the position of its colours.
fn depth(bits: &mut Bits<'_>, subsampling: u64, is_float: Option<bool>) -> Option<u64> {
    if matches!(subsampling, 1 | 2) {
        bits.take(1)?;
    }
    if subsampling == 1 {
        bits.take(1)?;
    }
    let is_float = match is_float {
        Some(is_float) => is_float,
        None => bits.flag()?,
    };
    Some(if is_float {
        1 << (bits.take(2)? + 4)
    } else if bits.flag()? {
        bits.take(3)? + 9
    } else {
        8
    })
}

#[derive(Clone, Copy)]
struct GainMap {
    has_icc: bool,
}

fn gain_map(bits: &mut Bits<'_>, side: u32) -> Option<GainMap> {
    // Width, height, matrix coefficients, range.
    bits.take(side)?;
    bits.take(side)?;
    bits.take(8 + 1)?;
    let subsampling = bits.take(2)?;
    depth(bits, subsampling, None)?;
    let has_icc = bits.flag()?;
    if bits.flag()? {
        bits.take(3 * 8 + 1)?;
    }
    Some(GainMap { has_icc })
}

/// Skips properties of high dynamic range.
fn dynamic_range(bits: &mut Bits<'_>) -> Option<()> {
    // clli, mdcv, cclv, amve, reve, ndwt: how many bits each has. That of two depends on their content, and they are rare.
    const BITS: [Option<u32>; 6] = [Some(32), Some(192), None, Some(64), None, Some(32)];
    let mut length = 0;
    for property in BITS {
        if bits.flag()? {
            length += property?;
        }
    }
    bits.skip(length)
}

/// Which chunks there are.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "these are the flags of the box")]
struct Sizes {
    has_alpha: bool,
    gain_map: Option<GainMap>,
    has_icc: bool,
    has_exif: bool,
    has_xmp: bool,
}

impl Sizes {
    /// Reads the sizes of the chunks, which follow each other.
    fn chunks(self, mut bits: Bits<'_>, picture: Picture) -> Option<Header> {
        let has_metadata = self.has_icc || self.has_exif || self.has_xmp || self.gain_map.is_some();
        let is_large = has_metadata && bits.flag()?;
        let metadata = if is_large { LARGE_METADATA_BITS } else { 10 };
        let config = if bits.flag()? { 12 } else { 3 };
        let item = if bits.flag()? { 28 } else { 15 };
        let icc = if self.has_icc { bits.take(metadata)? + 1 } else { 0 };
        let (mut of_map, mut map_config, mut map_item) = (0, 0, 0);
        if let Some(map) = self.gain_map {
            of_map = if map.has_icc { bits.take(metadata)? + 1 } else { 0 };
            of_map += bits.take(metadata)?;
            map_item = bits.take(item)?;
            map_config = if map_item > 0 { bits.take(config)? } else { 0 };
        }
        let main_config = bits.take(config)?;
        let main_item = bits.take(item)? + 1;
        let alpha_item = if self.has_alpha { bits.take(item)? } else { 0 };
        let alpha_config = if alpha_item > 0 { bits.take(config)? } else { 0 };
        let is_packed = (self.has_exif || self.has_xmp) && bits.flag()?;
        let exif = if self.has_exif { bits.take(metadata)? + 1 } else { 0 };
        let xmp = if self.has_xmp { bits.take(metadata)? + 1 } else { 0 };
        let icc_at = bits.bytes_read() + main_config + alpha_config + map_config;
        let exif_at = icc_at + icc + of_map + alpha_item + map_item + main_item;
        let range = |start: u64, length: u64| (length > 0).then(|| start..start + length);
        Some(Header {
            picture,
            icc: range(icc_at, icc),
            exif: range(exif_at, exif),
            xmp: range(exif_at + exif, xmp),
            is_packed,
        })
    }
}

/// Bits from the highest on.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u64> {
        let mut taken = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            taken = taken << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(taken)
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        self.at += usize::try_from(count).ok()?;
        Some(())
    }

    /// With the rest of a byte that has begun.
    fn bytes_read(&self) -> u64 {
        self.at.div_ceil(8) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Format, read_whole};

    /// The bytes of a text of bits.
    fn bytes(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |byte, index| byte << 1 | bits.get(index).copied().unwrap_or(0));
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn exif_xmp_and_the_size_are_found() {
        let exif = b"II*\0\x08\0\0\0\x01\0\x0F\x01\x02\0\x02\0\0\0A\0\0\0\0\0\0\0";
        let xmp = b"<r xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description xmlns:a='http://a/' a:b='c'/></r>";
        let size = |length: usize| format!("{:010b}", length - 1);
        // Version, flags (alpha; ICC, EXIF, XMP), 4:2:0, orientation, 300 by 200, the place of colours, 10 bits, alpha.
        let picture = format!(
            "00 0 0 1 1 0 0 1 1 1 01 000 1 {:015b} {:015b} 1 0 1 001 0",
            300 - 1,
            200 - 1
        );
        // Lengths: small, ICC 4; a configuration of 2, data of 5; alpha of 3 without a configuration of its own.
        let sizes = format!("0 0 0 {} 010 {:015b} {:015b} 000 0", size(4), 5 - 1, 3);
        let header = bytes(&format!("{picture} {sizes} {} {}", size(exif.len()), size(xmp.len())));
        let body = [&header[..], b"cc", b"icc!", b"aaa", b"main!", exif, xmp].concat();
        let length = |body: &[u8]| u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        let ftyp = b"\0\0\0\x10ftypmif3avif";
        let file = [&ftyp[..], &length(&body), b"mini", &body].concat();
        let found = read_whole(file.clone().into());
        assert_eq!((found.format, &found.warnings), (Format::Avif, &vec![]));
        let image = found.image.unwrap();
        let facts = (image.width, image.height, image.bit_depth, image.has_alpha);
        assert_eq!(facts, (Some(300), Some(200), Some(10), Some(true)));
        assert_eq!(found.exif.unwrap().make.as_deref(), Some("A"));
        assert_eq!(found.xmp.unwrap()["a:b"], "c");
        for end in 0..file.len() {
            assert_eq!(read_whole(file[..end].to_vec().into()).tags.len() / 2, 0);
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        // A property of high dynamic range whose length is not known.
        let hdr = format!("00 0 0 1 0 0 1 0 0 0 00 000 0 {:07b} {:07b} 0 0 001000", 1, 1);
        assert_eq!(header(&[bytes(&hdr), vec![0; 50]].concat()), None);
        assert_eq!(header(&[]), None);
    }
}
