/// A rule of the protocol that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A lost attempt is sent again without a fence.
    NoFence,
    /// A lost attempt is sent again first, and fenced only when its keys are on their way.
    FenceAfterTheResend,
    /// A processor commits without `If-None-Match`.
    UnconditionalCommit,
    /// The checkpoint is replaced without `If-Match`.
    UnconditionalCheckpoint,
    /// An attempt is sent before a checkpoint names it.
    SentBeforeTheCheckpoint,
    /// What an earlier invocation left in flight is sent again without being given up.
    NotGivenUpAtTakeOver,
    /// What a lost attempt had committed is counted and also sent again.
    AdoptedTwice,
}
