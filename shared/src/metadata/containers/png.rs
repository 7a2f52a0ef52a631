//! PNG: chunks for EXIF, XMP and a colour profile, and the hexadecimal texts that ImageMagick and ExifTool wrote before
//! these chunks were standardised.
//!
//! Source for chunks: W3C PNG (Third Edition), 5.3 and 11.3.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Unread, photoshop, unpack};
use crate::metadata::blocks::Blocks;
use crate::metadata::picture::Picture;
use crate::metadata::tiff::block::Block;
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

pub const SIGNATURE: u64 = 8;

/// Length and type come before the data, the checksum comes after it.
pub const CHUNK_HEADER: u64 = 8;
pub const CHUNK_CRC: u64 = 4;

/// If a file has no EXIF before its image data, this much of its end is read. It shows where the last chunk of image
/// data ends, and what follows it.
const TAIL_BYTES: u64 = 64 * 1024;

/// Chunks of image data: of the picture, and of further frames of an animation.
const DATA: [&[u8; 4]; 2] = [b"IDAT", b"fdAT"];

/// The longest keyword of a text that holds a block, with the NUL that ends it.
const KEYWORD_BYTES: u64 = 22;

/// The bit of a colour type that means alpha.
const ALPHA: u8 = 4;

/// The most places that are tried as the last chunk of image data. Other data can hold the same letters, but rarely
/// does.
const MAX_CANDIDATES: usize = 16;

/// The most EXIF that is unpacked from a text: as much as a JPEG holds. A packed text can grow a thousandfold.
const MAX_RAW_PROFILE_BYTES: usize = 64 * 1024;

/// The most texts that are unpacked because their keyword says that they hold a block.
const MAX_PROFILES: usize = 8;

/// The most of a packed profile that is read.
const MAX_PACKED_BYTES: u64 = 128 * 1024;

pub fn walk<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Unread> {
    let mut walk = Walk {
        file,
        blocks: Blocks::default(),
        profiles: 0,
        warnings,
    };
    match walk.chunks() {
        Err(Unread::Missing(Missing::PastEnd)) => {
            walk.warnings.add("the file ends before all of it could be searched");
        }
        other => other?,
    }
    Ok(walk.blocks)
}

struct Walk<'a, 'w> {
    file: &'a FileView,
    blocks: Blocks<'a>,
    /// How many texts were unpacked.
    profiles: usize,
    warnings: &'w mut Warnings,
}

impl Walk<'_, '_> {
    fn chunks(&mut self) -> Result<(), Unread> {
        let file = self.file;
        let mut at = SIGNATURE;
        let mut before_data = true;
        for _ in 0..MAX_STEPS {
            let chunk = Chunk::at(file, at)?;
            at = chunk.end();
            match &chunk.kind {
                b"IHDR" => self.header(&chunk)?,
                b"tRNS" => self.blocks.picture.has_alpha = Some(true),
                b"acTL" if chunk.length >= 4 => {
                    self.blocks.picture.animated = Some(true);
                    self.blocks.picture.frames = Some(u32::from_be_bytes(file.array(chunk.data)?));
                }
                b"iCCP" => self.profile(&chunk)?,
                b"eXIf" if self.blocks.exif.is_none() => {
                    let block = Block::at(file, chunk.data..chunk.data + chunk.length, self.warnings).without_id()?;
                    if block.is_tiff()? {
                        self.blocks.exif = Some(block);
                    } else {
                        self.warnings.add("an eXIf chunk without a TIFF header");
                    }
                }
                b"tEXt" | b"zTXt" | b"iTXt" => self.text(&chunk)?,
                b"IEND" => return Ok(()),
                // A file that has metadata has all of it before the image data, or none.
                b"IDAT" if before_data && (self.blocks.exif.is_some() || !self.blocks.xmp.is_empty()) => return Ok(()),
                b"IDAT" if before_data => {
                    before_data = false;
                    if at < file.size().saturating_sub(TAIL_BYTES) {
                        if let Some(after) = after_data(file)? {
                            at = after;
                        } else if !file.is_read_from(at) {
                            // Only the chunks in between say where the next one starts, so all of them are read.
                            return Err(Unread::Rest(at));
                        }
                    }
                }
                _ => {}
            }
        }
        self.warnings.add(TOO_MANY_STEPS);
        Ok(())
    }

