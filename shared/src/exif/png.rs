//! EXIF in a PNG: an `eXIf` chunk, or the hexadecimal text that `ImageMagick` and ExifTool wrote
//! before that chunk was standardised.
//!
//! Chunks: W3C PNG (Third Edition), 5.3 and 11.3.

use std::io::{BufRead as _, BufReader, Read};

use bytes::Bytes;
use flate2::read::ZlibDecoder;

use super::block::Block;
use super::parts::{Gap, Parts};
use super::warnings::Warnings;

const SIGNATURE: u64 = 8;

/// Length and type before the data, the checksum after it.
const CHUNK_HEADER: u64 = 8;
const CHUNK_CRC: u64 = 4;

/// Of a file with EXIF neither before its image data nor right after the first chunk of it, this much
/// of the end is read to find the last one.
const TAIL: u64 = 64 * 1024;

const RAW_PROFILES: [&[u8]; 2] = [b"Raw profile type exif", b"Raw profile type APP1"];

/// The most EXIF that is taken out of a text: it may be packed a thousandfold.
const MOST_RAW_PROFILE: usize = 128 * 1024;

pub fn find<'a>(file: &'a Parts, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Gap> {
    let mut at = SIGNATURE;
    let mut before_data = true;
    loop {
        let chunk = Chunk::at(file, at)?;
        at = chunk.end();
        match &chunk.kind {
            b"eXIf" => return Ok(Some(chunk.exif(file, warnings)?)),
            b"tEXt" | b"zTXt" | b"iTXt" => {
                if let Some(block) = chunk.raw_profile(file, warnings)? {
                    return Ok(Some(block));
                }
            }
            b"IEND" => return Ok(None),
            b"IDAT" if before_data => {
                before_data = false;
                if at < file.size().saturating_sub(TAIL) {
                    at = match after_data(file)? {
                        Some(after) => after,
                        // There is no way round the chunks in between.
                        None => {
                            file.get(at, file.size() - at)?;
                            at
                        }
                    };
                }
            }
            _ => {}
        }
    }
}

/// The end of the last chunk of image data, where that is in the file's tail. It is the last place
/// that reads `IDAT` from which chunks lead to the end of the image.
fn after_data(file: &Parts) -> Result<Option<u64>, Gap> {
    let start = file.size() - TAIL;
    let tail = file.get(start, TAIL)?;
    for at in (0..tail.len() - CHUNK_HEADER as usize).rev() {
        if &tail[at + 4..at + 8] != b"IDAT" {
            continue;
        }
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
    fn at(file: &Parts, at: u64) -> Result<Self, Gap> {
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

    fn exif<'a>(&self, file: &'a Parts, warnings: &mut Warnings) -> Result<Block<'a>, Gap> {
        let end = self.data + self.length;
        if end > file.size() {
            warnings.add("the file ends inside its EXIF");
        }
        Block::at(file, self.data..end.min(file.size())).without_id()
    }

    /// The EXIF in a text chunk, if this is such a one.
    fn raw_profile<'a>(&self, file: &Parts, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Gap> {
        let keyword = RAW_PROFILES[0].len() as u64 + 1;
        if self.length <= keyword {
            return Ok(None);
        }
        let (name, nul) = file.ahead(self.data, keyword)?.split_at(RAW_PROFILES[0].len());
        if !RAW_PROFILES.contains(&name) || nul != [0] {
            return Ok(None);
        }
        let body = file.get(self.data + keyword, self.length - keyword)?;
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
            warnings.add(format!("{} cannot be unpacked", String::from_utf8_lossy(name)));
            return Ok(None);
        };
        if profile.len() == MOST_RAW_PROFILE {
            warnings.add(format!("EXIF: only the first {MOST_RAW_PROFILE} bytes were unpacked"));
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
    let mut text = BufReader::with_capacity(4096, text);
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
    let length = length?.min(MOST_RAW_PROFILE);
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
