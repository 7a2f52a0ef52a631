use std::time::Duration;

use shared::metadata::record::Record;
use shared::protocol::failure::Failure;
use shared::protocol::stages::Stages;

use crate::outcome::{Failed, Outcome};

/// What became of one image.
pub enum ImageOutcome {
    Ok(Processed),
    /// It was replaced, and what replaced it has an event of its own.
    Superseded,
    Failed(Failed),
    /// Not started, or not finished, when the time was up.
    Unprocessed,
}

/// Why an image was not processed.
pub enum Unfinished {
    Superseded,
    Failed(Failed),
}

/// An image that was processed, with its record.
pub struct Recorded {
    pub record: Record,
    pub times: StageTimes,
}

/// How long each stage took.
#[derive(Clone, Copy)]
pub struct StageTimes {
    pub download: Duration,
    pub exif: Duration,
    pub upload: Option<Duration>,
}

/// What is kept of an image until all of its invocation are done. Its record is kept as it is written: with
/// all its values it takes three times the memory.
pub struct Processed {
    /// JSON, without a newline.
    record: Box<[u8]>,
    with_exif: bool,
    /// Of the object, in bytes.
    pub size: u64,
    times: StageTimes,
}

impl From<Recorded> for Processed {
    fn from(Recorded { record, times }: Recorded) -> Self {
        Self {
            record: serde_json::to_vec(&record).expect("a record is valid JSON").into(),
            with_exif: record.exif.is_some(),
            size: record.origin.size,
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
    /// Of an image that is `ok`: JSON, without a newline.
    pub fn record(&self) -> Option<&[u8]> {
        match self {
            Self::Ok(processed) => Some(&processed.record),
            Self::Superseded | Self::Failed(_) | Self::Unprocessed => None,
        }
    }

    /// Adds the times of an image that is `ok`.
    pub fn measure(&self, stages: &mut Stages) {
        let Self::Ok(Processed { times, .. }) = self else {
            return;
        };
        stages.download.record(times.download);
        stages.exif.record(times.exif);
        if let Some(upload) = times.upload {
            stages.upload.record(upload);
        }
    }
}

impl From<ImageOutcome> for Outcome {
    fn from(outcome: ImageOutcome) -> Self {
        match outcome {
            ImageOutcome::Ok(processed) => Self::Ok {
                with_exif: processed.with_exif,
            },
            ImageOutcome::Superseded => {
                Self::Ignored("it was replaced since, and what replaced it has an event of its own".to_owned())
            }
            ImageOutcome::Failed(failed) => Self::Failed(failed),
            ImageOutcome::Unprocessed => Self::Unprocessed,
        }
    }
}
