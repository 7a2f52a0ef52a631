use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::sleep;

/// The requests that have no response yet.
#[derive(Clone, Debug, Default)]
pub struct Active(Arc<AtomicUsize>);

/// One of them. It ends when this is dropped, also if the client hangs up.
#[derive(Debug)]
pub struct Responding(Active);

impl Active {
    pub fn begin(&self) -> Responding {
        self.0.fetch_add(1, Relaxed);
        Responding(self.clone())
    }

    /// Waits until there is none.
    pub async fn until_idle(&self) {
        while self.0.load(Relaxed) > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Responding {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}
