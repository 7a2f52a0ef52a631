//! What fanout can be asked for, one file each.
//!
//! | module | what it does |
//! |---|---|
//! | [`run`] | starts a job |
//! | [`redrive`] | starts a job of the keys that another left |
//! | [`resume`] | a start of a job that there is already |
//! | [`continuation`] | goes on with a job that was handed over |
//! | [`plan`] | what a job would take |
//! | [`status`] | how a job is |
//! | [`stop`] | ends a job early |

pub mod continuation;
pub mod plan;
pub mod redrive;
mod resume;
pub mod run;
pub mod status;
pub mod stop;
