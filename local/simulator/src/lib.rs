//! Runs whole jobs in simulated time, with everything that can go wrong, and checks that they stay exact. It runs the
//! real functions and the real SDK, on one thread, on Tokio's paused clock. Everything random comes from a seed, so a
//! run can be repeated.
//!
//! | module | content |
//! |---|---|
//! | [`scenario`] | what happens in a run: keys, settings, troubles, what the user does |
//! | [`world`] | the parties, the time, chance |
//! | [`course`] | the phases of a run |
//! | [`user`] | starts the job, waits for its end, redrives it |
//! | [`source`] | the objects, and what they have been |
//! | [`network`] | the SDK's HTTP client, without sockets |
//! | [`lambda`], [`environment`], [`functions`] | Lambda; one process of a function; the functions in it |
//! | [`old_version`] | what older versions of the functions send and leave |
//! | [`checks`] | what must hold |
//! | [`trace`] | what happened, in words |
//! | [`shrink`] | makes a failing scenario smaller |

// The futures of the SDK, of reading and of a job nest deeper than the compiler's default limit of 128.
#![recursion_limit = "256"]

mod checks;
mod course;
mod environment;
mod functions;
mod lambda;
mod network;
mod old_version;
mod request;
mod scenario;
mod shrink;
mod source;
mod trace;
mod user;
mod world;

use aws_config::SdkConfig;
pub use checks::{Rule, Violation};
pub use course::Summary;
pub use scenario::Scenario;
pub use shrink::shrink;
pub use trace::Trace;
use world::World;

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
    let world = World::new(scenario, sdk);
    let result = course::run(&world).await;
    world.lambda.clear();
    Run {
        result,
        trace: world.trace.take(),
    }
}
