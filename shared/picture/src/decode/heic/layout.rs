//! The picture of an item: one coded picture, or a grid of them (ISO/IEC 23008-12, 6.6.2.3).

use heic_decoder::{ColorInfo, DecodedImage, Metadata, RgbOptions};

use super::coded::{Coding, Planes};
use super::container::Container;
use super::reader::Reader;
use crate::decode::bytes;
use crate::error::Error;
use crate::image::Image;

/// The rows of a band that are decoded again with the next one, because their chroma depends on it.
const SHARED_ROWS: usize = 2;

/// Where the coded pictures of an item are.
pub struct Layout {
    /// Row by row.
    pub tiles: Vec<u32>,
    columns: usize,
    pub width: usize,
    pub height: usize,
    /// Of the first coded picture. The others have the same size and the same kind of samples.
    pub coding: Coding,
}

impl Layout {
    pub fn of(file: &Container, item: u32) -> Result<Self, Error> {
        if file.kind(item) != Some(*b"grid") {
            let coding = Coding::of(file, item)?;
            let (width, height) = coding.size();
            return Ok(Self {
                tiles: vec![item],
                columns: 1,
                width,
                height,
                coding,
            });
        }
        let damaged = || Error::Damaged("its grid is damaged".to_owned());
        let (rows, columns, width, height) = grid(Reader(&file.bytes(item)?)).ok_or_else(damaged)?;
        let tiles = file.linked(*b"dimg", item).to_vec();
        if tiles.len() != rows * columns {
            return Err(damaged());
        }
        let coding = Coding::of(file, tiles[0])?;
        let (tile_width, tile_height) = coding.size();
        // No tile lies outside of the picture, and all of the picture is covered.
        let fits = |tile: usize, count: usize, size: usize| (tile * (count - 1)..tile * count).contains(&(size - 1));
        if !fits(tile_width, columns, width) || !fits(tile_height, rows, height) {
            return Err(damaged());
        }
        let (horizontal, vertical) = coding.chroma_factors();
        if tile_height < SHARED_ROWS || tile_width % horizontal != 0 || tile_height % vertical != 0 {
            return Err(Error::Unsupported(
                "a grid whose tiles have an odd number of pixels".to_owned(),
            ));
        }
        Ok(Self {
            tiles,
            columns,
            width,
            height,
            coding,
        })
    }

    /// Whether a coded picture is the whole picture. A grid may show a part of a single tile.
    fn is_coded_whole(&self) -> bool {
        self.tiles.len() == 1 && self.coding.size() == (self.width, self.height)
    }

    /// The most bytes that decoding takes, without the result.
    pub fn memory(&self, file: &Container) -> Result<u64, Error> {
        let lengths = self.tiles.iter().map(|&tile| file.length(tile));
        let longest = lengths.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0);
        let coded = self.coding.memory(longest);
        // Samples of four bytes, and RGB.
        let per_pixel = 2 * self.coding.double_samples() + 3;
        Ok(if self.is_coded_whole() {
            coded.max(bytes(self.width, self.height, per_pixel))
        } else {
            let rows = self.coding.size().1 + SHARED_ROWS;
            coded + bytes(self.width, rows, per_pixel) + 8 * self.tiles.len() as u64
        })
    }

    /// Decodes a row of tiles at a time. Without colours, it is the luma: opacity, which has all values from 0.
    pub fn decode(&self, file: &Container, colors: Option<ColorInfo>) -> Result<Image, Error> {
        let mut band = Band::new(self, colors);
        let channels = if band.is_gray() { 1 } else { 3 };
        let mut samples = Vec::with_capacity(self.width * self.height * channels);
        let tile_height = self.coding.size().1;
        for (row, tiles) in self.tiles.chunks(self.columns).enumerate() {
            let rest = self.height - row * tile_height;
            if !self.is_coded_whole() {
                band.begin(rest.min(tile_height));
            }
            for (column, &tile) in tiles.iter().enumerate() {
                let planes = self.tile(file, tile)?;
                if self.is_coded_whole() {
                    band.fill(planes);
                } else {
                    band.place(&planes, column * planes.width);
                }
            }
            band.append_to(&mut samples, rest <= tile_height)?;
        }
        Ok(Image::new(self.width, self.height, channels, samples))
    }

    fn tile(&self, file: &Container, tile: u32) -> Result<Planes, Error> {
        let coding = Coding::of(file, tile)?;
        let kind = |coding: &Coding| {
            let sequence = &coding.sequence;
            (
                (sequence.pic_width_in_luma_samples, sequence.pic_height_in_luma_samples),
                sequence.conformance_window,
                (sequence.bit_depth_luma, sequence.bit_depth_chroma),
                sequence.chroma_format_idc,
            )
        };
        if kind(&coding) != kind(&self.coding) {
            return Err(Error::Unsupported("a grid with tiles of several kinds".to_owned()));
        }
        coding.decode(file.bytes(tile)?)
    }
}

