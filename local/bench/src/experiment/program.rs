//! The programs that are measured, and what each is run on.

use std::path::PathBuf;
use std::time::Duration;

use local::s3::Latency;
use shared::modes::Images;

use super::run::Stages;
use super::rust_peers::RustPeer;

/// As fanout cuts chunks, unless told otherwise.
pub const CHUNK_KEYS: usize = 500;

#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// Processors, each with its share of the images.
    Processors(Processors),
    /// fanout, and so many processors.
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
    /// Of each.
    pub concurrency: Concurrency,
    pub cores: Cores,
    /// The most images in one invocation.
    pub chunk_keys: usize,
}

#[derive(Clone, Copy, Debug)]
pub enum Concurrency {
    /// No more images in flight than this.
    Fixed(usize),
    /// As the processor finds best, from this on.
    From(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    One,
    All,
}

/// What a program is run on.
#[derive(Clone, Debug)]
pub struct Load {
    pub folder: PathBuf,
    /// The first so many.
    pub images: usize,
    pub latency: Latency,
    pub mode: Images,
}

/// What a run took, as far as its server does not know.
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

    /// About what an image takes of CPU time, its server's included.
    pub fn cpu_time(self) -> Duration {
        match self {
            Self::Processors(_) | Self::Fanout { .. } | Self::Rust { .. } => Duration::from_micros(400),
            Self::Python { .. } => Duration::from_millis(2),
        }
    }

    /// The images it has in flight, in all processes.
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
