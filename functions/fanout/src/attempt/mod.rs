//! Sends an attempt, and gives it up if it is lost.
//!
//! An attempt without a response may still be running. Or it may have committed, and only its response was lost. So
//! before its keys are sent again, fanout gives the attempt up: it writes a fence, which is the record file of the
//! attempt, empty.
//!
//! - If the fence is written, the processor can no longer commit. All keys are sent again.
//! - If the record file exists already, its images count as `ok`. Only the other keys are sent again.
//!
//! | module | what it does |
//! |---|---|
//! | [`invoke`] | sends a chunk to the processor |
//! | [`call`] | invokes the processor, and finds out why there is no response |
//! | [`response`] | reads the response of the processor |
//! | [`fence`] | gives an attempt up |
//! | [`result`] | the result of an attempt |

mod call;
mod fence;
mod invoke;
mod response;
mod result;

pub use call::{NoResponse, call, payload};
pub use fence::{FenceError, LeftOver, give_up_all};
pub use invoke::{Invoker, chunk_request, invoke_client, invoke_client_over};
pub use result::{AttemptResult, GivenUp};
