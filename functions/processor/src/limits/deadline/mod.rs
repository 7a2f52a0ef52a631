//! When an image may start ([`Schedule`]), and how long it may take ([`ImageTimer`]).

mod image_timer;
mod schedule;

pub use image_timer::{Expired, ImageTimer};
pub use schedule::Schedule;
