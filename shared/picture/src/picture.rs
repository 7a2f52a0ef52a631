use crate::image::Image;

/// A decoded picture.
#[derive(Clone, Debug)]
pub struct Picture {
    pub pixels: Pixels,
    /// The profile of the pixels' colours. Without one, they are sRGB.
    pub icc_profile: Option<Vec<u8>>,
    /// What could not be decoded.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum Pixels {
    /// Luma, and two planes of chroma, which may be smaller. The values are those of JFIF.
    YCbCr([Image; 3]),
    /// Grey or RGB, with or without alpha.
    Image(Image),
}
