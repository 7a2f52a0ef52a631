//! The actions of a request, one file each.
//!
//! | module | what it does |
//! |---|---|
//! | [`run`] | starts a job |
//! | [`redrive`] | starts a job over the keys that another job left |
//! | [`resume`] | handles a request to start an existing job |
//! | [`continuation`] | continues a job that was handed over |
//! | [`plan`] | estimates the time and cost of a job |
//! | [`status`] | responds with the report of a job |
//! | [`stop`] | ends a job early |

pub mod continuation;
pub mod plan;
pub mod redrive;
mod resume;
pub mod run;
pub mod status;
pub mod stop;
