//! Decides what happens to a chunk after an attempt. There is no I/O here.

use std::time::Duration;

use shared::protocol::failure::FailureClass;

use crate::attempt::AttemptResult;
use crate::chunk::Tries;

/// A chunk is bisected after this many lost attempts, and each half after one more. A key that is alone fails after
/// this many.
const MAX_LOST: u32 = 2;

/// The most attempts that may be lost without a response between them, plus 4 for each of `parallel`. If more are lost,
/// no single key is the cause.
const MAX_LOST_IN_A_ROW: u64 = 20;

/// How many attempts of a chunk may find Lambda unavailable. One more counts as lost.
const MAX_UNAVAILABLE: u32 = 8;

/// At this many throttles of one chunk, the job is aborted. With the waits below, this takes about ten minutes.
const MAX_THROTTLED: u32 = 60;

/// At this many attempts of one chunk without valid credentials, the job is aborted. If they have expired, this takes
/// about ten minutes.
const MAX_EXPIRED: u32 = 60;
const MAX_REFUSED: u32 = 2;

/// How often a chunk may return with nothing done. The next time, its keys fail.
const MAX_UNPROCESSED: u32 = 2;

const MIN_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(20);

/// What is known when an attempt has its result.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The tries of the chunk before this attempt.
    pub tries: Tries,
    /// Keys that were sent.
    pub sent: usize,
    /// Sent keys that have no outcome yet.
    pub remaining: usize,
    /// Attempts lost without a response between them, including this one.
    pub lost_in_a_row: u64,
    /// Attempts that may be in flight.
    pub parallel: usize,
}

/// What to do with the keys that have no outcome yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: all keys have an outcome.
    Complete,
    /// Send them again as the same chunk, after a random part of this time.
    Retry {
        after_at_most: Duration,
        tries: Tries,
    },
    /// Send them now as a new chunk. The other keys have their outcome in the response.
    Resend {
        tries: Tries,
    },
    /// Send each half as a chunk, to find the key that kills processors. A half with a single key starts with no lost
    /// attempts, because it may not be the cause and cannot be bisected further.
    Bisect {
        tries: Tries,
    },
    Fail {
        class: FailureClass,
        error: String,
    },
    /// Abort the job, because every chunk would fail. The keys stay for a redrive: with `requeue` in a waiting chunk,
    /// otherwise in an attempt in flight.
    Abort {
        reason: String,
        requeue: bool,
    },
}

pub fn decide(result: &AttemptResult, situation: Situation) -> Decision {
    let Situation { tries, remaining, .. } = situation;
    match result {
        AttemptResult::Response(_) => after_response(situation),
        AttemptResult::Throttled(error) if tries.throttled + 1 >= MAX_THROTTLED => Decision::Abort {
            reason: format!("Lambda has throttled a chunk for ten minutes: {error}"),
            requeue: true,
        },
        AttemptResult::Throttled(_) => Decision::Retry {
            after_at_most: backoff(tries.throttled),
            tries: Tries {
                throttled: tries.throttled + 1,
                ..tries
            },
        },
        AttemptResult::Unread(error) if tries.unavailable >= MAX_UNAVAILABLE => Decision::Abort {
            reason: error.clone(),
            requeue: true,
        },
        AttemptResult::Unread(_) => Decision::Retry {
            after_at_most: backoff(tries.unavailable),
            tries: Tries {
                unavailable: tries.unavailable + 1,
                ..tries
            },
        },
        AttemptResult::Unavailable { .. } if tries.unavailable < MAX_UNAVAILABLE => {
            if remaining == 0 {
                return Decision::Complete;
            }
            Decision::Retry {
                after_at_most: backoff(tries.unavailable),
                tries: Tries {
                    unavailable: tries.unavailable + 1,
                    ..tries
                },
            }
        }
        AttemptResult::Unavailable { error, .. } | AttemptResult::Lost { error, .. } => after_loss(situation, error),
        AttemptResult::CredentialsExpired { error, .. } => without_credentials(situation, MAX_EXPIRED, error),
        AttemptResult::CredentialsRefused { error, .. } => without_credentials(situation, MAX_REFUSED, error),
        AttemptResult::Rejected(error) => Decision::Abort {
            reason: error.clone(),
            requeue: true,
        },
        AttemptResult::Unfenced(error) => Decision::Abort {
            reason: error.clone(),
            requeue: false,
        },
    }
}

