//! Whole jobs: fanout and the processor, with the real SDK, against the embedded S3 and a Lambda
//! endpoint in this process.

mod cloud;
mod jobs;
mod lost;
