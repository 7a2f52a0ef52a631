//! What a job writes, and what that takes.

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

/// What a mode reads of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The ranges that hold metadata.
    Metadata,
    /// All of it.
    Whole,
}

/// How a mode writes an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    Nothing,
    /// `CopyObject`: S3 moves the bytes.
    ServerSideCopy,
    /// `PutObject`: the function sends the bytes.
    Upload,
}

/// What a mode takes: the one place that says it for limits, deadlines and the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    pub reads: Reads,
    pub writes: Writes,
    /// CPU time of one image on a whole vCPU, as a plan assumes it. On a desktop, without TLS, it is between
    /// a quarter of this and all of it (`cpu_ms_per_image` of a report): Lambda's cores are slower, and
    /// S3 is spoken to over TLS.
    pub cpu_seconds: f64,
}

impl Images {
    #[must_use]
    pub const fn profile(self) -> Profile {
        match self {
            Self::None => Profile {
                reads: Reads::Metadata,
                writes: Writes::Nothing,
                cpu_seconds: 0.4e-3,
            },
            Self::Copy => Profile {
                reads: Reads::Metadata,
                writes: Writes::ServerSideCopy,
                cpu_seconds: 0.6e-3,
            },
            Self::Upload => Profile {
                reads: Reads::Whole,
                writes: Writes::Upload,
                cpu_seconds: 0.8e-3,
            },
        }
    }
}

impl Profile {
    /// Whether there is an output for each image.
    #[must_use]
    pub fn writes_image(&self) -> bool {
        match self.writes {
            Writes::Nothing => false,
            Writes::ServerSideCopy | Writes::Upload => true,
        }
    }

    /// Bytes to download of an image of `size` bytes, of which the first `front_bytes` hold its metadata.
    #[must_use]
    pub fn bytes_to_read(&self, size: u64, front_bytes: u64) -> u64 {
        match self.reads {
            Reads::Metadata => size.min(front_bytes),
            Reads::Whole => size,
        }
    }

    /// Bytes that the function sends of an image of `size` bytes.
    #[must_use]
    pub fn bytes_to_send(&self, size: u64) -> u64 {
        match self.writes {
            Writes::Nothing | Writes::ServerSideCopy => 0,
            Writes::Upload => size,
        }
    }

    /// Bytes whose transfer takes time in proportion to an image's size, as if the function moved them.
    #[must_use]
    pub fn transferred_bytes(&self, size: u64) -> u64 {
        let read = self.bytes_to_read(size, 0);
        let written = match self.writes {
            Writes::Nothing => 0,
            // S3 copies by itself some times as fast as a function can.
            Writes::ServerSideCopy => size / 8,
            Writes::Upload => size,
        };
        read.saturating_add(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_says_what_it_takes() {
        for (images, to_read, to_send, transferred) in [
            (Images::None, 128, 0, 0),
            (Images::Copy, 128, 0, 100),
            (Images::Upload, 800, 800, 1600),
        ] {
            let profile = images.profile();
            let found = (
                profile.bytes_to_read(800, 128),
                profile.bytes_to_send(800),
                profile.transferred_bytes(800),
            );
            assert_eq!(found, (to_read, to_send, transferred), "{images:?}");
            assert_eq!(profile.writes_image(), images != Images::None);
        }
        assert_eq!(Images::Upload.profile().transferred_bytes(u64::MAX), u64::MAX);
    }
}
