//! What a job writes, and what each mode reads, writes and costs.

use serde::{Deserialize, Serialize};

/// What is written of each image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Images {
    /// No image. Only records are written.
    None,
    /// A copy inside S3. Its bytes do not pass through the function.
    #[default]
    Copy,
    /// The whole image, downloaded and uploaded again.
    Upload,
    /// The same picture without its metadata.
    Strip,
    /// Other pictures of the image: upright, scaled, encoded.
    Transform,
}

/// How records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Records {
    None,
    /// One record file per chunk, with one record per line.
    #[default]
    Ndjson,
    /// One file per image, named after it.
    Sidecar,
    /// An annotation of the source object.
    Annotation,
}

impl Records {
    /// Whether each image has a request of its own for its record.
    #[must_use]
    pub const fn writes_each(self) -> bool {
        matches!(self, Self::Sidecar | Self::Annotation)
    }
}

/// What a mode reads of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Only the ranges that hold metadata.
    Metadata,
    /// All bytes.
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

/// What a mode reads, writes and costs. Limits, deadlines and the plan all use this.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    pub reads: Reads,
    pub writes: Writes,
    /// Whether pictures are decoded and encoded, on threads of their own.
    pub uses_cpu_threads: bool,
    /// CPU time of one image on a whole vCPU, as a plan assumes it. A desktop without TLS needs between a quarter of
    /// this and all of it (`cpu_ms_per_image` of a report). Lambda's cores are slower, and requests to S3 use TLS.
    pub cpu_seconds: f64,
}

impl Images {
    #[must_use]
    pub const fn profile(self) -> Profile {
        match self {
            Self::None => Profile {
                reads: Reads::Metadata,
                writes: Writes::Nothing,
                uses_cpu_threads: false,
                cpu_seconds: 0.4e-3,
            },
            Self::Copy => Profile {
                reads: Reads::Metadata,
                writes: Writes::ServerSideCopy,
                uses_cpu_threads: false,
                cpu_seconds: 0.6e-3,
            },
            Self::Upload => Profile {
                reads: Reads::Whole,
                writes: Writes::Upload,
                uses_cpu_threads: false,
                cpu_seconds: 0.8e-3,
            },
            Self::Strip => Profile {
                reads: Reads::Whole,
                writes: Writes::Upload,
                uses_cpu_threads: false,
                cpu_seconds: 0.9e-3,
            },
            Self::Transform => Profile {
                reads: Reads::Whole,
                writes: Writes::Upload,
                uses_cpu_threads: true,
                // A photo of 12 megapixels, scaled to 1,024 pixels. A plan measures a sample, if it can.
                cpu_seconds: 60e-3,
            },
        }
    }
}

impl Profile {
    /// Whether the mode writes images.
    #[must_use]
    pub fn writes_image(&self) -> bool {
        match self.writes {
            Writes::Nothing => false,
            Writes::ServerSideCopy | Writes::Upload => true,
        }
    }

    /// Bytes to download for an image of `size` bytes. Its first `front_bytes` hold its metadata.
    #[must_use]
    pub fn bytes_to_read(&self, size: u64, front_bytes: u64) -> u64 {
        match self.reads {
            Reads::Metadata => size.min(front_bytes),
            Reads::Whole => size,
        }
    }

    /// Bytes that the function sends for an image of `size` bytes.
    #[must_use]
    pub fn bytes_to_send(&self, size: u64) -> u64 {
        match self.writes {
            Writes::Nothing | Writes::ServerSideCopy => 0,
            Writes::Upload => size,
        }
    }

    /// Bytes whose transfer takes time in proportion to the image's size. A byte that S3 copies counts as an eighth
    /// of one that the function moves.
    #[must_use]
    pub fn transferred_bytes(&self, size: u64) -> u64 {
        let read = self.bytes_to_read(size, 0);
        let written = match self.writes {
            Writes::Nothing => 0,
            // S3 copies several times as fast as a function moves bytes.
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
    fn each_mode_has_its_reads_and_writes() {
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
