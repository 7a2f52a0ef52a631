//! What fanout and processor tell each other, and what a job tells its user: the wire formats.
//!
//! | module | what it holds |
//! |---|---|
//! | [`chunk`] | request and response of one processor invocation |
//! | [`attempt`] | the number of one dispatch of a chunk |
//! | [`job`] | fanout's response and `job.json` |
//! | [`failure`] | why an object failed |
//! | [`usage`] | requests, bytes and CPU time |
//! | [`stages`] | mergeable latency histograms of the pipeline's stages |
//! | [`diagnosis`] | what limits an invocation or a job |

pub mod attempt;
pub mod chunk;
pub mod diagnosis;
pub mod failure;
pub mod job;
pub mod stages;
pub mod usage;
