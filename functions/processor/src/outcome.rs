use shared::protocol::failure::{Failure, FailureClass, Systemic};

/// The outcome of one entry of an event, or of one object of a chunk.
#[derive(Debug)]
pub enum Outcome {
    Ok {
        with_exif: bool,
    },
    /// Ignored, for this reason.
    Ignored(String),
    /// The entry names the same object as the earlier entry with this index.
    Duplicate(usize),
    Failed(Failed),
    /// Not started or not finished when the time was up.
    Unprocessed,
}

/// A failure, and whether it is retryable. The class alone does not say this: `changed` is retryable if the latest
/// version is wanted, and not retryable for a version that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub failure: Failure,
    pub retryable: bool,
}

impl Failed {
    pub fn retryable(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            failure: Failure::new(class, message),
            retryable: true,
        }
    }

    pub fn permanent(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            failure: Failure::new(class, message),
            retryable: false,
        }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self {
            // The bucket stays where it is.
            retryable: failure.class.is_retryable()
                && !failure.is_permanent
                && failure.systemic != Some(Systemic::Source),
            failure,
        }
    }
}
