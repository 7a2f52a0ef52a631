//! What the reports and files of the jobs say about their keys.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use serde_json::Value;
use shared::protocol::found::{Found, RecordLine};
use shared::protocol::job::{Report, State};

use crate::places::{DESTINATION_BUCKET, EARLY, JOB_PREFIX, SOURCE_PREFIX};
use crate::rule::{Rule, Violation};
use crate::scenario::{Action, is_image};
use crate::simulation::Simulation;

/// What one job says.
pub struct Account {
    pub report: Report,
    /// Keys with a record.
    pub ok: BTreeSet<String>,
    pub failed: BTreeSet<String>,
}

/// Reads and checks the account of a job that has ended.
pub fn account(simulation: &Simulation, job_id: &str) -> Result<Account, Violation> {
    let report =
        report(simulation, job_id).ok_or_else(|| broken(Rule::Accounting, format!("{job_id} has no report")))?;
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
    let records = times(simulation, &format!("{JOB_PREFIX}records/job={job_id}/"));
    let failed = times(simulation, &format!("{JOB_PREFIX}jobs/{job_id}/failed/"));
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
    let has_records = simulation.world.scenario.settings.records == "ndjson";
    if has_records && records.len() as u64 != report.ok {
        return Err(wrong(&format!("{} keys have records", records.len())));
    }
    if failed.len() as u64 != report.failed {
        return Err(wrong(&format!("the files have {} failed keys", failed.len())));
    }
    if report.ignored_by.values().sum::<u64>() != report.ignored {
        return Err(wrong("the reasons do not add up to what was ignored"));
    }
    let actions = &simulation.world.scenario.actions;
    // An older processor does not say what it found.
    let all_say_it = !actions.iter().any(|(_, action)| *action == Action::OldProcessor);
    if has_records && all_say_it && found(simulation, job_id) != report.found {
        return Err(wrong("what was found differs from the records"));
    }
    Ok(Account {
        report,
        ok: records.into_keys().collect(),
        failed: failed.into_keys().collect(),
    })
}

/// Checks a job and its redrives, the last of which is complete.
pub fn check_keys(simulation: &Simulation, accounts: &[Account]) -> Result<(), Violation> {
    let mut ok = BTreeSet::new();
    for account in accounts {
        for key in &account.ok {
            if !ok.insert(key.clone()) {
                let what = format!("{key:?} is ok in two jobs of the chain");
                return Err(broken(Rule::OneOutcome, what));
            }
        }
    }
    let Some(last) = accounts.last() else {
        return Ok(());
    };
    let known = simulation.history.keys();
    if let Some(key) = ok.iter().chain(&last.failed).find(|key| !known.contains(*key)) {
        return Err(broken(Rule::Keys, format!("{key:?} was never in the source")));
    }
    let current = &simulation.world.scenario.current;
    let states = simulation.history.states();
    for (key, states) in states.iter().filter(|(_, states)| states.is_constant) {
        let is_ok = ok.contains(key) || current.contains(key) || is_written(simulation, key);
        let is_done = is_ok || last.failed.contains(key);
        if is_image(key) && !is_done {
            return Err(broken(Rule::Keys, format!("{key:?} has no outcome")));
        }
        let is_current = current.contains(key) && states.versions.len() == 1;
        if is_current && ok.contains(key) {
            return Err(broken(
                Rule::Keys,
                format!("{key:?} was current, but it was not skipped"),
            ));
        }
    }
    Ok(())
}

/// Whether something other than a record in a file shows that a key was processed.
fn is_written(simulation: &Simulation, key: &str) -> bool {
    let settings = &simulation.world.scenario.settings;
    let output = match settings.records {
        "sidecar" => format!("{JOB_PREFIX}sidecars/{key}.json"),
        // No trace is left of what is only counted.
        "none" if settings.images == "none" => return true,
        "none" => settings.output(JOB_PREFIX, key),
        // A redrive beside the others may have made the output that they skip, and has the record.
        _ => {
            let early = format!("{JOB_PREFIX}records/job={EARLY}/");
            return settings.skip_current && times(simulation, &early).contains_key(key);
        }
    };
    simulation.s3.store().get(DESTINATION_BUCKET, &output).is_some()
}

/// `job.json`.
pub fn report(simulation: &Simulation, job_id: &str) -> Option<Report> {
    let file = simulation
        .s3
        .store()
        .get(DESTINATION_BUCKET, &format!("{JOB_PREFIX}jobs/{job_id}/job.json"))?;
    serde_json::from_slice(&file.body.bytes()).ok()
}

/// What the records of a job say, counted again.
fn found(simulation: &Simulation, job_id: &str) -> Found {
    let mut found = Found::default();
    for line in lines(simulation, &format!("{JOB_PREFIX}records/job={job_id}/")) {
        if let Ok(record) = serde_json::from_value::<RecordLine>(line) {
            found.add(&record.excerpt());
        }
    }
    found
}

/// How often each key is in the files below a prefix.
fn times(simulation: &Simulation, prefix: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for line in lines(simulation, prefix) {
        if let Some(key) = line["key"].as_str() {
            let key = if line["url_encoded"] == true {
                decoded(key)
            } else {
                key.to_owned()
            };
            // Relative to the source, as everywhere here.
            let key = key.strip_prefix(SOURCE_PREFIX).unwrap_or(&key);
            *times.entry(key.to_owned()).or_default() += 1;
        }
    }
    times
}

/// The name of an object that was listed as if its key were not UTF-8. It has U+FFFD where the bytes were wrong.
fn decoded(key: &str) -> String {
    let key = key.replace('+', " ");
    percent_decode_str(&key).decode_utf8_lossy().into_owned()
}

/// The JSON lines of all files below a prefix of the destination.
pub fn lines(simulation: &Simulation, prefix: &str) -> Vec<Value> {
    let mut lines = Vec::new();
    for key in simulation.s3.store().keys(DESTINATION_BUCKET, prefix) {
        let Some(file) = simulation.s3.store().get(DESTINATION_BUCKET, &key) else {
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
