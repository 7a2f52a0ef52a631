//! JPEG: segments, image data, and the pictures behind the first one.
//!
//! Sources: ITU-T T.81, annex B; CIPA DC-007 (MPF), 5.2; Android's Ultra HDR image format 1.1; ISO 21496-1, C.
//!
//! | module | what it holds |
//! |---|---|
//! | [`mpf`] | the index of several pictures in one file |
//! | [`gain_map`] | what says that a picture is a gain map |
//! | [`extended`] | XMP in several segments |

mod extended;
mod gain_map;
mod mpf;

use std::ops::Range;

use bytes::Bytes;
use memchr::memchr;

use super::pieces::Pieces;
use super::{Job, Rights, Stop, embedded, exif, photoshop};
use crate::metadata::containers::jpeg::marker::{
    APP0, APP1, APP2, APP12, APP13, APP14, APP15, COM, EOI, EXP, Markers, RST0, RST7, SOF0, SOF15, SOI, SOS,
};
use crate::metadata::containers::jpeg::{EXIF_ID, EXTENDED_XMP_ID, GAIN_MAP_ID, ICC_ID, PHOTOSHOP_ID, XMP_ID};
use crate::metadata::view::{FileView, Missing};
use extended::Extended;
use gain_map::GainMap;
use mpf::Index;

const JFIF_ID: &[u8] = b"JFIF\0";
const JFXX_ID: &[u8] = b"JFXX\0";
const ADOBE_ID: &[u8] = b"Adobe";
const DUCKY_ID: &[u8] = b"Ducky";

/// Version, density, and the size of a thumbnail, which is 0 here.
const JFIF_BYTES: u64 = 14;
const ADOBE_BYTES: u64 = 12;

/// The most content of a segment, and the most of a block in it, behind an identifier.
const MAX_CONTENT_BYTES: usize = 0xFFFF - 2;
pub const MAX_BLOCK_BYTES: usize = MAX_CONTENT_BYTES - 64;

pub fn write(job: &mut Job<'_>) -> Result<Pieces, Stop> {
    let file = job.file;
    let main = Picture::walk(file, 0..file.size())?;
    let others = main.index.as_ref().map(Index::others).unwrap_or_default();
    if job.is_all() {
        return all(job, &main, &others);
    }
    without_places(job, &main, &others)
}

/// The picture, and its gain map if there is one.
fn all(job: &mut Job<'_>, main: &Picture, others: &[Range<u64>]) -> Result<Pieces, Stop> {
    let mut gain_map = None;
    for range in others {
        let picture = Picture::walk(job.file, range.clone())?;
        if let Some(found) = GainMap::of(job.file, &picture)? {
            gain_map = Some((picture, found));
            break;
        }
    }
    let Some((picture, found)) = gain_map else {
        if gain_map::is_apples(job.file, others)? {
            job.warnings
                .push("the gain map is lost, because only a maker note describes it".to_owned());
        }
        let parts = Parts {
            xmp: job.new.xmp.clone(),
            ..Parts::of(job)
        };
        let parts = parts.that_fit(job);
        return main.picture_alone(job.file, &parts);
    };
    let second = picture.picture_alone(
        job.file,
        &Parts {
            xmp: found.packet(),
            iso_gain_map: found.iso.clone(),
            ..Parts::default()
        },
    )?;
    let of_main = GainMap::of_main(job.file, main)?;
    let mut parts = Parts {
        xmp: of_main.packet_of_main(&job.rights.xmp, second.length()),
        iso_gain_map: of_main.iso,
        // The index has the same length whatever its numbers are.
        index: Some(mpf::of_two(0, 0, 0)),
        ..Parts::of(job)
    }
    .that_fit(job);
    let draft = main.picture_alone(job.file, &parts)?;
    let base = mpf::place(&draft).unwrap_or(0);
    parts.index = Some(mpf::of_two(draft.length(), second.length(), base));
    let mut pieces = main.picture_alone(job.file, &parts)?;
    pieces.append(second);
    Ok(pieces)
}

