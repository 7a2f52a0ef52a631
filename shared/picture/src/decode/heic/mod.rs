//! HEIC: coded pictures of HEVC, and the boxes around them.
//!
//! The boxes are read here, and `heic-decoder` gets one coded picture at a time. Its own reader of files copies what the
//! boxes say, which can be many times the file, and it keeps all tiles of a grid.

mod coded;
mod container;
mod geometry;
mod layout;
mod reader;

use heic_decoder::{ColorInfo, HeifError};

use self::container::Container;
use self::geometry::Geometry;
use self::layout::Layout;
use super::{Header, bytes, picture};
use crate::color::{Description, straight};
use crate::error::Error;
use crate::image::Image;
use crate::picture::{Picture, Pixels};

/// A code point that says nothing (ITU-T H.273).
const UNSPECIFIED: u16 = 2;

/// What a picture has that says nothing about its colours (H.265, E.3.1).
const UNKNOWN_COLORS: ColorInfo = ColorInfo {
    color_primaries: UNSPECIFIED,
    transfer_characteristics: UNSPECIFIED,
    matrix_coefficients: UNSPECIFIED,
    full_range: false,
};

/// The matrix of BT.601, which counts where none is specified (ISO/IEC 23000-22, 7.3.6.4).
const BT601: u16 = 6;

/// A file whose picture can be decoded.
struct Heic<'a> {
    file: Container<'a>,
    colors: Layout,
    /// The opacity, and whether the colours are multiplied with it.
    alpha: Option<(Layout, bool)>,
    geometry: Geometry,
}

pub fn header(file: &[u8]) -> Result<Header, Error> {
    let heic = Heic::read(file)?;
    let mut decoding = heic.colors.memory(&heic.file)?;
    // RGB, and a copy that is cut or whose colours are converted. With alpha, also the opacity, and both together.
    let mut per_pixel = 6;
    if let Some((alpha, _)) = &heic.alpha {
        decoding = decoding.max(alpha.memory(&heic.file)?);
        per_pixel = 12;
    }
    let description = file.len().min(4 << 20) as u64;
    Ok(Header {
        width: heic.geometry.width,
        height: heic.geometry.height,
        memory: decoding + bytes(heic.colors.width, heic.colors.height, per_pixel) + description + (4 << 20),
        orientation: Some(heic.geometry.orientation),
        is_ink: false,
    })
}

/// Decodes the primary picture on one thread.
pub fn decode(file: &[u8]) -> Result<Picture, Error> {
    // The decoder would start a thread for each processor. This one waits while the other works.
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    threads
        .expect("a thread can be started")
        .install(|| Heic::read(file)?.decode())
}

impl<'a> Heic<'a> {
    fn read(file: &'a [u8]) -> Result<Self, Error> {
        let file = Container::read(file)?;
        let primary = file.primary;
        let colors = Layout::of(&file, primary)?;
        let alpha = match alpha_of(&file, primary) {
            None => None,
            Some(item) => {
                let alpha = Layout::of(&file, item)?;
                if (alpha.width, alpha.height) != (colors.width, colors.height) {
                    return Err(Error::Unsupported("its transparency has another size".to_owned()));
                }
                Some((alpha, file.linked(*b"prem", primary).contains(&item)))
            }
        };
        let geometry = Geometry::of(&file, primary, (colors.width, colors.height))?;
        Ok(Self {
            file,
            colors,
            alpha,
            geometry,
        })
    }

    fn decode(&self) -> Result<Picture, Error> {
        let (profile, description) = self.color_properties();
        let colors = description.or(self.colors.coding.sequence.color_info);
        let mut colors = colors.unwrap_or(UNKNOWN_COLORS);
        if colors.matrix_coefficients == UNSPECIFIED {
            colors.matrix_coefficients = BT601;
        }
        let mut image = self.colors.decode(&self.file, Some(colors))?;
        if let Some((alpha, is_multiplied)) = &self.alpha {
            image = with_alpha(&image, &alpha.decode(&self.file, None)?);
            if *is_multiplied {
                image = straight(image);
            }
        }
        let mut decoded = picture(self.geometry.cropped(image), profile);
        if decoded.icc_profile.is_none()
            && let Pixels::Image(image) = decoded.pixels
        {
            decoded.pixels = Pixels::Image(description_of(colors).to_srgb(image)?);
        }
        Ok(decoded)
    }

