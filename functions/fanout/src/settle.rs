//! What becomes of a chunk after an attempt at it: counted, sent again, cut in halves, or failed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use shared::chunk::{ChunkResponse, ObjectRef};
use shared::failure::Class;

use crate::invoke::{Adopted, Answer};
use crate::plan::{Chunk, Tries};
use crate::run::{Ending, Run};

/// A chunk whose processor dies this often is cut in halves; a half, when it dies once more. A key that
/// is alone fails.
const DEATHS: u32 = 2;

/// So many attempts may die with no answer between them, beside four of each invocation in flight. More is
/// no key's doing.
const DEATHS_IN_A_ROW: u64 = 20;

/// Attempts that Lambda was out of order for; one more counts as a death.
const UNAVAILABLE: u32 = 8;

/// How often a chunk that Lambda has no room for is offered again: with the waits below, for about
/// ten minutes.
const THROTTLED: u32 = 60;

/// How often a chunk may come back with nothing done before its keys are failed.
const RETURNS: u32 = 2;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

impl Run<'_> {
    /// Takes what an attempt came to.
    pub fn settle(&mut self, sequence: u64, answer: Answer) {
        let open = self.dispatch.answered(sequence);
        self.state.counters.invocations += 1;
        let chunk = &open.chunk;
        match answer {
            Answer::Response(response) => self.take_response(sequence, chunk, *response),
            Answer::NotRun(error) => {
                self.state.counters.invocations_throttled += 1;
                self.dispatch.throttled(sequence);
                if chunk.tries.throttled + 1 >= THROTTLED {
                    self.end(Ending::Aborted(format!(
                        "Lambda has had no room for ten minutes: {error}"
                    )));
                }
                let wait = wait(chunk.tries.throttled);
                self.retry(Arc::clone(chunk), |tries| tries.throttled += 1, Some(wait));
            }
            Answer::Unavailable(error, adopted) => {
                self.dispatch.throttled(sequence);
                let left = self.adopt(chunk, &adopted);
                if left.tries.unavailable < UNAVAILABLE {
                    let wait = wait(left.tries.unavailable);
                    self.retry(left, |tries| tries.unavailable += 1, Some(wait));
                } else {
                    self.bury(left, &error);
                }
            }
            Answer::Died(error, adopted) => {
                let left = self.adopt(chunk, &adopted);
                self.bury(left, &error);
            }
            Answer::Refused(error) => {
                self.retry(Arc::clone(chunk), |_| {}, None);
                self.end(Ending::Aborted(error));
            }
            Answer::Stuck(error) => {
                // It stays open, for whoever goes on with the job.
                self.state.open.push(open);
                self.end(Ending::Aborted(error));
            }
        }
        if self.state.counters.too_many_failed(self.job) {
            let most = self.job.max_failed_percent;
            self.end(Ending::Aborted(format!(
                "more than {most} % of the images failed (max_failed_percent)"
            )));
        }
        if let Some(reason) = self.state.counters.all_denied() {
            self.end(Ending::Aborted(reason));
        }
    }

    fn take_response(&mut self, sequence: u64, chunk: &Arc<Chunk>, mut response: ChunkResponse) {
        self.deaths = 0;
        let requests = response.usage.requests;
        // Up to one in five the processors slow down by themselves; with more there are too many of them.
        if response.usage.throttled * 5 > requests.get + requests.put + requests.copy + requests.head {
            self.dispatch.throttled(sequence);
        } else {
            self.dispatch.window.grow();
        }
        let unprocessed: HashSet<String> = std::mem::take(&mut response.unprocessed).into_iter().collect();
        self.state.counters.settle(response);
        if unprocessed.is_empty() {
            return;
        }
        let left = chunk.objects.iter().filter(|object| unprocessed.contains(&object.key));
        let left: Vec<ObjectRef> = left.cloned().collect();
        let returned = if left.len() < chunk.objects.len() {
            0
        } else {
            chunk.tries.returned + 1
        };
        if returned > RETURNS {
            let error = "given back by the processor again and again";
            self.state.counters.fail(&left, Class::Timeout, error);
            return;
        }
        let chunk = self.chunk(
            left,
            Tries {
                returned,
                ..Tries::default()
            },
        );
        self.dispatch.push(chunk, None);
    }

    /// Counts the keys that a lost attempt had committed; the rest of its chunk.
    pub fn adopt(&mut self, chunk: &Arc<Chunk>, adopted: &Adopted) -> Arc<Chunk> {
        if adopted.is_empty() {
            return Arc::clone(chunk);
        }
        let mut left = Chunk::clone(chunk);
        left.objects.retain(|object| {
            let Some(&with_exif) = adopted.get(&object.key) else {
                return true;
            };
            self.state.counters.ok += 1;
            self.state.counters.with_exif += u64::from(with_exif);
            false
        });
        Arc::new(left)
    }

    /// Sends a chunk again after some time, unless nothing is left of it.
    pub fn retry(&mut self, chunk: Arc<Chunk>, count: impl FnOnce(&mut Tries), wait: Option<Duration>) {
        if chunk.objects.is_empty() {
            return;
        }
        let mut chunk = Arc::unwrap_or_clone(chunk);
        count(&mut chunk.tries);
        self.dispatch.push(Arc::new(chunk), wait);
    }

    /// A chunk whose processor died: once may be chance, then the key it dies of is looked for by halves.
    fn bury(&mut self, chunk: Arc<Chunk>, error: &str) {
        self.deaths += 1;
        if self.deaths > DEATHS_IN_A_ROW + 4 * self.job.parallel as u64 {
            let deaths = self.deaths;
            self.dispatch.push(chunk, None);
            self.end(Ending::Aborted(format!(
                "none of the last {deaths} invocations answered; the last: {error}"
            )));
            return;
        }
        if chunk.tries.died + 1 < DEATHS {
            let wait = wait(chunk.tries.died);
            self.retry(chunk, |tries| tries.died += 1, Some(wait));
            return;
        }
        match chunk.objects.as_slice() {
            [] => {}
            [alone] => self
                .state
                .counters
                .fail(std::slice::from_ref(alone), Class::Internal, error),
            objects => {
                let (front, back) = objects.split_at(objects.len() / 2);
                for half in [front, back] {
                    // A key that is alone may have been unlucky, and has no half to show it.
                    let died = if half.len() == 1 { 0 } else { DEATHS - 1 };
                    let tries = Tries {
                        died,
                        ..Tries::default()
                    };
                    let half = self.chunk(half.to_vec(), tries);
                    self.dispatch.push(half, None);
                }
            }
        }
    }
}

/// Doubling, with full jitter.
fn wait(attempt: u32) -> Duration {
    let longest = FIRST_WAIT
        .saturating_mul(2_u32.saturating_pow(attempt.min(16)))
        .min(LONGEST_WAIT);
    longest.mul_f64(fastrand::f64())
}
