//! The commands, run as a user runs them.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod cloud;
mod local;
mod stack;
