//! Turning pictures upright (Exif 3.0, Orientation).

use crate::image::Image;

/// How a stored picture is turned and mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    /// Whether rows become columns. This comes first.
    pub is_transposed: bool,
    /// Whether the picture is then mirrored left to right, and top to bottom.
    pub is_mirrored: bool,
    pub is_upside_down: bool,
}

impl Orientation {
    /// The orientation of an EXIF value. Values other than 1 to 8 count as 1: upright.
    #[must_use]
    pub fn from_exif(value: u16) -> Self {
        let (is_transposed, is_mirrored, is_upside_down) = match value {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self {
            is_transposed,
            is_mirrored,
            is_upside_down,
        }
    }

    /// This orientation, and then a quarter turn to the left.
    #[cfg(feature = "heic")]
    #[must_use]
    pub fn turned_left(self) -> Self {
        Self {
            is_transposed: !self.is_transposed,
            is_mirrored: self.is_upside_down,
            is_upside_down: !self.is_mirrored,
        }
    }

    /// A size before or after turning: the other one.
    #[must_use]
    pub fn turned(self, (width, height): (usize, usize)) -> (usize, usize) {
        if self.is_transposed {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// Whether the stored rows are mirrored, and whether the stored columns are.
    #[must_use]
    pub fn mirrors_stored(self) -> (bool, bool) {
        if self.is_transposed {
            (self.is_upside_down, self.is_mirrored)
        } else {
            (self.is_mirrored, self.is_upside_down)
        }
    }

    /// Turns an image.
    #[must_use]
    pub fn apply(self, image: Image) -> Image {
        if self == Self::default() {
            return image;
        }
        match image.channels {
            1 => self.apply_to::<1>(&image),
            2 => self.apply_to::<2>(&image),
            3 => self.apply_to::<3>(&image),
            _ => self.apply_to::<4>(&image),
        }
    }

    fn apply_to<const CHANNELS: usize>(self, image: &Image) -> Image {
        let (pixels, _) = image.samples.as_chunks::<CHANNELS>();
        let (width, height) = self.turned((image.width, image.height));
        let mut samples = Vec::with_capacity(image.samples.len());
        for y in 0..height {
            let y = if self.is_upside_down { height - 1 - y } else { y };
            // How far apart the pixels of this row are in the source.
            let (start, step) = if self.is_transposed {
                (y, image.width)
            } else {
                (y * image.width, 1)
            };
            let at = |x: usize| pixels[start + x * step];
            if self.is_mirrored {
                samples.extend((0..width).rev().flat_map(at));
            } else {
                samples.extend((0..width).flat_map(at));
            }
        }
        Image::new(width, height, CHANNELS, samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_orientation_turns_the_picture_upright() {
        // Upright, the picture is "ab" above "cd" above "ef". These are the stored pixels.
        for (value, width, stored) in [
            (0, 2, "abcdef"),
            (1, 2, "abcdef"),
            (2, 2, "badcfe"),
            (3, 2, "fedcba"),
            (4, 2, "efcdab"),
            (5, 3, "acebdf"),
            (6, 3, "bdface"),
            (7, 3, "fdbeca"),
            (8, 3, "ecafdb"),
            (9, 2, "abcdef"),
        ] {
            for channels in 1..=4 {
                let samples = |text: &str| text.bytes().flat_map(|byte| vec![byte; channels]).collect();
                let image = Image::new(width, 6 / width, channels, samples(stored));
                let upright = Orientation::from_exif(value).apply(image);
                assert_eq!(upright, Image::new(2, 3, channels, samples("abcdef")), "{value}");
            }
        }
    }
}
