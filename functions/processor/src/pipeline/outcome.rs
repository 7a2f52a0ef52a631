use std::time::Duration;

use bytes::Bytes;
use shared::metadata::record::Record;
use shared::protocol::failure::Failure;
use shared::protocol::found::Excerpt;
use shared::protocol::stages::Stages;

use crate::outcome::{Failed, Outcome};

/// The outcome of one image.
pub enum ImageOutcome {
    Ok(Processed),
    /// The object was replaced, and the new version has an event of its own.
    Superseded,
    Failed(Failed),
    /// Not started or not finished when the time was up.
    Unprocessed,
}

/// Why an image was not processed.
pub enum Unfinished {
    Superseded,
    Failed(Failed),
}

/// A processed image, with its record.
pub struct Recorded {
    pub record: Record,
    /// The record as JSON, without a newline.
    pub json: Bytes,
    pub times: StageTimes,
}

/// How long each stage took.
#[derive(Clone, Copy)]
pub struct StageTimes {
    pub download: Duration,
    pub exif: Duration,
    pub transform: Option<Duration>,
    pub upload: Option<Duration>,
}

/// What is kept of a processed image until all images of the invocation are finished. The record is kept as JSON text,
/// because its values take three times the memory.
pub struct Processed {
    /// JSON, without a newline.
    record: Bytes,
    pub excerpt: Excerpt,
    /// The size of the object in bytes.
    pub size: u64,
    times: StageTimes,
}

impl Recorded {
    pub fn new(mut record: Record, times: StageTimes, max_record_bytes: usize) -> Self {
        // The room to grow is not kept.
        let json = Bytes::from(record.fit(max_record_bytes).into_boxed_slice());
        Self { record, json, times }
    }
}

impl From<Recorded> for Processed {
    fn from(Recorded { record, json, times }: Recorded) -> Self {
        Self {
            excerpt: Excerpt::from(&record),
            size: record.origin.size,
            record: json,
            times,
        }
    }
}

impl From<Failure> for Unfinished {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.into())
    }
}

impl ImageOutcome {
    /// The record of an image that is `ok`, as JSON without a newline.
    pub fn record(&self) -> Option<&[u8]> {
        match self {
            Self::Ok(processed) => Some(&processed.record),
            Self::Superseded | Self::Failed(_) | Self::Unprocessed => None,
        }
    }

    /// Adds how long the stages of an image took, if it is `ok`.
    pub fn measure(&self, stages: &mut Stages) {
        let Self::Ok(Processed { times, .. }) = self else {
            return;
        };
        stages.download.record(times.download);
        stages.exif.record(times.exif);
        if let Some(transform) = times.transform {
            stages.transform.record(transform);
        }
        if let Some(upload) = times.upload {
            stages.upload.record(upload);
        }
    }
}

impl From<ImageOutcome> for Outcome {
    fn from(outcome: ImageOutcome) -> Self {
        match outcome {
            ImageOutcome::Ok(processed) => Self::Ok {
                with_exif: processed.excerpt.has_exif,
            },
            ImageOutcome::Superseded => {
                Self::Ignored("it was replaced, and the new version has an event of its own".to_owned())
            }
            ImageOutcome::Failed(failed) => Self::Failed(failed),
            ImageOutcome::Unprocessed => Self::Unprocessed,
        }
    }
}
