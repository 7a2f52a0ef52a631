//! The handler, called as Lambda calls it, with the real SDK against the embedded S3.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod callers;
mod chunks;
mod cloud;
mod diagnosis;
mod events;
mod faults;
mod gate;
mod order;
mod requests;
mod sizes;
mod time;