/// Whether a result counts for [`Situation::lost_in_a_row`].
pub fn is_loss(result: &AttemptResult, tries: Tries) -> bool {
    match result {
        AttemptResult::Lost { .. } => true,
        AttemptResult::Unavailable { .. } => tries.unavailable >= MAX_UNAVAILABLE,
        AttemptResult::Response(_)
        | AttemptResult::Throttled(_)
        | AttemptResult::Unread(_)
        | AttemptResult::CredentialsExpired { .. }
        | AttemptResult::CredentialsRefused { .. }
        | AttemptResult::Rejected(_)
        | AttemptResult::Unfenced(_) => false,
    }
}

fn after_response(situation: Situation) -> Decision {
    let Situation {
        tries, sent, remaining, ..
    } = situation;
    if remaining == 0 {
        return Decision::Complete;
    }
    let unprocessed = if remaining < sent { 0 } else { tries.unprocessed + 1 };
    if unprocessed > MAX_UNPROCESSED {
        return Decision::Fail {
            class: FailureClass::Timeout,
            error: "the chunk came back with nothing done for the third time".to_owned(),
        };
    }
    Decision::Resend {
        tries: Tries {
            unprocessed,
            ..Tries::default()
        },
    }
}

/// The next attempt may run in another process, which has credentials of its own.
fn without_credentials(situation: Situation, max: u32, error: &str) -> Decision {
    let Situation { tries, remaining, .. } = situation;
    if remaining == 0 {
        return Decision::Complete;
    }
    if tries.without_credentials + 1 >= max {
        return Decision::Abort {
            reason: error.to_owned(),
            requeue: true,
        };
    }
    Decision::Retry {
        after_at_most: backoff(tries.without_credentials),
        tries: Tries {
            without_credentials: tries.without_credentials + 1,
            ..tries
        },
    }
}

/// The first loss may be chance. After the second, a key may be the cause, so the chunk is bisected to find it.
fn after_loss(situation: Situation, error: &str) -> Decision {
    let Situation { tries, remaining, .. } = situation;
    let lost_in_a_row = situation.lost_in_a_row;
    if lost_in_a_row > MAX_LOST_IN_A_ROW + 4 * situation.parallel as u64 {
        return Decision::Abort {
            reason: format!("none of the last {lost_in_a_row} invocations responded; the last error: {error}"),
            requeue: true,
        };
    }
    match remaining {
        0 => Decision::Complete,
        _ if tries.lost + 1 < MAX_LOST => Decision::Retry {
            after_at_most: backoff(tries.lost),
            tries: Tries {
                lost: tries.lost + 1,
                ..tries
            },
        },
        1 => Decision::Fail {
            class: FailureClass::Internal,
            error: error.to_owned(),
        },
        _ => Decision::Bisect {
            tries: Tries {
                lost: MAX_LOST - 1,
                ..Tries::default()
            },
        },
    }
}