/// The rows, the columns, and the size of a grid. None of them is 0.
fn grid(mut body: Reader) -> Option<(usize, usize, usize, usize)> {
    body.number(1)?;
    let width = if body.number(1)? & 1 == 1 { 4 } else { 2 };
    let (rows, columns) = (body.number(1)? + 1, body.number(1)? + 1);
    let size = (body.number(width)? as usize, body.number(width)? as usize);
    (size.0 > 0 && size.1 > 0).then_some((rows as usize, columns as usize, size.0, size.1))
}

/// A row of tiles, and the last rows of the one above.
struct Band {
    image: DecodedImage,
    shared: usize,
    /// How many pixels of each direction a sample of chroma covers.
    chroma: (usize, usize),
}

impl Band {
    fn new(layout: &Layout, colors: Option<ColorInfo>) -> Self {
        let coding = &layout.coding;
        let is_gray = coding.is_gray() || colors.is_none();
        let opacity = ColorInfo {
            full_range: true,
            ..ColorInfo::default()
        };
        let mut chroma_sampling = coding.chroma_sampling();
        if is_gray {
            (chroma_sampling.sub_x, chroma_sampling.sub_y) = (1, 1);
        }
        let chroma = coding.chroma_factors();
        let image = DecodedImage {
            alpha: None,
            width: layout.width,
            height: 0,
            bit_depth_luma: coding.sequence.bit_depth_luma,
            bit_depth_chroma: coding.sequence.bit_depth_chroma,
            chroma_format_idc: if is_gray { 0 } else { coding.sequence.chroma_format_idc },
            color_info: Some(colors.unwrap_or(opacity)),
            chroma_sampling,
            y: Vec::new(),
            cb: Vec::new(),
            cr: Vec::new(),
            cb_width: if is_gray { 0 } else { layout.width.div_ceil(chroma.0) },
            cb_height: 0,
            metadata: Metadata::default(),
        };
        Self {
            image,
            shared: 0,
            chroma,
        }
    }

    fn is_gray(&self) -> bool {
        self.image.chroma_format_idc == 0
    }

    /// Each plane, its width, and how many pixels of each direction a sample of it covers.
    fn planes(&mut self) -> [(&mut Vec<i32>, usize, (usize, usize)); 3] {
        let width = self.image.cb_width;
        [
            (&mut self.image.y, self.image.width, (1, 1)),
            (&mut self.image.cb, width, self.chroma),
            (&mut self.image.cr, width, self.chroma),
        ]
    }

    /// Makes room for a row of tiles with so many rows of pixels.
    fn begin(&mut self, rows: usize) {
        let shared = if self.image.height == 0 { 0 } else { SHARED_ROWS };
        for (samples, width, (_, covered_rows)) in self.planes() {
            let kept = shared / covered_rows * width;
            let start = samples.len() - kept;
            samples.copy_within(start.., 0);
            samples.resize(kept + rows.div_ceil(covered_rows) * width, 0);
        }
        self.set_rows(shared, rows);
    }

    fn set_rows(&mut self, shared: usize, rows: usize) {
        self.shared = shared;
        self.image.height = shared + rows;
        self.image.cb_height = if self.is_gray() {
            0
        } else {
            self.image.height.div_ceil(self.chroma.1)
        };
    }

    /// The whole picture.
    fn fill(&mut self, Planes { height, samples, .. }: Planes) {
        let is_gray = self.is_gray();
        let [y, cb, cr] = samples;
        self.image.y = y;
        if !is_gray {
            (self.image.cb, self.image.cr) = (cb, cr);
        }
        self.set_rows(0, height);
    }

    /// Copies what lies within the picture of a tile, which starts at a column of pixels.
    fn place(&mut self, tile: &Planes, left: usize) {
        let shared = self.shared;
        for ((target, width, covered), source) in self.planes().into_iter().zip(&tile.samples) {
            if width == 0 {
                continue;
            }
            let (left, stride) = (left / covered.0, tile.width.div_ceil(covered.0));
            let length = stride.min(width - left);
            let rows = target.chunks_exact_mut(width).skip(shared / covered.1);
            for (target, source) in rows.zip(source.chunks_exact(stride)) {
                target[left..left + length].copy_from_slice(&source[..length]);
            }
        }
    }

    /// Appends the pixels that are complete.
    fn append_to(&self, samples: &mut Vec<u8>, is_last: bool) -> Result<(), Error> {
        let rgb = self.image.to_rgb8_with_options(&RgbOptions::default())?;
        // The last row that is shared was not complete.
        let first = self.shared.saturating_sub(1);
        let last = self.image.height - usize::from(!is_last);
        let pixels = &rgb.data[first * self.image.width * 3..last * self.image.width * 3];
        if self.is_gray() {
            samples.extend(pixels.iter().step_by(3));
        } else {
            samples.extend_from_slice(pixels);
        }
        Ok(())
    }
}
