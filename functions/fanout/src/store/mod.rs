//! What a job leaves below `jobs/<job_id>/` of its destination.
//!
//! | module | what it does |
//! |---|---|
//! | [`checkpoint`] | `checkpoint.json`: all that the next invocation needs, and who is at work |
//! | [`journal`] | `failed/`: the failed keys |
//! | [`report`] | `job.json` |
//! | [`counters`] | the numbers in both |
//! | [`error`] | why none of it can be read or written |

pub mod checkpoint;
pub mod counters;
mod error;
pub mod journal;
pub mod report;

pub use checkpoint::{Checkpoint, Header, Saved, save};
pub use counters::{Counters, ListedCounts};
pub use error::Error;