/// All pictures, cleaned, and with corrected offsets between them.
fn without_places(job: &mut Job<'_>, main: &Picture, others: &[Range<u64>]) -> Result<Pieces, Stop> {
    let file = job.file;
    let mut cleaned = Vec::new();
    let mut directory = None;
    for range in others {
        let picture = Picture::walk(file, range.clone())?;
        let pieces = picture.without_places(file, None, None)?;
        if GainMap::of(file, &picture)?.is_some() {
            directory = Some(gain_map::directory(pieces.length()));
        }
        cleaned.push(pieces);
    }
    let index = main.index.as_ref();
    let draft = main.without_places(file, directory.as_deref(), index.map(Index::bytes))?;
    let index = index.map(|index| index.with(&draft, &cleaned));
    let mut pieces = main.without_places(file, directory.as_deref(), index.as_deref())?;
    for more in cleaned {
        pieces.append(more);
    }
    Ok(pieces)
}

/// What is written beside the picture itself. Empty blocks are left out.
#[derive(Default)]
struct Parts {
    exif: Option<Vec<u8>>,
    xmp: Vec<u8>,
    iptc: Vec<u8>,
    iso_gain_map: Vec<u8>,
    index: Option<Vec<u8>>,
}

/// A segment of a picture.
struct Segment {
    marker: u8,
    /// With its marker and length.
    whole: Range<u64>,
    content: Range<u64>,
}

/// The parts of one picture of a file.
struct Picture {
    segments: Vec<Segment>,
    /// Where the image data of each scan lies, behind the segment with this number.
    scans: Vec<(usize, Range<u64>)>,
    index: Option<Index>,
    /// Whether it has an end, and is not cut.
    is_whole: bool,
}

impl Picture {
    fn walk(file: &FileView, within: Range<u64>) -> Result<Self, Stop> {
        let mut picture = Self {
            segments: Vec::new(),
            scans: Vec::new(),
            index: None,
            is_whole: false,
        };
        match picture.segments(file, &within) {
            Ok(true) | Err(Missing::PastEnd) => {}
            Ok(false) => return super::unsupported("the file has too many segments"),
            Err(unread) => return Err(unread.into()),
        }
        if picture.scans.is_empty() {
            return super::unsupported("a JPEG without image data");
        }
        for segment in &picture.segments {
            if segment.marker == APP2 && picture.index.is_none() {
                picture.index = Index::of(file, &segment.content)?;
            }
        }
        Ok(picture)
    }

    /// Whether its end was found.
    fn segments(&mut self, file: &FileView, within: &Range<u64>) -> Result<bool, Missing> {
        let mut markers = Markers::new(file, within.start + 2);
        while let Some(marker) = markers.next()? {
            if marker.start >= within.end || marker.code == EOI {
                self.is_whole = marker.code == EOI;
                return Ok(true);
            }
            if marker.is_alone() {
                continue;
            }
            let content = markers.content(marker)?;
            if content.end > file.size() {
                return Err(Missing::PastEnd);
            }
            self.segments.push(Segment {
                marker: marker.code,
                whole: marker.start..content.end,
                content: content.clone(),
            });
            if marker.code == SOS {
                let end = scan_end(file, content.end, within.end)?;
                self.scans.push((self.segments.len() - 1, content.end..end));
                markers.go_to(end);
            }
        }
        Ok(false)
    }

    /// Writes each segment, the image data behind it, and the end.
    fn each(
        &self,
        pieces: &mut Pieces,
        mut write: impl FnMut(&Segment, &mut Pieces) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut scans = self.scans.iter().peekable();
        for (number, segment) in self.segments.iter().enumerate() {
            write(segment, pieces)?;
            if let Some((_, scan)) = scans.next_if(|(of, _)| *of == number) {
                pieces.keep(scan.clone());
            }
        }
        if self.is_whole {
            pieces.put(&[0xFF, EOI][..]);
        }
        Ok(())
    }

    /// The picture, its colours and its density, with these parts and nothing else.
    fn picture_alone(&self, file: &FileView, parts: &Parts) -> Result<Pieces, Stop> {
        let mut pieces = Pieces::default();
        pieces.put(&[0xFF, SOI][..]);
        if let Some(jfif) = self.find(file, APP0, JFIF_ID)? {
            put_jfif(&mut pieces, file, jfif)?;
        }
        parts.put(&mut pieces);
        self.each(&mut pieces, |segment, pieces| {
            match segment.marker {
                APP2 if has_id(file, segment, ICC_ID)? => pieces.keep(segment.whole.clone()),
                APP14 if has_id(file, segment, ADOBE_ID)? => put_adobe(pieces, file, segment)?,
                APP0..=APP15 | COM => {}
                // Tables, frames, scans, restarts, and the number of lines.
                SOF0..=SOF15 | SOS..=EXP => pieces.keep(segment.whole.clone()),
                _ => {}
            }
            Ok(())
        })?;
        Ok(pieces)
    }

