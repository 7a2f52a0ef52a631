//! The rules that must hold, whatever goes wrong.

use std::fmt;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing outside the destination's folders is written.
    Places,
    /// Only one owner's checkpoint is accepted per revision, and nothing follows the end of a job.
    OneOwner,
    /// Nobody takes a job over while its lease holds.
    Lease,
    /// An invocation that ends without an error does not leave a job that it owns.
    Abandoned,
    /// A request to stop is not forgotten.
    Stop,
    /// An attempt is in a checkpoint before it is sent, and its number is used once.
    WrittenAhead,
    /// The counts of a report add up, and agree with the files of the job.
    Accounting,
    /// Each `ok` key has exactly one record, and no key is both `ok` and failed.
    OneOutcome,
    /// The keys with an outcome are those that were listed.
    Keys,
    /// Each output is the complete processed form of a state that the object had.
    Outputs,
    /// Once nothing goes wrong any longer, a job ends within a bounded time.
    Liveness,
    /// Requests in flight and checkpoints are bounded.
    Bounds,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.rule, self.what)
    }
}
