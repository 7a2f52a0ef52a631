//! The processor: takes objects from fanout or straight from S3, writes their metadata and their
//! processed copies, and answers with the outcome of every object.
//!
//! [`event`] recognises who calls, [`pipeline`] takes one image through its stages and many at a
//! time, [`commit`] writes the records, [`handler`] ties them together.

mod commit;
mod config;
mod error;
mod event;
mod handler;
mod in_flight;
mod pace;
mod pipeline;

pub use config::Config;
pub use error::Error;
pub use event::EventResponse;
pub use handler::{App, handle};
