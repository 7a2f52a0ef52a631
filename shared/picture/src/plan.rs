//! The whole way of a picture: from a file to its renditions.

use crate::decode::{self, Header, Wanted};
use crate::encode::{Output, can_encode, encode};
use crate::error::Error;
use crate::fit::{Area, fitted, resize};
use crate::format::Format;
use crate::image::Image;
use crate::orient::Orientation;
use crate::picture::{Picture, Pixels};
use crate::rendition::Rendition;

/// How much a picture may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most pixels of a source.
    pub max_pixels: u64,
    /// The most bytes of memory, without the file itself.
    pub max_memory: u64,
}

/// What is to be done with a file.
#[derive(Debug)]
pub struct Plan<'a> {
    file: &'a [u8],
    format: Format,
    header: Header,
    wanted: Wanted,
    orientation: Orientation,
    /// Each with its format.
    renditions: Vec<(&'a Rendition, Format)>,
    memory: u64,
}

impl<'a> Plan<'a> {
    /// Reads the header of a file, and nothing else. `orientation` is that of EXIF; it does not count for a format that
    /// has its own.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a rendition cannot be made of this kind of file, [`Error::TooLarge`] if the picture
    /// exceeds the limits, and [`Error::Damaged`] if the header cannot be read.
    pub fn new(
        file: &'a [u8],
        renditions: &'a [Rendition],
        orientation: Orientation,
        limits: Limits,
    ) -> Result<Self, Error> {
        let format = Format::of(file).ok_or_else(|| Error::Unsupported("it is not a picture".to_owned()))?;
        let formats = renditions.iter().map(|rendition| {
            let target = rendition.target.format(format);
            let target = target.ok_or_else(|| Error::Unsupported(format!("{format:?} cannot be kept")))?;
            if !can_encode(target) {
                return Err(Error::Unsupported(
                    "AVIF is encoded only with the feature avif".to_owned(),
                ));
            }
            Ok((rendition, target))
        });
        let renditions = formats.collect::<Result<Vec<_>, Error>>()?;
        let wanted = Wanted {
            max_edge: renditions
                .iter()
                .map(|(rendition, _)| rendition.max_edge as usize)
                .max()
                .unwrap_or(1),
            full_chroma: renditions.iter().any(|&(_, format)| !halves_chroma(format)),
        };
        let header = decode::header(format, file, wanted)?;
        let pixels = header.width as u64 * header.height as u64;
        if pixels > limits.max_pixels {
            let error = format!(
                "it has {pixels} pixels; the limit is {} (max_pixels)",
                limits.max_pixels
            );
            return Err(Error::TooLarge(error));
        }
        let memory = header
            .memory
            .saturating_add(memory_of_renditions(&header, wanted, &renditions));
        if memory > limits.max_memory {
            let error = format!("it needs {memory} bytes of memory; the limit is {}", limits.max_memory);
            return Err(Error::TooLarge(error));
        }
        Ok(Self {
            file,
            format,
            header,
            wanted,
            orientation: header.orientation.unwrap_or(orientation),
            renditions,
            memory,
        })
    }

    /// The most bytes that [`Plan::run`] takes, without the file itself.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Whether the samples of the source are ink (CMYK), which renditions do not have.
    #[must_use]
    pub fn is_ink(&self) -> bool {
        self.header.is_ink
    }

