//! What the reports and files of the jobs say about their keys.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::protocol::job::{Report, State};

use super::{Rule, Violation};
use crate::scenario::is_image;
use crate::source::{DESTINATION_BUCKET, JOB_PREFIX, SOURCE_PREFIX};
use crate::world::World;

/// What one job says.
pub struct Account {
    pub report: Report,
    /// Keys with a record.
    pub ok: BTreeSet<String>,
    pub failed: BTreeSet<String>,
}

/// Reads and checks the account of a job that has ended.
pub fn account(world: &World, job_id: &str) -> Result<Account, Violation> {
    let report = report(world, job_id).ok_or_else(|| broken(Rule::Accounting, format!("{job_id} has no report")))?;
    let wrong = |what: &str| broken(Rule::Accounting, format!("{what}: {report:?}"));
    if report.listed != report.ignored + report.skipped + report.ok + report.failed + report.pending {
        return Err(wrong("the counts do not add up"));
    }
    if report.state == State::Completed && report.pending > 0 {
        return Err(wrong("a completed job has keys without an outcome"));
    }
    if report.state == State::Running {
        return Err(wrong("job.json says that an ended job runs"));
    }
    let records = times(world, &format!("{JOB_PREFIX}records/job={job_id}/"));
    let failed = times(world, &format!("{JOB_PREFIX}jobs/{job_id}/failed/"));
    if let Some((key, count)) = records.iter().chain(&failed).find(|&(_, &count)| count > 1) {
        return Err(broken(
            Rule::OneOutcome,
            format!("{key:?} is {count} times in the files of {job_id}"),
        ));
    }
    if let Some(key) = records.keys().find(|key| failed.contains_key(*key)) {
        return Err(broken(
            Rule::OneOutcome,
            format!("{key:?} is both ok and failed in {job_id}"),
        ));
    }
    let has_records = world.scenario.settings.records == "ndjson";
    if has_records && records.len() as u64 != report.ok {
        return Err(wrong(&format!("{} keys have records", records.len())));
    }
    if failed.len() as u64 != report.failed {
        return Err(wrong(&format!("the files have {} failed keys", failed.len())));
    }
    Ok(Account {
        report,
        ok: records.into_keys().collect(),
        failed: failed.into_keys().collect(),
    })
}

/// Checks a job and its redrives, the last of which is complete.
pub fn check_keys(world: &World, accounts: &[Account]) -> Result<(), Violation> {
    let mut ok = BTreeSet::new();
    for account in accounts {
        for key in &account.ok {
            if !ok.insert(key.clone()) {
                let what = format!("{key:?} is ok in two jobs of the chain");
                return Err(broken(Rule::OneOutcome, what));
            }
        }
    }
    let Some((first, last)) = accounts.first().zip(accounts.last()) else {
        return Ok(());
    };
    let known = world.history.keys();
    if let Some(key) = ok.iter().chain(&last.failed).find(|key| !known.contains(*key)) {
        return Err(broken(Rule::Keys, format!("{key:?} was never in the source")));
    }
    if world.scenario.settings.records == "ndjson" {
        let states = world.history.states();
        let missing = states.iter().find(|(key, states)| {
            states.is_constant && is_image(key) && !ok.contains(*key) && !last.failed.contains(*key)
        });
        if let Some((key, _)) = missing {
            return Err(broken(Rule::Keys, format!("{key:?} has no outcome")));
        }
    } else {
        let done: u64 = accounts.iter().map(|account| account.report.ok).sum();
        let listed = first.report.listed - first.report.ignored;
        if accounts.len() == 1 && done + last.report.failed != listed {
            return Err(broken(
                Rule::Keys,
                format!("{done} of {listed} keys are ok: {:?}", last.report),
            ));
        }
    }
    Ok(())
}

/// `job.json`.
pub fn report(world: &World, job_id: &str) -> Option<Report> {
    let file = world
        .s3
        .store
        .get(DESTINATION_BUCKET, &format!("{JOB_PREFIX}jobs/{job_id}/job.json"))?;
    serde_json::from_slice(&file.body.bytes()).ok()
}

/// How often each key is in the files below a prefix.
fn times(world: &World, prefix: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for line in lines(world, prefix) {
        if let Some(key) = line["key"].as_str() {
            // Relative to the source, as everywhere here.
            let key = key.strip_prefix(SOURCE_PREFIX).unwrap_or(key);
            *times.entry(key.to_owned()).or_default() += 1;
        }
    }
    times
}

/// The JSON lines of all files below a prefix of the destination.
pub fn lines(world: &World, prefix: &str) -> Vec<Value> {
    let mut lines = Vec::new();
    for key in world.s3.store.keys(DESTINATION_BUCKET, prefix) {
        let Some(file) = world.s3.store.get(DESTINATION_BUCKET, &key) else {
            continue;
        };
        let bytes = file.body.bytes();
        let rows = bytes.split(|&byte| byte == b'\n').filter(|row| !row.is_empty());
        lines.extend(rows.map(|row| serde_json::from_slice(row).unwrap_or(Value::Null)));
    }
    lines
}

fn broken(rule: Rule, what: String) -> Violation {
    Violation { rule, what }
}