/// The longest wait before the next try. It doubles with each try, up to [`MAX_BACKOFF`].
fn backoff(tries: u32) -> Duration {
    MIN_BACKOFF
        .saturating_mul(2_u32.saturating_pow(tries.min(16)))
        .min(MAX_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::GivenUp;

    fn response() -> AttemptResult {
        AttemptResult::Response(Box::default())
    }

    fn throttled() -> AttemptResult {
        AttemptResult::Throttled("429".to_owned())
    }

    fn unavailable() -> AttemptResult {
        AttemptResult::Unavailable {
            error: "503".to_owned(),
            given_up: GivenUp::default(),
        }
    }

    fn lost() -> AttemptResult {
        AttemptResult::Lost {
            error: "exit".to_owned(),
            given_up: GivenUp::default(),
        }
    }

    /// The counts are: lost, throttled, unavailable, unprocessed.
    fn tries([lost, throttled, unavailable, unprocessed]: [u32; 4]) -> Tries {
        Tries {
            lost,
            throttled,
            unavailable,
            unprocessed,
            ..Tries::default()
        }
    }

    fn without_credentials(count: u32) -> Tries {
        Tries {
            without_credentials: count,
            ..Tries::default()
        }
    }

    fn expired() -> AttemptResult {
        AttemptResult::CredentialsExpired {
            error: "ExpiredToken".to_owned(),
            given_up: GivenUp::default(),
        }
    }

    fn refused() -> AttemptResult {
        AttemptResult::CredentialsRefused {
            error: "InvalidAccessKeyId".to_owned(),
            given_up: GivenUp::default(),
        }
    }

    fn retry(seconds: u64, counts: [u32; 4]) -> Decision {
        Decision::Retry {
            after_at_most: Duration::from_secs(seconds),
            tries: tries(counts),
        }
    }

    fn resend(unprocessed: u32) -> Decision {
        Decision::Resend {
            tries: tries([0, 0, 0, unprocessed]),
        }
    }

    fn fail(class: FailureClass, error: &str) -> Decision {
        Decision::Fail {
            class,
            error: error.to_owned(),
        }
    }

    fn abort(reason: &str, requeue: bool) -> Decision {
        Decision::Abort {
            reason: reason.to_owned(),
            requeue,
        }
    }

    #[test]
    fn every_result_has_its_decision() {
        let bisect = || Decision::Bisect {
            tries: tries([1, 0, 0, 0]),
        };
        let nothing_done = "the chunk came back with nothing done for the third time";
        let throttled_too_long = "Lambda has throttled a chunk for ten minutes: 429";
        let unread = || AttemptResult::Unread("SlowDown".to_owned());
        let rejected = || AttemptResult::Rejected("404".to_owned());
        let unfenced = || AttemptResult::Unfenced("denied".to_owned());
        // The result, the tries before it, how many of 10 keys remain, and the decision.
        for (number, (result, before, remaining, expected)) in [
            (response(), [0, 0, 0, 0], 0, Decision::Complete),
            (response(), [1, 9, 3, 2], 0, Decision::Complete),
            (response(), [0, 0, 0, 0], 4, resend(0)),
            (response(), [1, 5, 4, 2], 9, resend(0)),
            (response(), [1, 5, 4, 0], 10, resend(1)),
            (response(), [0, 0, 0, 1], 10, resend(2)),
            (response(), [0, 0, 0, 2], 10, fail(FailureClass::Timeout, nothing_done)),
            (throttled(), [0, 0, 0, 0], 10, retry(1, [0, 1, 0, 0])),
            (throttled(), [1, 3, 2, 1], 10, retry(8, [1, 4, 2, 1])),
            (throttled(), [0, 5, 0, 0], 10, retry(20, [0, 6, 0, 0])),
            (throttled(), [0, 58, 0, 0], 10, retry(20, [0, 59, 0, 0])),
            (throttled(), [0, 59, 0, 0], 10, abort(throttled_too_long, true)),
            (unavailable(), [0, 0, 0, 0], 0, Decision::Complete),
            (unavailable(), [1, 0, 0, 0], 10, retry(1, [1, 0, 1, 0])),
            (unavailable(), [0, 0, 2, 0], 3, retry(4, [0, 0, 3, 0])),
            (unavailable(), [0, 0, 7, 0], 10, retry(20, [0, 0, 8, 0])),
            (unavailable(), [0, 0, 8, 0], 10, retry(1, [1, 0, 8, 0])),
            (unavailable(), [1, 0, 8, 0], 10, bisect()),
            (unavailable(), [1, 0, 8, 0], 0, Decision::Complete),
            (lost(), [0, 2, 1, 1], 10, retry(1, [1, 2, 1, 1])),
            (lost(), [0, 0, 0, 0], 0, Decision::Complete),
            (lost(), [1, 0, 0, 0], 0, Decision::Complete),
            (lost(), [1, 2, 1, 1], 10, bisect()),
            (lost(), [1, 0, 0, 0], 2, bisect()),
            (lost(), [0, 0, 0, 0], 1, retry(1, [1, 0, 0, 0])),
            (lost(), [1, 0, 0, 0], 1, fail(FailureClass::Internal, "exit")),
            (unread(), [0, 0, 2, 0], 10, retry(4, [0, 0, 3, 0])),
            (unread(), [0, 0, 8, 0], 10, abort("SlowDown", true)),
            (rejected(), [0, 0, 0, 0], 10, abort("404", true)),
            (unfenced(), [0, 0, 0, 0], 10, abort("denied", false)),
        ]
        .into_iter()
        .enumerate()
        {
            let situation = Situation {
                tries: tries(before),
                sent: 10,
                remaining,
                lost_in_a_row: 1,
                parallel: 32,
            };
            assert_eq!(decide(&result, situation), expected, "row {number}: {result:?}");
        }
    }

    #[test]
    fn invalid_credentials_count_neither_as_a_loss_nor_as_unprocessed() {
        for (result, before, expected) in [
            (expired(), 0, Some((1, 1))),
            (expired(), 9, Some((20, 10))),
            (expired(), 58, Some((20, 59))),
            (expired(), 59, None),
            (refused(), 0, Some((1, 1))),
            (refused(), 1, None),
        ] {
            let situation = Situation {
                tries: without_credentials(before),
                sent: 10,
                remaining: 10,
                lost_in_a_row: 1,
                parallel: 32,
            };
            let expected = match expected {
                Some((seconds, count)) => Decision::Retry {
                    after_at_most: Duration::from_secs(seconds),
                    tries: without_credentials(count),
                },
                None if before == 1 => abort("InvalidAccessKeyId", true),
                None => abort("ExpiredToken", true),
            };
            assert_eq!(decide(&result, situation), expected, "{result:?} {before}");
            assert!(!is_loss(&result, situation.tries));
            let done = Situation {
                remaining: 0,
                ..situation
            };
            assert_eq!(decide(&result, done), Decision::Complete);
        }
    }

    #[test]
    fn many_losses_in_a_row_abort_the_job() {
        let situation = |lost_in_a_row, remaining| Situation {
            tries: Tries::default(),
            sent: 10,
            remaining,
            lost_in_a_row,
            parallel: 3,
        };
        let reason = "none of the last 33 invocations responded; the last error: exit";
        for remaining in [0, 1, 10] {
            assert!(!matches!(
                decide(&lost(), situation(32, remaining)),
                Decision::Abort { .. }
            ));
            assert_eq!(decide(&lost(), situation(33, remaining)), abort(reason, true));
        }
        assert!(matches!(
            decide(&throttled(), situation(33, 10)),
            Decision::Retry { .. }
        ));
    }

    #[test]
    fn only_results_that_a_key_may_cause_are_losses() {
        let worn_out = tries([0, 0, MAX_UNAVAILABLE, 0]);
        for (result, tries, expected) in [
            (lost(), Tries::default(), true),
            (unavailable(), Tries::default(), false),
            (unavailable(), worn_out, true),
            (response(), worn_out, false),
            (throttled(), worn_out, false),
            (AttemptResult::Rejected(String::new()), worn_out, false),
            (AttemptResult::Unfenced(String::new()), worn_out, false),
        ] {
            assert_eq!(is_loss(&result, tries), expected, "{result:?}");
        }
    }
}
