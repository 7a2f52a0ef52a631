//! The measured programs, and the load that each runs on.

use std::path::PathBuf;
use std::time::Duration;

use local::s3::Latency;
use shared::modes::Images;
use shared::transform::Transform;

use super::run::Stages;
use super::rust_peers::RustPeer;

/// The number of keys in a chunk of fanout by default.
pub const CHUNK_KEYS: usize = 500;

#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// Processors, each with its share of the images.
    Processors(Processors),
    /// fanout with `parallel` processors, each with `concurrency` images in flight at the start.
    Fanout {
        parallel: usize,
        concurrency: usize,
    },
    Rust {
        peer: RustPeer,
        in_flight: usize,
    },
    Python {
        how: &'static str,
        workers: usize,
    },
}

#[derive(Clone, Copy, Debug)]
pub struct Processors {
    pub count: usize,
    /// The images in flight in each processor.
    pub concurrency: Concurrency,
    pub cores: Cores,
    /// The most images in one invocation.
    pub chunk_keys: usize,
    /// The memory of the function.
    pub memory_mb: u32,
}

/// The memory at which Lambda gives a function one vCPU.
pub const ONE_VCPU_MB: u32 = 1_769;
/// The same for two vCPUs.
pub const TWO_VCPUS_MB: u32 = 3_538;

#[derive(Clone, Copy, Debug)]
pub enum Concurrency {
    /// At most this number of images in flight.
    Fixed(usize),
    /// The processor adapts its images in flight, and starts with this number.
    From(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    One,
    All,
}

/// The images and the server that a program runs on.
#[derive(Clone, Debug)]
pub struct Load {
    pub folder: PathBuf,
    /// The number of images; the first ones of the folder.
    pub images: usize,
    pub latency: Latency,
    pub mode: Images,
    /// What the mode `transform` makes.
    pub transform: Option<Transform>,
    /// Whether the server sends checksums, as S3 does for objects that were uploaded since 2024-12.
    pub sends_checksums: bool,
    pub over_tls: bool,
}

/// The part of a run's results that the server does not know.
pub struct Taken {
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub peak_bytes: u64,
    pub stages: Stages,
}

impl Program {
    pub fn writes_records(self) -> bool {
        matches!(self, Self::Processors(_) | Self::Fanout { .. })
    }

    /// About how much CPU time an image takes, including the server's, without pictures.
    pub fn cpu_time(self) -> Duration {
        match self {
            Self::Processors(_) | Self::Fanout { .. } | Self::Rust { .. } => Duration::from_micros(400),
            Self::Python { .. } => Duration::from_millis(2),
        }
    }

    /// The memory of each function. Peers run in what one vCPU needs.
    pub fn memory_mb(self) -> u32 {
        match self {
            Self::Processors(Processors { memory_mb, .. }) => memory_mb,
            Self::Fanout { .. } | Self::Rust { .. } | Self::Python { .. } => ONE_VCPU_MB,
        }
    }

    /// The number of images in flight in all processes, at the start.
    pub fn in_flight(self) -> usize {
        match self {
            Self::Processors(Processors { count, concurrency, .. }) => match concurrency {
                Concurrency::Fixed(each) | Concurrency::From(each) => count * each,
            },
            Self::Fanout { parallel, concurrency } => parallel * concurrency,
            Self::Rust { in_flight, .. } => in_flight,
            Self::Python { workers, .. } => workers,
        }
    }
}

/// About how long a picture takes for each byte of its source.
const PICTURE_TIME_PER_BYTE: Duration = Duration::from_nanos(15);

impl Load {
    /// About how long the pictures of one image take.
    pub fn picture_time(&self) -> Duration {
        if self.transform.is_none() {
            return Duration::ZERO;
        }
        // All images of a folder are similar. Without a first one, the run itself will say what is wrong.
        let first = std::fs::metadata(self.folder.join(local::dataset::file_name(0)));
        PICTURE_TIME_PER_BYTE.mul_f64(first.map_or(0, |first| first.len()) as f64)
    }
}