    /// The size of the source as stored, in pixels.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.header.width, self.header.height)
    }

    /// Decodes the picture once, and makes all renditions of it. Also returns warnings.
    ///
    /// # Errors
    /// As in [`Plan::new`], for what is found behind the header.
    pub fn run(self) -> Result<(Vec<Output>, Vec<String>), Error> {
        let picture = decode::decode(self.format, self.file, self.wanted)?;
        let outputs = self.renditions.iter().map(|&(rendition, format)| {
            let size = fitted(self.size(), rendition.max_edge as usize);
            let pixels = match &picture.pixels {
                Pixels::Image(image) => {
                    let image = resize(image, Area::covered(image), size);
                    Pixels::Image(self.orientation.apply(image))
                }
                Pixels::YCbCr(planes) => Pixels::YCbCr(self.planes(planes, size, halves_chroma(format))),
            };
            let picture = Picture {
                pixels,
                icc_profile: picture.icc_profile.clone(),
                warnings: Vec::new(),
            };
            encode(picture, format, rendition.quality)
        });
        Ok((outputs.collect::<Result<_, _>>()?, picture.warnings))
    }

    /// Luma of a size, and chroma of the same or of half the size, turned upright.
    fn planes(&self, [y, cb, cr]: &[Image; 3], size: (usize, usize), halves_chroma: bool) -> [Image; 3] {
        let luma = resize(y, Area::covered(y), size);
        let chroma = |plane: &Image| {
            if halves_chroma {
                resize(
                    plane,
                    self.chroma_area(plane, size),
                    (size.0.div_ceil(2), size.1.div_ceil(2)),
                )
            } else {
                resize(plane, Area::covered(plane), size)
            }
        };
        [luma, chroma(cb), chroma(cr)].map(|plane| self.orientation.apply(plane))
    }

    /// What halved chroma covers of a plane. Where the number of pixels is odd, it reaches one pixel beyond the picture,
    /// at the right and lower edges of the upright picture.
    fn chroma_area(&self, plane: &Image, size: (usize, usize)) -> Area {
        let (mirrors_rows, mirrors_columns) = self.orientation.mirrors_stored();
        let along = |covered: f64, size: usize, is_mirrored: bool| {
            let length = covered * (size.next_multiple_of(2) as f64 / size as f64);
            let start = if is_mirrored { covered - length } else { 0.0 };
            (start, length)
        };
        let (left, width) = along(plane.covered.0, size.0, mirrors_rows);
        let (top, height) = along(plane.covered.1, size.1, mirrors_columns);
        Area {
            left,
            top,
            width,
            height,
        }
    }
}

/// Whether an encoder takes chroma of half the size.
fn halves_chroma(format: Format) -> bool {
    matches!(format, Format::Jpeg | Format::WebP)
}

/// The most bytes that the renditions take: the pixels of one of them, twice because they are turned, what its encoder
/// holds, and a picture that is scaled in one direction; and the files of all of them.
fn memory_of_renditions(header: &Header, wanted: Wanted, renditions: &[(&Rendition, Format)]) -> u64 {
    const CHANNELS: u64 = 4;
    let pixels = |(rendition, _): &(&Rendition, Format)| {
        let (width, height) = fitted((header.width, header.height), rendition.max_edge as usize);
        (width as u64).saturating_mul(height as u64)
    };
    let (_, height) = fitted((header.width, header.height), wanted.max_edge);
    let scaled = (header.width as u64)
        .saturating_mul(height as u64)
        .saturating_mul(CHANNELS);
    let largest = renditions
        .iter()
        .map(|rendition| pixels(rendition).saturating_mul(encoding_per_pixel(rendition)))
        .max()
        .unwrap_or(0);
    let files = renditions
        .iter()
        .map(|rendition| pixels(rendition).saturating_mul(file_per_pixel(rendition)))
        .fold(0, u64::saturating_add);
    largest.saturating_add(files).saturating_add(scaled)
}

/// The most bytes for each pixel while a rendition is encoded. Noise takes the most.
fn encoding_per_pixel(&(rendition, format): &(&Rendition, Format)) -> u64 {
    match (format, rendition.quality) {
        // The encoder holds all symbols of the picture before it writes them. Better quality takes more of them.
        (Format::Avif, ..=80) => 72,
        (Format::Avif, 81..=90) => 110,
        (Format::Avif, 91..=98) => 180,
        (Format::Avif, 99..) => 280,
        _ => 20,
    }
}

/// The most bytes of a file for each pixel.
fn file_per_pixel(&(_, format): &(&Rendition, Format)) -> u64 {
    if format == Format::Avif { 8 } else { 2 }
}
