//! What must hold when the jobs have ended.
//!
//! | module | content |
//! |---|---|
//! | [`accounting`] | what the reports and files of a job say about its keys |
//! | [`outputs`] | what the functions have written of each object |

pub mod accounting;
pub mod outputs;
