//! What is shown of a picture, and how it is turned (ISO/IEC 23008-12, 6.5.9, 6.5.10 and 6.5.12).

use super::container::Container;
use super::reader::Reader;
use crate::error::Error;
use crate::image::Image;
use crate::orient::Orientation;

/// The part that is shown, in pixels, and how to turn it.
pub struct Geometry {
    left: usize,
    top: usize,
    pub width: usize,
    pub height: usize,
    pub orientation: Orientation,
}

impl Geometry {
    /// Of an item whose picture has a size. Some encoders add rows and columns, which `ispe` does not count.
    pub fn of(file: &Container, item: u32, (width, height): (usize, usize)) -> Result<Self, Error> {
        let mut geometry = Self {
            left: 0,
            top: 0,
            width,
            height,
            orientation: Orientation::default(),
        };
        if let Some((width, height)) = file.property(item, *b"ispe").and_then(|body| extents(Reader(body))) {
            (geometry.width, geometry.height) = (geometry.width.min(width), geometry.height.min(height));
        }
        // They apply in their order.
        for (kind, body) in file.properties(item) {
            let value = body.first().copied().unwrap_or_default();
            match &kind {
                b"clap" if geometry.orientation != Orientation::default() => {
                    return Err(Error::Unsupported(
                        "a HEIF picture that is turned and then cut".to_owned(),
                    ));
                }
                b"clap" => geometry.cut(Reader(body))?,
                b"irot" => {
                    for _ in 0..value & 3 {
                        geometry.orientation = geometry.orientation.turned_left();
                    }
                }
                b"imir" if value & 1 == 1 => geometry.orientation.is_mirrored ^= true,
                b"imir" => geometry.orientation.is_upside_down ^= true,
                _ => {}
            }
        }
        Ok(geometry)
    }

    /// Fractions give the size of what is shown, and how far its middle is from that of the picture.
    fn cut(&mut self, mut body: Reader) -> Result<(), Error> {
        let mut fraction = || {
            let (above, below) = (body.number(4)? as u32, body.number(4)? as u32);
            Some((f64::from(above), f64::from(above.cast_signed()), f64::from(below)))
        };
        let along = |full: usize, size: (f64, f64, f64), offset: (f64, f64, f64)| {
            let shown = (size.0 / size.2).round();
            let start = ((full as f64 - shown) / 2.0 + offset.1 / offset.2).round();
            let is_inside = shown >= 1.0 && start >= 0.0 && start + shown <= full as f64;
            is_inside.then_some((start as usize, shown as usize))
        };
        let mut read = || {
            let [width, height, x, y] = [fraction()?, fraction()?, fraction()?, fraction()?];
            Some((along(self.width, width, x)?, along(self.height, height, y)?))
        };
        let damaged = || Error::Damaged("what is shown lies outside of the picture".to_owned());
        let ((left, width), (top, height)) = read().ok_or_else(damaged)?;
        (self.left, self.top) = (self.left + left, self.top + top);
        (self.width, self.height) = (width, height);
        Ok(())
    }

    /// Leaves out what is not shown.
    pub fn cropped(&self, image: Image) -> Image {
        if (self.width, self.height) == (image.width, image.height) {
            return image;
        }
        let rows = (self.top..self.top + self.height).map(|y| image.row(y));
        let samples = rows.flat_map(|row| &row[self.left * image.channels..][..self.width * image.channels]);
        Image::new(self.width, self.height, image.channels, samples.copied().collect())
    }
}

/// The size in pixels (6.5.3). None of it is 0.
fn extents(mut body: Reader) -> Option<(usize, usize)> {
    body.full_box()?;
    let (width, height) = (body.number(4)? as usize, body.number(4)? as usize);
    (width > 0 && height > 0).then_some((width, height))
}
