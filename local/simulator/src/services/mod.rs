//! The services that are not functions.

pub mod s3;
pub mod scheduler;
