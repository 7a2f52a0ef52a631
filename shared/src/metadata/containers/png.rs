//! EXIF in a PNG: an `eXIf` chunk, or the hexadecimal text that ImageMagick and ExifTool wrote
//! before that chunk was standardised.
//!
//! Chunks: W3C PNG (Third Edition), 5.3 and 11.3.

use std::io::{BufRead as _, BufReader, Read};

use bytes::Bytes;
use flate2::read::ZlibDecoder;

use crate::metadata::tiff::block::Block;
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

const SIGNATURE: u64 = 8;

/// Length and type before the data, the checksum after it.
const CHUNK_HEADER: u64 = 8;
const CHUNK_CRC: u64 = 4;

/// Of a file without EXIF before its image data this much of the end is read, to find the last chunk of
/// that data and what follows it.
const TAIL_BYTES: u64 = 64 * 1024;

/// Image data: of the picture, and of the frames that follow it in an animation.
const DATA: [&[u8; 4]; 2] = [b"IDAT", b"fdAT"];

/// Keywords of texts, with the NUL that ends them.
const RAW_PROFILES: [&[u8; 22]; 2] = [b"Raw profile type exif\0", b"Raw profile type APP1\0"];
const RAW_PROFILE_KEYWORD: u64 = RAW_PROFILES[0].len() as u64;

/// These letters may stand in other data, but not often.
const MAX_CANDIDATES: usize = 16;

/// The most EXIF that is taken out of a text: as much as a JPEG holds. It may be packed a thousandfold.
const MAX_RAW_PROFILE_BYTES: usize = 64 * 1024;

/// Of more texts that say they hold EXIF, and do not, the rest is not unpacked.
const MAX_RAW_PROFILES: usize = 4;

pub fn find<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Missing> {
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
                    } else {
                        // There is no way round the chunks in between.
                        file.get(at, file.size() - at)?;
                    }
                }
            }
            _ => {}
        }
    }
    warnings.add(TOO_MANY_STEPS);
    Ok(None)
}

/// The end of the last chunk of image data, where that is in the file's tail. It is the last place
/// that reads `IDAT` or `fdAT` from which chunks lead to the end of the image.
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

    /// Whether this text chunk says that it holds EXIF.
    fn is_raw_profile(&self, file: &FileView) -> Result<bool, Missing> {
        if self.length <= RAW_PROFILE_KEYWORD {
            return Ok(false);
        }
        let keyword = file.ahead(self.data, RAW_PROFILE_KEYWORD)?;
        Ok(RAW_PROFILES.iter().any(|profile| *profile == keyword))
    }

    /// The EXIF in a raw profile.
    fn raw_profile<'a>(&self, file: &FileView, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Missing> {
        let body = file.get(self.data + RAW_PROFILE_KEYWORD, self.length - RAW_PROFILE_KEYWORD)?;
        let profile = match (&self.kind, body) {
            (b"tEXt", text) => hexadecimal(text),
            // One byte for the method: there is but one.
            (b"zTXt", [_, packed @ ..]) => hexadecimal(ZlibDecoder::new(packed)),
            // Packed or not, the method, then language and translated keyword, each with a NUL.
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
                "EXIF: no more than its first {MAX_RAW_PROFILE_BYTES} bytes were unpacked"
            ));
        }
        let block = Block::owned(profile).without_id()?;
        Ok(block.is_tiff()?.then_some(block))
    }
}

/// The bytes of a raw profile: a line break, its name, its length, then hexadecimal digits in lines.
/// `None` if this is no such text; damage further on ends it.
fn hexadecimal(text: impl Read) -> Option<Bytes> {
    // The longest that a name and a number can sensibly be.
    const LINE: u64 = 80;
    // Two digits make a byte, and as much again is for the breaks between their lines.
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
