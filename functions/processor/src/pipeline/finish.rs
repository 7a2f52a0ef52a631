//! What is written of an encoded rendition: with its metadata, or the image itself in its place.

use bytes::Bytes;
use lambda_runtime::tracing::warn;
use picture::{Format, Output};
use shared::metadata::{Metadata, Picture};
use shared::strip::{self, Options, Refused, Scope, Whole};
use shared::transform::Metadata as Kept;

/// A rendition as it is written.
pub struct Finished {
    pub file: Bytes,
    pub format: Format,
}

/// The image that renditions were made of.
pub struct Source<'a> {
    pub bytes: &'a Bytes,
    pub metadata: &'a Metadata,
    /// Its size as stored, in pixels.
    pub size: (usize, usize),
    /// Whether a rendition of the same size and format shows the same: it is upright, whole, and its samples are not ink.
    pub is_as_wanted: bool,
}

impl Source<'_> {
    /// Adds warnings, each once.
    pub fn finish_all(
        &self,
        outputs: Vec<Output>,
        mut warnings: Vec<String>,
        kept: Kept,
    ) -> (Vec<Finished>, Vec<String>) {
        let mut finished = Vec::new();
        for output in outputs {
            let (file, more) = self.finish(output, kept);
            finished.push(file);
            for warning in more {
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        (finished, warnings)
    }

    fn finish(&self, output: Output, kept: Kept) -> (Finished, Vec<String>) {
        let format = output.format;
        if let Some(Whole { bytes, warnings }) = self.in_place_of(&output, kept) {
            return (Finished { file: bytes, format }, warnings);
        }
        let file = Bytes::from(output.file);
        let Whole { bytes, warnings } = match kept {
            Kept::None => Whole {
                bytes: file,
                warnings: Vec::new(),
            },
            Kept::Copyright => strip::with_copyright(&file, self.bytes, self.metadata),
            Kept::All => strip::with_metadata(&file, self.bytes, self.metadata),
        };
        (Finished { file: bytes, format }, warnings)
    }

    /// The image itself, if it is the picture that was wanted, and smaller. It has no more metadata than an output has.
    fn in_place_of(&self, output: &Output, kept: Kept) -> Option<Whole> {
        // Renditions show one picture, and have no gain map.
        let is_single = |image: &Picture| image.animated != Some(true) && !image.gain_map;
        let is_same = Format::of(self.bytes) == Some(output.format)
            && self.size == (output.width, output.height)
            && self.is_as_wanted
            && self.metadata.image.as_deref().is_some_and(is_single);
        if !is_same || output.file.len() <= self.bytes.len() {
            return None;
        }
        let options = Options {
            scope: Scope::All,
            keep_copyright: kept == Kept::Copyright,
        };
        match kept {
            Kept::All => Some(Whole {
                bytes: self.bytes.clone(),
                warnings: Vec::new(),
            }),
            Kept::None | Kept::Copyright => match strip::strip_whole(self.bytes.clone(), self.metadata, options) {
                Ok(stripped) => Some(stripped),
                Err(Refused::Unsupported(_)) => None,
                Err(error @ Refused::Left(_)) => {
                    warn!(%error, "the encoded picture is written, although the image is smaller");
                    None
                }
            },
        }
    }
}
