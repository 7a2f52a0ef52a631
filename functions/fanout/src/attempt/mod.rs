//! One attempt at a chunk.
//!
//! An attempt without a response may still be running, or may have done its work and lost only the
//! response. So before its keys are sent again the attempt is given up: its record file is written here,
//! empty, unless it is there already. If it is there, its lines are done and only the other keys are
//! sent again; if not, the processor can no longer commit, and whatever it did counts for nothing.
//!
//! | module | what it does |
//! |---|---|
//! | [`invoke`] | sends a chunk to the processor |
//! | [`response`] | reads what comes back |
//! | [`fence`] | gives an attempt up |
//! | [`result`] | what an attempt came to |

mod fence;
mod invoke;
mod response;
mod result;

pub use fence::{FenceError, give_up_all};
pub use invoke::{Invoker, invoke_client};
pub use result::{AttemptResult, Committed};
