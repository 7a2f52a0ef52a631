use crate::format::Format;

/// What to make of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    /// The longer side of the result has at most this many pixels. A smaller picture is not enlarged.
    pub max_edge: u32,
    pub target: Target,
    /// From 1 to 100. PNG is lossless and has no use for it.
    pub quality: u8,
}

/// The format of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// That of the source: JPEG, PNG or WebP. Other sources are unsupported.
    Keep,
    Jpeg,
    Png,
    WebP,
    /// With the feature `avif`. Profiles are not kept: the colours become sRGB.
    Avif,
}

impl Target {
    /// The format of the result for a source. `None` if the source's format cannot be kept.
    #[must_use]
    pub fn format(self, source: Format) -> Option<Format> {
        match (self, source) {
            (Self::Jpeg, _) => Some(Format::Jpeg),
            (Self::Png, _) => Some(Format::Png),
            (Self::WebP, _) => Some(Format::WebP),
            (Self::Avif, _) => Some(Format::Avif),
            (Self::Keep, Format::Jpeg | Format::Png | Format::WebP) => Some(source),
            (Self::Keep, Format::Tiff | Format::Gif | Format::Heif | Format::Avif) => None,
        }
    }
}
