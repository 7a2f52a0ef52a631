use crate::store;

/// Why the work of an invocation on a job ends.
#[derive(Debug)]
pub enum Ending {
    Completed,
    Aborted(String),
    /// The time is up: the next invocation continues the job.
    TimeUp,
    /// Another invocation works on the job.
    LeaseLost,
    /// The checkpoint cannot be written.
    StoreFailed(store::Error),
}
