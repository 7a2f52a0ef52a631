//! Slots for images in flight, as many as S3 can serve.

mod gradient;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use futures::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use shared::clock::Clock;
use shared::s3::{self, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use gradient::{Gradient, Round};

/// The most images in flight in one process.
pub const MAX_IN_FLIGHT: usize = 900;

/// A round has as many responses as images may be in flight, but at least this many, because the median of fewer says
/// little.
const MIN_RESPONSES_IN_ROUND: usize = 32;

/// Slots for images in flight. Their number follows the latency and the throttling of S3. This type sees every
/// response, because it is an interceptor of the clients.
#[derive(Clone, Debug)]
pub struct Concurrency {
    slots: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    start: usize,
    gradient: Gradient,
    /// Slots that exist, taken or free. After the limit was lowered, there are more than the limit for a while.
    slots: usize,
    taken: usize,
    /// The most slots that were taken at the same time in this round.
    max_taken: usize,
    latencies: Vec<Duration>,
    responses: usize,
    throttled: usize,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(1)),
            state: Arc::new(Mutex::new(State {
                start: 1,
                gradient: Gradient::new(1, MAX_IN_FLIGHT),
                slots: 1,
                taken: 0,
                max_taken: 0,
                latencies: Vec::new(),
                responses: 0,
                throttled: 0,
            })),
        }
    }
}

impl Concurrency {
    /// Starts with `concurrency` images in flight. This changes nothing if the last start had the same number, so that
    /// what was learned is kept, or if other invocations have images in flight.
    pub fn start_from(&self, concurrency: usize) {
        let mut state = self.state.lock();
        if state.start != concurrency && state.taken == 0 {
            state.start = concurrency;
            state.gradient = Gradient::new(concurrency, MAX_IN_FLIGHT);
            self.resize(&mut state);
        }
    }

    /// The number of images in flight that it has settled at.
    pub fn target(&self) -> usize {
        self.state.lock().gradient.target()
    }

    /// Gives a slot for each number below `count`, as slots become free. From `end` on, it gives `None` for the rest.
    pub fn slots<'a>(
        &'a self,
        count: usize,
        clock: &'a Clock,
        end: Instant,
    ) -> impl Stream<Item = (usize, Option<Slot>)> + use<'a> {
        stream::iter(0..count).then(move |number| async move {
            let slot = tokio::select! {
                biased;
                slot = self.clone().slot() => Some(slot),
                () = clock.sleep_until(end) => None,
            };
            (number, slot)
        })
    }

    async fn slot(self) -> Slot {
        let slots = self.slots.clone();
        let permit = slots.acquire_owned().await.expect("the semaphore is never closed");
        let mut state = self.state.lock();
        state.taken += 1;
        state.max_taken = state.max_taken.max(state.taken);
        drop(state);
        Slot {
            permit: Some(permit),
            of: self,
        }
    }

    /// Takes one response of S3 into account: the time to its first byte (`None` for a write), and whether it was
    /// throttled.
    fn observe(&self, latency: Option<Duration>, throttled: bool) {
        let mut state = self.state.lock();
        state.responses += 1;
        state.throttled += usize::from(throttled);
        state.latencies.extend(latency.filter(|_| !throttled));
        if state.responses < state.gradient.limit().max(MIN_RESPONSES_IN_ROUND) {
            return;
        }
        let middle = state.latencies.len() / 2;
        let latency = (!state.latencies.is_empty()).then(|| *state.latencies.select_nth_unstable(middle).1);
        let round = Round {
            latency,
            throttled: state.throttled as f64 / state.responses as f64,
            full: state.max_taken >= state.gradient.limit(),
        };
        state.gradient.update(round);
        state.latencies.clear();
        (state.responses, state.throttled, state.max_taken) = (0, 0, state.taken);
        self.resize(&mut state);
    }

    /// Adds slots, or removes free ones. A slot that is taken is removed when its image ends.
    fn resize(&self, state: &mut State) {
        let limit = state.gradient.limit();
        if let Some(more) = limit.checked_sub(state.slots) {
            self.slots.add_permits(more);
            state.slots += more;
        } else {
            state.slots -= self.slots.forget_permits(state.slots - limit);
        }
    }
}

/// The slot of one image in flight.
#[derive(Debug)]
pub struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    of: Concurrency,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.of.state.lock();
        state.taken -= 1;
        if state.slots > state.gradient.limit()
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            state.slots -= 1;
        }
    }
}

/// When a request was last sent.
#[derive(Debug)]
struct Sent(Instant);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Concurrency {
    fn name(&self) -> &'static str {
        "Concurrency"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.interceptor_state().store_put(Sent(Instant::now()));
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The time to the first byte of a read does not depend on its size. A write has its response only when all of
        // it is written.
        let is_read = cfg
            .load::<Metadata>()
            .is_some_and(|operation| operation.name() == "GetObject");
        let latency = cfg.load::<Sent>().filter(|_| is_read).map(|sent| sent.0.elapsed());
        let refused = matches!(
            s3::error_in(context),
            Some(ErrorKind::Throttled | ErrorKind::Unavailable)
        );
        self.observe(latency, refused);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn slots_follow_the_limit_up_and_down() {
        let concurrency = Concurrency::default();
        concurrency.start_from(40);
        let mut taken = Vec::new();
        for _ in 0..40 {
            taken.push(concurrency.clone().slot().await);
        }
        assert!(futures::poll!(Box::pin(concurrency.clone().slot())).is_pending());
        for _ in 0..40 {
            concurrency.observe(Some(Duration::from_millis(30)), false);
        }
        assert_eq!(concurrency.target(), 60);
        for _ in 40..60 {
            taken.push(concurrency.clone().slot().await);
        }
        assert!(futures::poll!(Box::pin(concurrency.clone().slot())).is_pending());

        for _ in 0..60 {
            concurrency.observe(None, true);
        }
        let limit = concurrency.target();
        assert!(limit < 40, "{limit}");
        // No slot is given until fewer slots are taken than the limit allows.
        while taken.len() > limit {
            assert!(futures::poll!(Box::pin(concurrency.clone().slot())).is_pending());
            taken.pop();
        }
        assert!(futures::poll!(Box::pin(concurrency.clone().slot())).is_pending());
        taken.pop();
        assert!(futures::poll!(Box::pin(concurrency.clone().slot())).is_ready());
    }

    #[tokio::test]
    async fn free_slots_are_removed_at_once() {
        let concurrency = Concurrency::default();
        concurrency.start_from(40);
        for _ in 0..40 {
            concurrency.observe(None, true);
        }
        let mut taken = Vec::new();
        while let Poll::Ready(slot) = futures::poll!(Box::pin(concurrency.clone().slot())) {
            taken.push(slot);
        }
        assert_eq!(taken.len(), concurrency.target());
        assert!(taken.len() < 40);
    }
}