    /// Width, height, bit depth and colour type.
    fn header(&mut self, chunk: &Chunk) -> Result<(), Missing> {
        if chunk.length < 10 {
            return Ok(());
        }
        let [w0, w1, w2, w3, h0, h1, h2, h3, depth, colour] = self.file.array(chunk.data)?;
        self.blocks.picture = Picture {
            bit_depth: Some(depth.into()),
            has_alpha: Some(colour & ALPHA != 0),
            animated: Some(false),
            ..Picture::sized(
                u32::from_be_bytes([w0, w1, w2, w3]),
                u32::from_be_bytes([h0, h1, h2, h3]),
            )
        };
        Ok(())
    }

    /// A name, a NUL, a method, and a packed profile.
    fn profile(&mut self, chunk: &Chunk) -> Result<(), Missing> {
        let bytes = self.file.ahead(chunk.data, chunk.length.min(MAX_PACKED_BYTES))?;
        let name = bytes.iter().take(80).position(|&byte| byte == 0);
        if let Some(packed) = name.and_then(|name| bytes.get(name + 2..)) {
            self.blocks.icc = Some(unpack::zlib(packed).into());
        }
        Ok(())
    }

    /// A text whose keyword says that it holds a block.
    fn text(&mut self, chunk: &Chunk) -> Result<(), Missing> {
        if chunk.length <= KEYWORD_BYTES || self.profiles >= MAX_PROFILES {
            return Ok(());
        }
        let Some(keyword) = keyword(self.file.ahead(chunk.data, KEYWORD_BYTES)?) else {
            return Ok(());
        };
        self.profiles += 1;
        let start = keyword.text().len() as u64;
        let body = self.file.get(chunk.data + start, chunk.length - start)?;
        let text = match (&chunk.kind, body) {
            (b"tEXt", text) => Cow::Borrowed(text),
            // The first byte is the method. There is only one.
            (b"zTXt", [_, packed @ ..]) => unpack::zlib(packed).into(),
            // A flag for packed text and the method, then the language and the translated keyword, each with a NUL.
            (b"iTXt", [packed, _, rest @ ..]) => {
                let text = rest.splitn(3, |&byte| byte == 0).nth(2).unwrap_or_default();
                if *packed == 0 {
                    Cow::Borrowed(text)
                } else {
                    unpack::zlib(text).into()
                }
            }
            _ => return Ok(()),
        };
        if keyword == Keyword::Xmp {
            self.blocks.xmp.push(text);
            return Ok(());
        }
        let Some(bytes) = hexadecimal(&text, MAX_RAW_PROFILE_BYTES) else {
            self.warnings
                .add(format!("{}: its text cannot be unpacked", keyword.name()));
            return Ok(());
        };
        if bytes.len() == MAX_RAW_PROFILE_BYTES {
            self.warnings.add(format!(
                "{}: only its first {MAX_RAW_PROFILE_BYTES} bytes were unpacked",
                keyword.name()
            ));
        }
        self.raw_profile(keyword, bytes)
    }

