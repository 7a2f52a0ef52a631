use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Slots whose number can change while some are taken.
#[derive(Clone, Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Slots that exist, taken or free. After the limit was lowered, there are more than the limit for a while.
    count: usize,
    taken: usize,
    /// The most slots that were taken at the same time since this was last asked for.
    peak: usize,
}

impl Slots {
    pub fn new(limit: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limit)),
            state: Arc::new(Mutex::new(State {
                limit,
                count: limit,
                taken: 0,
                peak: 0,
            })),
        }
    }

    /// Waits until a slot is free, and takes it.
    pub async fn take(&self) -> Slot {
        let permit = self.free.clone().acquire_owned().await;
        let mut state = self.state.lock();
        state.taken += 1;
        state.peak = state.peak.max(state.taken);
        drop(state);
        Slot {
            permit: Some(permit.expect("the semaphore is never closed")),
            of: self.clone(),
        }
    }

    pub fn taken(&self) -> usize {
        self.state.lock().taken
    }

    /// The most slots that were taken at the same time since the last call.
    pub fn peak(&self) -> usize {
        let mut state = self.state.lock();
        let taken = state.taken;
        std::mem::replace(&mut state.peak, taken)
    }

    /// Adds slots, or removes free ones. A slot that is taken is removed when it is given back.
    pub fn resize(&self, limit: usize) {
        let mut state = self.state.lock();
        state.limit = limit;
        if let Some(more) = limit.checked_sub(state.count) {
            self.free.add_permits(more);
            state.count += more;
        } else {
            state.count -= self.free.forget_permits(state.count - limit);
        }
    }
}

/// A slot that is taken, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    of: Slots,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.of.state.lock();
        state.taken -= 1;
        if state.count > state.limit
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            state.count -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn take_all(slots: &Slots) -> Vec<Slot> {
        std::iter::from_fn(|| slots.take().now_or_never()).collect()
    }

    #[test]
    fn no_slot_is_given_until_fewer_are_taken_than_the_limit() {
        let slots = Slots::new(40);
        let mut taken = take_all(&slots);
        assert_eq!(taken.len(), 40);
        slots.resize(60);
        taken.extend(take_all(&slots));
        assert_eq!((taken.len(), slots.taken(), slots.peak()), (60, 60, 60));
        slots.resize(10);
        while taken.len() >= 10 {
            assert!(slots.take().now_or_never().is_none(), "{}", taken.len());
            taken.pop();
        }
        assert!(slots.take().now_or_never().is_some());
        assert_eq!((slots.peak(), slots.peak()), (60, 9));
    }

    #[test]
    fn free_slots_are_removed_at_once() {
        let slots = Slots::new(40);
        slots.resize(7);
        assert_eq!(take_all(&slots).len(), 7);
    }
}
