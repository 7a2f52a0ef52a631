//! The markers of a file (T.81, annex B): the frame, its tables, and where its scans are.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::huffman::{AcTable, DcTable};
use crate::zigzag::ZIGZAG;

/// Marker codes (T.81, table B.1).
mod marker {
    pub const SOF0: u8 = 0xC0;
    pub const SOF1: u8 = 0xC1;
    pub const SOF2: u8 = 0xC2;
    pub const DHT: u8 = 0xC4;
    pub const DAC: u8 = 0xCC;
    pub const SOF15: u8 = 0xCF;
    pub const RST0: u8 = 0xD0;
    pub const RST7: u8 = 0xD7;
    pub const SOI: u8 = 0xD8;
    pub const EOI: u8 = 0xD9;
    pub const SOS: u8 = 0xDA;
    pub const DQT: u8 = 0xDB;
    pub const DRI: u8 = 0xDD;
    pub const APP0: u8 = 0xE0;
    pub const APP2: u8 = 0xE2;
    pub const APP14: u8 = 0xEE;
    pub const TEM: u8 = 0x01;
}

/// How coefficients are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Baseline and extended sequential: each block is complete where it stands.
    Sequential,
    /// Each scan adds some bits of some coefficients.
    Progressive,
}

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Gray,
    /// As in JFIF: BT.601 with the full range of values.
    YCbCr,
    Rgb,
    /// `inverted`: 0 is full ink, as Adobe writes it.
    Cmyk {
        inverted: bool,
    },
    /// The first three components are CMY as YCbCr.
    Ycck {
        inverted: bool,
    },
}

/// One component of the frame (T.81, B.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    pub id: u8,
    /// The sampling factors, from 1 to 4.
    pub horizontal: u8,
    pub vertical: u8,
    /// The number of its quantization table.
    pub(crate) table: u8,
}

/// What a file says about its picture, before its first scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub process: Process,
    /// In pixels, from 1 to 65,535.
    pub width: usize,
    pub height: usize,
    /// One, three or four components.
    pub components: Vec<Component>,
    pub color: Color,
    /// The ICC profile, if all its parts are there.
    pub icc_profile: Option<Vec<u8>>,
}

impl Header {
    /// Reads the header at the front of a file.
    ///
    /// # Errors
    /// If the file is no JPEG, ends before its first scan, or is of a kind that [`crate::decode`] does not take.
    pub fn read(file: &[u8]) -> Result<Self, Error> {
        let mut markers = Markers::new(file)?;
        markers.next_scan()?;
        markers.header()
    }

    /// The largest sampling factors of all components.
    #[must_use]
    pub fn largest_factors(&self) -> (usize, usize) {
        let largest = |factor: fn(&Component) -> u8| self.components.iter().map(factor).max().unwrap_or(1);
        (largest(|c| c.horizontal).into(), largest(|c| c.vertical).into())
    }
}

/// The components and coefficients of one scan (T.81, B.2.3).
#[derive(Clone, Debug)]
pub struct ScanHeader {
    /// For each component of the scan: its index in the frame, and its Huffman tables for DC and AC.
    pub components: Vec<ScanComponent>,
    /// The first and the last coefficient, in the order of the file.
    pub first: u8,
    pub last: u8,
    /// The bit positions of successive approximation: before this scan, and after it.
    pub high: u8,
    pub low: u8,
}

#[derive(Clone, Copy, Debug)]
pub struct ScanComponent {
    pub index: usize,
    pub dc: usize,
    pub ac: usize,
}

#[derive(Clone, Debug)]
struct Frame {
    process: Process,
    width: usize,
    height: usize,
    components: Vec<Component>,
}

/// Reads the segments of a file one after another, and keeps the tables that they define.
pub struct Markers<'a> {
    file: &'a [u8],
    /// Where the next segment, or the entropy-coded data of a scan, starts.
    pub position: usize,
    frame: Option<Frame>,
    has_jfif: bool,
    /// The color transform of Adobe's segment.
    adobe: Option<u8>,
    icc: IccChunks<'a>,
    /// Whether the marker of the end was read.
    pub has_ended: bool,
    pub quantization: [Option<[u16; 64]>; 4],
    pub dc: [Option<DcTable>; 4],
    pub ac: [Option<AcTable>; 4],
    /// The number of MCUs between two restarts, or 0.
    pub restart_interval: usize,
}

impl<'a> Markers<'a> {
    pub fn new(file: &'a [u8]) -> Result<Self, Error> {
        if !file.starts_with(&[0xFF, marker::SOI, 0xFF]) {
            return Err(Error::NotJpeg);
        }
        Ok(Self {
            file,
            position: 2,
            frame: None,
            has_jfif: false,
            adobe: None,
            icc: IccChunks::default(),
            has_ended: false,
            quantization: [None; 4],
            dc: Default::default(),
            ac: Default::default(),
            restart_interval: 0,
        })
    }

