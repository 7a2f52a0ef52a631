//! The developer's cloud: everything that is needed to run and test the functions on one machine. It is never
//! deployed.
//!
//! | module | content |
//! |---|---|
//! | [`s3`] | an S3 server in memory, with faults, latency and counts |
//! | [`cloudformation`], [`iam`] | the template, translated; the roles in it, and what they allow |
//! | [`lambda`] | a Lambda endpoint in this process, for tests |
//! | [`scheduler`] | a stand-in for EventBridge Scheduler |
//! | [`queue`] | a stand-in for a queue of SQS and its event source mapping |
//! | [`starts`] | what starts a job again when nobody does |
//! | [`runtime`] | one instance of a function, run as Lambda runs it |
//! | [`emulator`] | `cargo lambda watch`, run as a child process |
//! | [`functions`] | both functions under `cargo lambda watch`, each with its role |
//! | [`demo`] | a whole job on this machine, and a check of every object |
//! | [`dataset`] | sample photos |
//! | [`http_server`] | the listener and accept loop that all servers here share |
//! | [`active`], [`connections`] | a count of what is under way; counts of connections |
//! | [`process`] | memory and CPU time of a running process, read from `/proc` |
//! | [`workspace`] | paths of the workspace and its builds; building the functions |
//! | [`tools`] | programs that are installed if they are missing |
//! | [`terminal`] | progress bars, times as users write them, Ctrl-C |
//!
//! The command `cargo local` is the crate `local-cli`, and its benchmarks are the crate `bench`. They are separate
//! crates because the functions' tests build this crate, and should not build dependencies that only those two need.

pub mod active;
pub mod cloudformation;
pub mod connections;
pub mod dataset;
pub mod demo;
pub mod emulator;
pub mod functions;
pub mod http_server;
pub mod iam;
pub mod lambda;
pub mod moto;
pub mod process;
pub mod queue;
pub mod runtime;
pub mod s3;
pub mod scheduler;
pub mod starts;
pub mod terminal;
pub mod tools;
pub mod workspace;
