//! One coded picture: its headers, and its samples.
//!
//! Sources: ITU-T H.265, 7.3, for the headers; ISO/IEC 14496-15, 8.3.2, for their place in a HEIF file.

use heic_decoder::bitreader::strip_emulation_prevention;
use heic_decoder::hevc::ctu;
use heic_decoder::hevc::nal::{NAL_PPS, NAL_SPS, is_slice_nal, parse_nal_header};
use heic_decoder::hevc::params::{Pps, Sps, parse_pps, parse_sps};
use heic_decoder::hevc::slice::parse_slice_header;
use heic_decoder::isobmff::{HevcDecoderConfig, HevcNalArray, ResolvedImage};
use heic_decoder::{ChromaSampling, decode_one_image};

use super::container::Container;
use super::reader::Reader;
use crate::decode::bytes;
use crate::error::Error;

/// The most units of a coded picture. A slice covers at least a row of blocks, so pictures have far fewer.
const MAX_UNITS: usize = 4096;

/// How to decode a picture, by the `hvcC` property of its item.
pub struct Coding {
    /// One sequence and one picture parameter set, so that it is clear which of them count.
    config: HevcDecoderConfig,
    pub sequence: Sps,
    picture: Pps,
}

/// Luma and two planes of chroma, which are empty if the picture is grey.
pub struct Planes {
    pub width: usize,
    pub height: usize,
    pub samples: [Vec<i32>; 3],
}

impl Coding {
    pub fn of(file: &Container, item: u32) -> Result<Self, Error> {
        match file.kind(item) {
            Some(kind) if &kind == b"hvc1" => {}
            Some(kind) => {
                let kind = String::from_utf8_lossy(&kind).into_owned();
                return Err(Error::Unsupported(format!("a HEIF picture of type {kind:?}")));
            }
            None => return Err(Error::Damaged(format!("its item {item} is missing"))),
        }
        let missing = || Error::Damaged(format!("its item {item} has no parameters"));
        let body = file.property(item, *b"hvcC").ok_or_else(missing)?;
        let (unit_length, units) = parameters(Reader(body)).ok_or_else(missing)?;
        let (sequence_unit, sequence) = parameter_set(&units, NAL_SPS).ok_or_else(missing)?;
        let (picture_unit, picture) = parameter_set(&units, NAL_PPS).ok_or_else(missing)?;
        let sequence = parse_sps(&sequence)?;
        let picture = parse_pps(&picture)?;
        if sequence.chroma_format_idc > 3 {
            return Err(Error::Damaged("its chroma has an unknown size".to_owned()));
        }
        let array = |nal_unit_type, unit| HevcNalArray {
            nal_unit_type,
            nalus: vec![unit],
        };
        let config = HevcDecoderConfig {
            length_size_minus_one: unit_length,
            arrays: vec![array(NAL_SPS, sequence_unit), array(NAL_PPS, picture_unit)],
            ..HevcDecoderConfig::default()
        };
        Ok(Self {
            config,
            sequence,
            picture,
        })
    }

    /// The size of the part that is shown.
    pub fn size(&self) -> (usize, usize) {
        let [left, right, top, bottom] = self.sequence.conformance_window;
        (
            (self.sequence.pic_width_in_luma_samples - left - right) as usize,
            (self.sequence.pic_height_in_luma_samples - top - bottom) as usize,
        )
    }

    pub fn is_gray(&self) -> bool {
        self.sequence.chroma_format_idc == 0
    }

    /// How many pixels of each direction a sample of chroma covers.
    pub fn chroma_factors(&self) -> (usize, usize) {
        (
            self.sequence.sub_width_c() as usize,
            self.sequence.sub_height_c() as usize,
        )
    }

    /// The samples of all planes for each sample of luma, twice.
    pub fn double_samples(&self) -> u64 {
        match self.sequence.chroma_format_idc {
            0 => 2,
            1 => 3,
            2 => 4,
            _ => 6,
        }
    }

    /// Where chroma lies (H.265, E.3.1).
    pub fn chroma_sampling(&self) -> ChromaSampling {
        let (horizontal, vertical) = self.chroma_factors();
        let is_halved = self.sequence.chroma_format_idc == 1;
        let (origin_x, origin_y) = match self.sequence.chroma_location {
            _ if !is_halved => (0.0, 0.0),
            Some(1) => (0.5, 0.5),
            Some(2) => (0.0, 0.0),
            Some(3) => (0.5, 0.0),
            Some(4) => (0.0, 1.0),
            Some(5) => (0.5, 1.0),
            _ => (0.0, 0.5),
        };
        ChromaSampling {
            sub_x: horizontal as u32,
            sub_y: vertical as u32,
            origin_x,
            origin_y,
        }
    }

