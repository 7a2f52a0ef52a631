//! The developer's cloud: everything needed to run and test the functions on one machine. Never
//! deployed.
//!
//! | module | what it is |
//! |---|---|
//! | [`s3`] | an S3 server, in memory |
//! | [`lambda`] | a Lambda endpoint in this process, for tests |
//! | [`emulator`] | `cargo lambda watch`, found or installed, and run |
//! | [`dataset`] | sample photos |
//! | [`serve`] | the accept loop of the servers here |
//! | [`runtime`] | one instance of a function, run as Lambda runs it |
//! | [`process`] | what a running process takes |
//! | [`bench`] | what it takes, measured |
//! | [`demo`] | the whole job, on this machine |
//! | [`exif`] | the records of files on disk |
//! | [`commands`] | the small commands of `cargo local` |

pub mod bench;
pub mod commands;
pub mod dataset;
pub mod demo;
pub mod emulator;
pub mod exif;
pub mod lambda;
pub mod process;
pub mod runtime;
pub mod s3;
pub mod serve;
pub mod stop;
