//! Calls the handler as Lambda does, with the real SDK and the embedded S3.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod annotations;
mod callers;
mod chunks;
mod cloud;
mod diagnosis;
mod events;
mod faults;
mod gate;
mod headers;
mod map;
mod order;
mod requests;
mod responses;
mod sizes;
mod strip;
mod template;
mod time;
mod transform;
mod writes;
