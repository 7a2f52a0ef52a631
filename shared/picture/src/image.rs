/// Samples of a picture, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// In pixels.
    pub width: usize,
    pub height: usize,
    /// Samples per pixel: 1 (grey, or a plane), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha, or CMYK).
    pub channels: usize,
    /// `width × height × channels` samples.
    pub samples: Vec<u8>,
    /// How many pixels of each direction the picture covers. The rest, if any, is padding at the right and below.
    ///
    /// A scaled plane may end within a pixel.
    pub covered: (f64, f64),
}

impl Image {
    /// An image without padding.
    pub fn new(width: usize, height: usize, channels: usize, samples: Vec<u8>) -> Self {
        debug_assert_eq!(samples.len(), width * height * channels);
        Self {
            width,
            height,
            channels,
            samples,
            covered: (width as f64, height as f64),
        }
    }

    pub fn has_alpha(&self) -> bool {
        matches!(self.channels, 2 | 4)
    }

    pub fn pixels(&self) -> impl Iterator<Item = &[u8]> {
        self.samples.chunks_exact(self.channels)
    }

    pub fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width * self.channels..][..self.width * self.channels]
    }
}
