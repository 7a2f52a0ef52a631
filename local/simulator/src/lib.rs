//! Runs whole jobs in simulated time, with everything that can go wrong, and checks that they stay exact. It runs the
//! real functions and the real SDK, on one thread, on Tokio's paused clock. Everything random comes from a seed, so a
//! run can be repeated.
//!
//! | module | content |
//! |---|---|
//! | [`scenario`] | what happens in a run: keys, settings, troubles, what the user does |
//! | [`seed`] | the number of a scenario, and the generator that it belongs to |
//! | [`world`] | the scenario, the time, chance, and the trace of a run |
//! | [`simulation`] | the world and all parties in it |
//! | [`party`], [`places`] | the names of the parties; where the source and the outputs are, and the ids of the jobs |
//! | [`course`] | the phases of a run |
//! | [`user`] | starts the job, waits for its end, redrives it |
//! | [`source`], [`history`] | the objects; what they have been |
//! | [`network`], [`request`] | the SDK's HTTP client, without sockets; what a request is about |
//! | [`services`], [`lambda`] | what the network leads to: S3, Scheduler and Lambda |
//! | [`environment`], [`functions`] | one process of a function; the functions in it |
//! | [`old_processor`], [`old_fanout`] | what older versions of the functions respond and leave |
//! | [`rule`] | what must hold, whatever goes wrong |
//! | [`observer`] | checks rules with each request |
//! | [`checks`] | checks what has come of the jobs |
//! | [`trace`] | what happened, in words |
//! | [`shrink`] | makes a failing scenario smaller |

// The futures of the SDK, of reading and of a job nest deeper than the compiler's default limit of 128.
#![recursion_limit = "256"]

mod checks;
mod course;
mod environment;
mod functions;
mod history;
mod lambda;
mod network;
mod observer;
mod old_fanout;
mod old_processor;
mod party;
mod places;
mod request;
mod rule;
mod scenario;
mod seed;
mod services;
mod shrink;
mod simulation;
mod source;
mod trace;
mod user;
mod world;

use aws_config::SdkConfig;
pub use course::Summary;
pub use rule::{Rule, Violation};
pub use scenario::Scenario;
pub use seed::{Seed, UnknownSeed};
pub use shrink::shrink;
use simulation::Simulation;
pub use trace::Trace;

/// What a run did, and its trace.
#[derive(Debug)]
pub struct Run {
    pub result: Result<Summary, Violation>,
    pub trace: Trace,
}

/// The SDK's settings. They are the same for all runs.
pub async fn sdk() -> SdkConfig {
    local::s3::sdk("http://127.0.0.1").await
}

/// Runs a scenario. The clock of the runtime must be paused.
pub async fn run(scenario: Scenario, sdk: SdkConfig) -> Run {
    let simulation = Simulation::new(scenario, sdk);
    let result = course::run(&simulation).await;
    Run {
        result,
        trace: simulation.world.trace.take(),
    }
}
