use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::sleep;

/// What is under way: requests without a response, or open connections.
#[derive(Clone, Debug, Default)]
pub struct Active(Arc<AtomicUsize>);

/// One of them. It ends when this is dropped.
#[derive(Debug)]
pub struct Ongoing(Active);

impl Active {
    #[must_use]
    pub fn begin(&self) -> Ongoing {
        self.0.fetch_add(1, Relaxed);
        Ongoing(self.clone())
    }

    /// Waits until nothing is.
    pub async fn until_none(&self) {
        while self.0.load(Relaxed) > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}