    /// The profile and the description of the colours, by the item or, as some files have it, by its first tile.
    fn color_properties(&self) -> (Option<Vec<u8>>, Option<ColorInfo>) {
        let (mut profile, mut description) = (None, None);
        for item in [self.file.primary, self.colors.tiles[0]] {
            for (_, body) in self.file.properties(item).filter(|(kind, _)| kind == b"colr") {
                match body.split_first_chunk() {
                    Some((b"prof" | b"rICC", body)) if !body.is_empty() && profile.is_none() => {
                        profile = Some(body.to_vec());
                    }
                    Some((b"nclx", &[p0, p1, t0, t1, m0, m1, range, ..])) if description.is_none() => {
                        description = Some(ColorInfo {
                            color_primaries: u16::from_be_bytes([p0, p1]),
                            transfer_characteristics: u16::from_be_bytes([t0, t1]),
                            matrix_coefficients: u16::from_be_bytes([m0, m1]),
                            full_range: range & 0x80 != 0,
                        });
                    }
                    _ => {}
                }
            }
        }
        (profile, description)
    }
}

/// Cameras name the transfer functions of videos. Those of BT.709, BT.601 and BT.2020 are meant for the same screens as
/// that of sRGB, and no viewer tells them apart.
fn description_of(colors: ColorInfo) -> Description {
    const SRGB: u16 = 13;
    let transfer = match colors.transfer_characteristics {
        1 | 6 | 14 | 15 => SRGB,
        other => other,
    };
    let code_point = |value: u16| u8::try_from(value).unwrap_or(u8::MAX);
    Description::CodePoints {
        primaries: code_point(colors.color_primaries),
        transfer: code_point(transfer),
    }
}

/// The item with the opacity of an item.
fn alpha_of(file: &Container, item: u32) -> Option<u32> {
    let names: [&[u8]; 2] = [
        b"urn:mpeg:hevc:2015:auxid:1\0",
        b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0",
    ];
    let is_alpha = |&linking: &u32| {
        // The name follows the version and the flags.
        let kind = file.property(linking, *b"auxC").and_then(|body| body.get(4..));
        kind.is_some_and(|kind| names.iter().any(|name| kind.starts_with(name)))
    };
    file.linking(*b"auxl", item).find(is_alpha)
}

/// One image of colours and their opacity.
fn with_alpha(colors: &Image, alpha: &Image) -> Image {
    let mut samples = Vec::with_capacity(colors.samples.len() + alpha.samples.len());
    for (color, &alpha) in colors.pixels().zip(&alpha.samples) {
        samples.extend_from_slice(color);
        samples.push(alpha);
    }
    Image::new(colors.width, colors.height, colors.channels + 1, samples)
}

impl From<HeifError> for Error {
    fn from(error: HeifError) -> Self {
        match error {
            HeifError::Unsupported(what) => Self::Unsupported(what.to_owned()),
            HeifError::LimitExceeded(_) => Self::TooLarge(error.to_string()),
            error => Self::Damaged(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use heic_decoder::{DecodeOptions, RgbOptions};

    use super::*;

    #[test]
    fn real_photos_are_decoded_as_by_the_decoder_of_whole_files() {
        let Some(corpus) = std::env::var_os("EXIF_CORPUS") else {
            // Not `eprintln`: its output is not shown when a test passes.
            let message = b"skipped: EXIF_CORPUS does not name a folder with real images\n";
            std::io::stderr().write_all(message).unwrap();
            return;
        };
        let options = DecodeOptions {
            apply_transforms: false,
        };
        let mut grids = 0;
        for entry in std::fs::read_dir(Path::new(&corpus).join("images")).unwrap() {
            let path = entry.unwrap().path();
            let file = std::fs::read(&path).unwrap();
            // Some files of the corpus have no picture.
            let Ok(whole) = heic_decoder::decode_with(&file, &options) else {
                continue;
            };
            let mut color = whole.color_info.unwrap_or(UNKNOWN_COLORS);
            if color.matrix_coefficients == UNSPECIFIED {
                color.matrix_coefficients = BT601;
            }
            let options = RgbOptions {
                color: Some(color),
                ..RgbOptions::default()
            };
            let expected = whole.to_rgb8_with_options(&options).unwrap();
            let Pixels::Image(image) = decode(&file).unwrap().pixels else {
                panic!("{}: its pixels are not those of an image", path.display());
            };
            assert_eq!((image.width, image.height), (expected.width, expected.height));
            let expected = expected.data.chunks_exact(3);
            let is_same = image.pixels().eq(expected.map(|pixel| &pixel[..image.channels]));
            assert!(is_same, "{}", path.display());
            grids += usize::from(Heic::read(&file).unwrap().colors.tiles.len() > 1);
        }
        assert!(grids > 0, "no picture of several tiles was decoded");
    }
}
