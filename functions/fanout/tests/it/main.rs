//! Whole jobs: fanout and the processor, with the real SDK, against the embedded S3 and a Lambda
//! endpoint in this process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chain;
mod chaos;
mod cloud;
mod faults;
mod jobs;
mod kills;
mod lost;
mod redrive;
mod sources;
mod template;
