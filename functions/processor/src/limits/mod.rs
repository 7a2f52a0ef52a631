//! The limits that all invocations of this process share ([`Limits`]), and those of one invocation ([`Rate`],
//! [`deadline`]).

mod ahead;
mod concurrency;
mod connections;
mod cpu;
pub mod deadline;
mod memory;
mod rate;
mod slots;

pub use ahead::Place;
pub use concurrency::{Concurrency, MAX_IN_FLIGHT};
pub use connections::{Connections, Pool};
pub use cpu::CpuThreads;
pub use rate::Rate;

use memory::Memory;

/// The limits that all invocations of this process share.
#[derive(Debug)]
pub struct Limits {
    pub memory: Memory,
    /// For decoding and encoding pictures: half of `memory`. Their files count twice in `memory`, so that both together
    /// take no more than it. Images that wait here keep their files, and nothing here waits for `memory`.
    pub pictures: Memory,
    pub cpu: CpuThreads,
    pub connections: Connections,
    pub concurrency: Concurrency,
}

impl Limits {
    pub fn new(function_mb: u32) -> Self {
        Self::with(CpuThreads::new(function_mb), function_mb)
    }

    pub fn with(cpu: CpuThreads, function_mb: u32) -> Self {
        Self {
            memory: Memory::new(function_mb),
            pictures: Memory::half(function_mb),
            cpu,
            connections: Connections::default(),
            concurrency: Concurrency::default(),
        }
    }
}
