//! The course of a run: everything that the scenario says happens, then nothing goes wrong any longer, the jobs end, and
//! what has come of them is checked.

use std::sync::Arc;
use std::time::Duration;

use shared::protocol::job::State;
use tokio::time::{Instant, sleep, sleep_until};

use crate::checks::accounting::{self, Account};
use crate::checks::{Rule, Violation, outputs};
use crate::lambda;
use crate::source;
use crate::user::{self, EARLY, JOB};
use crate::world::World;

/// How often S3's faults are set anew.
const STEP: Duration = Duration::from_secs(5);

/// By then, everything that came late has arrived.
const AFTERMATH: Duration = Duration::from_secs(30 * 60);

const MAX_REDRIVES: usize = 5;

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    pub jobs: usize,
    /// Invocations of fanout that had the jobs.
    pub generations: u64,
    /// How often the user had to start a job again, because nothing else did.
    pub helped: usize,
    pub simulated: Duration,
}

/// Runs a scenario to its end, and checks everything.
pub async fn run(world: &Arc<World>) -> Result<Summary, Violation> {
    source::fill(world);
    plan(world);
    world.observer.expect_job(JOB);
    user::start(world);
    until_calm(world).await?;
    if world.scenario.settings.ignores_conditions {
        return without_conditions(world).await;
    }
    let mut summary = Summary::default();
    let accounts = all_jobs(world, &mut summary).await?;
    aftermath(world).await?;
    check(world, &accounts)?;
    summary.jobs = accounts.len();
    summary.generations = accounts
        .iter()
        .map(|account| u64::from(account.report.generation))
        .sum();
    summary.simulated = world.elapsed();
    Ok(summary)
}

/// Plans everything that has a time.
fn plan(world: &Arc<World>) {
    for trouble in &world.scenario.troubles {
        if let Some(fault) = trouble.trouble.planned() {
            at(world, trouble.from, async move |world| world.s3.faults.add(fault));
        }
    }
    for change in &world.scenario.changes {
        let change = change.clone();
        at(world, change.at, async move |world| source::change(&world, &change));
    }
    for &(time, action) in &world.scenario.actions {
        at(world, time, async move |world| user::act(&world, action).await);
    }
    tokio::spawn(lambda::start_scheduled(world.clone()));
}

/// Does something at a time.
fn at<F, W>(world: &Arc<World>, time: Duration, work: F)
where
    F: FnOnce(Arc<World>) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let due = Instant::now() + time.saturating_sub(world.elapsed());
    let work = work(world.clone());
    tokio::spawn(async move {
        sleep_until(due).await;
        work.await;
    });
}

/// Waits until nothing goes wrong any longer.
async fn until_calm(world: &Arc<World>) -> Result<(), Violation> {
    loop {
        let left = world.scenario.calm_at.saturating_sub(world.elapsed());
        if left.is_zero() {
            break;
        }
        world.set_s3_faults();
        sleep(STEP.min(left)).await;
        user::seen(world)?;
    }
    world.calm_down();
    world.lambda.use_old_processor(false);
    Ok(())
}

/// No job completes, because no count would be exact.
async fn without_conditions(world: &Arc<World>) -> Result<Summary, Violation> {
    sleep(AFTERMATH).await;
    let is_completed = user::state(world, JOB).is_some_and(|state| state == "completed");
    let report = accounting::report(world, JOB);
    if is_completed && report.is_some_and(|report| report.ok + report.failed > 0) {
        let what = "a job completed although its store ignores conditions".to_owned();
        return Err(Violation {
            rule: Rule::Accounting,
            what,
        });
    }
    Ok(Summary::default())
}

/// Waits until the job has ended, and redrives it until nothing is left.
async fn all_jobs(world: &Arc<World>, summary: &mut Summary) -> Result<Vec<Account>, Violation> {
    summary.helped += user::until_ended(world, JOB).await?;
    let mut accounts = vec![user::looked_at(world, JOB).await?];
    while let Some(parent) = left_over(&accounts) {
        if accounts.len() > MAX_REDRIVES {
            let what = format!("redrives do not get further: {:?}", parent.report);
            return Err(Violation {
                rule: Rule::Liveness,
                what,
            });
        }
        let id = format!("{JOB}-{}", accounts.len() + 1);
        summary.helped += user::redrive(world, &parent.report.job_id, &id).await?;
        accounts.push(user::looked_at(world, &id).await?);
    }
    Ok(accounts)
}

/// The last job, if it has left keys.
fn left_over(accounts: &[Account]) -> Option<&Account> {
    let last = accounts.last()?;
    let is_redriven = accounts.len() > 1;
    let report = &last.report;
    // A redrive of failed keys shows once that they still fail.
    let again = report.failed > 0 && !is_redriven;
    (report.state == State::Aborted || report.pending > 0 || again).then_some(last)
}

/// Waits until nothing is on its way any longer.
async fn aftermath(world: &Arc<World>) -> Result<(), Violation> {
    sleep(AFTERMATH).await;
    while user::send_again(world) {
        sleep(AFTERMATH).await;
    }
    user::seen(world)?;
    if user::state(world, EARLY).is_some() {
        user::until_ended(world, EARLY).await?;
        user::looked_at(world, EARLY).await?;
    }
    Ok(())
}

/// Checks what has come of the job and its redrives.
fn check(world: &World, accounts: &[Account]) -> Result<(), Violation> {
    for account in accounts {
        let (before, job_id) = (&account.report, &account.report.job_id);
        let after = accounting::account(world, job_id)?.report;
        if (before.state, before.ok, before.failed) != (after.state, after.ok, after.failed) {
            let what = format!("{job_id} changed after its end, from {before:?} to {after:?}");
            return Err(Violation {
                rule: Rule::Accounting,
                what,
            });
        }
    }
    accounting::check_keys(world, accounts)?;
    outputs::check(world)
}
