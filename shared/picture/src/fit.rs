//! Scaling.

use fast_image_resize::images::{Image as Target, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::image::Image;

/// The size of a picture whose longer side has at most `max_edge` pixels. It is never larger than the picture.
pub fn fitted((width, height): (usize, usize), max_edge: usize) -> (usize, usize) {
    let longer = width.max(height);
    if longer <= max_edge {
        return (width, height);
    }
    let scaled = |size: usize| ((size * max_edge + longer / 2) / longer).max(1);
    (scaled(width), scaled(height))
}

/// A part of an image, in its pixels. It may reach beyond the image, whose last pixels are then repeated.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    /// All pixels, also those that the picture does not cover.
    pub fn all(image: &Image) -> Self {
        Self {
            left: 0.0,
            top: 0.0,
            width: image.width as f64,
            height: image.height as f64,
        }
    }

    /// What the picture covers.
    pub fn covered(image: &Image) -> Self {
        let (width, height) = image.covered;
        Self {
            left: 0.0,
            top: 0.0,
            width,
            height,
        }
    }

    fn is_all_of(&self, image: &Image) -> bool {
        let of_image = (0.0, 0.0, image.width as f64, image.height as f64);
        (self.left, self.top, self.width, self.height) == of_image
    }
}

/// Scales a part of an image to a size, with a Lanczos filter. Alpha is taken into account: what is transparent has no
/// colour.
pub fn resize(image: &Image, area: Area, (width, height): (usize, usize)) -> Image {
    if area.is_all_of(image) && (width, height) == (image.width, image.height) {
        return image.clone();
    }
    let (padded, area) = padded(image, area);
    let image = padded.as_ref().unwrap_or(image);
    let pixel_type = match image.channels {
        1 => PixelType::U8,
        2 => PixelType::U8x2,
        3 => PixelType::U8x3,
        _ => PixelType::U8x4,
    };
    let size = |size: usize| u32::try_from(size).expect("a picture has fewer than 2³² pixels in a direction");
    let source = ImageRef::new(size(image.width), size(image.height), &image.samples, pixel_type);
    let source = source.expect("an image has as many samples as its size says");
    let mut target = Target::new(size(width), size(height), pixel_type);
    let options = ResizeOptions::new()
        .crop(area.left, area.top, area.width, area.height)
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(image.has_alpha());
    let resized = Resizer::new().resize(&source, &mut target, &options);
    resized.expect("the area lies inside the image");
    Image::new(width, height, image.channels, target.into_vec())
}

/// Repeats the pixels at the edges, if the area reaches beyond them. Returns the area in the new image.
fn padded(image: &Image, area: Area) -> (Option<Image>, Area) {
    let before = |start: f64| (-start).max(0.0).ceil() as usize;
    let after = |end: f64, size: usize| (end - size as f64).max(0.0).ceil() as usize;
    let (left, top) = (before(area.left), before(area.top));
    let right = after(area.left + area.width, image.width);
    let bottom = after(area.top + area.height, image.height);
    if left + top + right + bottom == 0 {
        return (None, area);
    }
    let (width, height) = (left + image.width + right, top + image.height + bottom);
    let mut samples = Vec::with_capacity(width * height * image.channels);
    for y in 0..height {
        let row = image.row(y.saturating_sub(top).min(image.height - 1));
        let (first, last) = (&row[..image.channels], &row[row.len() - image.channels..]);
        samples.extend(first.repeat(left));
        samples.extend_from_slice(row);
        samples.extend(last.repeat(right));
    }
    let area = Area {
        left: area.left + left as f64,
        top: area.top + top as f64,
        ..area
    };
    (Some(Image::new(width, height, image.channels, samples)), area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_their_shape_and_are_never_enlarged() {
        for (size, max_edge, expected) in [
            ((4000, 3000), 1024, (1024, 768)),
            ((3000, 4000), 1024, (768, 1024)),
            ((1024, 768), 1024, (1024, 768)),
            ((800, 600), 1024, (800, 600)),
            ((1, 20_000), 1024, (1, 1024)),
            ((4001, 3000), 1000, (1000, 750)),
            ((1, 1), 1, (1, 1)),
        ] {
            assert_eq!(fitted(size, max_edge), expected);
        }
    }

    #[test]
    fn what_is_transparent_has_no_colour() {
        // Opaque white beside transparent black: the mean is half-transparent white.
        let samples = [[255, 255, 255, 255], [0, 0, 0, 0]].concat().repeat(8);
        let image = Image::new(2, 8, 4, samples);
        let resized = resize(&image, Area::covered(&image), (1, 8));
        for pixel in resized.pixels() {
            assert_eq!(pixel[..3], [255; 3]);
            assert!((126..=129).contains(&pixel[3]), "{pixel:?}");
        }
    }

    #[test]
    fn an_area_beyond_the_edges_repeats_them() {
        let image = Image::new(2, 1, 1, vec![10, 200]);
        let area = Area {
            left: -2.0,
            top: -1.0,
            width: 6.0,
            height: 3.0,
        };
        let resized = resize(&image, area, (6, 3));
        assert_eq!(resized.samples, [10, 10, 10, 200, 200, 200].repeat(3));
    }
}
