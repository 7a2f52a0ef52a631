//! The command `cargo job`: plans, starts, watches and ends the jobs of a deployed stack, or of functions on this machine.
//!
//! | module | what it does |
//! |---|---|
//! | [`commands`] | the commands and their options |
//! | [`target`] | finds fanout and the destination |
//! | [`settings`] | the settings of a job, as options |
//! | [`fanout`] | invokes fanout |
//! | [`files`] | reads the files of jobs |
//! | [`watch`] | follows a job until it ends |
//! | [`bar`] | the progress bar of a job |
//! | [`plan`] | a plan, for people |
//! | [`summary`] | the report of a job, for people |
//! | [`ending`] | exit codes |

pub mod bar;
pub mod commands;
pub mod ending;
mod fanout;
mod files;
mod plan;
mod settings;
pub mod summary;
mod target;
mod watch;
