//! The developer's cloud: everything needed to run and test the functions on one machine. Never
//! deployed.
//!
//! | module | what it is |
//! |---|---|
//! | [`s3`] | an S3 server, in memory: its faults, latency and counts |
//! | [`lambda`] | a Lambda endpoint in this process, for tests |
//! | [`runtime`] | one instance of a function, run as Lambda runs it |
//! | [`emulator`] | `cargo lambda watch`, run as a child |
//! | [`demo`] | the whole job on this machine, and a check of every object |
//! | [`dataset`] | sample photos |
//! | [`http_server`] | where the servers here listen, and their accept loop |
//! | [`process`] | what a running process takes, as Linux tells it |
//! | [`workspace`] | where builds lie, and building the functions |
//! | [`tools`] | programs that are installed where they are missing |
//! | [`terminal`] | progress bars, times as users write them, Ctrl-C |
//!
//! The command `cargo local` is the crate `local-cli`, and its benchmarks are the crate `bench`. They are crates of
//! their own so that the functions' tests, which build this one, need not build what only those use.

pub mod dataset;
pub mod demo;
pub mod emulator;
pub mod http_server;
pub mod lambda;
pub mod process;
pub mod runtime;
pub mod s3;
pub mod terminal;
pub mod tools;
pub mod workspace;
