//! What the functions have written of each object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::accounting::lines;
use crate::history::States;
use crate::places::{DESTINATION_BUCKET, EVENTS_PREFIX, JOB_PREFIX, SOURCE_PREFIX};
use crate::rule::{Rule, Violation};
use crate::scenario::is_image;
use crate::scenario::photo::{height, height_of, make, photo};
use crate::simulation::Simulation;

/// Checks every output of the jobs and of the events.
pub fn check(simulation: &Simulation) -> Result<(), Violation> {
    let states = simulation.history.states();
    for prefix in [JOB_PREFIX, EVENTS_PREFIX] {
        check_images(simulation, prefix, &states)?;
        check_records(simulation, prefix, &states)?;
    }
    if simulation.world.scenario.settings.events {
        check_newest(simulation, &states)?;
    }
    Ok(())
}

fn check_images(simulation: &Simulation, prefix: &str, states: &BTreeMap<String, States>) -> Result<(), Violation> {
    let images = format!("{prefix}images/");
    for output in simulation.s3.store().keys(DESTINATION_BUCKET, &images) {
        let key = output[images.len()..]
            .strip_suffix(simulation.world.scenario.settings.ending())
            .unwrap_or_default();
        let known = states
            .get(key)
            .ok_or_else(|| wrong(format!("{output:?} is no object's output")))?;
        if version(simulation, &output, key, known).is_none() {
            return Err(wrong(format!("{output:?} is no state of {key:?}: {known:?}")));
        }
    }
    Ok(())
}

/// The version of which an output is the complete processed form.
fn version(simulation: &Simulation, output: &str, key: &str, states: &States) -> Option<u32> {
    let object = simulation.s3.store().get(DESTINATION_BUCKET, output)?;
    if simulation.world.scenario.settings.images == "transform" {
        let found = height_of(&object.body.bytes());
        return states
            .versions
            .iter()
            .copied()
            .find(|&version| found == Some(height(version)));
    }
    states.versions.iter().copied().find(|&version| {
        let metadata = &object.headers.user_metadata;
        object.body.bytes() == photo(key, version)
            && metadata.get("exif-make") == make(version).as_ref()
            && metadata.get("version") == Some(&version.to_string())
            && object.headers.content_type.as_deref() == Some("image/jpeg")
    })
}

/// Each record says what one version of its object holds.
fn check_records(simulation: &Simulation, prefix: &str, states: &BTreeMap<String, States>) -> Result<(), Violation> {
    for record in lines(simulation, &format!("{prefix}records/"))
        .iter()
        .chain(&sidecars(simulation, prefix))
    {
        let key = record["key"].as_str().unwrap_or_default();
        let key = key.strip_prefix(SOURCE_PREFIX).unwrap_or(key);
        let makes = |version: u32| record["exif"]["make"].as_str().map(str::to_owned) == make(version);
        let sized = |version: u32| record["size"].as_u64() == Some(photo(key, version).len() as u64);
        let known = states.get(key);
        if !known.is_some_and(|states| states.versions.iter().any(|&version| makes(version) && sized(version))) {
            return Err(wrong(format!("a record is of no state of {key:?}: {record}")));
        }
    }
    Ok(())
}

fn sidecars(simulation: &Simulation, prefix: &str) -> Vec<Value> {
    lines(simulation, &format!("{prefix}sidecars/"))
}

/// After all events, each output is of the newest version, unless the failure of its object is recorded.
fn check_newest(simulation: &Simulation, states: &BTreeMap<String, States>) -> Result<(), Violation> {
    if simulation.world.scenario.settings.images == "none" {
        return Ok(());
    }
    let failed: BTreeSet<String> = lines(simulation, &format!("{EVENTS_PREFIX}jobs/events/failed/"))
        .iter()
        .filter_map(|line| line["key"].as_str()?.strip_prefix(SOURCE_PREFIX).map(str::to_owned))
        .collect();
    for (key, states) in states {
        let newest = states.versions.last().copied().unwrap_or_default();
        // The first version was there before events were sent.
        if newest == 0 || states.is_deleted || !is_image(key) || failed.contains(key) {
            continue;
        }
        let output = simulation.world.scenario.settings.output(EVENTS_PREFIX, key);
        let found = version(simulation, &output, key, states);
        if found != Some(newest) {
            let what = format!("{output:?} is of version {found:?}, and the newest is {newest}");
            return Err(wrong(what));
        }
    }
    Ok(())
}

fn wrong(what: String) -> Violation {
    Violation {
        rule: Rule::Outputs,
        what,
    }
}
