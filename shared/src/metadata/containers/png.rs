//! EXIF in a PNG: an `eXIf` chunk, or the hexadecimal text that ImageMagick and ExifTool wrote before this chunk was
//! standardised.
//!
//! Source for chunks: W3C PNG (Third Edition), 5.3 and 11.3.

use std::io::{BufRead as _, BufReader, Read};

use bytes::Bytes;
use flate2::read::ZlibDecoder;

use super::Unread;
use crate::metadata::tiff::block::Block;
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

const SIGNATURE: u64 = 8;

/// Length and type come before the data, the checksum comes after it.
pub const CHUNK_HEADER: u64 = 8;
pub const CHUNK_CRC: u64 = 4;

/// If a file has no EXIF before its image data, this much of its end is read. It shows where the last chunk of image
/// data ends, and what follows it.
const TAIL_BYTES: u64 = 64 * 1024;

/// Chunks of image data: of the picture, and of further frames of an animation.
const DATA: [&[u8; 4]; 2] = [b"IDAT", b"fdAT"];

/// Keywords of texts that hold EXIF, each with the NUL that ends it.
const RAW_PROFILES: [&[u8; 22]; 2] = [b"Raw profile type exif\0", b"Raw profile type APP1\0"];
const RAW_PROFILE_KEYWORD: u64 = RAW_PROFILES[0].len() as u64;

/// The most places that are tried as the last chunk of image data. Other data can hold the same letters, but rarely
/// does.
const MAX_CANDIDATES: usize = 16;

/// The most EXIF that is unpacked from a text: as much as a JPEG holds. A packed text can grow a thousandfold.
const MAX_RAW_PROFILE_BYTES: usize = 64 * 1024;

/// The most texts that are unpacked because their keyword says that they hold EXIF.
const MAX_RAW_PROFILES: usize = 4;

pub fn find<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Unread> {
    let mut at = SIGNATURE;
    let mut before_data = true;
    let mut raw_profiles = 0;
    for _ in 0..MAX_STEPS {
        let chunk = Chunk::at(file, at)?;
        at = chunk.end();
        match &chunk.kind {
            b"eXIf" => {
                let block = Block::at(file, chunk.data..chunk.data + chunk.length, warnings).without_id()?;
                if block.is_tiff()? {
                    return Ok(Some(block));
                }
                warnings.add("an eXIf chunk without a TIFF header");
            }
            b"tEXt" | b"zTXt" | b"iTXt" => {
                let is_raw_profile = raw_profiles < MAX_RAW_PROFILES && chunk.is_raw_profile(file)?;
                raw_profiles += usize::from(is_raw_profile);
                if is_raw_profile && let Some(block) = chunk.raw_profile(file, warnings)? {
                    return Ok(Some(block));
                }
            }
            b"IEND" => return Ok(None),
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
    warnings.add(TOO_MANY_STEPS);
    Ok(None)
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

/// Whether the keyword of a text says that it holds EXIF.
pub fn is_raw_profile(keyword: &[u8]) -> bool {
    RAW_PROFILES.iter().any(|profile| *profile == keyword)
}

/// The length of such a keyword, if a chunk is a text.
pub fn keyword_length(kind: [u8; 4]) -> Option<u64> {
    matches!(&kind, b"tEXt" | b"zTXt" | b"iTXt").then_some(RAW_PROFILE_KEYWORD)
}

struct Chunk {
    kind: [u8; 4],
    data: u64,
    length: u64,
}

impl Chunk {
    fn at(file: &FileView, at: u64) -> Result<Self, Missing> {
        let [l0, l1, l2, l3, kind @ ..] = file.array::<8>(at)?;
        Ok(Self {
            kind,
            data: at + CHUNK_HEADER,
            length: u32::from_be_bytes([l0, l1, l2, l3]).into(),
        })
    }

    fn end(&self) -> u64 {
        self.data + self.length + CHUNK_CRC
    }

    /// Whether the keyword of this text says that it holds EXIF.
    fn is_raw_profile(&self, file: &FileView) -> Result<bool, Missing> {
        if self.length <= RAW_PROFILE_KEYWORD {
            return Ok(false);
        }
        Ok(is_raw_profile(file.ahead(self.data, RAW_PROFILE_KEYWORD)?))
    }

    /// The EXIF in a raw profile. `None` if there is none.
    fn raw_profile<'a>(&self, file: &FileView, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Missing> {
        let body = file.get(self.data + RAW_PROFILE_KEYWORD, self.length - RAW_PROFILE_KEYWORD)?;
        let profile = match (&self.kind, body) {
            (b"tEXt", text) => hexadecimal(text),
            // The first byte is the method. There is only one.
            (b"zTXt", [_, packed @ ..]) => hexadecimal(ZlibDecoder::new(packed)),
            // A flag for packed text and the method, then the language and the translated keyword, each with a NUL.
            (_, [packed, _, rest @ ..]) => {
                let text = rest.splitn(3, |&byte| byte == 0).nth(2).unwrap_or_default();
                if *packed == 0 {
                    hexadecimal(text)
                } else {
                    hexadecimal(ZlibDecoder::new(text))
                }
            }
            _ => None,
        };
        let Some(profile) = profile else {
            warnings.add("EXIF in a text cannot be unpacked");
            return Ok(None);
        };
        if profile.len() == MAX_RAW_PROFILE_BYTES {
            warnings.add(format!(
                "EXIF: only its first {MAX_RAW_PROFILE_BYTES} bytes were unpacked"
            ));
        }
        let block = Block::owned(profile).without_id()?;
        Ok(block.is_tiff()?.then_some(block))
    }
}

/// The bytes of a raw profile: a line break, its name, its length, then lines of hexadecimal digits.
///
/// `None` if the text is not a raw profile. Damage among the digits ends the bytes.
fn hexadecimal(text: impl Read) -> Option<Bytes> {
    // No sensible name or number is longer.
    const LINE: u64 = 80;
    // Two digits make a byte. Twice as much is read, because there are breaks between the lines of digits.
    let mut text = BufReader::with_capacity(4096, text.take(4 * MAX_RAW_PROFILE_BYTES as u64));
    let mut line = Vec::new();
    let mut length = None;
    for _ in 0..3 {
        line.clear();
        text.by_ref().take(LINE).read_until(b'\n', &mut line).ok()?;
        let number = std::str::from_utf8(&line).ok()?.trim().parse::<usize>();
        if let Ok(number) = number {
            length = Some(number);
            break;
        }
    }
    let length = length?.min(MAX_RAW_PROFILE_BYTES);
    let mut bytes = Vec::new();
    let mut high = None;
    for byte in text.bytes().map_while(Result::ok) {
        let Some(digit) = char::from(byte).to_digit(16) else {
            if byte.is_ascii_whitespace() {
                continue;
            }
            break;
        };
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
