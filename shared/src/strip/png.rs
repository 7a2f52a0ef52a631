//! PNG and APNG: chunks. Source: W3C PNG (Third Edition).

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use super::pieces::Pieces;
use super::places::tells_place;
use super::{Job, Stop, exif, iptc, photoshop, xmp};
use crate::metadata::containers::png::{Chunk, SIGNATURE, hexadecimal};
use crate::metadata::view::{MAX_STEPS, Missing};

/// What is needed to show the picture and its animation.
const PICTURE: [&[u8; 4]; 17] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI",
    b"sBIT", b"bKGD", b"pHYs", b"acTL", b"fcTL",
];
const FRAMES: &[u8; 4] = b"fdAT";

/// What else stays without places: chunks of the standard that hold no text.
const PLAIN: [&[u8; 4]; 6] = [b"hIST", b"sPLT", b"tIME", b"oFFs", b"sTER", b"pCAL"];

/// Keywords of texts that hold a block.
const XMP: &str = "XML:com.adobe.xmp";
const RAW: &str = "Raw profile type ";

/// The most of a text that is unpacked.
const MAX_TEXT_BYTES: u64 = 4 * 1024 * 1024;

pub fn write(job: &mut Job<'_>) -> Result<Pieces, Stop> {
    let file = job.file;
    let mut pieces = Pieces::default();
    pieces.keep(0..SIGNATURE);
    let mut at = SIGNATURE;
    for _ in 0..MAX_STEPS {
        let chunk = match Chunk::at(file, at) {
            Ok(chunk) => chunk,
            // The file ends without an IEND.
            Err(Missing::PastEnd) => return Ok(pieces),
            Err(unread) => return Err(unread.into()),
        };
        let whole = chunk.start()..chunk.end().min(file.size());
        at = chunk.end();
        if PICTURE.contains(&&chunk.kind) || &chunk.kind == FRAMES {
            pieces.keep(whole);
        } else if !job.is_all() {
            if PLAIN.contains(&&chunk.kind) {
                pieces.keep(whole);
            } else if let Some(data) = without_places(job, &chunk)? {
                pieces.put(chunk_of(chunk.kind, &data));
            }
        }
        match &chunk.kind {
            b"IHDR" if job.is_all() => add_kept(job, &mut pieces),
            // Nothing belongs behind it.
            b"IEND" => return Ok(pieces),
            _ => {}
        }
    }
    super::unsupported("the file has too many chunks")
}

/// The only metadata that the output has.
fn add_kept(job: &Job<'_>, pieces: &mut Pieces) {
    if let Some(block) = &job.new.exif {
        pieces.put(chunk_of(*b"eXIf", block));
    }
    if !job.new.xmp.is_empty() {
        pieces.put(chunk_of(*b"iTXt", &[XMP.as_bytes(), &[0; 5], &job.new.xmp].concat()));
    }
    if !job.new.iptc.is_empty() {
        let profile = raw_profile("iptc", &photoshop::with_iptc(&job.new.iptc));
        pieces.put(chunk_of(*b"tEXt", &[RAW.as_bytes(), b"iptc\0", &profile].concat()));
    }
}

/// The data of a chunk without places. `None` if nothing of it stays.
fn without_places(job: &Job<'_>, chunk: &Chunk) -> Result<Option<Vec<u8>>, Stop> {
    let data = match job.file.get(chunk.data, chunk.length) {
        Ok(data) => data,
        Err(Missing::PastEnd) => return Ok(None),
        Err(unread) => return Err(unread.into()),
    };
    Ok(match &chunk.kind {
        b"eXIf" => {
            // Some writers put the identifier of a JPEG before it.
            let block = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
            exif::without_places(block)
        }
        b"tEXt" | b"zTXt" | b"iTXt" => Text::of(chunk.kind, data).and_then(|text| text.without_places(data)),
        _ => None,
    })
}

/// A text in a chunk.
struct Text<'a> {
    keyword: &'a str,
    /// What comes before the text, with the keyword.
    head: &'a [u8],
    content: Vec<u8>,
    is_packed: bool,
}

impl<'a> Text<'a> {
    fn of(kind: [u8; 4], data: &'a [u8]) -> Option<Self> {
        let end = data.iter().position(|&byte| byte == 0)?;
        let keyword = std::str::from_utf8(&data[..end]).ok()?;
        let after = &data[end + 1..];
        let (is_packed, content) = match &kind {
            b"tEXt" => (false, after),
            // A method.
            b"zTXt" => (true, after.get(1..)?),
            // A flag and a method, then the language and the translated keyword, each with a NUL.
            _ => (
                *after.first()? != 0,
                after.get(2..)?.splitn(3, |&byte| byte == 0).nth(2)?,
            ),
        };
        Some(Self {
            keyword,
            head: &data[..data.len() - content.len()],
            content: if is_packed {
                unpacked(content)?
            } else {
                content.to_vec()
            },
            is_packed,
        })
    }

    /// The data of the chunk. `None` if nothing of it stays.
    fn without_places(&self, data: &[u8]) -> Option<Vec<u8>> {
        let content = if self.keyword == XMP {
            xmp::without_places(&self.content, None)?
        } else if let Some(profile) = self.keyword.strip_prefix(RAW) {
            let bytes = hexadecimal(&self.content, usize::MAX)?;
            raw_profile(profile, &profile_without_places(&bytes)?)
        } else if tells_place(self.keyword) {
            return None;
        } else {
            return Some(data.to_vec());
        };
        let content = if self.is_packed { packed(&content) } else { content };
        Some([self.head, &content].concat())
    }
}

/// A raw profile is what it begins like, whatever its keyword says.
fn profile_without_places(bytes: &[u8]) -> Option<Vec<u8>> {
    const EXIF_ID: &[u8] = b"Exif\0\0";
    const XMP_ID: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
    if let Some(block) = bytes.strip_prefix(EXIF_ID) {
        return Some([EXIF_ID, &exif::without_places(block)?].concat());
    }
    if let Some(packet) = bytes.strip_prefix(XMP_ID) {
        return Some([XMP_ID, &xmp::without_places(packet, None)?].concat());
    }
    match bytes {
        [b'I', b'I', ..] | [b'M', b'M', ..] => exif::without_places(bytes),
        [b'8', b'B', b'I', b'M', ..] => Some(photoshop::without_places(bytes)),
        _ if iptc::is_block(bytes) => Some(iptc::without_places(bytes)),
        _ if bytes.contains(&b'<') => xmp::without_places(bytes, None),
        _ => None,
    }
}

/// The text of a raw profile, in lines as ImageMagick writes them.
fn raw_profile(name: &str, bytes: &[u8]) -> Vec<u8> {
    const LINE_DIGITS: usize = 72;
    let mut text = format!("\n{name}\n{:8}\n", bytes.len()).into_bytes();
    for line in hex::encode(bytes).as_bytes().chunks(LINE_DIGITS) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text
}

/// `None` if the text is damaged, or too long.
fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    ZlibDecoder::new(packed)
        .take(MAX_TEXT_BYTES)
        .read_to_end(&mut text)
        .ok()?;
    ((text.len() as u64) < MAX_TEXT_BYTES).then_some(text)
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

fn chunk_of(kind: [u8; 4], data: &[u8]) -> Bytes {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    let length = u32::try_from(data.len()).expect("texts are bounded");
    [&length.to_be_bytes()[..], &kind, data, &crc.sum().to_be_bytes()]
        .concat()
        .into()
}
