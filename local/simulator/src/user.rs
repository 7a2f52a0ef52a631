//! What the user does: starts the job, perhaps disturbs it, waits for its end, and redrives what it has left.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::checks::accounting::{self, Account};
use crate::checks::{Rule, Violation};
use crate::environment::Function;
use crate::lambda::{self, Reply};
use crate::old_version;
use crate::scenario::Action;
use crate::scenario::settings::DESTINATION;
use crate::source::{DESTINATION_BUCKET, JOB_PREFIX};
use crate::world::World;

/// The first job. Its redrives are `job-2` and so on.
pub const JOB: &str = "job";

/// A redrive that is sent while the job may still run.
pub const EARLY: &str = "job-early";

/// Once nothing goes wrong any longer, a job goes on within three minutes. The rest is time for its work.
const PATIENCE: Duration = Duration::from_secs(40 * 60);

/// After this time, the user helps a job that nothing starts again.
const HELP_AFTER: Duration = Duration::from_secs(5 * 60);

/// How often the user looks.
const STEP: Duration = Duration::from_secs(5);

/// How often the user asks until there is a response.
const MAX_TRIES: usize = 20;

pub fn start(world: &Arc<World>) {
    lambda::accept(world, Function::Fanout, &world.scenario.request(JOB));
}

pub async fn act(world: &Arc<World>, action: Action) {
    world.note(format!("the user: {action:?}"));
    let request = |action: &str| json!({"action": action, "destination": DESTINATION, "job_id": JOB});
    match action {
        Action::Start => start(world),
        Action::Status => drop(ask(world, request("status")).await),
        Action::Stop => drop(ask(world, request("stop")).await),
        Action::Redrive => {
            let mut request = request("redrive");
            request["parent"] = json!(JOB);
            request["job_id"] = json!(EARLY);
            world.observer.expect_job(EARLY);
            drop(ask(world, request).await);
        }
        Action::OldProcessor => {
            world.lambda.use_old_processor(true);
            sleep(Duration::from_secs(60)).await;
            world.lambda.use_old_processor(false);
        }
        Action::OldCheckpoint => old_version::leave_checkpoint(world, JOB),
    }
}

/// Invokes fanout, and waits for its response.
async fn ask(world: &Arc<World>, request: Value) -> Reply {
    let id = format!("user-{}", world.random(0..u32::MAX));
    let reply = lambda::invoke(world, Function::Fanout, &id, request).await;
    world.note(format!("the user's {id}: {reply:?}").chars().take(200).collect());
    reply
}

/// Fails if a rule was broken.
pub fn seen(world: &World) -> Result<(), Violation> {
    world.observer.violation().map_or(Ok(()), Err)
}

/// Waits until a job has ended. Returns how often the user had to help.
pub async fn until_ended(world: &Arc<World>, job_id: &str) -> Result<usize, Violation> {
    let (began, mut helped) = (world.elapsed(), 0);
    let mut last_help = began;
    loop {
        sleep(STEP).await;
        seen(world)?;
        let state = state(world, job_id);
        if state.as_deref().is_some_and(|state| state != "running") {
            return Ok(helped);
        }
        let now = world.elapsed();
        if now > began + PATIENCE {
            let what = format!(
                "{job_id} did not end within {} s: {:?}",
                PATIENCE.as_secs(),
                accounting::report(world, job_id)
            );
            return Err(Violation {
                rule: Rule::Liveness,
                what,
            });
        }
        let is_alone = world.lambda.events() == 0 && (state.is_none() || world.schedules.count() == 0);
        if is_alone && now > last_help + HELP_AFTER {
            world.note(format!("nothing starts {job_id} again, so the user does"));
            (helped, last_help) = (helped + 1, now);
            lambda::accept(world, Function::Fanout, &world.scenario.request(job_id));
        }
    }
}

/// The state in the checkpoint of a job.
pub fn state(world: &World, job_id: &str) -> Option<String> {
    let key = format!("{JOB_PREFIX}jobs/{job_id}/checkpoint.json");
    let file = world.s3.store.get(DESTINATION_BUCKET, &key)?;
    let checkpoint: Value = serde_json::from_slice(&file.body.bytes()).ok()?;
    checkpoint["state"].as_str().map(str::to_owned)
}

/// Asks for the status of a job that has ended, which also mends its report, and checks its account.
pub async fn looked_at(world: &Arc<World>, job_id: &str) -> Result<Account, Violation> {
    for _ in 0..MAX_TRIES {
        if let Reply::Response(_) = ask(
            world,
            json!({"action": "status", "destination": DESTINATION, "job_id": job_id}),
        )
        .await
        {
            return accounting::account(world, job_id);
        }
        sleep(STEP).await;
    }
    let what = format!("{job_id} has no status");
    Err(Violation {
        rule: Rule::Liveness,
        what,
    })
}

pub async fn redrive(world: &Arc<World>, parent: &str, id: &str) -> Result<usize, Violation> {
    world.observer.expect_job(id);
    let request = json!({"action": "redrive", "destination": DESTINATION, "parent": parent, "job_id": id});
    lambda::accept(world, Function::Fanout, &request);
    until_ended(world, id).await
}

/// Sends the events of objects again that Lambda has given up. Returns whether there were any.
pub fn send_again(world: &Arc<World>) -> bool {
    let mut dead = world.lambda.take_dead();
    dead.retain(|(function, _)| *function == Function::Processor);
    for (function, event) in &dead {
        lambda::accept(world, *function, event);
    }
    !dead.is_empty()
}
