//! What all invocations of this process share ([`Limits`]), and what bounds one invocation ([`Rate`], [`deadline`]).

mod concurrency;
mod connections;
pub mod deadline;
mod memory;
mod rate;

pub use concurrency::{Concurrency, MAX_IN_FLIGHT};
pub use connections::{Connections, Pool};
pub use rate::Rate;

use memory::Memory;

/// Shared by all invocations of this process.
#[derive(Debug)]
pub struct Limits {
    pub memory: Memory,
    pub connections: Connections,
    pub concurrency: Concurrency,
}

impl Limits {
    pub fn new(function_mb: u32) -> Self {
        Self {
            memory: Memory::new(function_mb),
            connections: Connections::default(),
            concurrency: Concurrency::default(),
        }
    }
}