    /// The most bytes that decoding takes. `length`: that of the coded picture, in bytes.
    pub fn memory(&self, length: usize) -> u64 {
        let width = self.sequence.pic_width_in_luma_samples as usize;
        let height = self.sequence.pic_height_in_luma_samples as usize;
        // Each sample with a mark, a copy of a plane for a filter, and what is known of each 4 × 4 pixels.
        let per_pixel = (5 * self.double_samples()).div_ceil(2) + 4 + 3;
        // The coded picture as such, in units, and without the bytes that keep units apart; and the parts of slices.
        bytes(width, height, per_pixel) + 4 * length as u64 + 512 * self.longest_header() as u64
    }

    /// The most bytes of the header of a slice. Each row of blocks has an entry, if they are decoded at the same time.
    fn longest_header(&self) -> usize {
        1024 + self.sequence.pic_height_in_luma_samples as usize / 16 * 4
    }

    /// Decodes a picture, and leaves out what is not shown of it.
    pub fn decode(&self, data: Vec<u8>) -> Result<Planes, Error> {
        self.check_units(&data)?;
        let image = ResolvedImage {
            hevc_config: self.config.clone(),
            data,
        };
        let (_, picture) = decode_one_image(&image)?;
        let [left, _, top, _] = self.sequence.conformance_window.map(|offset| offset as usize);
        let (width, height) = self.size();
        let (horizontal, vertical) = self.chroma_factors();
        let chroma = |plane: ctu::Plane| {
            if self.is_gray() {
                return Vec::new();
            }
            let size = (width.div_ceil(horizontal), height.div_ceil(vertical));
            cropped(plane, (left / horizontal, top / vertical), size)
        };
        Ok(Planes {
            width,
            height,
            samples: [
                cropped(picture.y, (left, top), (width, height)),
                chroma(picture.cb),
                chroma(picture.cr),
            ],
        })
    }

    /// Checks that there are not too many units, and that the header of no slice is longer than it can be. The decoder
    /// keeps many bytes for each unit, and for each bit of a header.
    fn check_units(&self, data: &[u8]) -> Result<(), Error> {
        let mut rest = Reader(data);
        let mut count = 0;
        while !rest.0.is_empty() {
            count += 1;
            let cut_off = || Error::Damaged("a coded picture is cut off".to_owned());
            let length = rest.number(usize::from(self.config.length_size_minus_one) + 1);
            let unit = length.and_then(|length| rest.take(usize::try_from(length).ok()?));
            let (header, payload) = parse_nal_header(unit.ok_or_else(cut_off)?)?;
            if count > MAX_UNITS {
                return Err(Error::Damaged("a coded picture has too many units".to_owned()));
            }
            if is_slice_nal(header.nal_unit_type) && header.nuh_layer_id == 0 {
                let start = &payload[..payload.len().min(self.longest_header())];
                let start = strip_emulation_prevention(start);
                parse_slice_header(&start, header.nal_unit_type, &self.sequence, &self.picture)?;
            }
        }
        Ok(())
    }
}

/// The bytes of a unit's length, minus one, and the units of parameters.
fn parameters(mut body: Reader<'_>) -> Option<(u8, Vec<&[u8]>)> {
    body.take(21)?;
    let unit_length = body.number(1)? as u8 & 3;
    let mut units = Vec::new();
    for _ in 0..body.number(1)? {
        body.number(1)?;
        for _ in 0..body.number(2)? {
            let length = body.number(2)? as usize;
            units.push(body.take(length)?);
            if units.len() > MAX_UNITS {
                return None;
            }
        }
    }
    Some((unit_length, units))
}

/// The first unit of a type, and what it holds.
fn parameter_set(units: &[&[u8]], wanted: u8) -> Option<(Vec<u8>, Vec<u8>)> {
    units.iter().find_map(|unit| {
        let (header, payload) = parse_nal_header(unit).ok()?;
        let is_wanted = header.nal_unit_type == wanted && header.nuh_layer_id == 0;
        is_wanted.then(|| (unit.to_vec(), strip_emulation_prevention(payload)))
    })
}

/// A part of a plane, without a second copy of it.
fn cropped(plane: ctu::Plane, (left, top): (usize, usize), (width, height): (usize, usize)) -> Vec<i32> {
    let stride = plane.width;
    let mut samples = plane.into_samples();
    if stride != width || top > 0 {
        for row in 0..height {
            let start = (top + row) * stride + left;
            samples.copy_within(start..start + width, row * width);
        }
    }
    samples.truncate(width * height);
    samples
}