    /// The picture and its metadata, without places. `index` takes the place of the index of pictures.
    fn without_places(&self, file: &FileView, directory: Option<&str>, index: Option<&[u8]>) -> Result<Pieces, Stop> {
        let mut pieces = Pieces::default();
        pieces.put(&[0xFF, SOI][..]);
        let mut extended = Extended::of(file, &self.segments)?;
        let mut resources = self.resources(file)?;
        self.each(&mut pieces, |segment, pieces| {
            let content = file.get(segment.content.start, segment.content.end - segment.content.start)?;
            let starts_with = |id: &[u8]| has_start(content, id);
            match segment.marker {
                APP0 if starts_with(JFIF_ID) => pieces.keep(segment.whole.clone()),
                // A thumbnail as a JPEG, or as samples.
                APP0 if starts_with(JFXX_ID) && !embedded::has_metadata(content.get(6..).unwrap_or_default()) => {
                    pieces.keep(segment.whole.clone());
                }
                APP1 if starts_with(EXIF_ID) => {
                    if let Some(block) = content.get(EXIF_ID.len() + 1..).and_then(exif::without_places) {
                        put(pieces, APP1, &[&content[..=EXIF_ID.len()], &block].concat());
                    }
                }
                APP1 if starts_with(XMP_ID) => {
                    let packet = extended.main(&content[XMP_ID.len()..], directory);
                    if let Some(packet) = packet.filter(|packet| XMP_ID.len() + packet.len() <= MAX_CONTENT_BYTES) {
                        put(pieces, APP1, &[XMP_ID, &packet].concat());
                        extended.put(pieces);
                    }
                }
                APP2 if starts_with(ICC_ID) || starts_with(GAIN_MAP_ID) => pieces.keep(segment.whole.clone()),
                APP2 if starts_with(mpf::ID) => {
                    let is_own = self.index.as_ref().is_some_and(|own| own.is_at(&segment.content));
                    match index.filter(|_| is_own) {
                        Some(index) => put(pieces, APP2, index),
                        // What another picture says of itself.
                        None => pieces.keep(segment.whole.clone()),
                    }
                }
                APP13 if starts_with(PHOTOSHOP_ID) => {
                    put_resources(pieces, &photoshop::without_places(&std::mem::take(&mut resources)));
                }
                APP14 if starts_with(ADOBE_ID) => pieces.keep(segment.whole.clone()),
                APP12 if starts_with(DUCKY_ID) => pieces.keep(segment.whole.clone()),
                COM => pieces.keep(segment.whole.clone()),
                APP0..=APP15 => {}
                SOF0..=SOF15 | SOS..=EXP => pieces.keep(segment.whole.clone()),
                _ => {}
            }
            Ok(())
        })?;
        Ok(pieces)
    }

    /// Photoshop's resources, which may be split anywhere.
    fn resources(&self, file: &FileView) -> Result<Vec<u8>, Stop> {
        let mut joined = Vec::new();
        for segment in &self.segments {
            if segment.marker == APP13 && has_id(file, segment, PHOTOSHOP_ID)? {
                let start = segment.content.start + PHOTOSHOP_ID.len() as u64;
                joined.extend_from_slice(file.get(start, segment.content.end - start)?);
            }
        }
        Ok(joined)
    }

    fn find(&self, file: &FileView, marker: u8, id: &[u8]) -> Result<Option<&Segment>, Missing> {
        for segment in self.segments.iter().filter(|segment| segment.marker == marker) {
            if has_id(file, segment, id)? {
                return Ok(Some(segment));
            }
        }
        Ok(None)
    }
}

impl Parts {
    /// The metadata of the output, but no XMP.
    fn of(job: &Job<'_>) -> Self {
        Self {
            exif: job.new.exif.clone(),
            iptc: job.new.iptc.clone(),
            ..Self::default()
        }
    }

