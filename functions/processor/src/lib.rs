//! The processor. It processes the objects that a caller names, and writes their images and records. It responds with
//! the outcome of every object, in the format of the caller.
//!
//! An event passes through the modules in this order:
//!
//! | module | content |
//! |---|---|
//! | [`app`] | what is built once, at cold start: config, S3 clients, clock, limits |
//! | [`callers`] | recognises the caller by the shape of the event; one file for each caller's format and response |
//! | [`intake`] | decides which of the named objects are processed: source, filters, duplicates, newest event |
//! | [`invocation`] | one invocation: its images, its record file, its usage, and what limited it |
//! | [`pipeline`] | processes one image in stages, and many images at the same time |
//! | [`records`] | the record file of a chunk (the commit), and files for events, sidecars and failures |
//! | [`limits`] | images in flight, connections, memory, request rate, and deadlines |
//! | [`clients`] | the S3 clients, with a time-out for each kind of request |
//! | [`config`] | environment variables |
//! | [`settings`] | the settings of one invocation: mode, record sink, destination, concurrency |
//! | [`summary`] | the log line that ends an invocation, with its metrics |
//! | [`image`], [`outcome`] | one object to process, and its outcome |
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
mod summary;

pub use app::App;
pub use callers::{EventResponse, handle};
pub use config::Config;
pub use error::Error;
