//! The handler, called as Lambda calls it, with the real SDK against the embedded S3.

mod chunks;
mod cloud;
mod events;
