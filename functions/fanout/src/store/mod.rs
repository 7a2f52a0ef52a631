//! The files of a job, below `jobs/<job_id>/` in its destination.
//!
//! | module | what it does |
//! |---|---|
//! | [`bodies`] | `chunks/`: the objects of chunks |
//! | [`checkpoint`] | `checkpoint.json`: what the next invocation needs, and which invocation works on the job |
//! | [`lease`] | how long that invocation may work on it without a write |
//! | [`conditions`] | whether the store honours the conditions of writes |
//! | [`journal`] | `failed/`: the failed keys |
//! | [`report`] | `job.json` |
//! | [`counters`] | the numbers in both |
//! | [`once`] | files that are written once |
//! | [`folder`] | the deepest folder that holds some keys |
//! | [`error`] | why a file cannot be read or written |

pub mod bodies;
pub mod checkpoint;
pub mod conditions;
pub mod counters;
mod error;
mod folder;
pub mod journal;
pub mod lease;
mod once;
pub mod report;

pub use bodies::Bodies;
pub use checkpoint::{Before, Checkpoint, Found, FunctionSizes, Header, Saved, save};
pub use conditions::{Conditions, ConditionsError};
pub use counters::{Counters, Ignored, ListedCounts};
pub use error::Error;
pub use lease::Lease;
pub use report::ReportFile;
