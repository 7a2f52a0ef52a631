use shared::protocol::failure::{Failure, FailureClass};

/// What became of one entry of an event, or of one object of a chunk.
#[derive(Debug)]
pub enum Outcome {
    Ok {
        with_exif: bool,
    },
    /// There was nothing to do, for this reason.
    Ignored(String),
    /// The same object as an earlier entry, which has this index.
    Duplicate(usize),
    Failed(Failed),
    /// Not started, or not finished, when the time was up.
    Unprocessed,
}

/// A failure, and whether the object is worth another attempt. The class says what went wrong and decides nothing
/// by itself: `changed` is final for a version that was listed, and retryable where the latest is asked for.
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
            retryable: failure.class.is_retryable(),
            failure,
        }
    }
}
