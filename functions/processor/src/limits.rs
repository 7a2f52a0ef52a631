//! What all invocations in this process share: memory, connections, and the images in flight.

use shared::bound::MOST_CONNECTIONS;
use tokio::sync::Semaphore;

use crate::in_flight::InFlight;
use crate::memory::Memory;

#[derive(Debug)]
pub struct Limits {
    pub memory: Memory,
    /// A request holds a connection from its first byte to the last of its answer.
    pub reads: Semaphore,
    pub writes: Semaphore,
    pub in_flight: InFlight,
}

impl Limits {
    pub fn new(function_mb: u32) -> Self {
        Self {
            memory: Memory::new(function_mb),
            reads: Semaphore::new(MOST_CONNECTIONS),
            writes: Semaphore::new(MOST_CONNECTIONS),
            in_flight: InFlight::default(),
        }
    }
}
