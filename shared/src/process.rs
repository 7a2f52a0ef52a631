//! The end of a process whose credentials have expired.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether the credentials of this process have expired. They stay the same as long as it runs. So it ends after it has
/// responded, and Lambda starts another one. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Staleness(Arc<AtomicBool>);

impl Staleness {
    pub fn set(&self) {
        self.0.store(true, Relaxed);
    }

    /// Waits for a response to be sent. Then ends the process if it is stale.
    pub async fn end_after<T>(self, responding: impl Future<Output = T>) -> T {
        let responded = responding.await;
        if self.0.load(Relaxed) {
            std::process::exit(1);
        }
        responded
    }
}