    /// Without EXIF that is too long for a segment. Other blocks can have several.
    fn that_fit(mut self, job: &mut Job<'_>) -> Self {
        if self.exif.as_ref().is_some_and(|block| block.len() > MAX_BLOCK_BYTES) {
            self.exif = exif::block(job.orientation, &Rights::default());
            job.warnings
                .push("EXIF is lost, because it is too long for a segment".to_owned());
        }
        self
    }

    fn put(&self, pieces: &mut Pieces) {
        if let Some(block) = &self.exif {
            put(pieces, APP1, &[EXIF_ID, &[0], block].concat());
        }
        if self.xmp.len() > MAX_BLOCK_BYTES {
            let (main, mut extended) = Extended::new(&self.xmp);
            put(pieces, APP1, &[XMP_ID, &main].concat());
            extended.put(pieces);
        } else if !self.xmp.is_empty() {
            put(pieces, APP1, &[XMP_ID, &self.xmp].concat());
        }
        if !self.iptc.is_empty() {
            put_resources(pieces, &photoshop::with_iptc(&self.iptc));
        }
        if !self.iso_gain_map.is_empty() {
            put(pieces, APP2, &[GAIN_MAP_ID, &self.iso_gain_map].concat());
        }
        if let Some(index) = &self.index {
            put(pieces, APP2, index);
        }
    }
}

/// Where the image data of a scan ends: at the next marker that is none of the data's own.
fn scan_end(file: &FileView, start: u64, end: u64) -> Result<u64, Missing> {
    // The index of pictures may say that this one ends before its scan starts.
    let end = end.min(file.size()).max(start);
    let mut at = file.searched(start);
    while at < end {
        let mut data = file.stretch(at, end)?;
        if data == [0xFF] && at + 1 < end {
            data = file.get(at, 2)?;
        }
        if let Some(found) = first_marker(data) {
            at += found as u64;
            file.note_searched(start, at);
            // The next window must have it, too.
            file.get(at, 2)?;
            return Ok(at);
        }
        // The last byte may begin a marker.
        at += (data.len() - usize::from(data.len() > 1 && data.ends_with(&[0xFF]))) as u64;
        file.note_searched(start, at);
    }
    Ok(end)
}

/// Where the first marker in image data is.
fn first_marker(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = memchr(0xFF, &data[at..]) {
        at += found + 1;
        // An 0xFF of the data, a restart, or a fill byte.
        if !matches!(data.get(at)?, 0 | RST0..=RST7 | 0xFF) {
            return Some(at - 1);
        }
    }
    None
}

fn has_id(file: &FileView, segment: &Segment, id: &[u8]) -> Result<bool, Missing> {
    let length = (segment.content.end - segment.content.start).min(id.len() as u64);
    Ok(has_start(file.get(segment.content.start, length)?, id))
}

/// As the reader, this takes identifiers in capitals, too.
fn has_start(content: &[u8], id: &[u8]) -> bool {
    content
        .get(..id.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(id))
}

/// A JFIF segment without its thumbnail.
fn put_jfif(pieces: &mut Pieces, file: &FileView, segment: &Segment) -> Result<(), Missing> {
    if segment.content.end - segment.content.start >= JFIF_BYTES {
        let mut content = file.get(segment.content.start, JFIF_BYTES)?.to_vec();
        content[12..].fill(0);
        put(pieces, APP0, &content);
    }
    Ok(())
}

/// What tells the colours of the samples.
fn put_adobe(pieces: &mut Pieces, file: &FileView, segment: &Segment) -> Result<(), Missing> {
    if segment.content.end - segment.content.start >= ADOBE_BYTES {
        put(pieces, APP14, file.get(segment.content.start, ADOBE_BYTES)?);
    }
    Ok(())
}

/// Photoshop's resources, in as many segments as they need.
fn put_resources(pieces: &mut Pieces, resources: &[u8]) {
    for part in resources.chunks(MAX_CONTENT_BYTES - PHOTOSHOP_ID.len()) {
        put(pieces, APP13, &[PHOTOSHOP_ID, part].concat());
    }
}

fn put(pieces: &mut Pieces, marker: u8, content: &[u8]) {
    let length = u16::try_from(content.len() + 2).expect("a segment of at most 64 KiB");
    pieces.put(Bytes::from(
        [&[0xFF, marker][..], &length.to_be_bytes(), content].concat(),
    ));
}
