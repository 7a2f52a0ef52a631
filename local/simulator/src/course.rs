//! The course of a run: everything that the scenario says happens, then nothing goes wrong any longer, the jobs end, and
//! what has come of them is checked.

use std::sync::Arc;
use std::time::Duration;

use shared::protocol::job::State;
use tokio::time::{Instant, sleep, sleep_until};

use crate::checks::accounting::{self, Account};
use crate::checks::outputs;
use crate::places::{EARLY, JOB};
use crate::rule::{Rule, Violation};
use crate::simulation::Simulation;
use crate::source;
use crate::user;

/// How often S3's faults are set anew.
const STEP: Duration = Duration::from_secs(5);

/// By then, everything that came late has arrived.
const AFTERMATH: Duration = Duration::from_secs(30 * 60);

/// What is left is sent again this often.
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
pub async fn run(simulation: &Arc<Simulation>) -> Result<Summary, Violation> {
    source::fill(simulation);
    plan(simulation);
    simulation.observer.expect_job(JOB);
    user::start(simulation);
    until_calm(simulation).await?;
    if simulation.world.scenario.settings.ignores_conditions {
        return without_conditions(simulation).await;
    }
    let mut summary = Summary::default();
    let accounts = all_jobs(simulation, &mut summary).await?;
    aftermath(simulation).await?;
    check(simulation, &accounts)?;
    summary.jobs = accounts.len();
    summary.generations = accounts
        .iter()
        .map(|account| u64::from(account.report.generation))
        .sum();
    summary.simulated = simulation.world.elapsed();
    Ok(summary)
}

/// Plans everything that has a time.
fn plan(simulation: &Arc<Simulation>) {
    for trouble in &simulation.world.scenario.troubles {
        if let Some(fault) = trouble.trouble.planned() {
            at(simulation, trouble.from, async move |simulation| {
                simulation.s3.add_fault(fault);
            });
        }
    }
    for change in &simulation.world.scenario.changes {
        let change = change.clone();
        at(simulation, change.at, async move |simulation| {
            source::change(&simulation, &change);
        });
    }
    for &(time, action) in &simulation.world.scenario.actions {
        at(simulation, time, async move |simulation| {
            user::act(&simulation, action).await;
        });
    }
    tokio::spawn(simulation.scheduler.clone().start(simulation.lambda.clone()));
}

/// Does something at a time.
fn at<F, W>(simulation: &Arc<Simulation>, time: Duration, work: F)
where
    F: FnOnce(Arc<Simulation>) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let due = Instant::now() + time.saturating_sub(simulation.world.elapsed());
    let work = work(simulation.clone());
    tokio::spawn(async move {
        sleep_until(due).await;
        work.await;
    });
}

/// Waits until nothing goes wrong any longer.
async fn until_calm(simulation: &Arc<Simulation>) -> Result<(), Violation> {
    loop {
        let left = simulation
            .world
            .scenario
            .calm_at
            .saturating_sub(simulation.world.elapsed());
        if left.is_zero() {
            break;
        }
        simulation.s3.set_chances();
        sleep(STEP.min(left)).await;
        user::seen(simulation)?;
    }
    simulation.world.calm_down();
    simulation.s3.calm_down();
    simulation.lambda.use_old_processor(false);
    Ok(())
}

/// No job completes, because no count would be exact.
async fn without_conditions(simulation: &Arc<Simulation>) -> Result<Summary, Violation> {
    sleep(AFTERMATH).await;
    let is_completed = user::state(simulation, JOB).is_some_and(|state| state == "completed");
    let report = accounting::report(simulation, JOB);
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
async fn all_jobs(simulation: &Arc<Simulation>, summary: &mut Summary) -> Result<Vec<Account>, Violation> {
    summary.helped += user::until_ended(simulation, JOB).await?;
    let mut accounts = vec![user::looked_at(simulation, JOB).await?];
    while let Some(parent) = left_over(&accounts) {
        if accounts.len() > MAX_REDRIVES {
            let what = format!("redrives do not get further: {:?}", parent.report);
            return Err(Violation {
                rule: Rule::Liveness,
                what,
            });
        }
        let id = format!("{JOB}-{}", accounts.len() + 1);
        summary.helped += user::redrive(simulation, &parent.report.job_id, &id).await?;
        accounts.push(user::looked_at(simulation, &id).await?);
    }
    Ok(accounts)
}

/// The last job, if it has left keys.
fn left_over(accounts: &[Account]) -> Option<&Account> {
    let last = accounts.last()?;
    let is_redriven = accounts.len() > 1;
    let report = &last.report;
    // A redrive of failed keys shows once that they still fail.
    let again = (report.state == State::Aborted || report.failed > 0) && !is_redriven;
    (report.pending > 0 || again).then_some(last)
}

/// Waits until nothing is on its way any longer.
async fn aftermath(simulation: &Arc<Simulation>) -> Result<(), Violation> {
    sleep(AFTERMATH).await;
    let mut times = 0;
    while user::send_again(simulation) {
        times += 1;
        if times > MAX_REDRIVES {
            return Err(Violation {
                rule: Rule::Liveness,
                what: "events fail again and again, although nothing goes wrong any longer".to_owned(),
            });
        }
        sleep(AFTERMATH).await;
    }
    user::seen(simulation)?;
    if user::state(simulation, EARLY).is_some() {
        user::until_ended(simulation, EARLY).await?;
        user::looked_at(simulation, EARLY).await?;
    }
    Ok(())
}

/// Checks what has come of the job and its redrives.
fn check(simulation: &Simulation, accounts: &[Account]) -> Result<(), Violation> {
    for account in accounts {
        let (before, job_id) = (&account.report, &account.report.job_id);
        let after = accounting::account(simulation, job_id)?.report;
        if (before.state, before.ok, before.failed) != (after.state, after.ok, after.failed) {
            let what = format!("{job_id} changed after its end, from {before:?} to {after:?}");
            return Err(Violation {
                rule: Rule::Accounting,
                what,
            });
        }
    }
    accounting::check_keys(simulation, accounts)?;
    outputs::check(simulation)
}
