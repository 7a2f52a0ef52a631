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
use tokio::time::Instant;

use super::slots::{Slot, Slots};
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
    slots: Slots,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    start: usize,
    gradient: Gradient,
    latencies: Vec<Duration>,
    responses: usize,
    throttled: usize,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self {
            slots: Slots::new(1),
            state: Arc::new(Mutex::new(State {
                start: 1,
                gradient: Gradient::new(1, MAX_IN_FLIGHT),
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
        if state.start != concurrency && self.slots.taken() == 0 {
            state.start = concurrency;
            state.gradient = Gradient::new(concurrency, MAX_IN_FLIGHT);
            self.slots.resize(state.gradient.limit());
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
                slot = self.slots.take() => Some(slot),
                () = clock.sleep_until(end) => None,
            };
            (number, slot)
        })
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
            full: self.slots.peak() >= state.gradient.limit(),
        };
        state.gradient.update(round);
        state.latencies.clear();
        (state.responses, state.throttled) = (0, 0);
        self.slots.resize(state.gradient.limit());
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
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn slots_follow_the_limit_up_and_down() {
        let concurrency = Concurrency::default();
        let take_all = || std::iter::from_fn(|| concurrency.slots.take().now_or_never()).collect::<Vec<_>>();
        concurrency.start_from(40);
        let mut taken = take_all();
        assert_eq!(taken.len(), 40);
        for _ in 0..40 {
            concurrency.observe(Some(Duration::from_millis(30)), false);
        }
        assert_eq!(concurrency.target(), 60);
        taken.extend(take_all());
        assert_eq!(taken.len(), 60);

        for _ in 0..60 {
            concurrency.observe(None, true);
        }
        let limit = concurrency.target();
        assert!(limit < 40, "{limit}");
        drop(taken);
        assert_eq!(take_all().len(), limit);
    }
}
