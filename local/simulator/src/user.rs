//! What the user does: starts the job, perhaps disturbs it, waits for its end, and redrives what it has left.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::checks::accounting::{self, Account};
use crate::lambda::Reply;
use crate::old_fanout;
use crate::party::Function;
use crate::places::{DESTINATION, DESTINATION_BUCKET, EARLY, JOB, JOB_PREFIX};
use crate::rule::{Rule, Violation};
use crate::scenario::Action;
use crate::simulation::Simulation;

/// Once nothing goes wrong any longer, a job goes on within three minutes. The rest is time for its work.
const PATIENCE: Duration = Duration::from_secs(40 * 60);

/// After this time, the user helps a job that nothing starts again.
const HELP_AFTER: Duration = Duration::from_secs(5 * 60);

/// How often the user looks.
const STEP: Duration = Duration::from_secs(5);

pub fn start(simulation: &Arc<Simulation>) {
    simulation
        .lambda
        .accept(Function::Fanout, &simulation.world.scenario.request(JOB));
}

pub async fn act(simulation: &Arc<Simulation>, action: Action) {
    simulation.world.note(format!("the user: {action:?}"));
    let request = |action: &str| json!({"action": action, "destination": DESTINATION, "job_id": JOB});
    match action {
        Action::Start => start(simulation),
        Action::Status => drop(ask(simulation, request("status")).await),
        Action::Stop => drop(ask(simulation, request("stop")).await),
        Action::Redrive => {
            let mut request = request("redrive");
            request["parent"] = json!(JOB);
            request["job_id"] = json!(EARLY);
            simulation.observer.expect_job(EARLY);
            drop(ask(simulation, request).await);
        }
        Action::OldProcessor => {
            simulation.lambda.use_old_processor(true);
            sleep(Duration::from_secs(60)).await;
            simulation.lambda.use_old_processor(false);
        }
        Action::OldCheckpoint => old_fanout::leave_checkpoint(simulation, JOB),
    }
}

/// Invokes fanout, and waits for its response.
async fn ask(simulation: &Arc<Simulation>, request: Value) -> Reply {
    let id = format!("user-{}", simulation.world.random(0..u32::MAX));
    let reply = simulation.lambda.invoke(Function::Fanout, &id, request).await;
    simulation
        .world
        .note(format!("the user's {id}: {reply:?}").chars().take(200).collect());
    reply
}

/// Fails if a rule was broken.
pub fn seen(simulation: &Simulation) -> Result<(), Violation> {
    simulation.observer.violation().map_or(Ok(()), Err)
}

/// Waits until a job has ended. Returns how often the user had to help.
pub async fn until_ended(simulation: &Arc<Simulation>, job_id: &str) -> Result<usize, Violation> {
    let (began, mut helped) = (simulation.world.elapsed(), 0);
    let mut last_help = began;
    loop {
        sleep(STEP).await;
        seen(simulation)?;
        let state = state(simulation, job_id);
        if state.as_deref().is_some_and(|state| state != "running") {
            return Ok(helped);
        }
        let now = simulation.world.elapsed();
        if now > began + PATIENCE {
            let what = format!(
                "{job_id} did not end within {} s: {:?}",
                PATIENCE.as_secs(),
                accounting::report(simulation, job_id)
            );
            return Err(Violation {
                rule: Rule::Liveness,
                what,
            });
        }
        let is_alone =
            simulation.lambda.waiting_events() == 0 && (state.is_none() || simulation.scheduler.count() == 0);
        if is_alone && now > last_help + HELP_AFTER {
            simulation
                .world
                .note(format!("nothing starts {job_id} again, so the user does"));
            (helped, last_help) = (helped + 1, now);
            simulation
                .lambda
                .accept(Function::Fanout, &simulation.world.scenario.request(job_id));
        }
    }
}

/// The state in the checkpoint of a job.
pub fn state(simulation: &Simulation, job_id: &str) -> Option<String> {
    let key = format!("{JOB_PREFIX}jobs/{job_id}/checkpoint.json");
    let file = simulation.s3.store().get(DESTINATION_BUCKET, &key)?;
    let checkpoint: Value = serde_json::from_slice(&file.body.bytes()).ok()?;
    checkpoint["state"].as_str().map(str::to_owned)
}

/// Asks for the status of a job that has ended, which also mends its report, and checks its account.
pub async fn looked_at(simulation: &Arc<Simulation>, job_id: &str) -> Result<Account, Violation> {
    let began = simulation.world.elapsed();
    // Other jobs may use all of the account's concurrency for a while.
    while simulation.world.elapsed() <= began + PATIENCE {
        if let Reply::Response(_) = ask(
            simulation,
            json!({"action": "status", "destination": DESTINATION, "job_id": job_id}),
        )
        .await
        {
            return accounting::account(simulation, job_id);
        }
        sleep(STEP).await;
    }
    let what = format!("{job_id} has no status");
    Err(Violation {
        rule: Rule::Liveness,
        what,
    })
}

pub async fn redrive(simulation: &Arc<Simulation>, parent: &str, id: &str) -> Result<usize, Violation> {
    simulation.observer.expect_job(id);
    // A redrive of failed keys may fail for all of them.
    let request = json!({
        "action": "redrive", "destination": DESTINATION, "parent": parent, "job_id": id, "max_failed_percent": 100,
    });
    simulation.lambda.accept(Function::Fanout, &request);
    until_ended(simulation, id).await
}

/// Sends the events of objects again that Lambda has given up. Returns whether there were any.
pub fn send_again(simulation: &Arc<Simulation>) -> bool {
    let mut dead = simulation.lambda.take_dead_events();
    dead.retain(|(function, _)| *function == Function::Processor);
    for (function, event) in &dead {
        simulation.lambda.accept(*function, event);
    }
    !dead.is_empty()
}
