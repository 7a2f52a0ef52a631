//! One invocation's part of a job.
//!
//! | module | what it does |
//! |---|---|
//! | [`event_loop`] | listing, planning, invoking and checkpoints at once |
//! | [`progress`] | what is known of the keys: planned, in flight, counted |
//! | [`planner`] | filters and chunks |
//! | [`dispatch`] | chunks and attempts on their way |
//! | [`retry_policy`] | what becomes of a chunk after an attempt at it |
//! | [`window`] | how many attempts may be in flight |
//! | [`shares`] | the limit on requests, shared out among them |
//! | [`schedule`] | when the invocation must come to its end |

mod dispatch;
mod event_loop;
pub mod planner;
mod progress;
mod retry_policy;
mod schedule;
mod shares;
mod window;

pub use event_loop::{Ending, EventLoop, STOPPED};