    /// Reads up to the next scan. `None` if there is none, because the picture or the file ends.
    pub fn next_scan(&mut self) -> Result<Option<ScanHeader>, Error> {
        while let Some(code) = self.next_marker() {
            match code {
                marker::EOI => {
                    self.has_ended = true;
                    return Ok(None);
                }
                marker::SOI | marker::TEM | marker::RST0..=marker::RST7 => continue,
                _ => {}
            }
            let Some(segment) = self.segment() else {
                return Ok(None);
            };
            match code {
                marker::SOF0 | marker::SOF1 => self.frame(Process::Sequential, segment)?,
                marker::SOF2 => self.frame(Process::Progressive, segment)?,
                marker::DHT => self.huffman(segment)?,
                marker::DAC => return Err(Error::Unsupported("arithmetic coding")),
                marker::SOF0..=marker::SOF15 => {
                    return Err(Error::Unsupported("a lossless, hierarchical or arithmetic JPEG"));
                }
                marker::DQT => self.quantization(segment)?,
                marker::DRI => self.restart_interval = number(segment, 0)?,
                marker::APP0 => self.has_jfif |= segment.starts_with(b"JFIF\0"),
                marker::APP2 => self.icc.add(segment),
                marker::APP14 if segment.starts_with(b"Adobe") => self.adobe = segment.get(11).copied(),
                marker::SOS => return self.scan(segment).map(Some),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The header, once the first scan is reached.
    pub fn header(&self) -> Result<Header, Error> {
        let frame = self.frame.clone().ok_or(Error::Damaged("there is no picture"))?;
        Ok(Header {
            process: frame.process,
            width: frame.width,
            height: frame.height,
            color: self.color(&frame.components)?,
            components: frame.components,
            icc_profile: self.icc.profile(),
        })
    }

    /// The code of the next marker. Bytes before it are skipped.
    fn next_marker(&mut self) -> Option<u8> {
        loop {
            let rest = self.file.get(self.position..)?;
            let at = memchr::memchr(0xFF, rest)?;
            // Any number of fill bytes may precede the code (T.81, B.1.1.2).
            let code = rest[at..].iter().position(|&byte| byte != 0xFF)?;
            self.position += at + code + 1;
            match rest[at + code] {
                0 => {}
                code => return Some(code),
            }
        }
    }

    /// The content of the segment whose length is next.
    fn segment(&mut self) -> Option<&'a [u8]> {
        let length = self.file.get(self.position..self.position + 2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let segment = self.file.get(self.position + 2..self.position + length.max(2))?;
        self.position += length.max(2);
        Some(segment)
    }

    fn frame(&mut self, process: Process, segment: &[u8]) -> Result<(), Error> {
        const SHORT: Error = Error::Damaged("the header of the frame is too short");
        if self.frame.is_some() {
            return Err(Error::Damaged("there are two frames"));
        }
        if *segment.first().ok_or(SHORT)? != 8 {
            return Err(Error::Unsupported("a JPEG with more than 8 bits per sample"));
        }
        let (height, width) = (number(segment, 1)?, number(segment, 3)?);
        if height == 0 {
            return Err(Error::Unsupported("a height that is given after the picture (DNL)"));
        }
        if width == 0 {
            return Err(Error::Damaged("the picture has no width"));
        }
        let count = usize::from(*segment.get(5).ok_or(SHORT)?);
        if !matches!(count, 1 | 3 | 4) {
            return Err(Error::Unsupported("a JPEG with two components, or with more than four"));
        }
        let specifications = segment.get(6..6 + 3 * count).ok_or(SHORT)?;
        let mut components: Vec<Component> = specifications
            .chunks_exact(3)
            .map(|component| Component {
                id: component[0],
                horizontal: component[1] >> 4,
                vertical: component[1] & 15,
                table: component[2],
            })
            .collect();
        let is_valid = |component: &Component| {
            (1..=4).contains(&component.horizontal) && (1..=4).contains(&component.vertical) && component.table < 4
        };
        if !components.iter().all(is_valid) {
            return Err(Error::Damaged("a component of the frame has impossible values"));
        }
        // The factors of a single component have no effect (T.81, A.2.2).
        if let [component] = &mut components[..] {
            (component.horizontal, component.vertical) = (1, 1);
        }
        self.frame = Some(Frame {
            process,
            width,
            height,
            components,
        });
        Ok(())
    }

    /// What the components mean, by the rules that decoders share: Adobe's segment, JFIF's, or else the ids.
    fn color(&self, components: &[Component]) -> Result<Color, Error> {
        let inverted = self.adobe.is_some();
        let ids: Vec<u8> = components.iter().map(|component| component.id).collect();
        Ok(match (components.len(), self.adobe) {
            (1, _) => Color::Gray,
            (3, Some(0)) if !self.has_jfif => Color::Rgb,
            (3, None) if !self.has_jfif && ids == *b"RGB" => Color::Rgb,
            (3, _) => Color::YCbCr,
            (4, Some(2)) => Color::Ycck { inverted },
            (4, _) => Color::Cmyk { inverted },
            _ => return Err(Error::Unsupported("this number of components")),
        })
    }

    /// T.81, B.2.4.1.
    fn quantization(&mut self, mut segment: &[u8]) -> Result<(), Error> {
        const DAMAGED: Error = Error::Damaged("a quantization table is damaged");
        while let Some((&head, rest)) = segment.split_first() {
            let bytes = match head >> 4 {
                0 => 1,
                1 => 2,
                _ => return Err(DAMAGED),
            };
            let values = rest.get(..64 * bytes).ok_or(DAMAGED)?;
            let mut table = [0; 64];
            for (&place, value) in ZIGZAG.iter().zip(values.chunks_exact(bytes)) {
                table[usize::from(place)] = value.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            }
            *self.quantization.get_mut(usize::from(head & 15)).ok_or(DAMAGED)? = Some(table);
            segment = &rest[64 * bytes..];
        }
        Ok(())
    }

    /// T.81, B.2.4.2.
    fn huffman(&mut self, mut segment: &[u8]) -> Result<(), Error> {
        const DAMAGED: Error = Error::Damaged("a Huffman table is damaged");
        while let Some((&head, rest)) = segment.split_first() {
            let counts = rest.first_chunk::<16>().ok_or(DAMAGED)?;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = rest.get(16..16 + total).ok_or(DAMAGED)?;
            let number = usize::from(head & 15);
            if number > 3 || head >> 4 > 1 {
                return Err(DAMAGED);
            }
            if head >> 4 == 0 {
                self.dc[number] = Some(DcTable::new(counts, symbols).ok_or(DAMAGED)?);
            } else {
                self.ac[number] = Some(AcTable::new(counts, symbols).ok_or(DAMAGED)?);
            }
            segment = &rest[16 + total..];
        }
        Ok(())
    }

    fn scan(&self, segment: &[u8]) -> Result<ScanHeader, Error> {
        const DAMAGED: Error = Error::Damaged("the header of a scan is damaged");
        let frame = self
            .frame
            .as_ref()
            .ok_or(Error::Damaged("a scan comes before the frame"))?;
        let count = usize::from(*segment.first().ok_or(DAMAGED)?);
        let specifications = segment.get(1..1 + 2 * count).ok_or(DAMAGED)?;
        let mut components = Vec::with_capacity(count);
        for specification in specifications.chunks_exact(2) {
            let index = frame
                .components
                .iter()
                .position(|component| component.id == specification[0]);
            components.push(ScanComponent {
                index: index.ok_or(DAMAGED)?,
                dc: usize::from(specification[1] >> 4 & 3),
                ac: usize::from(specification[1] & 3),
            });
        }
        let &[first, last, approximation] = segment.get(1 + 2 * count..4 + 2 * count).ok_or(DAMAGED)? else {
            return Err(DAMAGED);
        };
        let is_repeated = (1..count).any(|at| components[..at].iter().any(|c| c.index == components[at].index));
        if count == 0 || is_repeated || first > last || last > 63 {
            return Err(DAMAGED);
        }
        // An MCU has at most ten blocks (T.81, B.2.3).
        let blocks = |c: &ScanComponent| {
            let component = frame.components[c.index];
            usize::from(component.horizontal) * usize::from(component.vertical)
        };
        if count > 1 && components.iter().map(blocks).sum::<usize>() > 10 {
            return Err(DAMAGED);
        }
        Ok(ScanHeader {
            components,
            first,
            last,
            high: approximation >> 4,
            low: approximation & 15,
        })
    }
}

/// The parts of an ICC profile (ICC.1, annex B.4): each has its number, from 1, and their count.
#[derive(Debug, Default)]
struct IccChunks<'a>(BTreeMap<u8, &'a [u8]>, u8);

impl<'a> IccChunks<'a> {
    fn add(&mut self, segment: &'a [u8]) {
        if let Some([number, count, data @ ..]) = segment.strip_prefix(b"ICC_PROFILE\0") {
            self.0.insert(*number, data);
            self.1 = *count;
        }
    }

    fn profile(&self) -> Option<Vec<u8>> {
        let chunks: Option<Vec<&[u8]>> = (1..=self.1).map(|number| self.0.get(&number).copied()).collect();
        chunks
            .map(|chunks| chunks.concat())
            .filter(|profile| !profile.is_empty())
    }
}

fn number(segment: &[u8], at: usize) -> Result<usize, Error> {
    let bytes = segment
        .get(at..at + 2)
        .ok_or(Error::Damaged("a segment is too short"))?;
    Ok(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
}
