//! The names of the parties of a run.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    Fanout,
    Processor,
}

impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fanout => "fanout",
            Self::Processor => "processor",
        })
    }
}

/// A party that gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    S3,
    Lambda,
    Scheduler,
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::S3 => "S3",
            Self::Lambda => "Lambda",
            Self::Scheduler => "Scheduler",
        })
    }
}
