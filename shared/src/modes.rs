//! What a job writes.

use serde::{Deserialize, Serialize};

/// What becomes of each image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Images {
    /// Nothing is written but records.
    None,
    /// A copy inside S3: no byte of the image passes through the function.
    #[default]
    Copy,
    /// The whole image is downloaded and uploaded again.
    Upload,
}

/// How the metadata is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Records {
    None,
    /// One file a chunk, one record a line.
    #[default]
    Ndjson,
    /// One file an image, named after it.
    Sidecar,
}
