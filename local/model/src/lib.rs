//! A small model of the protocol of a job: lease, fence and commit. A model checker visits every state that it can reach.
//!
//! There are two invocations of fanout, any number of processors, three keys in two chunks, S3, and a network that
//! delivers requests late and loses responses. The lease may end at any moment, so an invocation may believe that it
//! owns the job while another one does. The names are those of the code; `docs/internals.md` explains the protocol.
//!
//! | module | content |
//! |---|---|
//! | [`store`] | what S3 holds: the checkpoint and the record files |
//! | [`fanout`] | one invocation of fanout |
//! | [`network`] | requests and responses on their way |
//! | [`protocol`] | the steps of all parties, and what must hold |
//! | [`broken`] | deliberate faults, which the checker must find |

mod broken;
mod fanout;
mod network;
mod protocol;
mod store;

pub use broken::Broken;
pub use protocol::Protocol;
