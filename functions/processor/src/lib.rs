//! The processor: takes objects from whoever names them, writes their metadata and their processed images,
//! and responds with the outcome of every object, to each caller in its own format.
//!
//! An event passes through the modules in this order:
//!
//! | module | what it holds |
//! |---|---|
//! | [`app`] | what is built once, at cold start: config, S3 clients, clock, limits |
//! | [`callers`] | who calls, recognised by shape; one file for each caller's wire format and response |
//! | [`intake`] | what an event names → the images to process: relative key, filters, duplicates, newest event |
//! | [`invocation`] | one invocation: its images, its record file, its usage, and what limited it |
//! | [`pipeline`] | one image through its stages, and many images at a time |
//! | [`records`] | the files of records: a chunk's (the commit), an event's, sidecars, failures of events |
//! | [`limits`] | images in flight, connections, memory, request rate, and deadlines |
//! | [`clients`] | the S3 clients, with time-outs that fit what they ask |
//! | [`config`] | environment variables |
//! | [`settings`] | what one invocation was asked for: mode, record sink, destination, concurrency |
//! | [`image`], [`outcome`] | one object to process, and what became of it |
//! | [`error`] | why a whole invocation failed |

mod app;
mod callers;
mod clients;
mod config;
mod error;
mod image;
mod intake;
mod invocation;
mod limits;
mod outcome;
mod pipeline;
mod records;
mod settings;

pub use app::App;
pub use callers::{EventResponse, handle};
pub use config::Config;
pub use error::Error;
