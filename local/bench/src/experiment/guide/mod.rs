//! The guide's experiment: the same images one after another, on more cores, in more processes, with more images in
//! flight, and with fanout.
//!
//! | module | content |
//! |---|---|
//! | [`uploads`] | the guide's own pipeline: download, EXIF, upload |
//! | [`pictures`] | the pipeline that it asks about: download, EXIF, transform, compress, upload |

mod pictures;
mod uploads;

use std::time::Duration;

use indicatif::ProgressBar;

use super::case::{self, Case};
use super::program::{Concurrency, Processors, Program};
use super::report::{Guide, Pictures};
use crate::parsing;
use crate::photos;
use local::dataset::COUNT;
use local::s3::Latency;

/// The guide's two figures for the time of one image. They contradict each other.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Its total of 650 s for 8,154 images: 80 ms each, which we divide in the ratio 800 : 120 : 400.
    SerialTotal,
    /// Its latencies: 800 ms for the download, 120 ms for EXIF, 400 ms for the upload.
    StatedLatencies,
}

/// The time of a page of a listing. The guide does not state it; in S3, it is about 50 ms.
const LIST_LATENCY: Duration = Duration::from_millis(50);

impl Pace {
    /// The latency of the server for reads and writes. EXIF takes as long as each program needs for it.
    pub fn latency(self) -> Latency {
        let (get, put) = match self {
            Self::SerialTotal => (48_500, 24_200),
            Self::StatedLatencies => (800_000, 400_000),
        };
        Latency {
            get: Duration::from_micros(get),
            put: Duration::from_micros(put),
            list: LIST_LATENCY,
            ..Latency::default()
        }
    }
}

/// Names of rows.
pub const SERIAL: &str = "serial";
pub const ONE_PROCESSOR: &str = "one processor";
pub const FANOUT: &str = "fanout";
pub const WITHOUT_CPU_THREADS: &str = "one thread for everything";
const PROCESSES: &str = "processes";

/// The setting of the processor in real use: it adapts its images in flight.
pub const ADAPTIVE: &str = "adaptive, from 64 in flight";

const PROCESSES_COUNT: usize = 16;

/// The cases of the guide's tables, as the report has their rows.
pub struct Cases {
    serial_total: Vec<Case>,
    stated_latencies: Vec<Case>,
    pictures_serial_total: Vec<Case>,
    pictures_stated_latencies: Vec<Case>,
    large_pictures: Vec<Case>,
}

/// About how long it takes to measure EXIF in memory.
const PARSING_TIME: Duration = Duration::from_secs(10);

/// How many photos of 12 megapixels the guide's pipeline gets.
const LARGE_PHOTOS: usize = 60;

impl Cases {
    pub fn new(quick: bool) -> anyhow::Result<Self> {
        let folder = photos::of_the_guide()?;
        let large = if quick { LARGE_PHOTOS / 3 } else { LARGE_PHOTOS };
        let large_photos = photos::of_a_camera(4_000, 3_000, large)?;
        Ok(Self {
            serial_total: uploads::cases(Pace::SerialTotal, &folder, quick),
            stated_latencies: uploads::cases(Pace::StatedLatencies, &folder, quick),
            pictures_serial_total: pictures::cases(Pace::SerialTotal, &folder, None, quick),
            pictures_stated_latencies: pictures::cases(Pace::StatedLatencies, &folder, None, quick),
            large_pictures: pictures::cases(Pace::SerialTotal, &large_photos, Some(large), quick),
        })
    }

    pub fn all(&self) -> impl Iterator<Item = &Case> {
        let Self {
            serial_total,
            stated_latencies,
            pictures_serial_total,
            pictures_stated_latencies,
            large_pictures,
        } = self;
        let all = [
            serial_total,
            stated_latencies,
            pictures_serial_total,
            pictures_stated_latencies,
            large_pictures,
        ];
        all.into_iter().flatten()
    }

    pub fn time(&self) -> Duration {
        case::time(self.all()) + PARSING_TIME
    }

    pub async fn measure(&self, quick: bool, progress: &ProgressBar) -> anyhow::Result<Guide> {
        Ok(Guide {
            serial_total: case::measure(&self.serial_total, progress).await?,
            stated_latencies: case::measure(&self.stated_latencies, progress).await?,
            pictures: Pictures {
                serial_total: case::measure(&self.pictures_serial_total, progress).await?,
                stated_latencies: case::measure(&self.pictures_stated_latencies, progress).await?,
                large: case::measure(&self.large_pictures, progress).await?,
            },
            parsing: {
                progress.set_message("EXIF alone");
                let parsing = parsing::of_the_guide(quick).await?;
                progress.inc(case::steps(PARSING_TIME));
                parsing
            },
        })
    }
}

/// The number of images to measure. With few images in flight, all images would take too long, and a part of them gives
/// the same rate.
fn images(program: Program, latency: Latency, quick: bool) -> usize {
    let time = Duration::from_secs(if quick { 1 } else { 6 });
    let each = (latency.get + latency.put).as_micros();
    let rounds = usize::try_from(time.as_micros() / each).unwrap_or(usize::MAX);
    match program {
        // An adaptive processor needs many images to find its best number in flight.
        Program::Fanout { .. }
        | Program::Processors(Processors {
            concurrency: Concurrency::From(_),
            ..
        }) => COUNT / if quick { 4 } else { 1 },
        _ => COUNT.min(program.in_flight() * rounds.max(2)),
    }
}
