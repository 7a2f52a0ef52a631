//! The processor: takes objects from whoever names them, writes their metadata and their processed
//! copies, and answers with the outcome of every object, each caller in its own way.
//!
//! [`event`] recognises who calls, [`chunk`] and [`objects`] say what is to be done, [`pipeline`] takes
//! one image through its stages and many at a time within the [`limits`] of the process and the
//! [`schedule`] of the invocation, and [`handler`] answers.

mod chunk;
mod commit;
mod config;
mod error;
mod event;
mod gradient;
mod handler;
mod in_flight;
mod limits;
mod memory;
mod objects;
mod pace;
mod pipeline;
mod run;
mod schedule;

pub use config::Config;
pub use error::Error;
pub use event::{BatchResponse, Code, QueueResponse};
pub use handler::{App, handle};
pub use objects::EventResponse;
