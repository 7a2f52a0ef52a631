//! Whole jobs: fanout and the processor, with the real SDK, against the local S3 server and a Lambda endpoint in this
//! process.

// The futures of the SDK, of reading and of a job nest deeper than the compiler's default limit of 128.
#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod chain;
mod cloud;
mod faults;
mod jobs;
mod kills;
mod listing;
mod lost;
mod plan;
mod redrive;
mod responses;
mod roles;
mod sources;
mod strip;
mod systemic;
mod template;
mod transform;
