//! The work of one invocation on a job.
//!
//! | module | what it does |
//! |---|---|
//! | [`event_loop`] | lists, plans, invokes and writes checkpoints at the same time |
//! | [`ending`] | why the work ends |
//! | [`finish`] | the last writes |
//! | [`saver`] | writes checkpoints, bodies and `job.json`, and holds the lease |
//! | [`progress`] | the state of the keys: planned, in flight, counted |
//! | [`guided`] | how many keys an attempt gets towards the end of a job |
//! | [`planner`] | filters objects and puts them into chunks |
//! | [`dispatch`] | waiting chunks and attempts in flight |
//! | [`retry_policy`] | what happens to a chunk after an attempt |
//! | [`window`] | how many invocations may be in flight |
//! | [`shares`] | divides the limit on requests among the attempts |
//! | [`schedule`] | when the invocation stops starting and waiting |

mod dispatch;
mod ending;
mod event_loop;
mod finish;
pub mod guided;
pub mod planner;
mod progress;
pub mod retry_policy;
mod saver;
mod schedule;
mod shares;
mod window;

pub use ending::Ending;
pub use event_loop::{EventLoop, Limits, STOPPED};
