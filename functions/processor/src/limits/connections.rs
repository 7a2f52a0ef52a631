use shared::bottleneck::MAX_CONNECTIONS;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The connections to the source and to the destination. Each bucket is a host of its own, with its own limit. A
/// request holds a connection from its first byte to the last byte of its response.
#[derive(Debug)]
pub struct Connections {
    pub source: Pool,
    pub destination: Pool,
}

/// Connections to one host.
#[derive(Debug)]
pub struct Pool(Semaphore);

impl Default for Connections {
    fn default() -> Self {
        let pool = || Pool(Semaphore::new(MAX_CONNECTIONS));
        Self {
            source: pool(),
            destination: pool(),
        }
    }
}

impl Pool {
    pub async fn acquire(&self) -> SemaphorePermit<'_> {
        self.0.acquire().await.expect("the semaphore is never closed")
    }
}
