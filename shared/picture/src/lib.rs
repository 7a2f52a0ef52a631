//! Pictures: decoded once, turned upright, scaled to one or more sizes, and encoded.
//!
//! | module | content |
//! |---|---|
//! | [`plan`] | what a file needs, from its header alone, and the whole way from a file to its renditions |
//! | [`rendition`] | what to make of a picture |
//! | [`format`] | the formats, told apart by their first bytes |
//! | [`decode`] | a file to pixels: a module for each format |
//! | [`image`], [`picture`] | samples with their size; a decoded picture |
//! | [`orient`], [`fit`], [`color`] | turning, scaling, and conversions of colours |
//! | [`encode`] | pixels to a file: a module for each format |

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes have at most 32 bits and are not negative"
)]

mod color;
mod decode;
mod encode;
mod error;
mod fit;
mod format;
mod image;
mod orient;
mod picture;
mod plan;
mod rendition;

pub use encode::{Output, can_encode};
pub use error::Error;
pub use format::Format;
pub use orient::Orientation;
pub use plan::{Limits, Plan};
pub use rendition::{Rendition, Target};