    fn raw_profile(&mut self, keyword: Keyword, bytes: Bytes) -> Result<(), Missing> {
        match keyword {
            Keyword::RawXmp => self.blocks.xmp.push(bytes.to_vec().into()),
            Keyword::RawApp1 if bytes.starts_with(b"http://ns.adobe.com/xap/1.0/") => {
                let packet = bytes
                    .iter()
                    .position(|&byte| byte == 0)
                    .map(|end| bytes.slice(end + 1..));
                self.blocks.xmp.extend(packet.map(|packet| packet.to_vec().into()));
            }
            Keyword::RawIptc if bytes.first() == Some(&0x1C) => {
                self.blocks.iptc.get_or_insert_with(|| bytes.to_vec().into());
            }
            Keyword::RawIptc | Keyword::Raw8bim => photoshop::add(&bytes, &mut self.blocks, self.warnings),
            _ if self.blocks.exif.is_none() => {
                let block = Block::owned(bytes).without_id()?;
                if block.is_tiff()? {
                    self.blocks.exif = Some(block);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The end of the last chunk of image data, if it is in the tail of the file.
///
/// This chunk starts at the last `IDAT` or `fdAT` from which chunks lead to the end of the image.
fn after_data(file: &FileView) -> Result<Option<u64>, Missing> {
    let start = file.size() - TAIL_BYTES;
    let tail = file.get(start, TAIL_BYTES)?;
    let starts = tail
        .windows(8)
        .enumerate()
        .rev()
        .filter(|(_, header)| DATA.iter().any(|kind| header.ends_with(*kind)));
    for (at, _) in starts.take(MAX_CANDIDATES) {
        let first = Chunk::at(file, start + at as u64)?.end();
        let mut next = first;
        while next < file.size() {
            let Ok(chunk) = Chunk::at(file, next) else { break };
            if &chunk.kind == b"IEND" {
                return Ok(Some(first));
            }
            next = chunk.end();
        }
    }
    Ok(None)
}

/// The keyword of a text that holds a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyword {
    Xmp,
    RawXmp,
    RawExif,
    /// EXIF or XMP.
    RawApp1,
    RawIptc,
    Raw8bim,
}

impl Keyword {
    const ALL: [Self; 6] = [
        Self::Xmp,
        Self::RawXmp,
        Self::RawExif,
        Self::RawApp1,
        Self::RawIptc,
        Self::Raw8bim,
    ];

    /// With the NUL that ends it.
    fn text(self) -> &'static [u8] {
        match self {
            Self::Xmp => b"XML:com.adobe.xmp\0",
            Self::RawXmp => b"Raw profile type xmp\0",
            Self::RawExif => b"Raw profile type exif\0",
            Self::RawApp1 => b"Raw profile type APP1\0",
            Self::RawIptc => b"Raw profile type iptc\0",
            Self::Raw8bim => b"Raw profile type 8bim\0",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Xmp | Self::RawXmp => "XMP",
            Self::RawExif | Self::RawApp1 => "EXIF",
            Self::RawIptc | Self::Raw8bim => "IPTC",
        }
    }
}

/// The keyword at the start of a text. At least [`KEYWORD_BYTES`] of the text must be there.
fn keyword(text: &[u8]) -> Option<Keyword> {
    Keyword::ALL
        .into_iter()
        .find(|keyword| text.starts_with(keyword.text()))
}

/// Whether the start of a text says that it holds a block.
pub fn is_wanted(text: &[u8]) -> bool {
    keyword(text).is_some()
}

/// How much of a chunk shows this, if it is a text.
pub fn keyword_length(kind: [u8; 4]) -> Option<u64> {
    matches!(&kind, b"tEXt" | b"zTXt" | b"iTXt").then_some(KEYWORD_BYTES)
}

/// A chunk of the file: its type, and where its data is.
pub struct Chunk {
    pub kind: [u8; 4],
    pub data: u64,
    pub length: u64,
}

impl Chunk {
    pub fn at(file: &FileView, at: u64) -> Result<Self, Missing> {
        let [l0, l1, l2, l3, kind @ ..] = file.array::<8>(at)?;
        Ok(Self {
            kind,
            data: at + CHUNK_HEADER,
            length: u32::from_be_bytes([l0, l1, l2, l3]).into(),
        })
    }

    pub fn start(&self) -> u64 {
        self.data - CHUNK_HEADER
    }

    /// Behind the checksum.
    pub fn end(&self) -> u64 {
        self.data + self.length + CHUNK_CRC
    }
}

/// The bytes of a raw profile: a line break, its name, its length, then lines of hexadecimal digits.
///
/// `None` if the text is not a raw profile. Damage among the digits ends the bytes, and so does `max`.
pub fn hexadecimal(text: &[u8], max: usize) -> Option<Bytes> {
    // The length is in one of the first lines.
    let mut rest = text;
    let mut length = None;
    for _ in 0..3 {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end + 1..];
        length = line.trim().parse::<usize>().ok();
        if length.is_some() {
            break;
        }
    }
    let length = length?.min(max);
    let digits = rest.iter().map(|&byte| char::from(byte));
    let digits = digits
        .filter(|c| !c.is_ascii_whitespace())
        .map_while(|c| c.to_digit(16));
    let mut bytes = Vec::new();
    let mut high = None;
    for digit in digits {
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(u8::try_from(high << 4 | digit).ok()?),
        }
        if bytes.len() == length {
            break;
        }
    }
    (!bytes.is_empty()).then(|| bytes.into())
}
