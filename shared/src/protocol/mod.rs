//! The wire formats: what fanout and processor send to each other, and what a job reports to its user.
//!
//! | module | what it holds |
//! |---|---|
//! | [`chunk`] | request and response of one processor invocation |
//! | [`sample`] | the same for a few images that are only measured, for a plan |
//! | [`attempt`] | the number of one dispatch of a chunk |
//! | [`job`] | fanout's response and `job.json` |
//! | [`failure`] | why an object failed |
//! | [`ignored`] | why an object was left out |
//! | [`found`] | what was found in the images: formats, cameras, years, positions |
//! | [`examples`] | keys that show what a number is about |
//! | [`series`] | how a job ran over time |
//! | [`usage`] | requests, bytes and CPU time |
//! | [`stages`] | latency histograms of the pipeline's stages, which can be merged |
//! | [`diagnosis`] | what limits an invocation or a job |
//! | [`json_text`] | the size of a text as JSON |

pub mod attempt;
pub mod chunk;
pub mod diagnosis;
pub mod examples;
pub mod failure;
pub mod found;
pub mod ignored;
pub mod job;
mod json_text;
pub mod sample;
pub mod series;
pub mod stages;
pub mod usage;
